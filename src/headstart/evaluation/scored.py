"""How good is it, where what is predicted is a rank, a number, or several labels: metrics beside useless answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.metrics import Interval
from headstart.metrics.resampled import intervals
from headstart.results import Answer

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

Floats = NDArray[np.float64]
Values = Mapping[str, Floats]
Scores = Callable[[Floats], Values]

TITLES = {
    "qwk": ("quadratic weighted kappa", "agreement beyond chance, a mistake counting as the square of its steps"),
    "mae": ("mean absolute error", "how far off a prediction is on average; lower is better"),
    "macro_mae": ("macro-averaged error", "the mean error in steps, each class counting the same; lower is better"),
    "within_one": ("within one step", "the share that is at most one class off"),
    "accuracy": ("accuracy", "the share that is right; large classes count most"),
    "rmse": ("root mean squared error", "as the mean error, but large errors count more; lower is better"),
    "r2": ("R²", "the share of the variance that is predicted; 0 is the mean"),
    "spearman": ("Spearman correlation", "whether the order is right"),
    "macro_f1": ("macro-F1", "the mean over the labels (or classes), each counting the same"),
    "micro_f1": ("micro-F1", "F1 of all decisions together; frequent labels count most"),
    "macro_ap": ("mean average precision", "how well each label is ranked; chance gives its prevalence"),
    "exact": ("exact match", "the share of the examples that are right in everything"),
    "hamming": ("Hamming loss", "the share of all decisions that are wrong; lower is better"),
}  # fmt: skip
LOWER_IS_BETTER = ("mae", "macro_mae", "rmse", "hamming")
PRIMARY = {"ordinal": "qwk", "regression": "r2", "multilabel": "macro_f1", "heads": "macro_f1"}
_BESIDE = {"ordinal": "mae", "regression": "mae", "multilabel": "macro_ap", "heads": "exact"}
_FLATTERED = 0.7


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scored(Answer):
    """Predictions held against the truth, beside answers that never look at an example.

    Attributes
    ----------
    task : {"ordinal", "regression", "multilabel", "heads"}
    part : str
        The part of the data, "test" as a rule.
    n, n_groups : int
        Examples, and independent ones among them (copies count once).
    metrics : mapping of str to Interval
        With 95 % intervals; see ``number_scores``, ``ordered_scores`` and ``label_scores`` in ``headstart.metrics``.
    useless : mapping of str to mapping of str to float
        What constant answers score: name of the answer -> metric -> value.
    each : mapping of str to mapping of str to float
        Figures of each class, range of numbers, label or head.
    unit : str
        Of errors.
    confusion : ndarray of int64, shape (k, k), or None
        Of ordered classes: entry (i, j) counts examples of class i predicted as class j.
    """

    task: str
    part: str
    n: int
    n_groups: int
    metrics: Mapping[str, Interval]
    useless: Mapping[str, Mapping[str, float]]
    each: Mapping[str, Mapping[str, float]]
    unit: str = ""
    confusion: NDArray[np.int64] | None = None

    question = "How good is it?"

    @property
    def primary(self) -> str:
        """Name of the metric to trust first."""
        return PRIMARY[self.task]

    def headline(self) -> str:
        """One sentence: the metric to trust, one to picture, and what a useless answer has."""
        beside = _BESIDE[self.task]
        told = self.primary if self.task == "multilabel" else beside
        name, constant = self.best_constant(told)
        unit = f" {self.unit}" if beside == "mae" and self.unit else ""
        return (
            f"On {self.n:,} {self.part} examples {TITLES[self.primary][0]} is {self.metrics[self.primary]} and "
            f"{TITLES[beside][0]} {self.metrics[beside]}{unit}; always saying {name}: {TITLES[told][0]} {constant:.3f}."
        )

    def best_constant(self, metric: str) -> tuple[str, float]:
        """Return the useless answer that scores best, and its score."""
        sign = -1 if metric in LOWER_IS_BETTER else 1
        return max(
            ((name, found[metric]) for name, found in self.useless.items()),
            key=lambda pair: np.nan_to_num(sign * pair[1], nan=-np.inf),
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each metric: value, ends of the interval, and what useless answers have."""
        import pandas as pd

        rows = [
            {
                "metric": TITLES[name][0], "value": found.value, "low": found.low, "high": found.high,
                **{f"always {constant}": scores[name] for constant, scores in self.useless.items()},
            }
            for name, found in self.metrics.items()
        ]  # fmt: skip
        return pd.DataFrame(rows).set_index("metric")

    def each_frame(self) -> pd.DataFrame:
        """Return one row for each class, range, label or head."""
        import pandas as pd

        titles = {"ordinal": "class", "regression": "range", "multilabel": "label", "heads": "head"}
        frame = pd.DataFrame(list(self.each.values()), index=pd.Index(list(self.each), name=titles[self.task]))
        if "examples" in frame:
            frame["examples"] = frame["examples"].astype(int)
        return frame

    def plot(self) -> Figure:
        """Return each share or correlation with its interval, beside the best useless answer."""
        from headstart.evaluation.scored_plots import against_useless

        return against_useless(self)


def scored(
    scores: Scores,
    constants: Mapping[str, Callable[[Floats], Values]],
    groups: NDArray[np.int64],
    *,
    task: str,
    part: str,
    each: Mapping[str, Mapping[str, float]],
    random_state: int | np.random.Generator | None,
    unit: str = "",
    confusion: NDArray[np.int64] | None = None,
    warnings: tuple[str, ...] = (),
) -> Scored:
    """Measure predictions and useless answers by the same function of weights; see :class:`Scored`."""
    once = np.ones((1, len(groups)))
    useless = {
        name: {metric: float(value[0]) for metric, value in one(once).items()} for name, one in constants.items()
    }
    found = Scored(
        task=task,
        part=part,
        n=len(groups),
        n_groups=len(np.unique(groups)),
        metrics=intervals(scores, groups, random_state=random_state),
        useless=useless,
        each=each,
        unit=unit,
        confusion=confusion,
    )
    return dataclasses.replace(found, warnings=(*_traps(found), *warnings))


def _traps(found: Scored) -> tuple[str, ...]:
    """Name the metrics in which an answer that never looks is nearly as good as the model."""
    notes = []
    for metric in ("within_one", "accuracy", "hamming", "exact"):
        if metric not in found.metrics:
            continue
        constant, value = found.best_constant(metric)
        share = 1 - value if metric in LOWER_IS_BETTER else value
        if share >= _FLATTERED:
            notes.append(
                f"{TITLES[metric][0]} flatters: always saying {constant} has {value:.3f}; trust "
                f"{TITLES[found.primary][0]}"
            )
    primary = found.metrics[found.primary]
    floor = found.best_constant(found.primary)[1]
    if np.isfinite(primary.low) and primary.low <= floor:
        notes.append(
            f"{TITLES[found.primary][0]} {primary} is not clearly above the {floor:.3f} of an answer that never looks: "
            "there may be nothing to learn here"
        )
    return tuple(notes)
