"""`danlu.plot`: pictures of what networks are made of and of what they did, by name.

Each kind is a function that takes its arguments and returns a `Figure`, and lives in a module that is loaded when the
picture is asked for. Its signature is all that the command line knows: positional parameters are arguments, others are
options, and what stands in `Annotated` is their help.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from danlu.core.errors import PlanError, nearest

if TYPE_CHECKING:
    from danlu.report.figures import Figure


class Kind(NamedTuple):
    """Where the function of a kind lives ("module:function"), and one line about it."""

    home: str
    about: str


KINDS: dict[str, Kind] = {
    "activations": Kind("danlu.workflow.pictures:activations", "Each activation and its derivative."),
    "losses": Kind("danlu.workflow.pictures:losses", "Each loss and its gradient."),
    "schedules": Kind("danlu.workflow.pictures:schedules", "Learning rates over the epochs."),
    "initialisations": Kind(
        "danlu.workflow.pictures:initialisations", "Activations and gradients through 20 layers; the symmetric start."
    ),
    "softmax": Kind("danlu.workflow.pictures:softmax", "Softmax of logits, and its Jacobian."),
    "curves": Kind("danlu.workflow.pictures:curves", "Loss and accuracy of a saved model after each epoch."),
    "history": Kind("danlu.workflow.pictures:curves", "The same, by its older name."),
    "predictions": Kind("danlu.workflow.pictures:predictions", "Predictions of a saved model beside the truth."),
    "confusion": Kind("danlu.workflow.pictures:confusion", "Which class a saved model takes for which."),
    "gallery": Kind("danlu.workflow.image_pictures:gallery", "Images with their true and predicted class."),
    "mistakes": Kind("danlu.workflow.image_pictures:mistakes", "The images that a model is most confidently wrong on."),
    "weights": Kind("danlu.workflow.image_pictures:weights", "First-layer weights as pictures."),
    "saliency": Kind("danlu.workflow.image_pictures:saliency", "Which pixels of an image move the answer."),
    "boundaries": Kind("danlu.workflow.boundaries:boundaries", "What 0, 1 and 2 hidden layers can separate."),
    "learning-curve": Kind("danlu.workflow.growth:learning_curve", "The score for growing numbers of training rows."),
}
"""All kinds of `danlu plot`, in the order in which they are listed."""


def plot(kind: str, *arguments: Any, path: str | Path | None = None, force: bool = False, **options: Any) -> Figure:
    """Draw a picture: of what networks are made of, or of what a model did.

    Arguments:
        kind: one of `KINDS`; `danlu plot --help` lists them, `danlu plot KIND --help` what each takes.
        arguments: of the kind: names of activations, a model, ...
        path: a file to write as well: .png, .svg, .pdf, or .html for a page.
        force: whether a file that exists is replaced.
        options: of the kind.

    Returns:
        A `Figure`: `.save(path)` writes it, `.data` holds its numbers as columns, and a notebook shows it.

    Raises:
        PlanError: there is no such kind, or it takes no such argument.
        OutputError: the file exists and `force` is off, or it cannot be written.

    >>> figure = plot("activations", "sigmoid")
    >>> figure.facts["sigmoid"]["steepest"]
    {'x': 0.0, 'derivative': 0.25}
    """
    make = function_of(kind)
    if path is not None:
        from danlu.report.figures import check_picture  # noqa: PLC0415  refused before the work, not after

        check_picture(Path(path), force=force)
    figure = make(*arguments, **checked(kind, make, options))
    if path is not None:
        figure.save(path, force=force)
    return figure


def function_of(kind: str) -> Callable[..., Figure]:
    """Return the function of a kind.

    Raises:
        PlanError: there is none of that name.
    """
    if kind not in KINDS:
        raise PlanError("`kind` must be a picture that Danlu knows", f"got {kind!r}", nearest(str(kind), KINDS))
    module, _, name = KINDS[kind].home.partition(":")
    return getattr(importlib.import_module(module), name)


def checked(kind: str, make: Callable[..., Figure], options: dict[str, Any]) -> dict[str, Any]:
    """Return the options, all of which the kind knows.

    Raises:
        PlanError: one is unknown.
    """
    import inspect  # noqa: PLC0415

    known = [p.name for p in inspect.signature(make).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            remedy = nearest(name, known) if known else "Leave it out."
            raise PlanError(f"`{name}` must be an option of {kind}", "there is none of that name", remedy)
    return options
