"""A run's page as a value: shown by a notebook, written where asked."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path

from danlu.workflow.model import Model


@dataclass(frozen=True)
class Page:
    """A page in HTML, with all that it needs inside."""

    html: str

    @classmethod
    def of(cls, model: Model) -> Page:
        """Draw the page of a model."""
        from danlu.report.page import page  # noqa: PLC0415  draws charts: 0.3 s that only a page pays

        return cls(page(model.run, model.arrays))

    def write(self, path: str | Path) -> Path:
        """Write it, whole or not at all, and return where.

        Raises:
            OutputError: it cannot be written.
        """
        from danlu.report.document import write_whole  # noqa: PLC0415  as above

        return write_whole(Path(path), self.html)

    def _repr_html_(self) -> str:
        """Return it in a frame of its own: its styles are not those of the notebook."""
        return f'<iframe srcdoc="{html.escape(self.html)}" width="100%" height="640" style="border:0"></iframe>'

    def __repr__(self) -> str:
        return f"Page({len(self.html):,} characters; a notebook shows it, write(PATH) keeps it)"
