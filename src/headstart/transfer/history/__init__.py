"""What earlier targets taught: a local history of runs, and the order in which it would try things now."""

from headstart.transfer.history.describe import describe
from headstart.transfer.history.record import Record, Trial
from headstart.transfer.history.shown import History, history
from headstart.transfer.history.store import clear, export, history_folder, merge, records, remember
from headstart.transfer.history.warm import WarmStart, advice, warm_start

__all__ = [
    "History",
    "Record",
    "Trial",
    "WarmStart",
    "advice",
    "clear",
    "describe",
    "export",
    "history",
    "history_folder",
    "merge",
    "records",
    "remember",
    "warm_start",
]
