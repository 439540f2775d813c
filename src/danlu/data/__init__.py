"""Tables: reading, typing, refusing, dividing into folds, writing. The only home of pyarrow."""

from danlu.data.columns import Column, Conformed, Examined, Table, Target
from danlu.data.conform import conform
from danlu.data.examine import examine, examine_again
from danlu.data.folds import Folds, divide, watched
from danlu.data.source import read
from danlu.data.table import RawTable, ReadOptions
from danlu.data.write import write

__all__ = [
    "Column",
    "Conformed",
    "Examined",
    "Folds",
    "RawTable",
    "ReadOptions",
    "Table",
    "Target",
    "conform",
    "divide",
    "examine",
    "examine_again",
    "read",
    "watched",
    "write",
]
