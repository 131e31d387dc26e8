"""The target: a person's labelled examples, checked, split and grouped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from headstart.data.pictures import PictureSet

PARTS = ("train", "val", "test")


@dataclass(frozen=True, eq=False, repr=False)
class Target:
    """Labelled examples that have been checked; made by :func:`headstart.load_target`.

    Attributes
    ----------
    ids : ndarray of str, shape (n,)
        Unique name of each row: relative path with ``/``, table index or position. Everything that is returned by
        row, anywhere, is in this order.
    labels : ndarray of object, shape (n,)
        Label of each row as text.
    classes : tuple of str
        The k labels of the usable rows, in natural order (ordinal: lowest first). Where a row has no single class,
        the strata by which rows are spread over parts and folds: ranges of numbers, the rarest label of a row.
    y : ndarray of int64, shape (n,)
        Index into ``classes``; -1 where the row cannot be used.
    split : ndarray of str, shape (n,)
        "train", "val" or "test"; "" where the row is left out.
    groups : ndarray of int64, shape (n,)
        Rows of one group (the same value in the group column, or copies of one picture) are never torn apart.
    left_out : mapping of str to str
        id -> reason, for each row whose split is "".
    unreadable : mapping of str to str
        id -> reason, for those left out because they cannot be decoded.
    twins : tuple of tuple of str
        ids that show the same picture (or hold the same features), two or more each.
    notes : tuple of str
        What was done while loading that a person should know, one sentence each.
    modality : str
        "pictures" or "features".
    task : str
        "classification"; "ordinal" (classes that have an order), "regression", "multilabel" (any number of labels a
        row), "heads" (several columns of classes).
    own_split : bool
        Whether the split came with the data.
    pictures : PictureSet or None
        The n pictures, in row order.
    features : ndarray of float64, shape (n, d), or None
    feature_names : tuple of str
    name : str
        Name of the folder or file, for titles.
    fingerprint : str
        SHA-256 over ids, labels, split and contents: same data, same fingerprint.
    values : ndarray of float64, shape (n, m), or None
        What is to be predicted, where it is not one class: a rank, a number, 0 or 1 for each label, or the class in
        each head.
    outputs : mapping of str to tuple of str
        Name of each column of ``values``, with its classes in order; a number or a label has none.
    """

    ids: NDArray[np.str_]
    labels: NDArray[np.object_]
    classes: tuple[str, ...]
    y: NDArray[np.int64]
    split: NDArray[np.str_]
    groups: NDArray[np.int64]
    left_out: Mapping[str, str]
    unreadable: Mapping[str, str]
    twins: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    modality: str
    task: str
    own_split: bool
    pictures: PictureSet | None
    features: NDArray[np.float64] | None
    feature_names: tuple[str, ...]
    name: str
    fingerprint: str
    values: NDArray[np.float64] | None = None
    outputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def rows(self, *parts: str) -> NDArray[np.int64]:
        """Return the indices of the rows in any of ``parts``, ascending; ``rows("train", "val")`` is development.

        Raises
        ------
        ValueError
            If a part is not "train", "val" or "test".
        """
        unknown = [part for part in parts if part not in PARTS]
        if unknown:
            raise ValueError(f"no part is called {unknown[0]!r}; the parts are 'train', 'val' and 'test'")
        return np.flatnonzero(np.isin(self.split, parts))

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        sizes = " + ".join(f"{len(self.rows(part)):,} {part}" for part in PARTS if len(self.rows(part)))
        out = f", {len(self.left_out):,} left out" if self.left_out else ""
        return f"<Target {self.name!r}: {self.modality}, {self.what}, {sizes}{out}>"

    @property
    def what(self) -> str:
        """What is to be predicted, in a few words."""
        names = list(self.outputs)
        if self.task == "regression":
            return f"the number {names[0]!r}"
        if self.task == "multilabel":
            return f"{len(names)} labels"
        if self.task == "heads":
            return f"{len(names)} heads"
        return f"{len(self.classes)} {'ordered ' if self.task == 'ordinal' else ''}classes"
