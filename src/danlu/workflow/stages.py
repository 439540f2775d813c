"""What followers of a run are told besides how far training is: what it is about, and which training this one is."""

from __future__ import annotations

from collections.abc import Callable

from danlu.core.progress import About, Progress
from danlu.judging.metrics import curve_metric
from danlu.workflow.material import Material
from danlu.workflow.training import Listener, Trial


def announced(trial: Trial, material: Material, name: str, say: Callable[[Progress], None]) -> Trial:
    """Say what a run is about, now that its data is read and its networks are chosen; return the trial as it is."""
    schema, plan = material.examined.schema, trial.plan
    about = About(
        name=name,
        source=material.source,
        target=schema.target.names,
        task=schema.target.task,
        classes=len(schema.target.classes),
        rows=material.rows.used,
        columns=len(schema.columns),
        left_out=len(schema.left_out),
        image=None if schema.image is None else schema.image.shape,
        folds=trial.folds.words,
        networks=len(trial.folds.train),
        parameters=trial.network.count,
        epochs=plan.epochs or 0,
        metric=curve_metric(schema.target, plan.metric),
        traps=tuple(f"{trap.fault.rstrip('.')}: {trap.evidence}. {trap.cure}" for trap in material.examined.traps),
    )
    say(Progress(stage="preparing", about=about))
    return trial


def staged(on_progress: Listener, stage: str) -> Listener:
    """Return a listener that is told of training by another name than "train".

    >>> said = []
    >>> staged(said.append, "refit")(Progress(stage="train", epoch=1))
    >>> said[0].stage, said[0].epoch
    ('refit', 1)
    """
    if on_progress is None:
        return None
    tell = on_progress
    return lambda progress: tell(progress.model_copy(update={"stage": stage}))
