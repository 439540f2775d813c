"""`danlu plot learning-curve`: the learning curve over training size of a model that was fitted with one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from danlu.core.errors import PlanError
from danlu.report.figures import Figure


def learning_curve(model: Annotated[Any, "Model that was fitted with --learning-curve."]) -> Figure:
    """Draw the score for growing numbers of rows learnt from, and what twice the rows would bring.

    Arguments:
        model: a folder, or a `danlu.Model`.

    Raises:
        ArtifactError: there is no such model.
        PlanError: it was fitted without a learning curve.
    """
    from danlu.report.pictures.learning_curve import figure  # noqa: PLC0415
    from danlu.workflow.model import load  # noqa: PLC0415  loads torch

    run = (load(model) if isinstance(model, str | Path) else model).run
    if run.learning_curve is None:
        raise PlanError(
            "`learning-curve` needs a model that was fitted with one",
            f"{run.name} has none",
            "Fit again with learning_curve=true.",
        )
    return figure(run.learning_curve, f"{', '.join(run.table.target.names)} from {Path(run.source).name or run.source}")
