"""Resampling inside the training rows of each fold, and nowhere else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.imbalance._drawing import METHODS, Features, Strategy, draw
from headstart.imbalance._labels import Codes, Labels, checked_labels
from headstart.imbalance.guard import Correction
from headstart.metrics._arrays import checked_rows
from headstart.results import DataError


@dataclasses.dataclass(frozen=True, eq=False)
class ResampledFold:
    """A fold whose training rows are resampled and whose test rows are as they were.

    Attributes
    ----------
    X : ndarray, shape (m, d)
        Training features.
    y : ndarray, shape (m,)
        Their labels.
    rows : ndarray of int64, shape (m,)
        Which of the rows given each is, so that pictures can be resampled as their features were; -1 for a row that
        was made, which only SMOTE, its kin and what is combined with it do.
    test : ndarray of int64
        Test rows.
    method : str
    before, after : ndarray of int64, shape (k,)
        Training examples of each class of all labels, before and after.
    notes : tuple of str
        What had to be done otherwise than asked, such as copies of a class with one example.
    """

    X: Features
    y: NDArray[Any]
    rows: Codes
    test: Codes
    method: str
    before: Codes
    after: Codes
    notes: tuple[str, ...]

    def correction(self) -> Correction:
        """Return it as a step that :func:`headstart.imbalance.check_corrections` understands."""
        return Correction.resampled(self.method, self.before, self.after)


def resampled_folds(
    X: ArrayLike,
    y: ArrayLike,
    folds: Sequence[tuple[ArrayLike, ArrayLike]],
    method: str,
    *,
    sampling_strategy: Strategy = "auto",
    groups: ArrayLike | None = None,
    random_state: int | np.random.Generator | None = 0,
) -> Iterator[ResampledFold]:
    """Yield each fold with its training rows resampled.

    There is no way to resample before a split: what is asked for are the folds, and what is resampled are the training
    rows of one. For a fit on all rows there is :class:`headstart.imbalance.ResampledClassifier`, which resamples what
    it is fitted on, inside any cross-validation.

    ==================  ============================================================================================
    over-sampling       ``copies``; ``smote``, ``borderline_smote``, ``svm_smote``, ``adasyn`` make new examples. A
                        class with fewer examples than neighbours are asked for (5) gets fewer neighbours, one with a
                        single example copies; a method that cannot make any gives way to ``smote``, that to ``copies``
    under-sampling      ``random_under``, ``near_miss_1`` to ``_3``, ``instance_hardness`` (judged by a logistic
                        regression; about as many as asked for)
    cleaning            ``tomek``, ``edited_neighbours``, ``repeated_edited_neighbours``, ``all_knn``, ``one_sided``,
                        ``neighbourhood_cleaning``; they take from all but the smallest class
    combined            ``smote_enn``, ``smote_tomek``: SMOTE, then cleaning of all classes
    ==================  ============================================================================================

    Whatever departs from what was asked stands in ``notes``. A class that a method would lose keeps its examples.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Features, on one scale where the method looks for neighbours.
    y : array_like, shape (n,)
        Labels.
    folds : sequence of (array_like, array_like)
        Training rows and test rows.
    method : str
    sampling_strategy : "auto", float or mapping
        Ratio of the smallest to the largest class that is wanted (``"auto"``: 1): over-sampling raises every class to
        so many of the largest, under-sampling lowers every class until the smallest is so many of it. Or label →
        number of examples. Cleaning takes none.
    groups : array_like, shape (n,), optional
        Where it is given, no group may be on both sides of a fold.
    random_state : int, Generator or None
        Each fold has a seed of its own.

    Raises
    ------
    DataError
        If shapes do not fit, a fold's sides share a row or a group, its test side is empty, its training side has one
        class, or a method or strategy is unknown.

    References
    ----------
    Chawla et al. (2002), SMOTE: Synthetic minority over-sampling technique, JAIR 16. The methods are
    imbalanced-learn's (Lemaître, Nogueira and Aridas 2017).

    Examples
    --------
    >>> X, y = np.arange(20.0)[:, None], np.arange(20) % 5 == 0
    >>> fold, = resampled_folds(X, y, [(np.arange(15), np.arange(15, 20))], "copies")
    >>> fold.before.tolist(), fold.after.tolist(), fold.rows.max() < 15
    ([12, 3], [12, 12], np.True_)
    """
    known = checked_labels(y)
    features = checked_rows(X, len(known.codes), "features")
    sides = [_checked_fold(place, fold, len(known.codes)) for place, fold in enumerate(folds)]
    if not sides:
        raise DataError("there are no folds: give pairs of training rows and test rows")
    if groups is not None:
        _check_groups(np.asarray(groups), sides, len(known.codes))
    if method not in METHODS:
        raise DataError(f"no resampling {method!r}: choose among {', '.join(METHODS)}")
    seeds = np.random.default_rng(random_state).integers(2**31, size=len(sides))
    return (
        _resampled(features, known, train, test, method, sampling_strategy, int(seed))
        for (train, test), seed in zip(sides, seeds, strict=True)
    )


def _resampled(
    X: Features, known: Labels, train: Codes, test: Codes, method: str, strategy: Strategy, seed: int
) -> ResampledFold:
    inside = known.codes[train]
    drawn = draw(X[train], inside, method, strategy, known.names.tolist(), np.random.default_rng(seed))
    rows = np.where(drawn.rows < 0, -1, train[drawn.rows])
    before, after = (np.bincount(codes, minlength=known.n_classes) for codes in (inside, drawn.codes))
    return ResampledFold(drawn.X, known.names[drawn.codes], rows, test, method, before, after, drawn.notes)


def _checked_fold(place: int, fold: tuple[ArrayLike, ArrayLike], n: int) -> tuple[Codes, Codes]:
    """Return training rows and test rows of a fold, or say why it is none."""
    sides = []
    for name, given in zip(("training", "test"), fold, strict=True):
        rows = np.asarray(given)
        if rows.ndim != 1 or not len(rows):
            raise DataError(f"fold {place} has no {name} rows: resampling is for the training side of a split")
        if rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= n:
            raise DataError(f"fold {place} has {name} rows that are no row numbers from 0 to {n - 1}: give indices")
        if len(np.unique(rows)) < len(rows):
            raise DataError(f"fold {place} has a {name} row twice: rows were copied before the split; split first")
        sides.append(rows.astype(np.int64))
    shared = np.intersect1d(sides[0], sides[1])
    if len(shared):
        raise DataError(f"row {shared[0]} is on both sides of fold {place}: let no row train and test")
    return sides[0], sides[1]


def _check_groups(groups: NDArray[Any], sides: Sequence[tuple[Codes, Codes]], n: int) -> None:
    if groups.shape != (n,):
        raise DataError(f"groups have shape {groups.shape} for {n} examples: give one group an example")
    for place, (train, test) in enumerate(sides):
        shared = np.intersect1d(groups[train], groups[test])
        if len(shared):
            raise DataError(f"group {shared[0]!s} is on both sides of fold {place}: keep groups whole")
