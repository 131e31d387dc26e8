"""``datasets.Dataset`` and ``DatasetDict`` of the Hugging Face library, which is never imported here."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from headstart.data.readers.base import Columns, Reader, Rows, part_of, some
from headstart.data.readers.frame import read_frame
from headstart.results import DataError

if TYPE_CHECKING:
    import pandas as pd


def _is_dataset(data: Any) -> bool:
    library = sys.modules.get("datasets")
    return library is not None and isinstance(data, (library.Dataset, library.DatasetDict))


def _read(data: Any, columns: Columns) -> Rows:
    if not isinstance(data, dict):
        return read_frame(_frame(data), columns, _name(data))
    if not data:
        raise DataError("the DatasetDict is empty: give one with a 'train' part")
    first = next(iter(data.values()))
    if len(data) == 1:  # what load_dataset returns for data without a split
        return read_frame(_frame(first), columns, _name(first))
    columns.refuse("split", because="a DatasetDict is split already; give one of its parts to split it anew")
    strange = [name for name in data if not part_of(name)]
    if strange:
        raise DataError(
            f"the DatasetDict has parts called {some(strange)}: leave only train, validation and test in it"
        )
    import pandas as pd

    frames = {name: _frame(dataset) for name, dataset in data.items()}
    whole = pd.concat([frame.set_index(name + "/" + frame.index.astype(str)) for name, frame in frames.items()])
    column = "split" if "split" not in whole.columns else "datasetdict split"
    whole[column] = [name for name, frame in frames.items() for _ in range(len(frame))]
    return read_frame(whole, dataclasses.replace(columns, split=column), _name(first))


def _frame(dataset: Any) -> pd.DataFrame:
    """Return a dataset as a table, pictures still encoded and class numbers as names."""
    library = sys.modules["datasets"]
    names = {}
    for column, feature in dataset.features.items():
        if isinstance(feature, library.Image):
            dataset = dataset.cast_column(column, library.Image(decode=False))
        elif isinstance(feature, library.ClassLabel):
            names[column] = feature.names
    frame: pd.DataFrame = dataset.with_format(None).to_pandas()
    for column, labels in names.items():
        # -1 and None are the library's ways to say that a row has no label
        known = dict(enumerate(labels))
        frame[column] = [known.get(code) for code in frame[column].tolist()]
    return frame


def _name(dataset: Any) -> str:
    return str(dataset.info.dataset_name or "dataset")


HUB_DATASET = Reader("a datasets.Dataset or DatasetDict", _is_dataset, _read)
