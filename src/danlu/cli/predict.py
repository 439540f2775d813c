"""`danlu predict`: the rows of a table, in their order, with what a saved model says of each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from danlu.cli.fit import AsJson
from danlu.cli.options import READING, StrictCommand, reading, split_names, with_settings
from danlu.core.addresses import masked
from danlu.core.errors import PlanError
from danlu.core.paths import check_new_file

app = typer.Typer(add_completion=False)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Folder of a model (NAME.danlu).")]
Net = Annotated[
    str | None,
    typer.Option("--net", metavar="FILE.py:CLASS", help="The class of your own that the model was trained with."),
]
Data = Annotated[str, typer.Argument(metavar="DATA", help="Table with the model's columns, or - for standard input.")]


@app.command("predict", cls=StrictCommand, context_settings={"help_option_names": ["-h", "--help"]})
@with_settings(READING)
def predict_command(  # noqa: PLR0913  one parameter an option
    model: Model,
    data: Data,
    *,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help=".csv, .tsv, .jsonl (.gz), .parquet, .feather; else standard output."
        ),
    ] = None,
    proba: Annotated[bool, typer.Option("--proba", help="Probability of each class as well.")] = False,
    interval: Annotated[
        float | None,
        typer.Option("--interval", metavar="SHARE", help="Ends of intervals that hold this share of truths, as 0.9."),
    ] = None,
    quantiles: Annotated[
        str | None, typer.Option("--quantiles", metavar="SHARES", help="Values below which 0.1,0.5,0.9 of truths lie.")
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", metavar="COL[,COL]", help="Columns of DATA to write as well.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output file.")] = False,
    net: Net = None,
    as_json: AsJson = False,
    **settings: Any,
) -> None:
    """Predict the rows of a table with a saved model.

    Rows stay in their order; columns the model does not know are ignored, and said.

    With --interval come columns low and high, with --quantiles q0.1 and so on: from errors on rows that the networks
    had not seen.
    """
    from danlu.cli.answer import by_topic, print_json  # noqa: PLC0415
    from danlu.cli.terminal import err, say_notes  # noqa: PLC0415

    kept, shares = split_names(keep or []), _shares(quantiles)
    if interval is not None and not 0 < interval < 1:
        raise PlanError("`interval` must be between 0 and 1", f"got {interval:g}", "Use --interval 0.9.")
    to_file = output is not None and output != "-"
    if as_json and kept and not to_file:
        raise PlanError("`keep` belongs to a table", "got --json without a file", "Give -o FILE, or leave it out.")
    if output is not None and to_file:
        check_new_file(Path(output), force=force)
    from danlu.data import RawTable, write  # noqa: PLC0415  loads pyarrow
    from danlu.data.write import formula_notes  # noqa: PLC0415
    from danlu.workflow.model import load  # noqa: PLC0415  loads torch

    loaded = load(model, net=net)
    raw = loaded.read(data, reading(settings, loaded.run.plan))
    predictions = loaded.predictions(raw, sure=interval is not None or bool(shares))
    columns = _named(raw, kept) | predictions.columns(proba=proba) | predictions.sure_columns(interval, shares)
    say_notes(err(), predictions.warnings)
    if to_file or not as_json:
        say_notes(err(), formula_notes(predictions.target.classes, output))
        table = raw if isinstance(raw, RawTable) else None
        write(output or "-", columns, keep=table, keep_names=kept, force=force, exact=("prediction",))
    rows = len(next(iter(columns.values())))
    if as_json:
        answer: dict[str, Any] = {"model": model, "data": masked(data), "rows": rows, "output": output}
        answer |= {"columns": list(columns), "warnings": by_topic(predictions.warnings)}
        print_json(answer | ({} if to_file else {"predictions": columns}))
    elif to_file:
        err().print(f"{rows:,} predictions in {output}", soft_wrap=True)


def _shares(text: str | None) -> tuple[float, ...]:
    """Return the shares of `--quantiles`, in their order, each once.

    Raises:
        PlanError: one is no number between 0 and 1.

    >>> _shares("0.1, 0.9")
    (0.1, 0.9)
    """
    shares = []
    for part in split_names([text]) if text is not None else ():
        try:
            share = float(part)
        except ValueError:
            share = -1.0
        if not 0 < share < 1:
            raise PlanError("`quantiles` must be between 0 and 1", f"got {part!r}", "Use --quantiles 0.1,0.5,0.9.")
        shares.append(share)
    if text is not None and not shares:
        raise PlanError("`quantiles` must name a share", "got none", "Use --quantiles 0.1,0.5,0.9.")
    return tuple(dict.fromkeys(shares))


def _named(raw: Any, kept: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """Return a column with the file of each image; nothing for a table, or for images without files.

    Raises:
        PlanError: columns of images are to be kept.
    """
    from danlu.data.images import ImageSet  # noqa: PLC0415  loads numpy

    if not isinstance(raw, ImageSet):
        return {}
    if kept:
        raise PlanError("`keep` belongs to a table", "got images", "Leave it out: their files are named.")
    return {} if raw.names is None else {"file": list(raw.names)}
