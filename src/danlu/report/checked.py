"""The page of a check: what a table holds, and what of it would mislead."""

from __future__ import annotations

from pathlib import Path

from danlu.core.checked import Checked
from danlu.report.document import document, masthead
from danlu.report.markup import Html, facts, join, named, table, tag
from danlu.report.parts import Part, findings_list
from danlu.report.words import count, listed

MOST_CLASSES = 200


def checked_page(found: Checked) -> str:
    """Return the whole page as text."""
    parts = [
        part for part in (_opening(found), _findings(found), _columns(found), _classes(found), _bad(found)) if part
    ]
    name = Path(found.data).name
    header = masthead(
        join("Check of ", named(name, 80)), name="danlu check", links=[(part.id, part.title) for part in parts]
    )
    return document(f"Check of {name}", header, [part.html() for part in parts])


def _opening(found: Checked) -> Part:
    """Say how much there is, what was decided, and whether it is refused."""
    content: list[Html] = []
    if found.refused is not None:
        said = f"{found.refused.rule}, {found.refused.fact}. {found.refused.remedy}"
        content.append(tag("p", tag("strong", "Refused: "), said, class_="alert", role="note"))
    pairs: list[tuple[object, object]] = []
    if found.rows is not None:
        rows = {
            "Rows read": found.rows.read,
            "Rows to learn from": found.rows.used,
            "Without a target": found.rows.without_target,
            "Without a weight": found.rows.without_weight,
            "Lines before the table": found.rows.skipped,
            "Rows that cannot be read": found.rows.bad,
        }
        pairs += [(name, f"{rows[name]:,}") for place, name in enumerate(rows) if place < 2 or rows[name]]
    if found.task is not None:
        pairs.append(("Target", join(named(listed(list(found.target), 6)), f" ({found.task})")))
    pairs += [(note.topic, note.text) for note in found.inferred]
    content.append(facts(pairs, class_="facts wide"))
    return Part("table", "What was read", join(content))


def _findings(found: Checked) -> Part:
    """List what would mislead: fault, evidence, cure."""
    said = "Nothing was found." if found.target else "Not looked for: that needs a target."
    return Part("traps", "What would mislead", findings_list(found.findings, said))


def _columns(found: Checked) -> Part | None:
    """List the columns, those that are left out behind the others."""
    if not found.columns and not found.left_out:
        return None
    rows = [
        [named(column.name, 80), column.kind, named(column.why, 200), f"{column.missing:,}", named(column.example, 60)]
        for column in found.columns
    ]
    rows += [[named(column.name, 80), "left out", named(column.reason, 200), "", ""] for column in found.left_out]
    head = ("Column", "Kind", "Why", "Missing", "Example")
    title = count(len(found.columns), "column")
    content = table(head, rows, caption="Columns", right=(3,), class_="tall" if len(rows) > 20 else None)
    return Part("columns", f"{title} to learn from", content, short="Columns")


def _classes(found: Checked) -> Part | None:
    """List the classes with their rows."""
    if not found.classes:
        return None
    rows = [[named(name, 80), f"{rows:,}"] for name, rows in zip(found.classes, found.class_rows, strict=True)]
    more = tag("p", f"And {len(rows) - MOST_CLASSES:,} more.", class_="note") if len(rows) > MOST_CLASSES else None
    drawn = table(("Class", "Rows"), rows[:MOST_CLASSES], caption="Classes", right=(1,), class_="narrow")
    return Part("classes", count(len(rows), "class", "classes"), join(drawn, more), short="Classes")


def _bad(found: Checked) -> Part | None:
    """List the rows that cannot be read."""
    if not found.bad_rows:
        return None
    rows = [[f"{row.line:,}", row.why] for row in found.bad_rows]
    return Part(
        "bad", "Rows that cannot be read", table(("Line", "Why"), rows, caption="Bad rows", class_="narrow tall")
    )
