"""Metrics and their intervals, on arrays: classes (n,) from 0 to k - 1, probabilities (n, k), groups (n,)."""

from headstart.metrics.calibration import Calibration, calibrated_ece, calibration
from headstart.metrics.counts import confusion
from headstart.metrics.intervals import Interval, bootstrap, bootstrap_classes
from headstart.metrics.labelled import LABEL_METRICS, label_each, label_scores
from headstart.metrics.numbers import NUMBER_METRICS, number_scores
from headstart.metrics.ordered import ORDERED_METRICS, ordered_scores
from headstart.metrics.paired import paired_gain
from headstart.metrics.resampled import intervals
from headstart.metrics.scores import METRICS, per_class, scores
from headstart.metrics.sketch import Sketch, sketch

__all__ = [
    "LABEL_METRICS",
    "METRICS",
    "NUMBER_METRICS",
    "ORDERED_METRICS",
    "Calibration",
    "Interval",
    "Sketch",
    "bootstrap",
    "bootstrap_classes",
    "calibrated_ece",
    "calibration",
    "confusion",
    "intervals",
    "label_each",
    "label_scores",
    "number_scores",
    "ordered_scores",
    "paired_gain",
    "per_class",
    "scores",
    "sketch",
]
