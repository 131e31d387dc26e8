"""Where the model will be used: the shares of the classes there, what mistakes cost, and what to expect."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from headstart.imbalance._labels import Codes, Floats, checked_shares
from headstart.imbalance.cost import bayes_decision, checked_cost, checked_probabilities
from headstart.imbalance.prior import prior_correction
from headstart.metrics import Interval
from headstart.metrics._arrays import checked
from headstart.metrics.counts import weighted_confusion
from headstart.metrics.intervals import _groups, paired_bootstrap
from headstart.results import Answer, DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deployment(Answer):
    """Decisions for the shares of the classes where a model is used, and for what mistakes cost there.

    Attributes
    ----------
    classes : tuple of str, length k
    trained, deployed : tuple of float, length k
        Share of each class in the data, and where the model is used.
    cost : tuple of tuple of float, (k, k)
        Entry (i, j): the cost of saying class j of an example of class i. Where none was given each mistake costs 1.
    given_cost : bool
        Whether one was given.
    plain : Interval
        Mean cost of a decision, where the classes have the ``deployed`` shares, if the most probable class of the
        probabilities as they were is said.
    decided : Interval
        The same of the decision that costs least in expectation, of corrected probabilities.
    saved : Interval
        ``plain`` minus ``decided``, paired.
    said : tuple of float, length k
        Share of the decisions, where the classes have the ``deployed`` shares.
    n : int
        Examples that it was measured on.
    decisions : ndarray of int64, shape (n,)
    """

    classes: tuple[str, ...]
    trained: tuple[float, ...]
    deployed: tuple[float, ...]
    cost: tuple[tuple[float, ...], ...]
    given_cost: bool
    plain: Interval
    decided: Interval
    saved: Interval
    said: tuple[float, ...]
    n: int
    decisions: Codes = dataclasses.field(repr=False)

    question = "What is decided where it is used?"

    @property
    def threshold(self) -> float:
        """With two classes: the corrected probability of the second from which on it is said.

        Raises
        ------
        DataError
            If there are not two classes.
        """
        if len(self.classes) != 2:
            raise DataError(f"{len(self.classes)} classes have no single threshold: use the cost matrix")
        (right, alarm), (missed, hit) = self.cost
        return (alarm - right) / (alarm - right + missed - hit)

    def headline(self) -> str:
        """One sentence: what is decided, and what it saves."""
        what = "mean cost of a decision" if self.given_cost else "share of mistakes"
        how = f"{what} {self.decided} instead of {self.plain}"
        where = "" if self.deployed == self.trained else ", at the shares of where it is used"
        if len(self.classes) == 2:
            rare = int(np.argmin(self.trained))
            begin = self.threshold if rare == 1 else 1 - self.threshold
            where += f"; {self.classes[rare]!r} is said from a probability of {begin:.3f} on"
        if self.saved.low > 0:
            return f"Decisions for it pay: {how}{where}."
        if self.saved.high < 0:
            return f"Decisions for it cost more than the most probable class: {how}{where}; see the calibration."
        return f"No evidence that decisions for it pay: {how}{where}."

    def to_frame(self) -> pd.DataFrame:
        """Return one row a class: its shares in the data and where it is used, how often it is said, its costs."""
        import pandas as pd

        columns = {"in the data": self.trained, "where it is used": self.deployed, "said": self.said}
        if self.given_cost:
            columns.update({f"cost of saying {name}": column for name, column in zip(self.classes, zip(*self.cost))})  # noqa: B905
        return pd.DataFrame(columns, index=pd.Index(self.classes, name="class"))


def deployed(
    y: ArrayLike,
    probabilities: ArrayLike,
    *,
    prior: ArrayLike | None = None,
    cost: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    classes: Sequence[str] | None = None,
    n_boot: int = 1000,
    random_state: int = 0,
) -> Deployment:
    """Decide for the shares and the costs of where a model is used, and measure what that saves.

    Probabilities are corrected for the prior (:func:`headstart.imbalance.prior_correction`), and the class that costs
    least in expectation is said (:func:`headstart.imbalance.bayes_decision`). Examples count by how much more frequent
    their class is where the model is used: the mean cost is that of the deployed world, if only the shares are
    different there.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Classes, from 0 to k - 1.
    probabilities : array_like, shape (n, k)
        Of a model that was not fitted on these rows and answers for classes as frequent as they are in ``y``.
    prior : array_like, shape (k,), optional
        Shares where the model is used; those of ``y`` where it is not given.
    cost : array_like, shape (k, k), optional
        Entry (i, j): the cost of saying class j of an example of class i; each mistake costs 1 where it is not given.
    groups : array_like, shape (n,), optional
        Rows that hang together.
    classes : sequence of str, optional
        Names.
    n_boot, random_state : int
        Of the intervals.

    Raises
    ------
    DataError
        If shapes, shares or costs do not fit, or a class is to occur that ``y`` has no example of.

    References
    ----------
    Elkan (2001), The foundations of cost-sensitive learning, sections 1 and 2; Saerens, Latinne and Decaestecker
    (2002), equation 2.4.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = (rng.random(800) < 0.2).astype(int)
    >>> p = 1 / (1 + np.exp(-(rng.normal(size=800) + 2 * y - 2.4)))
    >>> found = deployed(y, np.column_stack([1 - p, p]), cost=[[0, 1], [10, 0]])
    >>> found.saved.low > 0, round(found.threshold, 3)
    (True, 0.091)
    """
    table = checked_probabilities(probabilities)
    codes, _ = checked(y, table)
    k = table.shape[1]
    names = tuple(str(code) for code in range(k)) if classes is None else tuple(classes)
    if len(names) != k:
        raise DataError(f"{len(names)} class names for {k} columns: give one for each")
    trained = np.bincount(codes, minlength=k) / len(codes)
    shares = trained if prior is None else checked_shares(prior, k, "prior")
    matrix = 1 - np.eye(k) if cost is None else checked_cost(cost, k)
    corrected = table if prior is None else prior_correction(table, trained, shares)
    found = bayes_decision(corrected, matrix)
    weight = np.divide(shares, trained, out=np.zeros(k), where=trained > 0)[codes]

    def mean(decisions: Codes, drawn: Floats) -> Floats:
        counts = weighted_confusion(codes, decisions, k, drawn * weight)
        return np.asarray((counts * matrix).sum(axis=(1, 2)) / counts.sum(axis=(1, 2)))

    before, group = table.argmax(axis=1), _groups(groups, len(codes))

    def interval(of: Mapping[int, Codes]) -> Interval:
        def value(drawn: Floats) -> Floats:
            return np.asarray(sum(sign * mean(decisions, drawn) for sign, decisions in of.items()))

        return paired_bootstrap(value, group, n_boot=n_boot, random_state=random_state)

    return Deployment(
        classes=names,
        trained=tuple(trained.tolist()),
        deployed=tuple(shares.tolist()),
        cost=tuple(tuple(row) for row in matrix.tolist()),
        given_cost=cost is not None,
        plain=interval({1: before}),
        decided=interval({1: found}),
        saved=interval({1: before, -1: found}),
        said=tuple((np.bincount(found, weight, minlength=k) / weight.sum()).tolist()),
        n=len(codes),
        decisions=found,
    )


def parse_prevalence(text: str | float, classes: Sequence[str], positive: str | None = None) -> Floats:
    """Return the shares (k,) of the classes from a number for the positive class or from ``NAME=share`` pairs.

    Parameters
    ----------
    text : str or float
        ``0.01``: of the positive one of two classes. ``"cat=0.2,dog=0.3"``: of these classes; what is left over to 1
        goes to the classes that are not named, all the same.
    classes : sequence of str, length k
    positive : str, optional
        The positive class; the second where it is not given.

    Raises
    ------
    DataError
        If it cannot be read, a class is not known, or the shares do not add up.

    Examples
    --------
    >>> parse_prevalence("0.01", ["fine", "ill"]).tolist()
    [0.99, 0.01]
    >>> parse_prevalence("b=0.5", ["a", "b", "c"]).tolist()
    [0.25, 0.5, 0.25]
    """
    known, names = str(text).strip(), list(classes)
    alone = _number(known)
    if alone is not None:
        if len(names) != 2:
            raise DataError(
                f"prevalence {known!r} is one number and there are {len(names)} classes: give NAME=share pairs"
            )
        if not 0 < alone < 1:
            raise DataError(f"prevalence {known!r}: give a share between 0 and 1")
        place = 1 if positive is None else names.index(positive)
        return np.array([alone, 1 - alone] if place == 0 else [1 - alone, alone])
    shares: dict[str, float] = {}
    for part in known.split(","):
        name, _, value = (piece.strip() for piece in part.rpartition("="))
        number = _number(value)
        if number is None or not 0 <= number <= 1:
            raise DataError(
                f"prevalence {known!r}: {part.strip()!r} cannot be read; write it like 'NAME=0.1,OTHER=0.2'"
            )
        if name not in names:
            raise DataError(f"prevalence {known!r}: there is no class {name!r}; there are {', '.join(names[:8])}")
        if name in shares:
            raise DataError(f"prevalence {known!r} gives {name!r} twice: give it once")
        shares[name] = number
    left, others = 1 - sum(shares.values()), [name for name in names if name not in shares]
    if left < -1e-9 or (not others and left > 1e-6):
        raise DataError(f"prevalence {known!r} adds up to {sum(shares.values()):g}: let all classes add up to 1")
    found = np.array([shares.get(name, max(left, 0.0) / max(len(others), 1)) for name in names])
    if (found <= 0).any():
        never = names[int(found.argmin())]
        raise DataError(f"prevalence {known!r} leaves {never!r} no share: leave its examples out of the data instead")
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
