"""The JavaScript that draws the charts: Vega, Vega-Lite and Vega-Embed, as one piece of text.

vl-convert bundles it from what it ships (no request is made), which takes about a second of a processor.
So the text is kept in the user's cache folder, in a file named by vl-convert's version and by the SHA-256 of its
content; a file that is not what its name says is ignored and written again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

from danlu.core.caching import cache_folder


def javascript(folder: Path | None = None) -> str:
    """Return the bundle, from the cache where a whole one lies there.

    Arguments:
        folder: where it is kept; the user's cache folder by default. A folder that cannot be written costs only time.
    """
    with contextlib.suppress(RuntimeError):  # no home folder: bundle anew
        folder = folder or cache_folder()
    prefix = f"embed-{version('vl-convert-python')}-"
    kept = _kept(folder, prefix) if folder else None
    if kept is not None:
        return kept
    import vl_convert  # noqa: PLC0415  starts a JavaScript engine, which a cached bundle does not need

    text = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    if "</script" in text.lower() or "<!--" in text:
        raise AssertionError("the bundle cannot stand inside a script element")
    if folder:
        _keep(folder, prefix, text)
    return text


def _kept(folder: Path, prefix: str) -> str | None:
    """Return the text of a file whose content has the hash in its name, else None."""
    try:
        for path in sorted(folder.glob(f"{prefix}*.js")):
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() == path.stem.removeprefix(prefix):
                return content.decode()
    except (OSError, UnicodeDecodeError):
        pass
    return None


def _keep(folder: Path, prefix: str, text: str) -> None:
    """Write the bundle whole or not at all; a disk that is full or read-only is no error."""
    content = text.encode()
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(temporary).replace(folder / f"{prefix}{hashlib.sha256(content).hexdigest()}.js")
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
