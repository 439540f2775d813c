"""How to use this very model: command lines and Python that can be copied."""

from __future__ import annotations

import json
import shlex

from danlu.core.records import ColumnSchema, Run
from danlu.report.markup import Html, join, plain, tag
from danlu.report.parts import Part

MOST_CELLS = 8


def folder(run: Run) -> str:
    """Return the name of the model's folder."""
    return run.name if run.name.endswith(".danlu") else f"{run.name}.danlu"


def _code(text: str, label: str) -> Html:
    return tag("pre", tag("code", plain(text)), tabindex="0", role="region", aria_label=label)


def commands(run: Run) -> str:
    """Return command lines for the model.

    A file or name that begins with a dash is written so that it is not taken for an option.
    """
    name = folder(run)
    model = shlex.quote(f"./{name}" if name.startswith("-") else name)
    again = "" if run.network.module is None else f" --net {shlex.quote(_class_file(run))}"
    return "\n".join(
        (
            f"danlu predict {model} {new(run)} -o predictions.csv{again}",
            f"danlu score {model} {'LABELLED.csv' if run.table.image is None else 'LABELLED_FOLDER'}{again}",
            f"danlu show {model}",
        )
    )


def new(run: Run) -> str:
    """Return a word for new rows: a file, or a folder of images."""
    return "NEW.csv" if run.table.image is None else "FOLDER"


def _class_file(run: Run) -> str:
    """Return what names the user's class on the command line."""
    assert run.network.module is not None
    name = run.network.module.name
    return name if ".py:" in name else f"FILE.py:{name if name.isidentifier() else 'CLASS'}"


def _cell(column: ColumnSchema) -> object:
    """Return a value of the column as Python writes it."""
    if column.word:
        return column.word
    if column.kind == "number":
        middle = column.low if column.high is None or column.low is None else (column.low + column.high) / 2
        try:
            return float(column.example)
        except ValueError:
            return 0.0 if middle is None else float(f"{middle:.4g}")
    return column.example or (column.levels[0] if column.levels else None)


def _literal(value: object) -> str:
    """Write a value as Python, texts in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def python(run: Run) -> str:
    """Return Python lines for the model, with a row such as it expects."""
    columns = list({column.given: column for column in run.table.columns}.values())
    cells = [f"    {_literal(column.given)}: [{_literal(_cell(column))}]," for column in columns[:MOST_CELLS]]
    rest = [f"    # and {len(columns) - MOST_CELLS:,} more"] if len(columns) > MOST_CELLS else []
    again = "" if run.network.module is None else f", net={_literal(_class_file(run))}"
    one = ["model.predict({", *cells, *rest, "})"]
    return "\n".join(
        (
            "import danlu",
            "",
            f"model = danlu.load({_literal(folder(run))}{again})",
            f'model.predict("{new(run)}")',
            *(one if run.table.image is None else ["model.predict(images)  # an array [N, H, W] or [N, H, W, 3]"]),
            f'model.score("{"LABELLED.csv" if run.table.image is None else "LABELLED_FOLDER"}")',
            "module = model.to_torch()  # a plain torch.nn.Module",
        )
    )


def use(run: Run) -> Part:
    """Show how the model is used."""
    content = tag(
        "div",
        tag("div", tag("h3", "Command line"), _code(commands(run), "Command lines")),
        tag("div", tag("h3", "Python"), _code(python(run), "Python lines")),
        class_="panels",
    )
    return Part("use", "How to use it", join(content))
