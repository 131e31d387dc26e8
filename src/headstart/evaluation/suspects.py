"""Examples a person should look at: labels that are probably wrong, and mistakes made with confidence."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics._arrays import Codes, Floats, checked
from headstart.metrics.scores import decided
from headstart.results import Answer, DataError

if TYPE_CHECKING:
    import pandas as pd

Ids = Sequence[str] | NDArray[np.str_]

_MANY = 0.2  # share of suspicious labels above which the model is to be doubted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Suspects(Answer):
    """Examples for which the model says something else than the label, the most glaring first.

    Attributes
    ----------
    n, n_found : int
        Examples looked at, and how many of them were found; the lists below hold the first of these.
    ids, given, predicted : tuple of str
        Name, label, and what the model says instead.
    probability, given_probability : tuple of float
        Of the prediction, and of the label.
    """

    n: int
    n_found: int
    ids: tuple[str, ...]
    given: tuple[str, ...]
    predicted: tuple[str, ...]
    probability: tuple[float, ...]
    given_probability: tuple[float, ...]

    @classmethod
    def of(
        cls,
        y: Codes,
        table: Floats,
        ids: Ids,
        classes: Sequence[str],
        found: Codes,
        n_most: int,
        warnings: Sequence[str] = (),
        said: Codes | None = None,
    ) -> Self:
        """Return the answer that lists the first ``n_most`` of the rows ``found``; ``said`` is what is predicted."""
        first = found[:n_most]
        best = decided(table, said)[first]
        return cls(
            n=len(y),
            n_found=len(found),
            ids=tuple(str(ids[row]) for row in first.tolist()),
            given=tuple(classes[code] for code in y[first].tolist()),
            predicted=tuple(classes[code] for code in best.tolist()),
            probability=tuple(table[first, best].tolist()),
            given_probability=tuple(table[first, y[first]].tolist()),
            warnings=tuple(warnings),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each example in the list."""
        import pandas as pd

        columns = {
            "given": self.given,
            "predicted": self.predicted,
            "probability": self.probability,
            "given probability": self.given_probability,
        }
        return pd.DataFrame(columns, index=pd.Index(self.ids, name="id", dtype=object))


class LabelIssues(Suspects):
    """Labels that are probably wrong; ``predicted`` is the label suggested instead. See :class:`Suspects`."""

    question = "Which labels are probably wrong?"

    def headline(self) -> str:
        """One sentence: how many, and what to look at first."""
        if not self.n_found:
            return f"None of {self.n:,} labels stands out as wrong."
        first = f"{self.ids[0]!r} is labelled {self.given[0]!r} and looks like {self.predicted[0]!r}"
        look = "label looks" if self.n_found == 1 else "labels look"
        return f"{self.n_found:,} of {self.n:,} {look} wrong ({self.n_found / self.n:.1%}); check first: {first}."


class Mistakes(Suspects):
    """Held-out examples that are named wrongly, the most confident mistake first. See :class:`Suspects`."""

    question = "Where is it wrong, and sure of it?"

    def headline(self) -> str:
        """One sentence: how many, and the worst."""
        if not self.n_found:
            return f"None of {self.n:,} examples is named wrongly."
        worst = f"{self.ids[0]!r} is {self.given[0]!r} and was taken for {self.predicted[0]!r}"
        are = "is" if self.n_found == 1 else "are"
        return f"{self.n_found:,} of {self.n:,} {are} named wrongly; the surest: {worst} ({self.probability[0]:.0%})."


def label_issues(
    y: ArrayLike,
    out_of_fold_probabilities: ArrayLike,
    ids: Ids,
    classes: Sequence[str],
    n_most: int = 24,
) -> LabelIssues:
    """Find labels that are probably wrong, by confident learning on out-of-fold probabilities (cleanlab).

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Index of each example's class.
    out_of_fold_probabilities : array_like, shape (n, k)
        From models that did not see the example's label.
    ids : sequence of str, length n
        Names of the examples.
    classes : sequence of str, length k
        Names of the classes.
    n_most : int
        Length of the list; all that are found are counted.

    Returns
    -------
    LabelIssues
        By normalized margin, the probability of the label minus that of the best other class, lowest first.

    References
    ----------
    Northcutt, Jiang and Chuang (2021), Confident learning: estimating uncertainty in dataset labels,
    arXiv:1911.00068.
    """
    codes, table = _checked(y, out_of_fold_probabilities, ids, classes)
    found, notes = _issues(codes, table)
    # A row whose label is also the most probable class is no issue that a person could act on.
    found = found[table[found].argmax(axis=1) != codes[found]]
    if len(found) > _MANY * len(codes):
        notes.append(
            f"{len(found) / len(codes):.0%} of the labels are called in question: more likely the model is weak here "
            "than the labels wrong"
        )
    return LabelIssues.of(codes, table, ids, classes, found, n_most, notes)


def confident_mistakes(
    y: ArrayLike,
    probabilities: ArrayLike,
    ids: Ids,
    classes: Sequence[str],
    n_most: int = 24,
    *,
    predicted: ArrayLike | None = None,
) -> Mistakes:
    """Return the held-out examples that are named wrongly, the most confident first.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Index of each example's class.
    probabilities : array_like, shape (n, k)
        Predictions.
    ids : sequence of str, length n
        Names of the examples.
    classes : sequence of str, length k
        Names of the classes.
    n_most : int
        Length of the list; all mistakes are counted.
    predicted : array_like of int, shape (n,), optional
        The class that was said of each example; by default the most probable.
    """
    codes, table = _checked(y, probabilities, ids, classes)
    said = decided(table, predicted)
    wrong = np.flatnonzero(said != codes)
    found = wrong[np.argsort(-table[wrong, said[wrong]], kind="stable")]
    return Mistakes.of(codes, table, ids, classes, found, n_most, said=said)


def _issues(codes: Codes, table: Floats) -> tuple[Codes, list[str]]:
    """Return rows that cleanlab calls in question, worst first, and notes."""
    present, inner = np.unique(codes, return_inverse=True)
    if len(present) < 2:
        return np.empty(0, np.int64), ["all labels are of one class: nothing can be compared"]
    from cleanlab.filter import find_label_issues

    known = table[:, present] + np.finfo(np.float64).tiny  # classes without examples would make cleanlab stumble
    known /= known.sum(axis=1, keepdims=True)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            rows = find_label_issues(
                inner, known, return_indices_ranked_by="normalized_margin", n_jobs=1, verbose=False
            )
        except ValueError as error:
            return np.empty(0, np.int64), [f"the labels could not be checked: {error}"]
    return np.asarray(rows, dtype=np.int64), []


def _checked(y: ArrayLike, probabilities: ArrayLike, ids: Ids, classes: Sequence[str]) -> tuple[Codes, Floats]:
    codes, table = checked(y, probabilities)
    if len(ids) != len(codes) or len(classes) != table.shape[1]:
        raise DataError(
            f"{len(ids)} ids and {len(classes)} classes for probabilities of shape {table.shape}: "
            "give one id a row and one class a column"
        )
    return codes, table
