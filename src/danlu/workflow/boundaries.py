"""`danlu plot boundaries`: decision boundaries of 0, 1 and 2 hidden layers, on made points or a table's two columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from danlu.core.errors import DataError, PlanError, nearest
from danlu.core.parsing import split_names
from danlu.core.plan import make_plan
from danlu.core.seeds import stream
from danlu.report.figures import Figure

if TYPE_CHECKING:
    from danlu.data import Examined
    from danlu.explanation.boundaries import Plane

HELD_OUT = 2000
"""Points of a made set that are held out: their accuracy is known within about two points of a hundred."""
HELD_SHARE = 0.3
MOST_ROWS = 4000
"""Rows of a table that are learnt from: the picture would not change with more."""
MOST_CLASSES = 4


def boundaries(  # noqa: PLR0913  one option each
    data: Annotated[Any, "moons, circles, xor, spirals; or a table with two number columns and a class."] = "moons",
    *,
    target: Annotated[str | None, "Column of the class, of a table."] = None,
    columns: Annotated[str | None, "Two number columns of a table: a,b."] = None,
    points: Annotated[int | None, "Points to learn from, of a made set (100)."] = None,
    noise: Annotated[float | None, "How far points of a made set are scattered."] = None,
    width: Annotated[int, "Units of a hidden layer."] = 32,
    activation: Annotated[str | None, "Activation of hidden layers (relu)."] = None,
    weight_decay: Annotated[float, "Weight decay (L2) of the second row of panels."] = 0.01,
    members: Annotated[int, "Networks in each panel: seeds."] = 6,
    epochs: Annotated[int | None, "Steps on all points at once (1000)."] = None,
    lr: Annotated[float | None, "Learning rate of Adam (0.01)."] = None,
    seed: Annotated[int, "Decides points and networks."] = 0,
) -> Figure:
    """Draw what networks with 0, 1 and 2 hidden layers make of points in the plane, without and with weight decay.

    Every panel shows several networks, trained as one population, and how many held-out points their mean gets right.

    Arguments:
        data: the name of a set, a path, or a table in Python.

    Raises:
        PlanError: a setting is out of range or does not belong to what is drawn.
        DataError: the table has not two number columns and a class of 2 to 4 values.
    """
    if not weight_decay > 0:
        raise PlanError("`weight_decay` must be above 0", f"got {weight_decay}", "Use weight_decay=0.01.")
    if not 1 <= width <= 4096:
        raise PlanError("`width` must be from 1 to 4096", f"got {width}", "Use width=32.")
    settings = {"activation": activation, "epochs": epochs, "lr": lr, "seed": seed}
    make_plan(**{name: value for name, value in settings.items() if value is not None})  # refused before the work
    from danlu.explanation import boundaries as numbers  # noqa: PLC0415  loads torch
    from danlu.explanation.points import SETS  # noqa: PLC0415
    from danlu.report.pictures.boundaries import boundaries as drawn  # noqa: PLC0415

    made = isinstance(data, str) and (data in SETS or not (Path(data).suffix or Path(data).exists()))
    if made:
        _refuse({"target": target, "columns": columns}, f"a table, not to {data}" if data in SETS else "a table")
        plane = _made(data, points, noise, seed)
    else:
        _refuse({"points": points, "noise": noise}, f"a made set ({', '.join(SETS)}), not to a table")
        plane = _from_table(data, target, columns, seed)
    found = numbers.boundaries(plane, ((), (width,), (width, width)), (0.0, weight_decay), members=members, **settings)
    lead = (
        f"{members} networks in each panel, hidden layers of {width} units, {len(plane.x_N2):,} points to learn from."
    )
    return drawn(vars(plane), (found.x_G, found.y_G), [vars(each) for each in found.found], lead)


def _refuse(settings: dict[str, Any], belongs: str) -> None:
    for name, value in settings.items():
        if value is not None:
            raise PlanError(f"`{name}` belongs to {belongs}", f"got {value}", "Leave it out.")


def _made(name: str, points: int | None, noise: float | None, seed: int) -> Plane:
    """Return points of a set, and others of it that are held out."""
    from danlu.explanation.boundaries import Plane  # noqa: PLC0415  loads torch
    from danlu.explanation.points import SETS, point_set  # noqa: PLC0415

    if name not in SETS:
        remedy = f"{nearest(name, SETS)} A table is a file: {name}.csv."
        raise PlanError(f"DATA must be {', '.join(SETS)}, or a table", f"got {name!r}", remedy)
    x_N2, class_N = point_set(name, 100 if points is None else points, noise, seed=seed)
    held_T2, held_class_T = point_set(name, HELD_OUT, noise, seed=seed, part="held out")
    return Plane(name, ("x", "y"), ("0", "1"), x_N2, class_N, held_T2, held_class_T)


def _from_table(data: Any, target: str | None, columns: str | None, seed: int) -> Plane:
    """Return the points of a table, three in ten of them held out."""
    from danlu.data import examine, read  # noqa: PLC0415  loads pyarrow
    from danlu.data.fold_ways import hold_out  # noqa: PLC0415
    from danlu.explanation.boundaries import Plane  # noqa: PLC0415

    if target is None:
        raise PlanError("a table needs the column of the class", "got no `target`", "Use target=COLUMN.")
    examined = examine(read(data), make_plan(target=target, task="classification"))
    axes, classes = _axes(examined, columns), examined.target.schema.classes
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise DataError(f"`target` must have 2 to {MOST_CLASSES} classes", f"got {len(classes):,}", "Name another.")
    values = {column.name: column.values for column in examined.table.columns}
    x_N2, class_N = np.stack([values[name] for name in axes], axis=1), examined.target.values
    there = np.flatnonzero(np.isfinite(x_N2).all(1))
    random = np.random.Generator(np.random.PCG64(stream(seed, "points", "table")))
    there = np.sort(random.permutation(there)[: round(MOST_ROWS / (1 - HELD_SHARE))])
    if len(there) < 10:
        raise DataError(
            "the table must have at least 10 rows with both numbers", f"got {len(there)}", "Give more rows."
        )
    held_N = hold_out(class_N[there], len(there), HELD_SHARE, random)
    kept, held = there[~held_N], there[held_N]
    name = Path(data).name if isinstance(data, str | Path) else "the table"
    axis_names = (axes[0], axes[1])
    return Plane(name, axis_names, classes, x_N2[kept], class_N[kept], x_N2[held], class_N[held])


def _axes(examined: Examined, columns: str | None) -> list[str]:
    """Return the two number columns.

    Raises:
        DataError: there are not two of them, or those named are none.
    """
    numbers = [column.name for column in examined.schema.columns if column.kind == "number"]
    if columns is None and len(numbers) == 2:
        return numbers
    shown = ", ".join(numbers[:10]) + (" ..." if len(numbers) > 10 else "") or "none"
    if columns is None:
        remedy = f"Name two with columns={numbers[0]},{numbers[1]}." if len(numbers) > 2 else ""
        raise DataError("a plane has two number columns", f"the table has {len(numbers):,}: {shown}", remedy)
    named = list(split_names(columns))
    for name in named:
        if name not in numbers:
            # Without the marks of a setting: a column may be called `width`.
            remedy = nearest(name, numbers).replace("`", "")
            raise DataError("`columns` must name number columns", f"got {name}", remedy)
    if len(named) != 2 or named[0] == named[1]:
        raise PlanError("`columns` must name two columns", f"got {columns}", "Use columns=a,b.")
    return named
