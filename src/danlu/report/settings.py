"""The settings of a run, its seconds and its machine."""

from __future__ import annotations

from danlu.core.records import Run
from danlu.report import tables
from danlu.report.markup import Html, facts, join, named, tag
from danlu.report.parts import Part


def plan(run: Run) -> Part:
    """List the settings and the machine."""
    machine = [(key.replace("_", " ").capitalize(), named(value)) for key, value in run.machine.items()]
    content = join(tables.plan(run), _block("Machine", facts(machine)))
    return Part("plan", "Settings and machine", content, (), "Settings")


def _block(title: str, content: Html) -> Html:
    return tag("div", tag("h3", title), content, class_="block")
