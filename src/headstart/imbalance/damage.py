"""What it does to correct the same imbalance twice: measured, out of fold, on features at hand."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.imbalance._labels import Codes, Floats, Seed, checked_labels
from headstart.imbalance.weights import class_weights, sample_weights
from headstart.metrics import scores
from headstart.metrics._arrays import checked_rows
from headstart.metrics.calibration import N_BINS, bin_of
from headstart.results import Answer, DataError

if TYPE_CHECKING:
    import pandas as pd

WAYS = ("nothing", "weights", "copies", "both", "weights after copies")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Damage(Answer):
    """Out-of-fold scores of a logistic regression with no, one and two corrections.

    Attributes
    ----------
    balanced_accuracy, roc_auc, calibration, rarest : tuple of float
        For ``"nothing"``, balanced class ``"weights"``, over-sampling by ``"copies"``, ``"both"`` (weights from the
        counts before the copies) and ``"weights after copies"``: balanced accuracy, ROC-AUC, calibration error of the
        rarest class's probability (15 bins of equal width; lower is better) and the share of the rows that are said
        to be of that class. The usual calibration error, of the most probable class, does not see that one class's
        probabilities are too high where another's are too low.
    share : float
        Of the rarest class in truth.
    label : object
        The rarest class.
    """

    balanced_accuracy: tuple[float, ...]
    roc_auc: tuple[float, ...]
    calibration: tuple[float, ...]
    rarest: tuple[float, ...]
    share: float
    label: object

    question = "What does it do to correct twice?"

    def told(self) -> str:
        """Return the figures that matter, for an error: one correction against two."""
        one, two = WAYS.index("weights"), WAYS.index("both")
        scores, gaps = self.balanced_accuracy, self.calibration
        return (
            f"balanced accuracy is {scores[one]:.3f} with one correction and {scores[two]:.3f} with two, "
            f"calibration error {gaps[one]:.3f} and {gaps[two]:.3f}"
        )

    def headline(self) -> str:
        """One sentence: balanced accuracy and calibration with one and with two corrections."""
        two = WAYS.index("both")
        return (
            f"Out of fold, {self.told()}; with two {self.rarest[two]:.0%} of the examples are said to be "
            f"{self.label!r}, in truth {self.share:.0%} are."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each way to correct."""
        import pandas as pd

        columns = {
            "balanced accuracy": self.balanced_accuracy,
            "ROC-AUC": self.roc_auc,
            "calibration error": self.calibration,
            f"said to be {self.label}": self.rarest,
        }
        return pd.DataFrame(columns, index=pd.Index(WAYS, name="corrections"))


def measured_damage(
    X: ArrayLike,
    y: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    C: float = 1.0,
    n_folds: int = 5,
    random_state: Seed = 0,
) -> Damage:
    """Measure a logistic regression out of fold with no correction, with one, and with the same one twice.

    Copies are made inside the training rows of each fold: each row as often as its class's share asks, so that all
    classes have as many as the largest, the remainder drawn without replacement.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Features.
    y : array_like, shape (n,)
        Labels.
    groups : array_like, shape (n,), optional
        Rows with equal values stay on one side.
    C : float
        Inverse penalty, of ``LogisticHead``.
    n_folds : int
    random_state : int, Generator or None
        Of folds and copies.

    Raises
    ------
    DataError
        If shapes do not fit, there is one class only, or a class has no two independent examples.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(600) % 20 == 0
    >>> found = measured_damage(rng.normal(size=(600, 3)) + y[:, None], y)
    >>> found.balanced_accuracy[1] > found.balanced_accuracy[3]
    True
    """
    from headstart.data.splits import stratified_group_folds

    known = checked_labels(y)
    features = checked_rows(X, len(known.codes), "features").astype(np.float64)
    if known.n_classes < 2:
        raise DataError(f"all labels are {known.names[0]!s}: give examples of at least two classes")
    rng = np.random.default_rng(random_state)
    group = np.arange(len(known.codes)) if groups is None else np.asarray(groups)
    if group.shape != known.codes.shape:
        raise DataError(f"groups have shape {group.shape} for {len(known.codes)} examples: give one group an example")
    named = [str(name) for name in known.names]
    folds = stratified_group_folds(known.codes, group, n_folds=n_folds, random_state=rng, classes=named)
    tables = {way: np.zeros((len(known.codes), known.n_classes)) for way in WAYS}
    for train, test in folds:
        inside = known.codes[train]
        copies = train[_copied(inside, rng)]
        before = class_weights(inside, n_classes=known.n_classes)
        for way, rows, weight in (
            ("nothing", train, None),
            ("weights", train, before[inside]),
            ("copies", copies, None),
            ("both", copies, before[known.codes[copies]]),
            ("weights after copies", copies, sample_weights(known.codes[copies])),
        ):
            tables[way][test] = _fitted(features[rows], known.codes[rows], weight, features[test], C)
    rarest = int(known.counts.argmin())
    found = {way: scores(known.codes, table) for way, table in tables.items()}
    return Damage(
        balanced_accuracy=tuple(found[way]["balanced_accuracy"] for way in WAYS),
        roc_auc=tuple(found[way]["roc_auc"] for way in WAYS),
        calibration=tuple(_calibration(known.codes == rarest, tables[way][:, rarest]) for way in WAYS),
        rarest=tuple(float((tables[way].argmax(axis=1) == rarest).mean()) for way in WAYS),
        share=float(known.shares[rarest]),
        label=known.names[rarest].item(),
    )


def _calibration(is_it: NDArray[np.bool_], probability: Floats) -> float:
    """Return the mean over the rows of their bin's gap between mean probability and share of the class."""
    place = bin_of(probability, np.linspace(0, 1, N_BINS + 1))
    return float(np.abs(np.bincount(place, probability - is_it, N_BINS)).sum() / len(is_it))


def _copied(codes: Codes, rng: np.random.Generator) -> Codes:
    """Return places among ``codes`` such that each class has as many as the largest."""
    most = int(np.bincount(codes).max())
    found = []
    for code in np.unique(codes):
        mine = np.flatnonzero(codes == code)
        whole, rest = divmod(most, len(mine))
        found += [np.repeat(mine, whole), rng.choice(mine, rest, replace=False)]
    return np.concatenate(found)


def _fitted(X: Floats, y: Codes, weight: Floats | None, test: Floats, C: float) -> Floats:
    """Return probabilities of the test rows; every class is on the training side of every fold."""
    from headstart.training import LogisticHead

    return LogisticHead(C).fit(X, y, sample_weight=weight).predict_proba(test)
