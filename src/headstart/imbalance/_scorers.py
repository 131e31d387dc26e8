"""Scorers that know which label is the positive one, and those that scikit-learn does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def scorer(metric: str, classes: tuple[Any, ...], positive: Any) -> Callable[..., float]:
    """Return the scorer of a metric of :mod:`headstart.imbalance.baselines`; see ``MetricChoice.scorer``."""
    from sklearn import metrics

    make: Callable[..., Callable[..., float]] = metrics.make_scorer
    if metric.startswith("recall["):
        label = next(name for name in classes if metric == f"recall[{name}]")
        return make(metrics.recall_score, labels=[label], average="macro", pos_label=None, zero_division=0)
    if metric == "geometric_mean":
        from imblearn.metrics import geometric_mean_score  # type: ignore[import-not-found,import-untyped]

        return make(geometric_mean_score, average="multiclass", pos_label=positive)
    if metric == "false_positive_rate":
        return make(_false_positive_rate, greater_is_better=False, pos_label=positive)
    if positive is None:
        return _named(metric)
    if metric in ("f1", "precision", "recall"):
        return make(getattr(metrics, f"{metric}_score"), pos_label=positive, zero_division=0)
    if metric == "average_precision":
        asked = ("decision_function", "predict_proba")
        return make(metrics.average_precision_score, response_method=asked, pos_label=positive)
    return _named(metric)


def _named(metric: str) -> Callable[..., float]:
    from sklearn.metrics import get_scorer

    found: Callable[..., float] = get_scorer(metric)
    return found


def _false_positive_rate(y: Any, predicted: Any, pos_label: Any) -> float:
    """Return the share of the negatives that are said to be positive; 0 without negatives."""
    negative = np.asarray(y) != pos_label
    return float((np.asarray(predicted)[negative] == pos_label).mean()) if negative.any() else 0.0
