"""`danlu.minimize`: descents of any differentiable function, and their pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from danlu.explanation.descent_records import DescentRecord
from danlu.explanation.descent_walk import OnStep
from danlu.explanation.minimize import STEPS
from danlu.explanation.minimize import minimize as descend


@dataclass(frozen=True, repr=False)
class Descent(DescentRecord):
    """Descents of one function: the numbers of a `DescentRecord`, and ways to look at them."""

    def page(self, path: str | Path, *, force: bool = False) -> Path:
        """Write one self-contained page: contour with paths (or f over the steps), surface, tables.

        Raises:
            OutputError: the file exists and `force` is off, or it cannot be written.
        """
        from danlu.report.descent import write_page  # noqa: PLC0415  only who looks needs it

        return write_page(self, path, force=force)

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the contour with paths, or f over the steps, as .svg, .png or .pdf, or the page as .html.

        Raises:
            PlanError: another ending.
            OutputError: the file exists and `force` is off, or it cannot be written.
        """
        from danlu.report.contour import figure  # noqa: PLC0415
        from danlu.report.figures import check_picture  # noqa: PLC0415

        if check_picture(Path(path), force=force) == "html":
            return self.page(path, force=force)
        return figure(self).save(path, force=force)

    def surface(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the function of two variables as a surface with the paths on it, as .svg, .png or .pdf.

        Raises:
            PlanError: another ending, or another number of variables.
            OutputError: the file exists and `force` is off, or it cannot be written.
        """
        from danlu.report.surface import write_surface  # noqa: PLC0415

        return write_surface(self, Path(path), force=force)

    def _repr_html_(self) -> str:
        """Return the picture for a notebook."""
        from danlu.report.contour import figure  # noqa: PLC0415

        return figure(self)._repr_html_()


def minimize(  # noqa: PLR0913  a function, where from, and how: one option each
    f: str | Callable[..., Any],
    start: Any = None,
    *,
    starts: int | None = None,
    box: Any = None,
    variables: int | None = None,
    optimizer: str | Sequence[str] = "adam",
    lr: float | str | Sequence[float] | None = None,
    momentum: float | None = None,
    nesterov: bool | None = None,
    schedule: str | None = None,
    steps: int = STEPS,
    every: int | None = None,
    dtype: str = "float64",
    seed: int = 0,
    on_step: OnStep = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> Descent:
    """Minimise a differentiable function of n variables, from all starts and with all settings as one population.

    Every start is a member with every optimizer at every learning rate, and all members take their steps together. The
    steps are the engine's own; each equals its namesake's in torch.optim.

    Arguments:
        f: a name (himmelblau, rosenbrock, beale, rastrigin, ackley, quadratic, saddle); an expression such as
            "x**2 + sin(y)", or "sum(x**2)" of a list, which is parsed and never run as Python; or a Python function of
            torch tensors, of one tensor `[n]` or of n numbers.
        start: n numbers, several starts `[S, n]`, or numbers by the names of variables.
        starts: how many are spread over the box instead, by a scrambled Sobol sequence (100).
        box: lowest and highest value, (-5, 5) or one pair for each variable; the function's usual box.
        variables: how many, of a function of a list (2).
        optimizer: sgd, adam, adamw, rmsprop, adagrad; several as "adam,sgd" or a list.
        lr: learning rate, or several. Where none is named Danlu chooses one by the width of the box, and lets all but
            sgd's fall to 0 along a cosine; a rate that is named stays constant.
        momentum: of sgd and rmsprop.
        nesterov: Nesterov's momentum, with sgd.
        schedule: of the learning rate, as in `danlu.Plan`; one step counts as an epoch.
        steps: of every member.
        every: steps between two entries of the paths (a tenth of them).
        dtype: float32 or float64, of the descent; stationary points are always classified in float64.
        seed: decides the starts.
        on_step: called with the steps taken, those in all, and the lowest f now.
        stop: asked now and then; when it says yes, the descents end where they are.

    Returns:
        A `Descent`: `path_x_KMN` and `path_f_KM` hold x and f of the same moment, from before a step; `minima` and
        `points` where members ended, classified by the Hessian's eigenvalues. Their x is what Newton's method in
        float64 makes of the optimizer's, which is kept as `found_x`.

    Raises:
        PlanError: an expression with anything but arithmetic and known functions, or a setting out of range.
        DataError: f is not finite, or has no derivative, where it starts; or a Python function fails.

    >>> found = minimize("himmelblau", starts=50)
    >>> [tuple(round(v, 3) for v in point.x) for point in sorted(found.minima, key=lambda p: p.x)]
    [(-3.779, -3.283), (-2.805, 3.131), (3.0, 2.0), (3.584, -1.848)]
    >>> saddle = minimize("x**2 - y**2", (1, 0), optimizer="sgd", lr=0.1, steps=500)
    >>> saddle.status_M, saddle.points[0].kind, saddle.points[0].eigenvalues
    (('stalled at a saddle',), 'saddle', (-2.0, 2.0))
    """
    record = descend(
        f,
        start,
        starts=starts,
        box=box,
        variables=variables,
        optimizer=optimizer,
        lr=lr,
        steps=steps,
        every=every,
        dtype=dtype,
        seed=seed,
        on_step=on_step,
        stop=stop,
        momentum=momentum,
        nesterov=nesterov,
        schedule=schedule,
    )
    return Descent(**{each.name: getattr(record, each.name) for each in fields(record)})
