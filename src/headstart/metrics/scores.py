"""All metrics of one table of probabilities."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from headstart.metrics._arrays import Codes, Floats, checked, checked_codes
from headstart.metrics.calibration import weighted_ece
from headstart.metrics.counts import by_class, confusion, mean_defined, share, weighted_confusion
from headstart.metrics.ranking import ranking
from headstart.results import DataError

COUNTED = ("macro_f1", "balanced_accuracy", "accuracy")
RANKED = ("roc_auc", "pr_auc")
METRICS = (*COUNTED, *RANKED, "ece", "log_loss")
_TINY = float(np.finfo(np.float64).eps)


def scores(
    y: ArrayLike,
    probabilities: ArrayLike,
    *,
    n_classes: int | None = None,
    weight: ArrayLike | None = None,
    predicted: ArrayLike | None = None,
) -> dict[str, float]:
    """Return the metrics of one set of predictions.

    ========================  =========================================================================================
    ``macro_f1``              mean F1 over the classes that occur in ``y`` or among the predictions
    ``balanced_accuracy``     mean recall over the classes that occur in ``y``
    ``accuracy``              share of right predictions
    ``roc_auc``               two classes: area under the ROC curve; more: mean over the classes, each against the rest
    ``pr_auc``                average precision, mean over the classes, each against the rest (with two classes too: no
                              class is "the positive one"); its baseline is a class's prevalence, on average 1/k
    ``ece``                   expected calibration error: top label, 15 bins of equal width; lower is better
    ``log_loss``              mean of -log p(true class), p cut at 2.2e-16; lower is better
    ========================  =========================================================================================

    A class whose ROC-AUC or average precision is undefined (no examples, or nothing but its examples) is left out of
    the mean; if no class is left, the metric is NaN.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Class of each example, from 0 to k - 1.
    probabilities : array_like, shape (n, k)
        Rows add up to 1.
    n_classes : int, optional
        k, where it is to be checked.
    weight : array_like, shape (n,), optional
        Weight of each example, not negative; a weight of 2 counts like a row that stands twice.
    predicted : array_like of int, shape (n,), optional
        The class that was said of each example; by default the most probable, the first of equals.

    Raises
    ------
    DataError
        If shapes, classes or weights do not fit.

    Examples
    --------
    >>> found = scores([0, 0, 1], [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    >>> round(found["accuracy"], 3), found["roc_auc"], round(found["macro_f1"], 3)
    (0.667, 1.0, 0.667)
    """
    codes, table = checked(y, probabilities)
    if n_classes not in (None, table.shape[1]):
        raise DataError(f"probabilities have {table.shape[1]} columns for {n_classes} classes: give one a class")
    weights = np.ones(len(codes)) if weight is None else np.asarray(weight, dtype=np.float64)
    if weights.shape != codes.shape or not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
        raise DataError(f"weight has shape {weights.shape}: give {len(codes)} numbers, none negative, not all 0")
    said = decided(table, predicted)
    return {
        name: float(found[0]) for name, found in weighted_scores(codes, table, weights[None], METRICS, said).items()
    }


def decided(probabilities: Floats, predicted: ArrayLike | None) -> Codes:
    """Return the class that was said of each row of checked probabilities (n, k): as given, or the most probable."""
    if predicted is None:
        return np.asarray(probabilities.argmax(axis=1))
    said = checked_codes(predicted, probabilities.shape[1], "predicted")
    if said.shape != probabilities.shape[:1]:
        raise DataError(f"predicted has shape {said.shape} for {len(probabilities)} examples: give a class for each")
    return said


def weighted_scores(
    y: Codes, probabilities: Floats, weights: Floats, metrics: Iterable[str], predicted: Codes | None = None
) -> dict[str, Floats]:
    """Return each metric (b,) for each row of ``weights`` (b, n); see :func:`scores`."""
    wanted = tuple(metrics)
    unknown = [name for name in wanted if name not in METRICS]
    if unknown:
        raise DataError(f"no metric {unknown[0]!r}: choose among {', '.join(METRICS)}")
    found: dict[str, Floats] = {}
    if not set(COUNTED).isdisjoint(wanted):
        matrix = weighted_confusion(y, decided(probabilities, predicted), probabilities.shape[1], weights)
        each = by_class(matrix)
        found["macro_f1"] = mean_defined(each["f1"])
        found["balanced_accuracy"] = mean_defined(each["recall"])
        found["accuracy"] = share(np.trace(matrix, axis1=1, axis2=2), matrix.sum(axis=(1, 2)))
    if not set(RANKED).isdisjoint(wanted):
        auc, precision = ranking(y, probabilities, weights)
        found["roc_auc"] = auc[:, 1] if auc.shape[1] == 2 else mean_defined(auc)
        found["pr_auc"] = mean_defined(precision)
    if "ece" in wanted:
        found["ece"] = weighted_ece(y, probabilities, weights)
    if "log_loss" in wanted:
        loss = -np.log(np.clip(probabilities[np.arange(len(y)), y], _TINY, 1))
        found["log_loss"] = weights @ loss / weights.sum(axis=1)
    return {name: found[name] for name in wanted}


def per_class(y: ArrayLike, probabilities: ArrayLike, *, predicted: ArrayLike | None = None) -> dict[str, Floats]:
    """Return the metrics of each class, against the rest where a metric knows two classes only.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Class of each example, from 0 to k - 1.
    probabilities : array_like, shape (n, k)
        Predictions.
    predicted : array_like of int, shape (n,), optional
        As for :func:`scores`.

    Returns
    -------
    dict of str to ndarray, shape (k,)
        ``precision``, ``recall``, ``f1``, ``support`` (number of examples), ``roc_auc``, ``pr_auc`` (average precision)
        and ``prevalence`` (share of the examples: the average precision that chance gives). NaN where undefined: the
        precision of a class that is never predicted, anything that needs examples of a class that has none.

    Examples
    --------
    >>> found = per_class([0, 0, 1], [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    >>> found["recall"].tolist(), found["precision"].tolist(), found["support"].tolist()
    ([0.5, 1.0], [1.0, 0.5], [2.0, 1.0])
    """
    codes, table = checked(y, probabilities)
    matrix = confusion(codes, decided(table, predicted), table.shape[1])
    auc, precision = ranking(codes, table, np.ones((1, len(codes))))
    support = matrix.sum(axis=1).astype(np.float64)
    return {
        **by_class(matrix),
        "support": support,
        "roc_auc": auc[0],
        "pr_auc": precision[0],
        "prevalence": support / len(codes),
    }
