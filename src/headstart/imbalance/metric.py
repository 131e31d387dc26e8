"""Which metric cannot be fooled on this target, and which ones would hide a useless model."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from headstart.imbalance._labels import Labels, checked_labels
from headstart.imbalance.baselines import Baseline, baselines
from headstart.results import Answer, DataError

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

Kind = Literal["more_positives", "more_negatives", "balanced", "long_tail", "balanced_multiclass"]

EVEN = 1.5  # times the smallest class that the largest may have and still count as equally represented

# The first is the one to choose by; it sees the threshold, which areas under curves do not.
_RECOMMENDED: dict[Kind, tuple[str, ...]] = {
    "more_positives": ("balanced_accuracy", "roc_auc", "matthews_corrcoef", "f1_macro"),
    "more_negatives": (
        "f1", "average_precision", "matthews_corrcoef", "balanced_accuracy", "f1_macro", "roc_auc", "precision",
    ),
    "balanced": ("accuracy", "balanced_accuracy", "matthews_corrcoef", "f1_macro", "roc_auc"),
    "long_tail": ("f1_macro", "balanced_accuracy", "matthews_corrcoef", "average_precision", "roc_auc_ovr"),
    "balanced_multiclass": ("accuracy", "f1_macro", "balanced_accuracy", "matthews_corrcoef", "roc_auc_ovr"),
}  # fmt: skip
_MISLEADING: dict[Kind, tuple[str, ...]] = {
    "more_positives": ("accuracy", "f1", "average_precision", "precision", "recall", "f1_weighted", "top_k_accuracy"),
    "more_negatives": ("accuracy", "f1_weighted", "recall", "top_k_accuracy"),
    "balanced": ("f1", "recall", "top_k_accuracy"),
    "long_tail": ("accuracy", "f1_weighted", "top_k_accuracy"),
    "balanced_multiclass": ("top_k_accuracy",),
}
_MODELS = {"majority": "always the majority", "positive": "always positive", "random": "random"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class MetricChoice(Answer):
    """The kind of imbalance, the metrics that see through it, and what useless models score.

    Attributes
    ----------
    kind : {"more_positives", "more_negatives", "balanced", "long_tail", "balanced_multiclass"}
    classes : tuple
        Labels, sorted.
    counts : tuple of int
        Examples of each.
    positive : object or None
        Label of the positive class of two; ``None`` with more.
    recommended : tuple of str
        scikit-learn's scorer names, best first: metrics in which no model that ignores the examples looks good.
    misleading : tuple of str
        scikit-learn's scorer names of metrics in which one does, the most usual first.
    rows : tuple of Baseline
        One for each metric, see :attr:`baselines`.
    """

    kind: Kind
    classes: tuple[Any, ...]
    counts: tuple[int, ...]
    positive: Any
    recommended: tuple[str, ...]
    misleading: tuple[str, ...]
    rows: tuple[Baseline, ...]

    question = "Are the classes represented equally?"

    @property
    def baselines(self) -> pd.DataFrame:
        """Table of metric × useless model, "always positive" with two classes only.

        The index holds scikit-learn's scorer names, then ``false_positive_rate`` (lower is better; two classes only),
        ``geometric_mean`` and ``recall[label]`` of each class, for which :meth:`scorer` gives scorers.
        """
        import pandas as pd

        models = [name for name in _MODELS if name != "positive" or self.positive is not None]
        return pd.DataFrame(
            {_MODELS[name]: [getattr(row, name) for row in self.rows] for name in models},
            index=pd.Index([row.metric for row in self.rows], name="metric"),
        )

    def headline(self) -> str:
        """One sentence: how the classes stand, what to judge by, and what not."""
        n, largest = sum(self.counts), self.classes[int(np.argmax(self.counts))]
        row = self._row(self.misleading[0])
        model, value = self._best(row)
        if self.positive is not None:
            share = self.counts[self.classes.index(self.positive)] / n
            begin = f"{share:.1%} of {n:,} examples are {self.positive!r}, the positive class"
        else:
            begin = (
                f"the largest of {len(self.classes)} classes, {largest!r}, has {max(self.counts):,} examples and the "
                f"smallest {min(self.counts):,}"
            )
        return (
            f"{begin[0].upper()}{begin[1:]}: judge by {self.recommended[0]}, where chance is "
            f"{self._row(self.recommended[0]).chance:.3f}, not by {row.metric}, where {model!r} scores {value:.3f}."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return :attr:`baselines` with the chance line, and which metrics are recommended and which mislead."""
        table = self.baselines
        table["chance"] = [row.chance for row in self.rows]
        table["use"] = [self._use(row.metric) for row in self.rows]
        order = [*self.recommended, *self.misleading]
        return table.loc[[*order, *(name for name in table.index if name not in order)]]

    def plot(self) -> Figure:
        """Return what each useless model scores in each metric, the recommended ones first."""
        from headstart.imbalance.plots import useless

        return useless(self)

    def scorer(self, metric: str) -> Callable[..., float]:
        """Return a scorer ``(estimator, X, y) -> float``, higher is better, for these labels.

        scikit-learn's own scorers of two classes take 1 as the positive label and refuse text; these take
        :attr:`positive`.

        Parameters
        ----------
        metric : str
            Any in the index of :attr:`baselines`. ``false_positive_rate`` gives minus the rate.

        Raises
        ------
        DataError
            If there is no such metric.
        """
        from headstart.imbalance._scorers import scorer

        if metric not in (known := [row.metric for row in self.rows]):
            raise DataError(f"no metric {metric!r} for this target: choose among {', '.join(known)}")
        return scorer(metric, self.classes, self.positive)

    def useless(self, metric: str) -> tuple[str, float]:
        """Return which model that never looks at an example does best in a metric, and its score."""
        return self._best(self._row(metric))

    def _row(self, metric: str) -> Baseline:
        return next(row for row in self.rows if row.metric == metric)

    def _use(self, metric: str) -> str:
        if metric in self.misleading:
            return "misleading"
        return "recommended" if metric in self.recommended else ""

    def _best(self, row: Baseline) -> tuple[str, float]:
        """Return the useless model that a metric flatters most, "always the majority" first among equals."""
        values = {model: getattr(row, name) for name, model in _MODELS.items() if not math.isnan(getattr(row, name))}
        model = max(values, key=lambda name: values[name])
        return model, values[model]


def choose_metric(y: ArrayLike, positive: Any = None) -> MetricChoice:
    """Choose the metric from how often each class occurs.

    A metric is recommended where no model that ignores the examples scores well in it, and misleading where one does:
    at 1 % of positives "always negative" is 99 % accurate, and where positives rule "always positive" has a high
    precision, recall, F1 and PR-AUC. Classes count as equally represented up to a ratio of 1.5.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, of two classes or more.
    positive : object, optional
        Label of the positive class of two. Without it the label 1 (or ``True``) is it, as in scikit-learn; where
        there is none, the rarer class is taken, and a warning says so.

    Returns
    -------
    MetricChoice

    Raises
    ------
    DataError
        If there are fewer than two classes, a label is missing, or ``positive`` is no label or one of more than two.

    References
    ----------
    Chicco and Jurman (2020), The advantages of the Matthews correlation coefficient over F1 score and accuracy.
    McDermott et al. (2024), A closer look at AUROC and AUPRC under class imbalance, arXiv:2401.06091: neither area is
    better in general, so both stand in the table.

    Examples
    --------
    >>> choice = choose_metric([0] * 990 + [1] * 10)
    >>> choice.kind, choice.recommended[:2], choice.misleading[0]
    ('more_negatives', ('f1', 'average_precision'), 'accuracy')
    >>> choice.baselines.loc["accuracy"].round(3).tolist()
    [0.99, 0.01, 0.98]
    """
    known = checked_labels(y)
    if known.n_classes < 2:
        raise DataError(f"all labels are {known.names[0]!s}: give examples of at least two classes")
    chosen, notes = _positive(known, positive)
    kind = _kind(known, chosen)
    names: list[Any] = known.names.tolist()
    if (rarest := int(known.counts.min())) < 10:
        label = names[int(known.counts.argmin())]
        notes = (*notes, f"{label!r} has {rarest} example{'s' if rarest > 1 else ''}: no metric is steady on so few")
    return MetricChoice(
        kind=kind,
        classes=tuple(names),
        counts=tuple(known.counts.tolist()),
        positive=None if chosen is None else names[chosen],
        recommended=_RECOMMENDED[kind],
        misleading=_MISLEADING[kind],
        rows=baselines(known.counts, [str(name) for name in names], chosen),
        warnings=notes,
    )


def _positive(known: Labels, positive: Any) -> tuple[int | None, tuple[str, ...]]:
    """Return the index of the positive class of two, and what to say of it."""
    names: list[Any] = known.names.tolist()
    if positive is not None:
        if positive not in names:
            raise DataError(f"positive={positive!r} is no label: choose among {', '.join(map(repr, names[:10]))}")
        if len(names) > 2:
            raise DataError(f"positive={positive!r} with {len(names)} classes: it is of two; leave it out")
        return names.index(positive), ()
    if len(names) > 2:
        return None, ()
    if 1 in names:
        return names.index(1), ()
    rarer = 0 if known.counts[0] < known.counts[1] else 1
    return rarer, (f"{names[rarer]!r} is taken as the positive class: give positive= if it is the other",)


def _kind(known: Labels, positive: int | None) -> Kind:
    even = known.counts.max() <= EVEN * known.counts.min()
    if positive is None:
        return "balanced_multiclass" if even else "long_tail"
    if even:
        return "balanced"
    return "more_positives" if known.counts[positive] > known.counts[1 - positive] else "more_negatives"
