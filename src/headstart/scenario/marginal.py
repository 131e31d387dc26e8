"""Is X distributed alike? A classifier, the mean discrepancy and each feature by itself, as one test."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from headstart.scenario.basis import basis
from headstart.scenario.classifier_test import Told, told_apart
from headstart.scenario.finding import Finding, p_text
from headstart.scenario.mmd import Discrepancy, mmd_test

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from headstart.scenario.basis import Floats
    from headstart.scenario.table import Table


@dataclasses.dataclass(frozen=True)
class FeatureShift:
    """How one feature has moved.

    Attributes
    ----------
    name : str
    test : str
        "KS" for numbers, "chi2" for categories.
    distance : float
        Greatest distance of the distribution functions, or half the sum of the differences of the shares; 0 to 1.
    p_value : float
    adjusted : float
        The p-value by Holm's method, for all features together.
    """

    name: str
    test: str
    distance: float
    p_value: float
    adjusted: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Marginal(Finding):
    """Whether P(X) differs.

    Attributes
    ----------
    told : Told or None
        What a classifier says.
    discrepancy : Discrepancy or None
        The maximum mean discrepancy.
    features : tuple of FeatureShift
        Those that have moved most first.
    kind : "covariate", "label" or None
        What the difference is; None where there is none, or where it cannot be told.
    """

    told: Told | None = None
    discrepancy: Discrepancy | None = None
    features: tuple[FeatureShift, ...] = ()
    kind: Literal["covariate", "label"] | None = None

    question = "Is P(X) the same?"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a feature: test, distance, p-value, and that for all features together."""
        import pandas as pd

        rows = [(one.name, one.test, one.distance, one.p_value, one.adjusted) for one in self.features]
        return pd.DataFrame(rows, columns=["feature", "test", "distance", "p", "p (Holm)"]).set_index("feature")

    def plot(self) -> Figure:
        """Return how far each feature has moved, the 20 that moved most."""
        from headstart.scenario.plots import shift_bars

        return shift_bars(self)


def holm(p_values: ArrayLike) -> Floats:
    """Return p-values adjusted by Holm's method: below a level with all hypotheses true, with at most that chance.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    adjusted = np.empty(len(given))
    adjusted[order] = np.maximum.accumulate((len(given) - np.arange(len(given))) * given[order])
    return np.minimum(adjusted, 1.0)


def feature_shifts(source: Table, target: Table, names: Sequence[str]) -> tuple[FeatureShift, ...]:
    """Test each feature by itself: Kolmogorov and Smirnov's test for numbers, Pearson's chi2 for categories.

    A category's rare values are put together, so that each cell is expected to hold five rows. Missing values are left
    out of the numbers and are a value of the categories. What moved most comes first.
    """
    from scipy.stats import chi2_contingency, ks_2samp

    found = []
    for name in names:
        one, two = source.columns[name], target.columns[name]
        if source.kinds[name] == "category":
            tested, table = "chi2", _crossed(one, two)
            distance = 0.5 * float(np.abs(table[0] / len(one) - table[1] / len(two)).sum())
            p_value = float(chi2_contingency(table, correction=False).pvalue) if table.shape[1] > 1 else 1.0
        else:
            tested, one, two = "KS", one[~np.isnan(one)], two[~np.isnan(two)]
            distance, p_value = 0.0, 1.0
            if len(one) and len(two):
                result = ks_2samp(one, two, method="auto" if max(len(one), len(two)) <= 100 else "asymp")
                distance, p_value = float(result.statistic), float(result.pvalue)
        found.append((name, tested, distance, p_value))
    adjusted = holm([p_value for *_, p_value in found])
    shifts = [FeatureShift(*row, float(p)) for row, p in zip(found, adjusted, strict=True)]
    return tuple(sorted(shifts, key=lambda one: (one.p_value, -one.distance)))


def _crossed(one: np.ndarray, two: np.ndarray) -> Floats:  # type: ignore[type-arg]
    """Return the counts of the values, (2, values), those expected below five in either row put together."""
    both = np.array(["" if value is None else f"={value}" for value in [*one, *two]])
    codes = np.unique(both, return_inverse=True)[1]
    table = np.stack([np.bincount(part, minlength=codes.max() + 1) for part in np.split(codes, [len(one)])])
    smaller = min(len(one), len(two)) / len(both)
    rare = table.sum(axis=0) * smaller < 5
    if rare.sum() > 1:
        table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    return table.astype(np.float64)


def compare_marginals(
    table_s: Floats,
    table_t: Floats,
    features: tuple[FeatureShift, ...],
    *,
    level: float,
    n_permutations: int,
    rng: np.random.Generator,
) -> Marginal:
    """Say whether P(X) differs: three tests, each p-value times three (Bonferroni).

    Parameters
    ----------
    table_s, table_t : ndarray, shapes (ns, m) and (nt, m)
        Rows as numbers, on one scale.
    features : tuple of FeatureShift
        From :func:`feature_shifts`, on all rows.
    level : float
        Chance of a false alarm.
    """
    if not table_s.shape[1]:
        return Marginal(
            differs=False, sentence="No feature varies, so P(X) is the same.", p_value=1.0, effect=0.0,
            features=features,
        )  # fmt: skip
    seen = basis(np.concatenate([table_s, table_t]), rng)
    told = told_apart(seen, len(table_s), None, n_permutations, rng)
    linear = seen.linear
    discrepancy = mmd_test(
        linear[: len(table_s)], linear[len(table_s) :], n_permutations=n_permutations, random_state=rng
    )
    least = min([told.p_value, discrepancy.p_value, *(one.adjusted for one in features)])
    p_value = min(1.0, 3 * least)
    differs = p_value <= level
    moved = sum(one.adjusted <= level for one in features)
    if differs:
        sentence = (
            f"P(X) differs: a classifier tells source from target with an AUC of {told.auc:.2f}"
            f" ({p_text(p_value)}); {moved:,} of {len(features):,} features have moved by themselves."
        )
    else:
        sentence = f"No evidence that P(X) differs: AUC {told.auc:.2f} ({p_text(p_value)})."
    return Marginal(
        differs=differs, sentence=sentence, statistic=told.auc, measure="AUC of source against target",
        p_value=p_value, effect=max(0.0, 2 * told.auc - 1), told=told, discrepancy=discrepancy, features=features,
    )  # fmt: skip
