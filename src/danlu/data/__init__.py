"""Tables: reading, typing, refusing, dividing into folds, writing. The only home of pyarrow."""

import pyarrow

from danlu.data.columns import Column, Conformed, Examined, Table, Target
from danlu.data.conform import conform
from danlu.data.examine import examine, examine_again
from danlu.data.folds import Folds, divide, watched
from danlu.data.source import read
from danlu.data.table import RawTable, ReadOptions
from danlu.data.write import write

# Arrow would start a thread that waits for Ctrl-C, which is handled here; once in some hundred runs on a busy machine a
# process with it ended by "terminate called without an active exception".
pyarrow.enable_signal_handlers(False)

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
