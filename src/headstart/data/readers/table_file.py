"""CSV, TSV and Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.data.readers.base import Columns, Reader, Rows
from headstart.data.readers.columns import named_like_label
from headstart.data.readers.frame import read_frame
from headstart.results import DataError

if TYPE_CHECKING:
    import pandas as pd

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
# pandas' own list without "None", which is a class in many a data set of defects.
_MISSING = ["", "#N/A", "<NA>", "N/A", "NA", "NULL", "NaN", "n/a", "nan", "null"]


def is_table(data: Any) -> bool:
    """Say whether ``data`` is the path of such a file."""
    return isinstance(data, Path) and data.suffix.lower() in {*_SEPARATORS, ".parquet"}


def _read(path: Path, columns: Columns) -> Rows:
    return read_frame(read_table(path, columns), columns, path.stem, path.parent.absolute())


def read_table(path: Path, columns: Columns | None = None) -> pd.DataFrame:
    """Return the columns of a table file as they are; label columns stay text.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        return _parquet(path) if path.suffix.lower() == ".parquet" else _text(path, columns or Columns())
    except (OSError, ValueError) as error:  # pandas' and Arrow's parser errors are ValueErrors
        reason = " ".join(str(error).split())
        raise DataError(f"{str(path)!r} cannot be read as a table ({reason})") from error


def _parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)


def _text(path: Path, columns: Columns) -> pd.DataFrame:
    """Read a text table; label columns stay text, so that "007" does not become 7."""
    import pandas as pd

    separator = _SEPARATORS[path.suffix.lower()]
    header = pd.read_csv(path, sep=separator, nrows=0).columns
    asked = columns.labels(header)
    labels = [column for column in header if column in asked] or named_like_label(header)
    return pd.read_csv(
        path,
        sep=separator,
        dtype=dict.fromkeys(labels, "str"),
        keep_default_na=False,
        na_values=_MISSING,
        low_memory=False,
    )


TABLE_FILE = Reader("a CSV, TSV or Parquet file", is_table, _read)
