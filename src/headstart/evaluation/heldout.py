"""How good is it? Held-out predictions, with intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.evaluation.validation import NAMES, _listed
from headstart.metrics import (
    Calibration,
    Interval,
    bootstrap,
    bootstrap_classes,
    calibrated_ece,
    calibration,
    confusion,
    per_class,
)
from headstart.metrics._arrays import checked
from headstart.metrics.scores import decided
from headstart.results import Answer, DataError

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

_FEW = 10  # test examples of a class
_WIDE = 0.1
_FLATTERED = 0.1
_CLASS_AVERAGES = ("macro_f1", "balanced_accuracy", "accuracy")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation(Answer):
    """Predictions held against the truth.

    Attributes
    ----------
    part : str
        The part of the data, "test" as a rule.
    n, n_groups : int
        Examples, and independent ones among them (copies count once).
    classes : tuple of str, length k
    metrics : mapping of str to Interval
        macro_f1, balanced_accuracy, accuracy, roc_auc, pr_auc, ece and log_loss with 95 % intervals; see
        :func:`headstart.metrics.scores` and :func:`headstart.metrics.bootstrap`.
    by_class : mapping of str to tuple of float, length k
        precision, recall, f1, support, roc_auc, pr_auc, prevalence of each class; NaN where undefined.
    by_class_intervals : mapping of str to tuple of Interval, length k
        precision, recall and f1.
    confusion : ndarray of int, shape (k, k)
        Entry (i, j): examples of class i predicted as class j.
    calibration : Calibration
        Reliability in 15 bins of confidence.
    ece_floor : float
        Calibration error that perfectly calibrated probabilities would show on so many examples.
    """

    part: str
    n: int
    n_groups: int
    classes: tuple[str, ...]
    metrics: Mapping[str, Interval]
    by_class: Mapping[str, tuple[float, ...]]
    by_class_intervals: Mapping[str, tuple[Interval, ...]]
    confusion: NDArray[np.int64]
    calibration: Calibration
    ece_floor: float

    question = "How good is it?"

    def headline(self) -> str:
        """One sentence: the figures, and where it fails most."""
        f1, accuracy = self.metrics["macro_f1"], self.metrics["accuracy"]
        found = f"On {self.n:,} {self.part} examples macro-F1 is {f1} and accuracy {accuracy}"
        recall = np.array(self.by_class["recall"])
        if not (recall < 1).any():
            return f"{found}; every example is named rightly."
        weakest = int(np.nanargmin(recall))
        wrong = self.confusion[weakest].copy()
        wrong[weakest] = 0
        return (
            f"{found}; the weakest class is {self.classes[weakest]!r}, of which {recall[weakest]:.0%} are found "
            f"(most often taken for {self.classes[int(wrong.argmax())]!r})."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each class, the weakest F1 first."""
        import pandas as pd

        titles = {"f1": "F1", "roc_auc": "ROC-AUC", "pr_auc": "PR-AUC"}
        frame = pd.DataFrame(
            {titles.get(name, name): values for name, values in self.by_class.items()},
            index=pd.Index(self.classes, name="class"),
        )
        frame["support"] = frame["support"].astype(int)
        return frame.sort_values("F1", kind="stable")

    def metrics_frame(self) -> pd.DataFrame:
        """Return one row for each metric: value, ends of the interval, and what chance or the floor gives."""
        import pandas as pd

        baselines = {
            "accuracy": max(self.by_class["prevalence"]),
            "balanced_accuracy": 1 / sum(count > 0 for count in self.by_class["support"]),
            "roc_auc": 0.5,
            "pr_auc": float(np.mean([share for share in self.by_class["prevalence"] if share > 0])),
            "ece": self.ece_floor,
        }
        rows = [
            {"metric": NAMES[name], "value": found.value, "low": found.low, "high": found.high,
             "baseline": baselines.get(name, np.nan)}
            for name, found in self.metrics.items()
        ]  # fmt: skip
        return pd.DataFrame(rows).set_index("metric")

    def plot(self) -> Figure:
        """Return the confusion matrix as a heat map."""
        from headstart.evaluation.plots import confusion_heatmap

        return confusion_heatmap(self.confusion, self.classes)


def evaluate(
    y: ArrayLike,
    probabilities: ArrayLike,
    *,
    classes: Sequence[str],
    groups: ArrayLike | None = None,
    predicted: ArrayLike | None = None,
    random_state: int | np.random.Generator | None = 0,
    part: str = "test",
) -> Evaluation:
    """Measure predictions on held-out examples, once.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Index of each example's class.
    probabilities : array_like, shape (n, k)
        Predictions.
    classes : sequence of str
        Names of the k classes.
    groups : array_like, shape (n,), optional
        Copies and other rows that hang together share a value: they count as one piece of evidence.
    predicted : array_like of int, shape (n,), optional
        The class that was said of each example; by default the most probable.
    random_state : int or Generator
        Seed of the resamples.
    part : str
        What the examples are called in sentences.

    Raises
    ------
    DataError
        If shapes do not fit.
    """
    codes, table = checked(y, probabilities)
    if table.shape[1] != len(classes):
        raise DataError(f"probabilities have {table.shape[1]} columns for {len(classes)} classes: give one a class")
    rng = np.random.default_rng(random_state)
    group = np.arange(len(codes)) if groups is None else np.asarray(groups)
    said = decided(table, predicted)
    metrics = bootstrap(codes, table, group, random_state=rng, metrics=tuple(NAMES), predicted=said)
    each = per_class(codes, table, predicted=said)
    found = Evaluation(
        part=part,
        n=len(codes),
        n_groups=len(np.unique(group)),
        classes=tuple(classes),
        metrics=metrics,
        by_class={name: tuple(values.tolist()) for name, values in each.items()},
        by_class_intervals=bootstrap_classes(codes, table, group, random_state=rng, predicted=said),
        confusion=confusion(codes, said, len(classes)),
        calibration=calibration(codes, table),
        ece_floor=calibrated_ece(table, random_state=rng),
    )
    return dataclasses.replace(found, warnings=_warnings(found))


def _warnings(found: Evaluation) -> tuple[str, ...]:
    notes = []
    support = np.array(found.by_class["support"])
    few = [f"{found.classes[code]!r} ({support[code]:.0f})" for code in np.flatnonzero(support < _FEW)]
    if few:
        notes.append(f"fewer than {_FEW} {found.part} examples: {_listed(few)}; their figures are hardly known")
    wide = [f"{NAMES[name]} ({found.metrics[name].width:.2f})" for name in _CLASS_AVERAGES
            if found.metrics[name].width > _WIDE]  # fmt: skip
    if wide:
        notes.append(
            f"the interval is wide for {', '.join(wide)}: {found.n_groups:,} independent {found.part} examples "
            "cannot tell more closely"
        )
    accuracy, balanced = found.metrics["accuracy"].value, found.metrics["balanced_accuracy"].value
    if accuracy - balanced > _FLATTERED:
        common = int(support.argmax())
        notes.append(
            f"accuracy ({accuracy:.3f}) flatters: the mean over the classes is {balanced:.3f}, and always saying "
            f"{found.classes[common]!r} would be right for {support[common] / found.n:.0%}; trust macro-F1"
        )
    if accuracy == 1:
        notes.append(
            f"no mistake among {found.n_groups:,} independent examples: the error may still be up to "
            f"{1 - found.metrics['accuracy'].low:.1%}; check that no test example also stands in the training part"
        )
    return tuple(notes)
