"""Columns of a table, or pixels, as a float matrix and a matrix of codes. No statistic here is learnt from rows."""

from __future__ import annotations

from danlu.features.encode import Encoded, encode
from danlu.features.layout import add_neighbours, embedding_width, layout, space

__all__ = ["Encoded", "add_neighbours", "embedding_width", "encode", "layout", "space"]
