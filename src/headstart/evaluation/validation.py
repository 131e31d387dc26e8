"""How good will it be? Cross-validation that pays for its own choice."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics import Interval
from headstart.metrics._arrays import checked_codes
from headstart.results import Answer, DataError
from headstart.results.terminal import progress

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from headstart.evaluation.honest import Honest

NAMES = {
    "macro_f1": "macro-F1",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "ece": "calibration error",
    "log_loss": "log loss",
}
_SMALL = 1000  # rows up to which nested cross-validation costs seconds
_TINY = 500  # rows up to which a third division into folds does too


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrossValidation(Answer):
    """The penalty that cross-validation chose, and what to expect of the head that has it.

    Attributes
    ----------
    C : float
        Inverse strength of the L2 penalty.
    metric : str
        What was compared.
    estimate : Interval
        The metric to expect on new examples of the same kind, the choice of C included, with a 95 % interval.
    uncorrected : float
        The cross-validated metric at the chosen C: the same data chose and scored, so it tends to flatter.
    method : {"nested", "bbc"}
        How ``estimate`` was made: repeated nested cross-validation up to 1,000 examples, bias-corrected
        cross-validation (BBC-CV) above.
    n, n_folds, n_repeats : int
        Examples, folds, and divisions into folds.
    Cs, scores, losses : tuple of float
        Penalties tried, ascending; metric and log loss of each.
    picks : tuple of int
        How often each was chosen in the outer folds (nested) or resamples (BBC-CV).
    classes : tuple of str
    probabilities : ndarray of float64, shape (n, k)
        Out-of-fold probabilities at the chosen C, in the order of the rows given.
    """

    C: float
    metric: str
    estimate: Interval
    uncorrected: float
    method: str
    n: int
    n_folds: int
    n_repeats: int
    Cs: tuple[float, ...]
    scores: tuple[float, ...]
    losses: tuple[float, ...]
    picks: tuple[int, ...]
    classes: tuple[str, ...]
    probabilities: NDArray[np.float64] = dataclasses.field(repr=False)

    question = "How good will it be on new examples?"

    def headline(self) -> str:
        """One sentence: what to expect, and how that was found."""
        how = self.method_text()
        return f"Expect a {NAMES[self.metric]} of {self.estimate} from C = {self.C:g}; {how[0].lower()}{how[1:]}"

    def method_text(self) -> str:
        """How the estimate was made, as a sentence."""
        if self.method == "nested":
            return (
                f"Measured by nested cross-validation of {self.n:,} examples in {self.n_folds} folds, "
                f"{self.n_repeats} times over, so that the choice of C is paid for."
            )
        return (
            f"Measured by cross-validation of {self.n:,} examples in {self.n_folds} folds, "
            "corrected for the choice of C by resampling (BBC-CV)."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each C: metric, log loss, share of the times it was chosen, and whether it was taken."""
        import pandas as pd

        times = max(1, sum(self.picks))
        columns = {
            NAMES[self.metric]: self.scores,
            "log loss": self.losses,
            "picked": [picked / times for picked in self.picks],
            "chosen": [C == self.C for C in self.Cs],
        }
        return pd.DataFrame(columns, index=pd.Index([f"{C:g}" for C in self.Cs], name="C"))

    def plot(self) -> Figure:
        """Return the metric against C, with the estimate as a band."""
        from headstart.evaluation.plots import penalty_path

        return penalty_path(self)


def cross_validate(
    X: ArrayLike,
    y: ArrayLike,
    groups: ArrayLike,
    *,
    classes: Sequence[str],
    Cs: Sequence[float] | None = None,
    n_folds: int = 5,
    random_state: int | np.random.Generator | None = 0,
    metric: str = "macro_f1",
    scaling: str = "standard",
    quiet: bool = True,
) -> CrossValidation:
    """Choose the head's penalty by stratified, group-aware cross-validation, and say what to expect of it.

    Up to 1,000 examples the estimate is a repeated nested cross-validation, above a bootstrap bias corrected one; see
    :mod:`headstart.evaluation.honest`. Which C is taken: :func:`headstart.training.path.select`.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Features of the development part. Never hand over test rows.
    y : array_like of int, shape (n,)
        Index of each row's class.
    groups : array_like, shape (n,)
        Rows with equal values are never torn apart.
    classes : sequence of str
        Names of the k classes.
    Cs : sequence of float, optional
        Ascending grid; by default half decades from 1e-5 to 100.
    n_folds : int
        At least 2; nested cross-validation needs 3.
    random_state : int or Generator
        Seed of folds and resamples.
    metric : str
        macro_f1, balanced_accuracy, accuracy, roc_auc or pr_auc.
    scaling : {"standard", "robust", "quantile"}
        See :class:`headstart.training.LogisticHead`; by the training rows of each fold.
    quiet : bool
        Whether to show no progress.

    Raises
    ------
    DataError
        If shapes do not fit, features are not finite, or a class cannot be split.
    """
    from headstart.data.splits import stratified_group_folds
    from headstart.evaluation.honest import bias_corrected_cv, nested
    from headstart.training.path import CS, choose

    features, codes, group = _checked(X, y, groups, len(classes))
    grid = tuple(Cs) if Cs is not None else CS
    rng = np.random.default_rng(random_state)
    n_folds = min(n_folds, len(np.unique(group)))
    small = len(codes) <= _SMALL and n_folds > 2
    n_repeats = (3 if len(codes) <= _TINY else 2) if small else 1
    fits = n_repeats * n_folds * (n_folds + 1) // 2 if small else n_folds
    with progress("cross-validation", fits * len(grid), quiet=quiet) as advance:
        if small:
            found = nested(
                features, codes, group, grid, classes=classes, metric=metric, n_folds=n_folds,
                n_repeats=n_repeats, random_state=rng, scaling=scaling, advance=advance,
            )  # fmt: skip
        else:
            folds = stratified_group_folds(codes, group, n_folds=n_folds, random_state=rng, classes=classes)
            choice = choose(
                features, codes, folds, grid, n_classes=len(classes), metric=metric, scaling=scaling, advance=advance
            )
            found = bias_corrected_cv(choice, codes, group, metric=metric, random_state=rng)
    choice = found.choice
    return CrossValidation(
        C=choice.C,
        metric=metric,
        estimate=found.estimate,
        uncorrected=choice.scores[choice.best],
        method="nested" if small else "bbc",
        n=len(codes),
        n_folds=n_folds,
        n_repeats=n_repeats,
        Cs=choice.Cs,
        scores=choice.scores,
        losses=choice.losses,
        picks=tuple(found.picks.tolist()),
        classes=tuple(classes),
        probabilities=choice.probabilities[choice.best],
        warnings=_warnings(found, grid, codes, group, classes, n_folds),
    )


def _checked(
    X: ArrayLike, y: ArrayLike, groups: ArrayLike, n_classes: int
) -> tuple[NDArray[np.float32 | np.float64], NDArray[np.int64], NDArray[np.int64]]:
    features, group = np.asarray(X), np.asarray(groups)
    codes = checked_codes(y, n_classes)
    if features.ndim != 2 or not len(features) == len(codes) == len(group):
        raise DataError(
            f"X {features.shape}, y {codes.shape} and groups {group.shape} do not fit: give (n, d), (n,) and (n,)"
        )
    if len(np.unique(codes)) < 2:
        raise DataError(f"all {len(codes)} examples are of one class: a classifier needs at least two")
    broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(broken):
        raise DataError(f"features of row {broken[0]} are not finite ({len(broken)} such rows): leave them out")
    return features, codes, np.unique(group, return_inverse=True)[1].astype(np.int64)


def _warnings(
    found: Honest,
    grid: Sequence[float],
    y: NDArray[np.int64],
    groups: NDArray[np.int64],
    classes: Sequence[str],
    n_folds: int,
) -> tuple[str, ...]:
    notes = []
    held = np.bincount(y[np.unique(y * (groups.max() + 1) + groups, return_index=True)[1]], minlength=len(classes))
    few = [repr(classes[code]) for code in np.flatnonzero((held > 0) & (held < n_folds)).tolist()]
    if few:
        notes.append(
            f"{_listed(few)}: fewer than {n_folds} independent examples, so some folds test "
            f"{'it' if len(few) == 1 else 'them'} on nothing: add examples"
        )
    choice = found.choice
    if len(grid) > 1 and choice.best in {0, len(grid) - 1}:
        end = "smallest" if choice.best == 0 else "largest"
        notes.append(f"C = {choice.C:g} is the {end} that was tried: a wider grid may be better")
    if found.estimate.width > 0.1:
        notes.append(
            f"the interval is {found.estimate.width:.2f} wide: {len(np.unique(groups)):,} independent examples "
            "cannot tell more closely"
        )
    return tuple(notes)


def _listed(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, and how many more there are.

    >>> _listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
