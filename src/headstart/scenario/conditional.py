"""Do the same X mean the same Y? Given what the marginals explain."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.metrics.intervals import Interval
from headstart.scenario.basis import Basis, Floats, folds_of, ridge_out_of_fold
from headstart.scenario.finding import Finding, p_text
from headstart.scenario.source_model import SourceModel, source_model

if TYPE_CHECKING:
    import pandas as pd

_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
_DIRECTIONS = 10
_ROWS_A_DIRECTION = 20
# Rows that overlap below which nothing is said: fewer hold no mean of residuals that could be told from 0.
_LEAST_OVERLAP = 40.0
_LEAST_SHARE = 0.05
_LEAST_CHANCE = 1e-3  # of a class; a single row must not outweigh all others


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conditional(Finding):
    """Whether P(Y given X) differs.

    Attributes
    ----------
    overlap : float or None
        Share of the rows for which source and target can be compared, 0 to 1: mean of ``e (1 - e)`` over its largest
        value, where e is the probability that a row is of the target, given X.
    residual_p, transfer_p : float or None
        Of the two parts of the test, see :func:`residual_test`.
    transfer : Interval or None
        Accuracy of a source model on the target less that of the target's own, both on rows that they were not fitted
        on. Negative where the source misleads, whatever of the four differences is the cause.
    """

    overlap: float | None = None
    residual_p: float | None = None
    transfer_p: float | None = None
    transfer: Interval | None = None

    question = "Is P(Y given X) the same?"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a test."""
        import pandas as pd

        rows = [("weighted residuals", self.residual_p), ("source model's loss", self.transfer_p)]
        return pd.DataFrame(rows, columns=["test", "p"]).set_index("test")


@dataclasses.dataclass(frozen=True)
class Residuals:
    """What :func:`residual_test` found.

    Attributes
    ----------
    p_value : float
        Of all parts together.
    residual_p, transfer_p : float
        Of the residuals and of the source model's loss.
    overlap : float
        Share of rows that can be compared, 0 to 1.
    """

    p_value: float
    residual_p: float
    transfer_p: float
    overlap: float


def residual_test(
    seen: Basis,
    origin: NDArray[np.int64],
    codes: NDArray[np.int64],
    loss: Floats,
    rng: np.random.Generator,
    n_draws: int = 999,
) -> Residuals:
    """Test whether Y depends on the origin, given X.

    With ``p_k(x) = P(Y = k | x)`` and ``e(x) = P(target | x)``, each estimated out of fold on the rows of both sides,
    the products ``(1[y = k] - p_k(x)) (d - e(x)) f(x)`` have mean 0 for every f if P(Y given X) is the same,
    and an error in p matters only as far as e is wrong at the same place. f is 1, the leading directions of X and
    the p themselves; what these, their squares and e still explain of either factor is taken out without a penalty.
    The same with the source model's loss in the place of ``1[y = k]`` asks whether that model errs more on the target
    than such rows explain. The largest of all studentized means is compared with its distribution under random signs
    of the rows' products.

    References
    ----------
    Shah and Peters (2020), The hardness of conditional independence testing and the generalised covariance measure,
    arXiv:1804.07203, theorem 8; Scheidegger, Hörrmann and Bühlmann (2022), The weighted generalised covariance
    measure, arXiv:2111.04361, section 3 (several f).
    """
    k = int(codes.max()) + 1
    is_class = np.eye(k)[codes]
    wanted = np.column_stack([is_class, loss, origin]).astype(np.float64)
    fold = folds_of(codes * 2 + origin, rng)
    tables = [ridge_out_of_fold(table, wanted, fold, _PENALTIES) for table in (seen.linear, seen.wide)]
    candidates = np.concatenate([*tables, _logistic(seen.linear, codes, origin, tables[-1], rng)])
    errors = ((candidates - wanted) ** 2).mean(axis=1)
    predicted = np.column_stack([candidates[best, :, column] for column, best in enumerate(errors.argmin(axis=0))])
    predicted[:, :k] = np.clip(predicted[:, :k], 0, 1)
    share = origin.mean()
    calibrated = _calibrated(predicted[:, -1], origin)
    overlap = float((calibrated * (1 - calibrated)).mean() / (share * (1 - share)))
    spread = seen.linear.std(axis=0)
    most = min(_DIRECTIONS, len(codes) // _ROWS_A_DIRECTION)
    directions = seen.linear[:, np.argsort(-spread, kind="stable")[:most]]
    functions = np.column_stack([np.ones(len(origin)), directions, predicted[:, :k]])
    # A penalty shrinks p and e along the same directions, and the products of these errors do not average out.
    left = wanted - predicted
    explain = np.column_stack([functions, directions**2, predicted[:, -1], predicted[:, -1] ** 2])
    left -= explain @ np.linalg.lstsq(explain, left, rcond=None)[0]
    surplus = left[:, -1]
    products = [left[:, column, None] * surplus[:, None] * functions for column in range(k if k > 2 else 1)]
    products.append((left[:, k] * surplus)[:, None])
    table = np.column_stack(products)
    size = np.sqrt((table**2).sum(axis=0))
    table = np.divide(table, size, out=np.zeros_like(table), where=size > 0)
    observed = np.abs(table.sum(axis=0))
    drawn = np.abs(rng.choice([-1.0, 1.0], size=(n_draws, len(table))) @ table)

    def p_of(columns: slice) -> float:
        return float((1 + (drawn[:, columns].max(axis=1) >= observed[columns].max()).sum()) / (n_draws + 1))

    return Residuals(p_of(slice(None)), p_of(slice(0, -1)), p_of(slice(-1, None)), min(overlap, 1.0))


def _logistic(
    rows: Floats, codes: NDArray[np.int64], origin: NDArray[np.int64], ridge: Floats, rng: np.random.Generator
) -> Floats:
    """Return logistic regression's probabilities, and their mean with each of ridge's, in the columns of ``ridge``."""
    k = int(codes.max()) + 1
    own = ridge[ridge.shape[0] // 2].copy()
    own[:, :k] = source_model(rows, codes, rows[:1], k, rng).source
    own[:, -1] = source_model(rows, origin, rows[:1], 2, rng).source[:, 1]
    return np.concatenate([own[None], (own[None] + ridge) / 2])


def _calibrated(scores: Floats, origin: NDArray[np.int64]) -> Floats:
    """Return the probability of the target by score alone: a linear score hides that two samples lie apart.

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines.
    """
    from sklearn.linear_model import LogisticRegression

    one = ((scores - scores.mean()) / max(float(scores.std()), 1e-12))[:, None]
    return np.asarray(LogisticRegression(C=1e4, max_iter=1000).fit(one, origin).predict_proba(one)[:, 1])


def compare_conditionals(
    seen: Basis, ns: int, codes: NDArray[np.int64], model: SourceModel, *, level: float, rng: np.random.Generator
) -> Conditional:
    """Say whether P(Y given X) differs, on rows of shared classes of which the first ``ns`` are the source's."""
    origin = (np.arange(len(codes)) >= ns).astype(np.int64)
    loss_s = -np.log(np.maximum(model.source[np.arange(ns), codes[:ns]], _LEAST_CHANCE))
    loss_t = -np.log(np.maximum(model.target[:, np.arange(len(codes) - ns), codes[ns:]], _LEAST_CHANCE)).mean(axis=0)
    found = residual_test(seen, origin, codes, np.concatenate([loss_s, loss_t]), rng)
    transfer = _transfer(seen.linear[ns:], codes[ns:], model, rng)
    shown = "" if transfer is None else f" On the target a model of the source is {_points(transfer)}."
    comparable = found.overlap * len(codes)
    if comparable < _LEAST_OVERLAP or found.overlap < _LEAST_SHARE:
        return Conditional(
            differs=None, measure="share of comparable rows", statistic=found.overlap, overlap=found.overlap,
            transfer=transfer,
            sentence="Whether P(Y given X) differs cannot be told: hardly any target row looks like one of the "
            f"source (overlap {found.overlap:.0%}).{shown}",
        )  # fmt: skip
    differs = found.p_value <= level
    text = "P(Y given X) differs" if differs else "No evidence that P(Y given X) differs"
    effect = None if transfer is None else min(1.0, max(0.0, -transfer.value))
    return Conditional(
        differs=differs, sentence=f"{text} where X is alike ({p_text(found.p_value)}).{shown}",
        statistic=found.overlap, measure="share of comparable rows", p_value=found.p_value, effect=effect,
        overlap=found.overlap, residual_p=found.residual_p, transfer_p=found.transfer_p, transfer=transfer,
    )  # fmt: skip


def _points(gain: Interval) -> str:
    if gain.low <= 0 <= gain.high:
        return f"about as accurate as the target's own ({100 * gain.low:+.0f} to {100 * gain.high:+.0f} points)"
    return f"{100 * abs(gain.value):.0f} points {'more' if gain.value > 0 else 'less'} accurate than the target's own"


def _transfer(rows: Floats, codes: NDArray[np.int64], model: SourceModel, rng: np.random.Generator) -> Interval | None:
    """Return how much more accurate the source's model is on the target than the target's own, out of fold."""
    from headstart.metrics.paired import paired_gain

    there, own = np.unique(codes, return_inverse=True)
    if len(there) < 2 or np.bincount(own).min() < 2 or len(own) < 20:
        return None
    mine = np.zeros((len(codes), model.source.shape[1]))
    mine[:, there] = source_model(rows, own.astype(np.int64), rows[:1], len(there), rng).source
    return paired_gain(
        codes, model.target.mean(axis=0), mine, np.arange(len(codes)), metric="accuracy", random_state=rng
    )
