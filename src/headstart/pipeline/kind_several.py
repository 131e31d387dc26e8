"""Several answers a row: labels, each there or not, and heads, each a choice among classes of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.pipeline.kinds import Chosen, Floats, Folds, Kind, Rows, Rule, standardized_evidence

if TYPE_CHECKING:
    from headstart.evaluation import Scored
    from headstart.training import Choice, SeveralHead


class Labels(Kind):
    """0 or 1 for each of several labels."""

    score = "the F1 of its labels (1 where there are none and none is said)"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.outputs)

    def choose(self, X: NDArray[Any], rows: Rows, folds: Folds, seed: int) -> Chosen:
        """Choose a penalty a label by average precision and log loss, then thresholds."""
        from headstart.imbalance import tune_label_thresholds
        from headstart.metrics import label_each

        Y, groups = self.values[rows], self.target.groups[rows]
        choices = _choices(X, Y, [2] * Y.shape[1], folds)
        table = np.column_stack([one.probabilities[one.best][:, 1] for one in choices])
        rule = tune_label_thresholds(Y, table, labels=self.columns, groups=groups, random_state=seed)
        found = label_each(Y, table, rule.decisions)
        heads = {
            name: {
                "penalty": one.C, "log loss": one.losses[one.best], "F1": float(found["f1"][number]),
                "average precision": float(found["ap"][number]),
            }
            for number, (name, one) in enumerate(zip(self.columns, choices, strict=True))
        }  # fmt: skip
        answer = _answer("a logistic regression for each label", "F1", heads, len(Y), len(folds))
        return Chosen(answer, table, partial(_fitted, [one.C for one in choices], [1] * Y.shape[1]), rule)

    def rule_of(self, chosen: Chosen) -> Rule:
        from headstart.imbalance import LabelThresholds

        assert isinstance(chosen.rule, LabelThresholds)
        return {"thresholds": chosen.rule.thresholds}

    def out_of_fold(self, chosen: Chosen) -> Floats:
        from headstart.imbalance import LabelThresholds

        assert isinstance(chosen.rule, LabelThresholds)
        return chosen.rule.decisions

    def by_picture(self, rows: Rows, decisions: Floats) -> Floats:
        true = self.values[rows]
        both, either = (true * decisions).sum(axis=1), true.sum(axis=1) + decisions.sum(axis=1)
        return np.asarray(np.divide(2 * both, either, out=np.ones(len(rows)), where=either > 0))

    def evaluate(self, rows: Rows, table: Floats, decisions: Floats, learned: Rows, seed: int) -> Scored:
        from headstart.evaluation import score_labels

        return score_labels(
            self.values[rows], table, decisions, self.values[learned], labels=self.columns,
            groups=self.target.groups[rows], random_state=seed,
        )  # fmt: skip

    def evidence(self, X: NDArray[Any], rows: Rows) -> float:
        return standardized_evidence(X, self.values[rows])


class Heads(Kind):
    """A class in each of several heads."""

    score = "the share of its heads that are right"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"{head}={name}" for head, classes in self.outputs.items() for name in classes)

    @property
    def sizes(self) -> list[int]:
        """Classes of each head."""
        return [len(classes) for classes in self.outputs.values()]

    def choose(self, X: NDArray[Any], rows: Rows, folds: Folds, seed: int) -> Chosen:
        """Choose a penalty a head by macro-F1 and log loss."""
        from headstart.metrics import scores

        Y = self.values[rows]
        choices = _choices(X, Y, self.sizes, folds)
        heads = {}
        for name, column, one in zip(self.outputs, Y.T, choices, strict=True):
            found = scores(column.astype(np.int64), one.probabilities[one.best])
            heads[name] = {"penalty": one.C, **{key: found[key] for key in ("log_loss", "macro_f1", "accuracy")}}
            heads[name]["log loss"] = heads[name].pop("log_loss")
        table = np.hstack([one.probabilities[one.best] for one in choices])
        answer = _answer("a multinomial logistic regression for each head", "macro_f1", heads, len(Y), len(folds))
        return Chosen(answer, table, partial(_fitted, [one.C for one in choices], self.sizes))

    def rule_of(self, chosen: Chosen) -> Rule:
        return {}

    def out_of_fold(self, chosen: Chosen) -> Floats:
        return most_probable(chosen.table, self.sizes)

    def by_picture(self, rows: Rows, decisions: Floats) -> Floats:
        return np.asarray((decisions == self.values[rows]).mean(axis=1))

    def evaluate(self, rows: Rows, table: Floats, decisions: Floats, learned: Rows, seed: int) -> Scored:
        from headstart.evaluation import score_heads

        return score_heads(
            self.values[rows], split_columns(table, self.sizes), self.values[learned], heads=self.outputs,
            groups=self.target.groups[rows], random_state=seed,
        )  # fmt: skip

    def evidence(self, X: NDArray[Any], rows: Rows) -> float:
        from headstart.transferability.logme import logme

        return float(np.mean([float(logme(X, column.astype(np.int64))) for column in self.values[rows].T]))


def split_columns(table: Floats, sizes: list[int]) -> list[Floats]:
    """Return the probabilities of each head from those of all side by side."""
    return np.split(table, np.cumsum(sizes)[:-1], axis=1)


def most_probable(table: Floats, sizes: list[int]) -> Floats:
    """Return the most probable class (n, h) of each head."""
    return np.column_stack([part.argmax(axis=1) for part in split_columns(table, sizes)]).astype(np.float64)


def _choices(X: NDArray[Any], Y: Floats, sizes: list[int], folds: Folds) -> list[Choice]:
    from headstart.training import choose

    return [
        choose(X, column.astype(np.int64), folds, n_classes=size, metric="pr_auc" if size == 2 else "macro_f1")
        for column, size in zip(Y.T, sizes, strict=True)
    ]


def _answer(chosen: str, metric: str, heads: dict[str, dict[str, float]], n: int, n_folds: int) -> Any:
    from headstart.evaluation import HeadChoice

    return HeadChoice(
        chosen=chosen, metric=metric, heads=heads, gains={}, n=n, n_folds=n_folds,
        penalties=dict.fromkeys(heads, "C"),
    )  # fmt: skip


def _fitted(Cs: list[float], sizes: list[int], X: NDArray[Any], Y: Floats) -> SeveralHead:
    from headstart.training import SeveralHead

    return SeveralHead(Cs, sizes).fit(X, Y)
