"""Ground floor: the base of every answer, errors, and how answers are shown and stored."""

from headstart.results.answer import Answer, plain
from headstart.results.errors import (
    DataError,
    HeadstartError,
    HeadstartWarning,
    PictureError,
    RunError,
    SourceError,
    StorageError,
)

__all__ = [
    "Answer",
    "DataError",
    "HeadstartError",
    "HeadstartWarning",
    "PictureError",
    "RunError",
    "SourceError",
    "StorageError",
    "plain",
]
