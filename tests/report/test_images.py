"""A model of images speaks of images."""

from __future__ import annotations

import re

from danlu.core.records import ImageSchema
from danlu.report import page


def test_rows_and_tables_are_not_spoken_of(examples) -> None:
    run, arrays = examples.classification(4)
    schema = run.table.model_copy(
        update={"image": ImageSchema(channels=1, height=8, width=8), "columns": (), "left_out": ()}
    )
    tested = {name: score.model_copy(update={"kind": "test"}) for name, score in run.scores.items()}
    explained = run.explained.model_copy(
        update={"importance": None, "dependence": (), "slices": None, "worst": (), "spreads": ()}
    )
    rows = run.rows.model_copy(update={"test": 100})
    update = {"table": schema, "test": tested, "explained": explained, "rows": rows, "inferred": ()}
    text = page(run.model_copy(update=update), arrays)
    shown = re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL)
    said = re.sub(r"<[^>]+>", " ", shown)
    assert "on 3,000 images of the test images, scored once at the end" in re.sub(r"\s+", " ", said)
    said = said.replace("the tables below do not", "")  # where no script runs
    assert re.findall(r".{30}\b(?:rows?|tables?)\b.{20}", said, flags=re.IGNORECASE) == []
