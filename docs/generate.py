"""Write the pages that are made from the source: docs/plan.md and docs/schema/*.schema.json."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from danlu.cli.answer import FitAnswer
from danlu.cli.check_answer import CheckAnswer
from danlu.cli.flags import flag
from danlu.cli.options import PANELS, about, is_switch
from danlu.cli.search_answer import SearchAnswer
from danlu.core.plan import Plan

ROOT = Path(__file__).resolve().parents[1]
HEAD = """# The plan

Every setting of `danlu fit`. The same names serve in Python (`danlu.fit(table, "price", folds=10)`), in plan
files (`folds = 10`) and, with dashes, on the command line (`--folds 10`). What is not given is chosen by Danlu;
`danlu show MODEL --plan` prints what it chose.

This page is made from the source by `make docs`.
"""


def plan_page() -> str:
    """Return docs/plan.md: one table a group of settings."""
    parts = [HEAD]
    for group, title in PANELS.items():
        rows = []
        for name, field in Plan.model_fields.items():
            extra = field.json_schema_extra
            if not isinstance(extra, dict) or extra.get("group") != group:
                continue
            option = "" if name == "data" else f"`{flag(name)}`"
            if is_switch(field) and field.default is not False:
                option += f", `--no-{flag(name)[2:]}`"
            rows.append(f"| `{name}` | {option} | {about(field)} |")
        parts.append(f"## {title}\n\n| setting | option | |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def schema(answer: type[BaseModel]) -> str:
    """Return the JSON Schema of what a command prints with `--json`."""
    content = answer.model_json_schema(mode="serialization")
    content["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def pages() -> dict[str, str]:
    """Return all generated pages by their path from the root."""
    return {
        "docs/plan.md": plan_page(),
        "docs/schema/check.schema.json": schema(CheckAnswer),
        "docs/schema/fit.schema.json": schema(FitAnswer),
        "docs/schema/search.schema.json": schema(SearchAnswer),
    }


if __name__ == "__main__":
    for path, content in pages().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(content, encoding="utf-8")
