"""The one family of exceptions, and the one family of warnings, that Headstart raises on purpose."""

from __future__ import annotations


class HeadstartError(Exception):
    """Something a person can mend. The message is one line: the thing, its value, and the way out."""


class DataError(HeadstartError, ValueError):
    """The target cannot be used as it was given."""


class PictureError(DataError):
    """One picture cannot be decoded. The message is the reason, without the picture's name."""


class SourceError(HeadstartError, ValueError):
    """A source is unknown, not on disk, or its weights do not fit."""


class RunError(HeadstartError):
    """A run folder cannot be used for what was asked."""


class StorageError(HeadstartError, OSError):
    """The disk is full or cannot be written."""


class HeadstartWarning(UserWarning):
    """Something was mended or left out; the work goes on."""
