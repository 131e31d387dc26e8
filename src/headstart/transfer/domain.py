"""Somebody else's labelled examples, as one thing that can be handed around."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError


@dataclasses.dataclass(frozen=True, eq=False)
class Domain:
    """The source of a transfer: features and labels from another place.

    Parameters
    ----------
    X : array-like, shape (n, d)
    y : array-like, shape (n,), optional
    name : str

    Raises
    ------
    DataError
        If ``X`` is no table, or ``y`` has another length.

    Examples
    --------
    >>> old = Domain([[1.0, 2.0], [3.0, 4.0]], [0, 1], name="last year")
    >>> old
    Domain('last year': 2 examples, 2 features, labelled)
    >>> old.map(lambda X: X / 2).X.tolist()
    [[0.5, 1.0], [1.5, 2.0]]
    """

    X: NDArray[Any]
    y: NDArray[Any] | None = None
    name: str = "source"

    def __init__(self, X: ArrayLike, y: ArrayLike | None = None, name: str = "source") -> None:
        features, labels = np.asarray(X), None if y is None else np.asarray(y)
        if features.ndim != 2:
            raise DataError(f"a domain's X has shape {features.shape}: give one row an example, (n, d)")
        if labels is not None and labels.shape != (len(features),):
            raise DataError(f"{len(features)} examples but labels of shape {labels.shape}: give one label each")
        object.__setattr__(self, "X", features)
        object.__setattr__(self, "y", labels)
        object.__setattr__(self, "name", name)

    def __len__(self) -> int:
        return len(self.X)

    def __repr__(self) -> str:
        labelled = "not labelled" if self.y is None else "labelled"
        return f"Domain({self.name!r}: {len(self):,} examples, {self.X.shape[1]} features, {labelled})"

    def map(self, step: Any) -> Domain:
        """Return the same examples seen through ``step``: a fitted transformer, or a function of X."""
        return Domain(step.transform(self.X) if hasattr(step, "transform") else step(self.X), self.y, self.name)
