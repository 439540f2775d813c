"""A run's records drawn as one self-contained page. Sees records and arrays, never a tensor."""

from danlu.report.page import page, write_page

__all__ = ["page", "write_page"]
