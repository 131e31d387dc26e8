"""What Ctrl-C does."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

_LINE = b"stopped; what was finished is kept, and the same command goes on from there\n"
_CLEAR, _SHOW_CURSOR = b"\r\x1b[2K", b"\x1b[?25h"  # a progress bar may stand there


def stop_at_once_on_interrupt() -> None:
    """Let an interrupt end the process with a line and exit code 130.

    Files are either whole or absent and what is finished is kept at every instant, so nothing has to be unwound. An
    exception would be raised wherever the main thread happens to be: C++ libraries that call back into Python end the
    process with an abort then, and an import that tolerates any failure swallows it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # Not through print: the stream may be in the middle of a write of its own.
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.write(2, _CLEAR + _SHOW_CURSOR + _LINE if os.isatty(2) else _LINE)
    os._exit(130)
