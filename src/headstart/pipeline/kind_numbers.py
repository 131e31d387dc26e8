"""Numbers: ridge regression, of the logarithm where that is measurably better."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.pipeline.kinds import Chosen, Floats, Folds, Kind, Rows, Rule, standardized_evidence

if TYPE_CHECKING:
    from headstart.evaluation import Scored
    from headstart.training import RidgeHead

PLAIN, LOG = "ridge regression", "ridge regression of the logarithm"


class Numbers(Kind):
    """A number of each row."""

    score = "minus the absolute error"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.outputs)

    def choose(self, X: NDArray[Any], rows: Rows, folds: Folds, seed: int) -> Chosen:
        """Choose alpha by squared error out of fold, and the logarithm where R² gains by it."""
        from headstart.evaluation.head_choice import HeadChoice, better_than_plain
        from headstart.metrics import number_scores
        from headstart.metrics.intervals import paired_bootstrap
        from headstart.training import ALPHAS, ridge_path

        y, groups = self.values[rows, 0], self.target.groups[rows]
        found, heads, alphas = {}, {}, {}
        for name in (PLAIN, LOG) if (y > 0).all() else (PLAIN,):
            path = ridge_path(X, y, folds, log=name == LOG)
            best = int(np.square(path - y).mean(axis=1).argmin())
            found[name], alphas[name] = path[best], ALPHAS[best]
            heads[name] = {"penalty": ALPHAS[best]}
            heads[name] |= {metric: float(value[0]) for metric, value in number_scores(y, path[best]).items()}

        def gain(weights: Floats) -> Floats:
            ours, plain = (number_scores(y, found[name], weights)["r2"] for name in (LOG, PLAIN))
            return ours - plain

        gains = {LOG: paired_bootstrap(gain, groups, random_state=seed)} if LOG in found else {}
        taken = better_than_plain(gains, PLAIN)
        answer = HeadChoice(
            chosen=taken, metric="r2", heads=heads, gains=gains, n=len(y), n_folds=len(folds),
            penalties=dict.fromkeys(heads, "alpha"),
            warnings=_edge(alphas[taken], ALPHAS[0], ALPHAS[-1]),
        )  # fmt: skip
        return Chosen(answer, found[taken][:, None], partial(_fitted, alphas[taken], taken == LOG))

    def rule_of(self, chosen: Chosen) -> Rule:
        return {}

    def out_of_fold(self, chosen: Chosen) -> Floats:
        return chosen.table

    def by_picture(self, rows: Rows, decisions: Floats) -> Floats:
        return np.asarray(-np.abs(decisions[:, 0] - self.values[rows, 0]))

    def evaluate(self, rows: Rows, table: Floats, decisions: Floats, learned: Rows, seed: int) -> Scored:
        from headstart.evaluation import score_numbers

        return score_numbers(
            self.values[rows, 0], decisions[:, 0], self.values[learned, 0], groups=self.target.groups[rows],
            random_state=seed,
        )  # fmt: skip

    def evidence(self, X: NDArray[Any], rows: Rows) -> float:
        return standardized_evidence(X, self.values[rows])


def _fitted(alpha: float, log: bool, X: NDArray[Any], Y: Floats) -> RidgeHead:
    from headstart.training import RidgeHead

    return RidgeHead(alpha=alpha, log=log).fit(X, Y[:, 0])


def _edge(value: float, strongest: float, weakest: float) -> tuple[str, ...]:
    if value == strongest:
        return ("the strongest penalty is best: the features may say nothing about the number",)
    if value == weakest:
        return (f"alpha = {value:g} is the weakest penalty that was tried: a weaker one may be better",)
    return ()
