"""Small decoders from a frozen representation to a target, trained on few pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.taskonomy.measured.tasks import MAP, Kind

Floats = NDArray[np.float64]
SIDE = 8  # height and width of every representation
_PATCH = MAP // SIDE
_POOLED = 2  # a class or a number is read from the means over 2x2 quarters
_PENALTIES: Floats = np.logspace(-6, 2, 9)  # of ridge regression, as a share of the mean eigenvalue
_CS = (0.001, 0.01, 0.1, 1.0)
_FOLDS = 4


def decode(
    kind: Kind,
    few: NDArray[np.floating],
    values: NDArray[Any],
    held: NDArray[np.floating],
    *,
    n_outputs: int,
    groups: NDArray[np.int64],
    seed: int = 0,
) -> NDArray[Any]:
    """Train a linear decoder on few pictures; return its predictions on held-out ones.

    Maps and masks: one linear map from the channels at each of the 8x8 positions to the 4x4 pixels there, by ridge
    regression. Numbers: ridge regression, and classes: logistic regression, on the means of the channels over 2x2
    quarters. Penalties are chosen by cross-validation among the few, groups kept whole. So the fit is exact, and one
    source beats another by what it represents, not by how well a decoder happened to train.

    Parameters
    ----------
    kind : {"classes", "number", "map", "mask"}
    few, held : ndarray, shape (n, c, 8, 8) and (m, c, 8, 8)
        Representations; of several sources, stacked along the channels.
    values : ndarray
        Of the few pictures, as a task has them.
    n_outputs : int
        Classes or channels.
    groups : ndarray of int64, shape (n,)
        Of the few pictures.
    seed : int
        Of the folds.

    Returns
    -------
    ndarray
        Probabilities (m, k), numbers (m,) or maps (m, c, 32, 32).
    """
    if kind == "classes":
        return _classes(pooled(few), values, pooled(held), n_outputs, groups, seed)
    folds = _deal(groups, seed)
    if kind == "number":
        return ridge(pooled(few), values[:, None].astype(np.float64), pooled(held), folds)[:, 0]
    positions = SIDE * SIDE
    found = ridge(_by_position(few), _patches(values), _by_position(held), np.repeat(folds, positions))
    return _unpatch(found, len(held), n_outputs)


def ridge(X: Floats, Y: Floats, X_held: Floats, folds: NDArray[np.int64]) -> Floats:
    """Return predictions (m, k) of ridge regression with an intercept on standardized features.

    The penalty is the one of a grid with the lowest squared error over ``folds``; it is computed from the folds' Gram
    matrices, so that rows are read once.

    Parameters
    ----------
    X, Y, X_held : ndarray, shape (n, d), (n, k) and (m, d)
    folds : ndarray of int64, shape (n,)
        The fold that each row is left out in; with a single fold the penalty in the middle of the grid is taken.
    """
    centre, scale = X.mean(axis=0), X.std(axis=0)
    scale = np.where(scale > 1e-9 * max(float(np.abs(X).max(initial=0.0)), 1e-300), scale, np.inf)
    middle = Y.mean(axis=0)
    rows, targets = (X - centre) / scale, Y - middle
    parts = [_Gram.of(rows[folds == fold], targets[folds == fold]) for fold in np.unique(folds)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    errors = np.zeros(len(_PENALTIES))
    if len(parts) > 1:
        for part in parts:
            for k, (weight, bias) in enumerate((whole - part).solutions(_PENALTIES)):
                errors[k] += part.error(weight, bias)
        best = int(errors.argmin())
    else:
        best = len(_PENALTIES) // 2
    weight, bias = whole.solutions(_PENALTIES[[best]])[0]
    result: Floats = (X_held - centre) / scale @ weight + bias + middle
    return result


class _Gram:
    """Sums over rows that ridge regression and its error need."""

    def __init__(self, n: float, x: Floats, y: Floats, xx: Floats, xy: Floats, yy: float) -> None:
        self.n, self.x, self.y, self.xx, self.xy, self.yy = n, x, y, xx, xy, yy

    @staticmethod
    def of(X: Floats, Y: Floats) -> _Gram:
        return _Gram(len(X), X.sum(axis=0), Y.sum(axis=0), X.T @ X, X.T @ Y, float((Y * Y).sum()))

    def __add__(self, other: _Gram) -> _Gram:
        return _Gram(*(mine + theirs for mine, theirs in zip(self._sums(), other._sums(), strict=True)))

    def __sub__(self, other: _Gram) -> _Gram:
        return _Gram(*(mine - theirs for mine, theirs in zip(self._sums(), other._sums(), strict=True)))

    def _sums(self) -> tuple[Any, ...]:
        return self.n, self.x, self.y, self.xx, self.xy, self.yy

    def solutions(self, penalties: Floats) -> list[tuple[Floats, Floats]]:
        """Return coefficients (d, k) and intercepts (k,) for each penalty."""
        from scipy.linalg import eigh

        centred = self.xx - np.outer(self.x, self.x) / self.n
        squares, axes = eigh((centred + centred.T) / 2)
        along = axes.T @ (self.xy - np.outer(self.x, self.y) / self.n)
        unit = max(float(squares.clip(0).mean()), 1e-12)
        found = []
        for penalty in penalties:
            weight = axes @ (along / (squares.clip(0) + penalty * unit)[:, None])
            found.append((weight, (self.y - self.x @ weight) / self.n))
        return found

    def error(self, weight: Floats, bias: Floats) -> float:
        """Return the squared error of a solution on these rows."""
        fitted = float(np.einsum("dk,de,ek->", weight, self.xx, weight, optimize=True))
        cross = float((weight * self.xy).sum() + bias @ self.y)
        offset = float(2 * bias @ (self.x @ weight) + self.n * bias @ bias)
        return self.yy - 2 * cross + fitted + offset


def _classes(
    few: Floats, codes: NDArray[np.int64], held: Floats, k: int, groups: NDArray[np.int64], seed: int
) -> Floats:
    from headstart.training import LogisticHead, logistic_path

    present = np.unique(codes)
    result = np.zeros((len(held), k))
    if len(present) == 1:
        result[:, present] = 1.0
        return result
    fold = _deal(groups, seed)
    folds = [(np.flatnonzero(fold != one), np.flatnonzero(fold == one)) for one in np.unique(fold)]
    C = _CS[1]
    if len(folds) > 1:
        truth = codes[np.concatenate([test for _, test in folds])]
        errors = []
        for found in logistic_path(few, codes, folds, _CS, n_classes=k):
            chance = np.concatenate(found)[np.arange(len(truth)), truth]
            errors.append(-np.log(chance.clip(1e-6)).mean())
            if len(errors) > 1 and errors[-1] > errors[-2]:
                break
        C = _CS[int(np.argmin(errors))]
    result[:, present] = LogisticHead(C=C).fit(few, codes).predict_proba(held)
    return result


def pooled(maps: NDArray[np.floating]) -> Floats:
    """Return the means over 2x2 quarters, (n, 4c)."""
    n, c = maps.shape[:2]
    half = SIDE // _POOLED
    quarters = maps.reshape(n, c, _POOLED, half, _POOLED, half).mean(axis=(3, 5), dtype=np.float64)
    return np.asarray(quarters.reshape(n, -1))


def _by_position(maps: NDArray[np.floating]) -> Floats:
    return np.asarray(maps.transpose(0, 2, 3, 1).reshape(-1, maps.shape[1]), dtype=np.float64)


def _patches(values: NDArray[Any]) -> Floats:
    """Cut maps (n, c, 32, 32) into a row (n * 64, c * 16) for each position."""
    n, c = values.shape[:2]
    cut = values.reshape(n, c, SIDE, _PATCH, SIDE, _PATCH).transpose(0, 2, 4, 1, 3, 5)
    return np.asarray(cut.reshape(n * SIDE * SIDE, -1), dtype=np.float64)


def _unpatch(rows: Floats, n: int, c: int) -> NDArray[np.float32]:
    cut = rows.reshape(n, SIDE, SIDE, c, _PATCH, _PATCH).transpose(0, 3, 1, 4, 2, 5)
    return cut.reshape(n, c, MAP, MAP).astype(np.float32)


def _deal(groups: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the fold of each picture, groups kept whole."""
    codes = np.unique(groups, return_inverse=True)[1]
    n = int(codes.max()) + 1
    return np.asarray((np.random.default_rng(seed).permutation(n) % min(_FOLDS, n))[codes])
