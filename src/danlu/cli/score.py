"""`danlu score`: how good a saved model is on a table whose target is known."""

from __future__ import annotations

from typing import Any

import typer

from danlu.cli.fit import AsJson
from danlu.cli.options import READING, StrictCommand, reading, with_settings
from danlu.cli.predict import Data, Model, Net
from danlu.core.addresses import masked

app = typer.Typer(add_completion=False)


@app.command("score", cls=StrictCommand, context_settings={"help_option_names": ["-h", "--help"]})
@with_settings(READING)
def score_command(model: Model, data: Data, *, net: Net = None, as_json: AsJson = False, **settings: Any) -> None:
    """Judge a saved model on a table whose target is known.

    The score is honest only for rows that the model was not fitted on.
    """
    from danlu.cli.answer import by_topic, print_json  # noqa: PLC0415
    from danlu.cli.summary import print_metrics  # noqa: PLC0415
    from danlu.cli.terminal import err, out, say_notes  # noqa: PLC0415
    from danlu.workflow.model import load  # noqa: PLC0415  loads torch

    loaded = load(model, net=net)
    scores, warnings = loaded.judge(data, reading(settings, loaded.run.plan))
    say_notes(err(), warnings)
    if as_json:
        rows = next(iter(scores.values())).rows
        answer: dict[str, Any] = {"model": model, "data": masked(data), "rows": rows, "score": scores}
        print_json(answer | {"warnings": by_topic(warnings)})
    else:
        print_metrics(out(), scores)
