"""Where records of runs are kept: one small file each, written whole, named by what it holds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from headstart.results import DataError
from headstart.results.cache import cache_folder
from headstart.results.files import is_intact, write_checked, write_text
from headstart.transfer.history.record import Record

VARIABLE = "HEADSTART_HISTORY"
OFF = ("off", "0", "no")


def history_folder() -> Path | None:
    """Return where the history is kept: ``$HEADSTART_HISTORY``, else ``history`` in the cache; ``None`` if off."""
    named = os.environ.get(VARIABLE, "")
    if named.lower() in OFF:
        return None
    return Path(named).expanduser() if named else cache_folder() / "history"


def remember(record: Record) -> Path | None:
    """Keep a record; return its file, or ``None`` where the history is switched off.

    The file is named by its content, so that the same run remembered twice, or by two processes at once, is one.
    """
    folder = history_folder()
    if folder is None:
        return None
    return write_checked(folder, "run", ".json", _line(record).encode())


def records() -> list[Record]:
    """Return what is remembered, the oldest first; a damaged file, or one of a later version, is passed over."""
    folder = history_folder()
    found = []
    for path in [] if folder is None else sorted(folder.glob("run-*.json"), key=_age):
        try:
            if is_intact(path):
                found.append(Record.from_dict(json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError):  # gone in the meantime, or another format
            continue
    return found


def export(path: Path) -> int:
    """Write everything to one file, a JSON object a line; return how many."""
    found = records()
    write_text(path, "".join(_line(one) + "\n" for one in found))
    return len(found)


def merge(path: Path) -> int:
    """Add the records of a file that :func:`export` wrote; return how many were new.

    Raises
    ------
    DataError
        If the file cannot be read, a line is no record, or the history is switched off. Then nothing is added.
    """
    if history_folder() is None:
        raise DataError(f"the history is switched off ({VARIABLE}={os.environ[VARIABLE]}): unset that to merge")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise DataError(f"{str(path)!r} cannot be read ({reason}): give a file of headstart history export") from None
    known = {_line(one) for one in records()}
    found = dict.fromkeys(_parsed(path, lines))
    new = [one for one in found if one not in known]
    for one in new:
        remember(Record.from_dict(json.loads(one)))
    return len(new)


def clear() -> int:
    """Forget everything; return how many records there were."""
    folder = history_folder()
    paths = [] if folder is None else list(folder.glob("run-*.json"))
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def _line(record: Record) -> str:
    return json.dumps(record.to_dict(), sort_keys=True, ensure_ascii=False, allow_nan=False)


def _parsed(path: Path, lines: Iterable[str]) -> list[str]:
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(_line(Record.from_dict(json.loads(line))))
        except ValueError as error:
            reason = str(error) if isinstance(error, DataError) else "no JSON"
            raise DataError(
                f"{str(path)!r}, line {number}: {reason}; give a file of headstart history export"
            ) from None
    return found


def _age(path: Path) -> tuple[int, str]:
    try:
        return path.stat().st_mtime_ns, path.name
    except OSError:
        return 0, path.name
