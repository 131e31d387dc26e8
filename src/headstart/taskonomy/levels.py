"""Coarse-to-fine classes: how right a prediction is at each level, and how far off the mistakes are."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics.intervals import Interval, paired_bootstrap
from headstart.results import Answer, DataError
from headstart.taskonomy.class_paths import Paths, checked_paths

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

Codes = NDArray[np.int64]
_TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class LevelScore:
    """One level, counted from the root.

    Attributes
    ----------
    name : str
    n_classes : int
        Different ancestors at this level; a class that is not that deep stands for itself.
    accuracy : Interval
        Share of examples whose predicted class has the right ancestor there.
    balanced : float
        The same, the mean over the ancestors that occur.
    given_above : float
        Accuracy among the examples that are right at the level above; NaN where there are none.
    summed : Interval or None
        Accuracy of the likeliest ancestor, whose probability is the sum over its classes; None without probabilities.
    """

    name: str
    n_classes: int
    accuracy: Interval
    balanced: float
    given_above: float
    summed: Interval | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class LevelScores(Answer):
    """How right predictions are, level by level.

    Attributes
    ----------
    levels : tuple of LevelScore
        From the root's side to the classes.
    distance : Interval
        Mean height at which truth and prediction meet, over all examples: 0 where right, or where the predicted class
        stands below the true one; 1 where they share the parent of the true class.
    severity : float
        The same over mistakes alone; NaN without any.
    heights : dict of int to int
        How many examples meet at each height.
    n : int
        Examples.
    """

    levels: tuple[LevelScore, ...]
    distance: Interval
    severity: float
    heights: dict[int, int]
    n: int

    question = "How right is it, level by level?"

    def headline(self) -> str:
        """One sentence: accuracy at each level, and how many mistakes stay within the right parent."""
        said = ", ".join(f"{one.accuracy.value:.3f} at {one.name}" for one in self.levels)
        wrong = self.n - self.heights.get(0, 0)
        if not wrong:
            return f"Accuracy {said}: no mistake."
        near = self.heights.get(1, 0)
        return f"Accuracy {said}; {near:,} of {wrong:,} mistakes stay below the right parent."

    def to_frame(self) -> pd.DataFrame:
        """Return one row a level."""
        import pandas as pd

        rows = [
            {
                "classes": one.n_classes,
                "accuracy": one.accuracy.value,
                "low": one.accuracy.low,
                "high": one.accuracy.high,
                "balanced": one.balanced,
                "given above": one.given_above,
                "summed": np.nan if one.summed is None else one.summed.value,
            }
            for one in self.levels
        ]
        return pd.DataFrame(rows, index=pd.Index([one.name for one in self.levels], name="level"))

    def plot(self) -> Figure:
        """Return accuracy at each level with its interval."""
        from headstart.taskonomy.plots import level_bars

        return level_bars(self)


def score_levels(
    y: ArrayLike,
    predicted: ArrayLike,
    paths: Paths,
    *,
    names: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    n_boot: int = 1000,
    random_state: int = 0,
) -> LevelScores:
    """Score predictions at each level of a tree of classes.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        The true classes.
    predicted : array_like
        Classes, int (n,), or their probabilities, float (n, k).
    paths : sequence of sequence of str
        For each of the k classes the way to it, from below the root to the class itself; ``level_paths`` makes them
        from columns, ``imagenet_paths`` from WordNet. Lengths may differ.
    names : sequence of str, optional
        Of the levels.
    groups : array_like, shape (n,), optional
        Pictures that are resampled together.
    n_boot, random_state : int
        Resamples for the 95 % intervals, and their seed.

    Returns
    -------
    LevelScores

    Raises
    ------
    DataError
        If there is no example, classes have no path or the same one, or shapes do not fit.

    References
    ----------
    Bertinetto et al. (2020), Making better mistakes: leveraging class hierarchies with deep networks, CVPR, section 4
    (the height of the lowest common ancestor), arXiv 1912.09393; Deng et al. (2010), What does classifying more than
    10,000 image categories tell us?, ECCV. The height is counted here from the true class up.

    Examples
    --------
    >>> paths = [("fruit", "apple"), ("fruit", "pear"), ("tool", "saw")]
    >>> found = score_levels([0, 0, 1, 2], [0, 1, 2, 2], paths, names=["kind", "thing"])
    >>> [(one.name, one.accuracy.value) for one in found.levels], found.distance.value, found.severity
    ([('kind', 0.75), ('thing', 0.5)], 0.75, 1.5)
    """
    ways, known = checked_paths(paths)
    truth = _codes(y, len(ways), "y")
    if not len(truth):
        raise DataError("there is no example: give at least one")
    said, chances = _said(predicted, len(ways), len(truth))
    group = np.arange(len(truth)) if groups is None else np.asarray(groups)
    if group.shape != truth.shape:
        raise DataError(f"groups have shape {group.shape} for {len(truth)} examples: give one group an example")
    depth = known.shape[1]
    if names is not None and len(names) != depth:
        raise DataError(f"{len(names)} names for {depth} levels: give one a level")

    def mean(values: NDArray[np.float64]) -> Interval:
        return paired_bootstrap(
            lambda drawn: drawn @ values / drawn.sum(axis=1), group, n_boot=n_boot, random_state=random_state
        )

    levels, above = [], np.ones(len(truth), dtype=bool)
    for level in range(depth):
        at = known[:, level]
        right = at[said] == at[truth]
        summed = None
        if chances is not None:
            likeliest = (chances @ np.eye(int(at.max()) + 1)[at]).argmax(axis=1)
            summed = mean((likeliest == at[truth]).astype(np.float64))
        levels.append(
            LevelScore(
                name=str(names[level]) if names is not None else f"level {level + 1}",
                n_classes=len(np.unique(at)),
                accuracy=mean(right.astype(np.float64)),
                balanced=float(np.mean([right[at[truth] == one].mean() for one in np.unique(at[truth])])),
                given_above=float(right[above].mean()) if above.any() else float("nan"),
                summed=summed,
            )
        )
        above = right
    height = _heights(ways, truth, said)
    return LevelScores(
        levels=tuple(levels),
        distance=mean(height.astype(np.float64)),
        severity=float(height[height > 0].mean()) if height.any() else float("nan"),
        heights={int(one): int((height == one).sum()) for one in np.unique(height)},
        n=len(truth),
    )


def _codes(values: ArrayLike, k: int, what: str) -> Codes:
    codes = np.asarray(values)
    if codes.ndim != 1 or (len(codes) and codes.dtype.kind not in "iu"):
        raise DataError(f"{what} has type {codes.dtype} and shape {codes.shape}: give one class number an example")
    if len(codes) and not 0 <= codes.min() <= codes.max() < k:
        raise DataError(f"{what} goes from {codes.min()} to {codes.max()}, but there are paths of {k} classes, 0 on")
    return codes.astype(np.int64)


def _said(predicted: ArrayLike, k: int, n: int) -> tuple[Codes, NDArray[np.float64] | None]:
    given = np.asarray(predicted)
    chances = None
    if given.ndim == 2:
        chances = given.astype(np.float64)
        if chances.shape[1] != k:
            raise DataError(f"predicted has {chances.shape[1]} columns, but there are paths of {k} classes: one each")
        if not ((chances >= 0).all() and (np.abs(chances.sum(axis=1) - 1) <= _TOLERANCE).all()):
            raise DataError("predicted holds no probabilities: rows must add up to 1, none negative or missing")
        given = chances.argmax(axis=1)
    said = _codes(given, k, "predicted")
    if len(said) != n:
        raise DataError(f"{len(said)} predictions for {n} examples: give one each")
    return said, chances


def _heights(ways: Sequence[tuple[str, ...]], truth: Codes, said: Codes) -> Codes:
    """Return how many steps up from each true class an ancestor of the predicted one is met."""

    def height(true: int, other: int) -> int:
        if true == other:
            return 0
        shared = 0
        for one, two in zip(ways[true], ways[other], strict=False):
            if one != two:
                break
            shared += 1
        return len(ways[true]) - shared

    pairs, back = np.unique(np.stack([truth, said]), axis=1, return_inverse=True)
    return np.array([height(int(a), int(b)) for a, b in pairs.T], dtype=np.int64)[back.ravel()]
