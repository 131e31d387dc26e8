"""What an example of each class weighs in the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from headstart.imbalance._labels import Codes, Floats, checked_labels
from headstart.results import DataError

How = Literal["balanced", "sqrt", "effective"]
Weights = Mapping[Any, float]
HOW: tuple[How, ...] = ("balanced", "sqrt", "effective")


def class_weights(
    y: ArrayLike,
    how: How | Mapping[Any, float] | None = "balanced",
    n_classes: int | None = None,
    *,
    beta: float = 0.999,
) -> Floats:
    """Return the weight of an example of each class, such that the weights of all examples add up to n.

    ==============  ================================================================================================
    ``None``        1
    ``"balanced"``  n / (k n_c), k being the classes that occur: what scikit-learn calls "balanced"; classes weigh the
                    same in all
    ``"sqrt"``      in proportion to 1 / sqrt(n_c): half-way, on a log scale
    ``"effective"``  in proportion to (1 - β) / (1 - β^n_c), one over the effective number of examples; from equal
                    weights (β = 0) to "balanced" (β → 1)
    mapping         label → weight, scaled
    ==============  ================================================================================================

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels; class indices where ``n_classes`` is given.
    how : {"balanced", "sqrt", "effective"}, mapping or None
    n_classes : int, optional
        Number of classes k. Without it the classes are the labels that occur, sorted.
    beta : float
        β of the effective number, from 0 to below 1.

    Returns
    -------
    ndarray, shape (k,)
        0 for a class without examples.

    Raises
    ------
    DataError
        If labels, ``how`` or ``beta`` do not fit.

    References
    ----------
    Cui, Jia, Lin, Song and Belongie (2019), Class-balanced loss based on effective number of samples, arXiv:1901.05555,
    equations 2 and 4; there the weights of the classes are scaled to add up to k, here those of the examples to n.

    Examples
    --------
    >>> class_weights(["cat"] * 3 + ["dog"]).tolist()
    [0.6666666666666666, 2.0]
    """
    known = checked_labels(y, n_classes)
    raw = np.zeros(known.n_classes)
    there = known.counts > 0
    raw[there] = _raw(known.counts[there].astype(np.float64), known.names[there].tolist(), how, beta)
    total = float((raw * known.counts).sum())
    if total <= 0:
        raise DataError("every example would weigh 0: give a class that occurs a weight above 0")
    return np.asarray(raw * (len(known.codes) / total))


def sample_weights(
    y: ArrayLike,
    how: How | Mapping[Any, float] | None = "balanced",
    n_classes: int | None = None,
    *,
    beta: float = 0.999,
) -> Floats:
    """Return the weight of each example, (n,), that its class gives it; they add up to n. See :func:`class_weights`.

    >>> sample_weights(["cat", "cat", "dog", "cat"]).round(2).tolist()
    [0.67, 0.67, 2.0, 0.67]
    """
    weights = class_weights(y, how, n_classes, beta=beta)
    return np.asarray(weights[checked_labels(y, n_classes).codes])


def effective_number(counts: ArrayLike, beta: float) -> Floats:
    """Return (1 - β^n) / (1 - β) for each count n, without the cancellation that a β near 1 brings.

    >>> effective_number([1, 2, 1000], 0.5).round(3).tolist()
    [1.0, 1.5, 2.0]
    """
    if not 0 <= beta < 1:
        raise DataError(f"beta={beta}: give a number from 0 to below 1 (towards 1 the weights become 'balanced')")
    n = np.asarray(counts, dtype=np.float64)
    if beta == 0:
        return np.minimum(n, 1.0)
    return np.asarray(-np.expm1(n * np.log(beta)) / (1 - beta))


def _raw(counts: Floats, names: list[Any], how: How | Weights | None, beta: float) -> Floats:
    if how is None:
        return np.ones(len(counts))
    if isinstance(how, Mapping):
        missing = [name for name in names if name not in how]
        if missing:
            raise DataError(f"class_weight has no weight for {missing[0]!r}: give one for each class")
        given = np.array([float(how[name]) for name in names])
        if not (np.isfinite(given).all() and (given >= 0).all()):
            raise DataError(f"class_weight is {dict(how)}: give finite numbers, none negative")
        return given
    if how == "balanced":
        return np.asarray(1 / counts)
    if how == "sqrt":
        return np.asarray(1 / np.sqrt(counts))
    if how == "effective":
        return np.asarray(1 / effective_number(counts, beta))
    raise DataError(f"no class weights {how!r}: choose None, {', '.join(map(repr, HOW))}, or give a mapping")


def weighted_counts(counts: ArrayLike, weights: ArrayLike) -> Floats:
    """Return how many examples of each class a loss sees that multiplies them by ``weights``, (k,)."""
    held: Codes = np.asarray(counts)
    return np.asarray(held * np.asarray(weights, dtype=np.float64))
