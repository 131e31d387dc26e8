"""What losses take from the number of examples of each class: weights, margins, log priors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.imbalance.weights import HOW, effective_number
from headstart.results import DataError

Floats = NDArray[np.float64]
ClassWeight = Mapping[int, float] | Sequence[float] | NDArray[np.floating] | str | None


def checked_counts(counts: ArrayLike) -> Floats:
    """Return the counts (k,) of two classes or more; fractions (summed weights) are counts too.

    Raises
    ------
    DataError
        If they are no finite numbers of at least 0, one a class, or all are 0.
    """
    try:
        found = np.asarray(counts, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"counts={counts!r}: give the number of examples of each class, in order") from None
    if found.ndim != 1 or len(found) < 2:
        raise DataError(f"counts have shape {found.shape}: give the number of examples of each class, two or more")
    if not np.isfinite(found).all() or (found < 0).any():
        raise DataError(f"counts={found.tolist()}: give numbers of examples, none below 0")
    if not found.any():
        raise DataError("all counts are 0: there is no example of any class")
    return found


def filled_counts(counts: ArrayLike) -> Floats:
    """Return the counts, a class without examples counted like the rarest class that has some.

    Without that its margin would be infinite and its log prior minus infinity, which no training example would feel
    as a loss, but a validation example of that class would.
    """
    found = checked_counts(counts)
    return np.where(found > 0, found, found[found > 0].min())


def loss_weights(counts: ArrayLike, class_weight: ClassWeight, beta: float = 0.999) -> Floats | None:
    """Return the weights of the classes in a loss, which sum to n over the examples; ``None`` for none.

    They mean what :func:`headstart.imbalance.weights.class_weights` says, which takes labels where this takes counts.

    Parameters
    ----------
    counts : array_like, shape (k,)
        Examples of each class.
    class_weight : {"balanced", "sqrt", "effective"}, mapping or array_like of shape (k,), optional
        A mapping gives each class, 0 to k - 1, its weight. What is given is scaled. A class without examples weighs 0.
    beta : float
        For ``"effective"``: 1 / E_n with the effective number ``E_n = (1 - beta**n) / (1 - beta)``.

    Raises
    ------
    DataError
        If there is no such weighting, or the weights do not fit the classes.

    References
    ----------
    Cui et al. (2019), Class-balanced loss based on effective number of samples, arXiv:1901.05555, sec. 3 and 4; there
    the weights sum to k over the classes.

    Examples
    --------
    >>> loss_weights([30, 10], "balanced").round(3).tolist()
    [0.667, 2.0]
    >>> loss_weights([30, 10], "effective", beta=0).tolist()
    [1.0, 1.0]
    """
    known = checked_counts(counts)
    if class_weight is None:
        return None
    raw = _computed(known, class_weight, beta) if isinstance(class_weight, str) else _given(len(known), class_weight)
    raw = np.where(known > 0, raw, 0.0)
    if not raw.any():
        raise DataError("every example would weigh 0: give a class that has examples a weight above 0")
    return np.asarray(raw * (known.sum() / (raw @ known)))


def _computed(counts: Floats, how: str, beta: float) -> Floats:
    if how not in HOW:
        raise DataError(f"class_weight={how!r}: choose {', '.join(HOW)}, or give one weight a class")
    filled = filled_counts(counts)
    if how == "effective":
        return np.asarray(1 / effective_number(filled, beta) if beta else np.ones_like(filled))
    return np.asarray(1 / (np.sqrt(filled) if how == "sqrt" else filled))


def _given(n_classes: int, class_weight: Mapping[int, float] | Sequence[float] | NDArray[np.floating]) -> Floats:
    if isinstance(class_weight, Mapping):
        odd = sorted(map(str, set(class_weight) ^ set(range(n_classes))))
        if odd:
            raise DataError(f"class_weight and counts differ in class {odd[0]}: give each of 0 to {n_classes - 1} one")
        class_weight = [class_weight[code] for code in range(n_classes)]
    found = np.asarray(class_weight, dtype=np.float64)
    if found.shape != (n_classes,):
        raise DataError(f"class_weight has shape {found.shape} for {n_classes} classes: give one weight a class")
    if not np.isfinite(found).all() or (found < 0).any():
        raise DataError(f"class_weight={found.tolist()}: give finite numbers of at least 0")
    return found


def ldam_margins(counts: ArrayLike, max_margin: float = 0.5) -> Floats:
    """Return the margin (k,) of each class, in proportion to n_c^(-1/4), the rarest having ``max_margin``.

    References
    ----------
    Cao et al. (2019), Learning imbalanced datasets with label-distribution-aware margin loss, arXiv:1906.07413, sec. 3.

    Examples
    --------
    >>> ldam_margins([160_000, 10_000, 10_000]).tolist()
    [0.25, 0.5, 0.5]
    """
    if not 0 <= max_margin < np.inf:
        raise DataError(f"max_margin={max_margin!r}: give a number of at least 0")
    filled = filled_counts(counts)
    return np.asarray(max_margin * (filled.min() / filled) ** 0.25)


def log_priors(counts: ArrayLike, tau: float = 1.0) -> Floats:
    """Return ``tau * log(prior)`` (k,), what logit adjustment adds to the logits in training.

    A linear classifier whose intercepts are free needs no other training for it: the adjusted loss has the same
    coefficients as the plain one, and intercepts that are smaller by these numbers.

    References
    ----------
    Menon et al. (2021), Long-tail learning via logit adjustment, arXiv:2007.07314, eq. 10.
    """
    if not 0 <= tau < np.inf:
        raise DataError(f"tau={tau!r}: give a number of at least 0; 1 is what theory asks for")
    filled = filled_counts(counts)
    return np.asarray(tau * np.log(filled / filled.sum()))
