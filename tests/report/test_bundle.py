from __future__ import annotations

import hashlib
from importlib.metadata import version

from danlu.report import bundle


def test_is_kept_under_its_hash(tmp_path):
    text = bundle.javascript(tmp_path)
    (kept,) = tmp_path.iterdir()
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert kept.name == f"embed-{version('vl-convert-python')}-{digest}.js"
    assert bundle.javascript(tmp_path) == text
    assert "vegaEmbed" in text


def test_a_changed_file_is_not_used(tmp_path):
    text = bundle.javascript(tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes().replace(b"vegaEmbed", b"vegaEvil_"))
    assert bundle.javascript(tmp_path) == text
    assert kept.read_bytes() == text.encode(), "and is replaced by a whole one"


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path):
    (tmp_path / "file").write_text("no folder")
    assert "vegaEmbed" in bundle.javascript(tmp_path / "file")
