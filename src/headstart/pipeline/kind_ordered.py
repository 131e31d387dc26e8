"""Ordered classes: one direction with thresholds, against a plain multinomial head and plain ridge regression."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.pipeline.kinds import Chosen, Floats, Folds, Kind, Rows, Rule, standardized_evidence

if TYPE_CHECKING:
    from headstart.evaluation import Scored
    from headstart.imbalance import CutPoints
    from headstart.training import LogisticHead, OrderedHead

PLAIN, MULTINOMIAL, RIDGE = "ordered logistic regression", "multinomial logistic regression", "ridge with thresholds"
_FREE = 1e4  # C of a head on one column, where nothing is to be shrunk


class Ordered(Kind):
    """A rank of each row."""

    score = "1 minus the steps it is off, of all there are"

    @property
    def columns(self) -> tuple[str, ...]:
        return self.target.classes

    def choose(self, X: NDArray[Any], rows: Rows, folds: Folds, seed: int) -> Chosen:
        """Choose each head's penalty out of fold, then its rule, and another than the plain head where kappa gains."""
        from headstart.evaluation.head_choice import HeadChoice, better_than_plain
        from headstart.imbalance import tune_cuts
        from headstart.metrics import ordered_scores
        from headstart.metrics.intervals import paired_bootstrap
        from headstart.metrics.ordered import kappa

        y, groups, k = self.target.y[rows], self.target.groups[rows], len(self.target.classes)
        found = {
            PLAIN: _ordered(X, y, folds, k), MULTINOMIAL: _multinomial(X, y, folds, k), RIDGE: _ridge(X, y, folds, k)
        }  # fmt: skip
        rules = {
            name: tune_cuts(y, table, groups=groups, classes=self.target.classes, random_state=seed)
            for name, (_, table, _) in found.items()
        }
        true = y.astype(np.float64)

        def gain(name: str, weights: Floats) -> Floats:
            ours, plain = (kappa(true, rules[one].decisions.astype(np.float64), weights) for one in (name, PLAIN))
            return ours - plain

        gains = {
            name: paired_bootstrap(partial(gain, name), groups, random_state=seed) for name in (MULTINOMIAL, RIDGE)
        }
        heads = {}
        for name, (penalty, table, _) in found.items():
            metrics = ordered_scores(y, rules[name].decisions, k)
            loss = -np.log(np.maximum(table[np.arange(len(y)), y], np.finfo(np.float64).eps)).mean()
            heads[name] = {"penalty": penalty, **{key: float(value[0]) for key, value in metrics.items()}}
            heads[name]["log loss"] = float(loss)
        taken = better_than_plain(gains, PLAIN)
        answer = HeadChoice(
            chosen=taken, metric="qwk", heads=heads, gains=gains, n=len(y), n_folds=len(folds),
            penalties={PLAIN: "C", MULTINOMIAL: "C", RIDGE: "alpha"},
        )  # fmt: skip
        _, table, fit = found[taken]
        return Chosen(answer, table, fit, rules[taken])

    def rule_of(self, chosen: Chosen) -> Rule:
        return {"cuts": _cuts(chosen).cuts}

    def out_of_fold(self, chosen: Chosen) -> Floats:
        return _cuts(chosen).decisions[:, None].astype(np.float64)

    def by_picture(self, rows: Rows, decisions: Floats) -> Floats:
        steps = np.abs(decisions[:, 0] - self.target.y[rows])
        return np.asarray(1 - steps / (len(self.target.classes) - 1))

    def evaluate(self, rows: Rows, table: Floats, decisions: Floats, learned: Rows, seed: int) -> Scored:
        from headstart.evaluation import score_ordered

        return score_ordered(
            self.target.y[rows], decisions[:, 0], self.target.y[learned], classes=self.target.classes,
            groups=self.target.groups[rows], random_state=seed,
        )  # fmt: skip

    def evidence(self, X: NDArray[Any], rows: Rows) -> float:
        return standardized_evidence(X, self.target.y[rows].astype(np.float64)[:, None])


Found = tuple[float, Floats, Callable[[NDArray[Any], Floats], Any]]


def _cuts(chosen: Chosen) -> CutPoints:
    from headstart.imbalance import CutPoints

    assert isinstance(chosen.rule, CutPoints)
    return chosen.rule


def _ordered(X: NDArray[Any], y: Rows, folds: Folds, k: int) -> Found:
    """Return penalty, out-of-fold probabilities and what fits the ordered head."""
    from headstart.metrics import ordered_scores
    from headstart.training import CS, ordered_path
    from headstart.training.path import Trace

    trace, tables = Trace(len(y)), []
    for table in ordered_path(X, y, folds, n_classes=k):
        loss = -np.log(np.maximum(table[np.arange(len(y)), y], np.finfo(np.float64).eps)).mean()
        said = np.rint(table @ np.arange(k)).astype(np.int64)
        trace.add(max(0.0, float(ordered_scores(y, said, k)["qwk"][0])), float(loss))
        tables.append(table)
        if trace.is_past_top():
            break
    C = CS[trace.best]

    def fit(X: NDArray[Any], Y: Floats) -> OrderedHead:
        from headstart.training import OrderedHead

        return OrderedHead(C=C).fit(X, Y[:, 0].astype(np.int64))

    return C, tables[trace.best], fit


def _multinomial(X: NDArray[Any], y: Rows, folds: Folds, k: int) -> Found:
    from headstart.training import choose

    choice = choose(X, y, folds, n_classes=k)

    def fit(X: NDArray[Any], Y: Floats) -> LogisticHead:
        from headstart.training import LogisticHead

        return LogisticHead(C=choice.C).fit(X, Y[:, 0].astype(np.int64))

    return choice.C, choice.probabilities[choice.best], fit


def _ridge(X: NDArray[Any], y: Rows, folds: Folds, k: int) -> Found:
    """Return ridge regression on the ranks, whose prediction is read by thresholds of its own: linear as well."""
    from headstart.training import ALPHAS, OrderedHead, RidgeHead, ridge_path

    path = ridge_path(X, y, folds)
    best = int(np.square(path - y).mean(axis=1).argmin())
    place = path[best][:, None]
    table = np.zeros((len(y), k))
    for train, test in folds:  # the thresholds of each fold are learned on the others
        reader = OrderedHead(C=_FREE).fit(place[train], y[train])
        table[np.ix_(test, reader.classes_)] = reader.predict_proba(place[test])
    reader = OrderedHead(C=_FREE).fit(place, y)

    def fit(X: NDArray[Any], Y: Floats) -> OrderedHead:
        ridge, slope = RidgeHead(alpha=ALPHAS[best]).fit(X, Y[:, 0]), reader.coef_[0]
        return OrderedHead.from_arrays(
            {
                "weight": slope * ridge.coef_[None],
                "bias": np.array([slope * ridge.intercept_]),
                "thresholds": reader.thresholds_,
            }
        )

    return ALPHAS[best], table, fit
