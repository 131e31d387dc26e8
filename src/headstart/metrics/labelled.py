"""Metrics of several labels an example, for many weightings of the examples at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics.counts import mean_defined, share
from headstart.metrics.numbers import checked_weights
from headstart.metrics.ranking import ranking
from headstart.results import DataError

Floats = NDArray[np.float64]
LABEL_METRICS = ("macro_f1", "micro_f1", "macro_ap", "exact", "hamming")


def label_scores(
    Y: ArrayLike, probabilities: ArrayLike, predicted: ArrayLike | None = None, weights: ArrayLike | None = None
) -> dict[str, Floats]:
    """Return the metrics of predicted labels.

    ============  ====================================================================================================
    ``macro_f1``  mean F1 over the labels that occur or are said
    ``micro_f1``  F1 of all decisions together: frequent labels count most
    ``macro_ap``  average precision, mean over the labels that occur; chance gives the mean prevalence
    ``exact``     share of the examples all of whose labels are right
    ``hamming``   share of all decisions that are wrong; lower is better, and low for whoever never says a rare label
    ============  ====================================================================================================

    Parameters
    ----------
    Y : array_like, shape (n, m)
        0 or 1.
    probabilities : array_like, shape (n, m)
        Of each label.
    predicted : array_like, shape (n, m), optional
        0 or 1; by default where the probability is at least 0.5.
    weights : array_like, shape (b, n), optional
        How often each example counts; by default once, and b is 1.

    Returns
    -------
    dict of str to ndarray, shape (b,)

    Raises
    ------
    DataError
        If shapes or values do not fit.

    Examples
    --------
    >>> Y, p = [[1, 0], [1, 1], [0, 0], [0, 1]], [[0.9, 0.2], [0.6, 0.8], [0.3, 0.6], [0.1, 0.7]]
    >>> {name: round(float(value[0]), 3) for name, value in label_scores(Y, p).items()}
    {'macro_f1': 0.9, 'micro_f1': 0.889, 'macro_ap': 1.0, 'exact': 0.75, 'hamming': 0.125}
    """
    true, table, said, weight = _checked(Y, probabilities, predicted, weights)
    hits, predicted_, there = (weight @ one for one in (true * said, said, true))
    total = weight.sum(axis=1)
    precision = [ranking(column.astype(np.int64), _both(scores), weight)[1][:, 1]
                 for column, scores in zip(true.T, table.T, strict=True)]  # fmt: skip
    return {
        "macro_f1": mean_defined(share(2 * hits, predicted_ + there)),
        "micro_f1": share(2 * hits.sum(axis=1), (predicted_ + there).sum(axis=1)),
        "macro_ap": mean_defined(np.column_stack(precision)),
        "exact": share(weight @ (true == said).all(axis=1), total),
        "hamming": share(weight @ (true != said).mean(axis=1), total),
    }


def label_each(Y: ArrayLike, probabilities: ArrayLike, predicted: ArrayLike | None = None) -> dict[str, Floats]:
    """Return F1, precision, recall, average precision, prevalence and support of each label, (m,) each.

    NaN where undefined: a label that is never said has no precision, one that never occurs no recall.

    >>> found = label_each([[1, 0], [0, 0], [1, 1]], [[0.9, 0.2], [0.6, 0.1], [0.8, 0.4]])
    >>> found["precision"].round(3).tolist(), found["recall"].tolist(), found["ap"].tolist()
    ([0.667, nan], [1.0, 0.0], [1.0, 1.0])
    """
    true, table, said, weight = _checked(Y, probabilities, predicted, None)
    hits, predicted_, there = ((weight @ one)[0] for one in (true * said, said, true))
    precision = [ranking(column.astype(np.int64), _both(scores), weight)[1][0, 1]
                 for column, scores in zip(true.T, table.T, strict=True)]  # fmt: skip
    return {
        "f1": share(2 * hits, predicted_ + there),
        "precision": share(hits, predicted_),
        "recall": share(hits, there),
        "ap": np.array(precision),
        "prevalence": there / len(true),
        "support": there,
    }


def _both(scores: Floats) -> Floats:
    return np.column_stack([1 - scores, scores])


def _checked(
    Y: ArrayLike, probabilities: ArrayLike, predicted: ArrayLike | None, weights: ArrayLike | None
) -> tuple[Floats, Floats, Floats, Floats]:
    true, table = np.asarray(Y, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    said = (table >= 0.5).astype(np.float64) if predicted is None else np.asarray(predicted, dtype=np.float64)
    if true.ndim != 2 or not true.shape == table.shape == said.shape or not true.size:
        raise DataError(
            f"Y has shape {true.shape}, probabilities {table.shape} and predicted {said.shape}: give (n, m) of each"
        )
    for name, values in (("Y", true), ("predicted", said)):
        if not np.isin(values, (0.0, 1.0)).all():
            raise DataError(f"{name} holds other values than 0 and 1: give one column a label")
    if not np.isfinite(table).all():
        raise DataError("probabilities are not all finite: leave out examples without them")
    return true, table, said, checked_weights(weights, len(true))
