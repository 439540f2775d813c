"""A figure: panels drawn as Vega-Lite, the numbers behind them as plain columns, written as PNG, SVG, PDF or a page.

Panels are `charts.Chart` records, as in the report; a figure adds what stands around them. A page lets the browser
place the panels, and follows light and dark; a picture is always light, in the colours of the page's light theme.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from danlu._version import __version__
from danlu.core.errors import PlanError, nearest
from danlu.core.paths import check_new_file
from danlu.report.charts import Chart, Columns
from danlu.report.document import document, masthead, write_whole
from danlu.report.markup import Html, facts, plain, tag
from danlu.report.words import count

FORMATS = ("png", "svg", "pdf", "html")
PPI = 72 * 3
"""Pixels an inch of a PNG: three for each point of the picture."""
FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, DejaVu Sans, Noto Sans CJK SC, sans-serif"
EASTERN = "Noto Sans CJK SC, PingFang SC, Microsoft YaHei, Source Han Sans SC, WenQuanYi Micro Hei"
"""Comes first where there are Chinese, Japanese or Korean letters: a PNG has them in any font that knows them else."""
_EASTERN = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_COLOUR = re.compile(r"var\(--([a-z-]+)\)")


@dataclass(frozen=True)
class Panel:
    """One chart of a figure with the title above it; its caption stands under the title of a picture."""

    chart: Chart
    title: str = ""
    height: int = 0
    """In points, of a picture; 0 for the figure's."""


@dataclass(frozen=True)
class Mark:
    """One entry of a figure's key: what a colour of the theme ("first", "second", "third", "grey", "ink") means."""

    text: str
    colour: str
    form: str = "line"
    """line, dashed, area or point."""
    series: str = ""
    """Of a page: what the button shows or hides, the rows of the chart's data whose `series` this is."""


@dataclass(frozen=True)
class Figure:
    """A finished figure: save it, look at it in a notebook, or take its numbers.

    Attributes:
        kind: what `danlu plot` calls it.
        title: one line.
        panels: the charts, in reading order.
        data: the numbers that were drawn, unrounded: one table in columns of the same length.
        facts: single numbers worth knowing, by name; plain values, lists and mappings.
        lead: one or two sentences under the title: what to see, and by which rule it was computed.
        key: what the colours mean, where it is the same in all panels.
        columns: panels beside each other in a picture.
        size: width and height of a panel in a picture, in points.
        body: what a page shows in the place of the panels, where the browser lays it out better than a chart can.
    """

    kind: str
    title: str
    panels: tuple[Panel, ...]
    data: Columns
    facts: Mapping[str, Any] = field(default_factory=dict)
    lead: str = ""
    key: tuple[Mark, ...] = ()
    columns: int = 3
    size: tuple[int, int] = (230, 170)
    body: Html | None = None

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the figure and return its path; the ending of its name says how: .png, .svg, .pdf or .html.

        Raises:
            PlanError: another ending.
            OutputError: the file exists and `force` is off, or it cannot be written.
        """
        path = Path(path)
        form = check_picture(path, force=force)
        return write_whole(path, self.html() if form == "html" else self.render(form), "the picture")

    def render(self, form: str) -> bytes:
        """Return the picture as the bytes of a png, svg or pdf file."""
        import vl_convert  # noqa: PLC0415  starts a JavaScript engine

        spec = self.spec()
        if form == "png":
            return vl_convert.vegalite_to_png(spec, scale=1, ppi=PPI, allowed_base_urls=[])
        if form == "pdf":
            return vl_convert.vegalite_to_pdf(spec, allowed_base_urls=[])
        svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
        return svg.replace(">", f' role="img">{tag("title", self._label())}', 1).encode()

    def spec(self) -> dict[str, Any]:
        """Return the whole picture as one Vega-Lite specification with its data, in light colours."""
        rows: list[Any] = [_key(self.key)] if self.key else []
        datasets: dict[str, Any] = {}
        drawn = []
        captions = [_wrapped(panel.chart.caption, self.size[0]) for panel in self.panels]
        for i, (panel, caption) in enumerate(zip(self.panels, captions, strict=True)):
            datasets |= {f"p{i}-{name}": records(columns) for name, columns in panel.chart.data.items()}
            row = i // self.columns * self.columns
            lines = max(map(len, captions[row : row + self.columns]))
            title = {"text": plain(panel.title), "subtitle": caption + ["\u00a0"] * (lines - len(caption))}
            height = panel.height or self.size[1]
            drawn.append(
                _renamed(panel.chart.spec, f"p{i}-") | {"width": self.size[0], "height": height, "title": title}
            )
        rows.append(
            {"concat": drawn, "columns": self.columns, "spacing": {"row": 26, "column": 34}, "resolve": _OWN_SCALES}
        )
        across = min(self.columns, len(drawn)) * (self.size[0] + 60)
        whole = {
            "title": {"text": plain(self.title), "subtitle": _wrapped(self.lead, across), **_HEADING},
            "vconcat": rows,
            "resolve": _OWN_SCALES,
            "spacing": 14,
            "datasets": datasets,
            "config": _CONFIG | {"font": FONT},
        }
        if _EASTERN.search(json.dumps(whole, ensure_ascii=False)):
            whole["config"]["font"] = f"{EASTERN}, {FONT}"
        return in_light(whole)

    def html(self) -> str:
        """Return the figure as one self-contained page."""
        cells = [_panel_html(panel) for panel in self.panels]
        said = facts([(_in_words(name), _value(value)) for name, value in self.facts.items() if _is_single(value)])
        content = tag(
            "section",
            tag("p", self.lead, class_="lead") if self.lead else None,
            tag("p", [_swatch(mark) for mark in self.key], class_="key") if self.key else None,
            self.body or tag("div", cells, class_=_arrangement(len(cells), self.columns)),
            said if any(_is_single(value) for value in self.facts.values()) else None,
        )
        charts = [] if self.body else [panel.chart for panel in self.panels]
        header = masthead(self.title, name=self.kind, note="Charts need JavaScript." if charts else None)
        return document(self.title, header, content, charts=charts)

    def record(self) -> dict[str, Any]:
        """Return the figure as plain values: what `danlu plot --json` prints."""
        said = {"kind": self.kind, "title": self.title, "facts": dict(self.facts)}
        return said | {"data": {name: list(values) for name, values in self.data.items()}, "version": __version__}

    def _repr_html_(self) -> str:
        """Return the picture for a notebook: drawn already, so that it shows without a network."""
        return str(tag("figure", Html(self.render("svg").decode())))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ARG002
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}

    def _label(self) -> str:
        return " ".join([f"{self.title}.", *(panel.chart.label for panel in self.panels)])

    def __repr__(self) -> str:
        amount = len(next(iter(self.data.values()), ()))
        return f"<Danlu figure {self.kind!r}: {count(len(self.panels), 'panel')}, {count(amount, 'row')} of numbers>"


def check_picture(path: Path, *, force: bool = False) -> str:
    """Refuse a path that no picture can be written to, and return its format.

    Raises:
        PlanError: the ending is not .png, .svg, .pdf or .html.
        OutputError: the file exists and `force` is off, or its folder does not exist.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        got = f"got {path.suffix}" if path.suffix else f"got {path.name!r} without one"
        near = nearest(form, FORMATS) if form else ""
        remedy = near if near.startswith("Did") else "Name it .svg, or .png, .pdf, .html."
        raise PlanError("a picture's name must end in .png, .svg, .pdf or .html", got, remedy)
    check_new_file(path, force=force)
    return form


@cache
def _palette() -> dict[str, str]:
    """Return the colours of the page's light theme, by name."""
    style = files("danlu.report").joinpath("theme.css").read_text(encoding="utf-8")
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", style.partition("}")[0]))


def in_light(value: Any) -> Any:
    """Return a specification with the theme's variables as the colours that they stand for."""
    if isinstance(value, dict):
        return {key: part if key == "datasets" else in_light(part) for key, part in value.items()}
    if isinstance(value, list):
        return [in_light(part) for part in value]
    return _COLOUR.sub(lambda found: _palette()[found[1]], value) if isinstance(value, str) else value


def _renamed(value: Any, prefix: str) -> Any:
    """Return a specification whose named data have a prefix, without marks that only a pointer would find."""
    if isinstance(value, list):
        return [_renamed(part, prefix) for part in value if not _unseen(part)]
    if not isinstance(value, dict):
        return value
    return {
        key: {"name": f"{prefix}{part['name']}"} if key == "data" and "name" in part else _renamed(part, prefix)
        for key, part in value.items()
    }


def _unseen(layer: Any) -> bool:
    mark = layer.get("mark") if isinstance(layer, dict) else None
    return isinstance(mark, dict) and mark.get("opacity") == 0


def records(columns: Columns) -> list[dict[str, Any]]:
    """Return columns as rows; a text instead of a column is in every row.

    >>> records({"x": [1, 2], "series": "a"})
    [{'x': 1, 'series': 'a'}, {'x': 2, 'series': 'a'}]
    """
    long = {name: values for name, values in columns.items() if not isinstance(values, str)}
    same = {name: value for name, value in columns.items() if isinstance(value, str)}
    return [dict(zip(long, row, strict=True)) | same for row in zip(*long.values(), strict=True)]


def _wrapped(text: str, width: int) -> list[str]:
    """Break a text into lines of about so many points at 12 points a letter's height."""
    lines: list[str] = []
    for word in plain(text).split():
        if lines and len(lines[-1]) + 1 + len(word) <= width / 5.4:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _key(marks: Sequence[Mark]) -> dict[str, Any]:
    """Return the key as a row of marks, each with its text beside it."""
    layers: list[dict[str, Any]] = []
    at = 0.0
    for mark in marks:
        colour = f"var(--{mark.colour})"
        drawn: list[dict[str, Any]]
        if mark.form == "area":
            drawn = [{"type": "rect", "opacity": 0.25, "x": at, "x2": at + 22, "y": 1, "y2": 13}]
        elif mark.form == "point":
            drawn = [{"type": "point", "filled": True, "size": 60, "opacity": 1, "x": at + 11, "y": 7}]
        else:
            pieces = [(0, 22)] if mark.form == "line" else [(0, 6), (8, 14), (16, 22)]
            drawn = [{"type": "rect", "x": at + low, "x2": at + high, "y": 6, "y2": 8} for low, high in pieces]
        words = {"type": "text", "text": mark.text, "align": "left", "baseline": "middle", "fontSize": 12}
        words |= {"x": at + 29, "y": 7.5, "color": "var(--ink)"}
        layers += [{"mark": {"color": colour} | each, "encoding": {}} for each in (*drawn, words)]
        at += 29 + 6.3 * len(mark.text) + 24
    return {"data": {"values": [{}]}, "layer": layers, "width": at, "height": 14}


def _panel_html(panel: Panel) -> Html:
    """Return the place where a panel will be drawn, with its words."""
    chart = panel.chart
    return tag(
        "figure",
        tag("h3", panel.title) if panel.title else None,
        tag("div", id=chart.id, class_="chart", role="img", aria_label=chart.label),
        tag("figcaption", chart.caption) if chart.caption else None,
    )


def _arrangement(amount: int, columns: int) -> str:
    return "single" if amount == 1 else "panels" if columns <= 2 or amount == 2 else "panels small"


def _swatch(mark: Mark) -> Html:
    return tag("span", tag("i", class_=f"swatch {mark.colour} {mark.form}"), mark.text)


def _is_single(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _in_words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, bool) else f"{value:.6g}"


_OWN_SCALES = {
    "scale": dict.fromkeys(("color", "opacity", "size", "shape", "strokeDash", "strokeWidth"), "independent")
}
"""Panels beside each other would otherwise share them."""
_HEADING = {
    "anchor": "start",
    "fontSize": 17,
    "fontWeight": 600,
    "subtitleFontSize": 12.5,
    "subtitlePadding": 6,
    "offset": 16,
}
_CONFIG: dict[str, Any] = {
    "background": "var(--paper)",
    "aria": False,  # else every point gets a label; the title of the whole says what there is to see
    "padding": 20,
    "view": {"stroke": None},
    "title": {
        "anchor": "start",
        "frame": "group",
        "color": "var(--ink)",
        "subtitleColor": "var(--muted)",
        "fontSize": 13,
        "fontWeight": 600,
        "subtitleFontSize": 11.5,
        "subtitlePadding": 3,
        "offset": 8,
    },
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "titleFontWeight": "normal",
        "labelFontSize": 11,
        "titleFontSize": 11.5,
        "domain": False,
        "ticks": False,
        "gridColor": "var(--rule)",
        "labelPadding": 5,
        "labelOverlap": "greedy",
    },
    # Unseen, but it takes place: the titles of panels beside each other stand at one height whatever their ticks.
    "axisY": {"domain": True, "domainOpacity": 0, "domainWidth": 16},
    "axisX": {"domain": True, "domainColor": "var(--rule)", "tickColor": "var(--rule)", "ticks": True, "tickSize": 4},
}
