"""Was what another graph taught worth anything? The same network with it and without it, on the same few labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone

from headstart.evaluation.verdict import TransferVerdict, transfer_verdict
from headstart.results import Answer, DataError
from headstart.transfer.relational.classifier import NodeClassifier, Pretrained, pretrain
from headstart.transfer.relational.drawing import draw
from headstart.transfer.relational.graph import Graph, Mask
from headstart.transfer.relational.mixing import mixing

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


@dataclasses.dataclass(frozen=True, kw_only=True)
class RelationalVerdict(Answer):
    """Whether a source graph helps on a target graph with few labels.

    Attributes
    ----------
    verdict : TransferVerdict
        The network with the source against the same network without it; seeds are drawings of labels.
    n_labels : int
        Labels of each class that were shown.
    source, target : str
        Names.
    homophily : tuple of float
        Adjusted homophily of source and target, all labels known.
    """

    verdict: TransferVerdict
    n_labels: int
    source: str
    target: str
    homophily: tuple[float, float]

    question = "Did the relations of another graph help?"

    @property
    def answer(self) -> str:
        """The verdict: "helps", "no evidence" or "hurts"."""
        return self.verdict.answer

    def headline(self) -> str:
        """One sentence: the answer, the gain, and what stands behind it."""
        found = self.verdict
        how = {"helps": "helps", "hurts": "hurts", "no evidence": "no evidence that it helps or hurts"}[found.answer]
        return (
            f"{self.source} → {self.target} with {self.n_labels} labels a class: {how}, {found.shown(found.gain)} "
            f"against the same network without it, on {found.n:,} nodes with {len(found.transfer)} drawings of labels."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each drawing of labels and one for all, as the verdict has them."""
        return self.verdict.to_frame()

    def plot(self) -> Figure:
        """Return the gain of each drawing and of all together, with intervals, against zero."""
        return self.verdict.plot()


def relational_verdict(
    source: Graph | Sequence[Pretrained], target: Graph, *, n_labels: int, n_seeds: int = 10,
    with_source: NodeClassifier | None = None, without: NodeClassifier | None = None, random_state: int = 0,
) -> RelationalVerdict:  # fmt: skip
    """Compare the network with and without a source on drawings of ``n_labels`` labels a class.

    Each drawing is of the nodes outside the test part, both sides see the same labels, and both are scored on the same
    test nodes. The verdict's interval covers nodes and drawings; that the drawings are paired is not made use of, which
    is careful.

    Parameters
    ----------
    source : Graph, or sequence of Pretrained
        The source, or what was learned on it with one seed for each drawing.
    target : Graph
        With labels of the test part too. Where it has no ``test``, half of each class is it.
    n_labels : int
        Labels of each class, fewer where a class does not have as many.
    n_seeds : int
        Drawings.
    with_source, without : NodeClassifier, optional
        Settings of the two sides. Tune those of the baseline (arXiv 2009.00909); neither may be tuned on the test part.
    random_state : int

    Raises
    ------
    DataError
        If a class has no label outside the test part, or the numbers do not fit.
    """
    test = target.test if target.test is not None else _half(target, random_state)
    test = test & (target.y >= 0)
    pool = np.where(test, -1, target.y)
    missing = np.setdiff1d(np.arange(len(target.classes)), pool)
    if len(missing) or not test.any():
        names = ", ".join(map(repr, target.classes[missing].tolist()))
        raise DataError(f"{target.name!r} has nothing to show or to test of {names or 'any class'}: give another split")
    if n_labels < 1 or n_seeds < 1:
        raise DataError(f"n_labels={n_labels}, n_seeds={n_seeds}: give at least 1")
    if not isinstance(source, Graph) and len(source) != n_seeds:
        raise DataError(f"{len(source)} pretrained networks for {n_seeds} drawings: give one for each")
    right: tuple[list[Mask], list[Mask]] = ([], [])
    for seed in range(n_seeds):
        shown = target.only(draw(pool, n_labels, np.random.default_rng([random_state, seed])))
        learned = source[seed] if not isinstance(source, Graph) else pretrain(source, random_state=random_state + seed)
        ours = clone(with_source or NodeClassifier()).set_params(source=learned)
        theirs = clone(without or NodeClassifier()).set_params(source=None, features=learned.features)
        for side, model in zip(right, (ours, theirs), strict=True):
            model.set_params(random_state=random_state + seed)
            side.append(model.fit(shown).predict()[test] == target.classes[target.y[test]])
    found = transfer_verdict(right[0], right[1], random_state=random_state)
    homophily = learned.homophily, mixing(target).adjusted
    warnings = found.warnings
    if homophily[0] * homophily[1] < 0:
        warnings += (
            f"adjusted homophily is {homophily[0]:+.2f} in {learned.name!r}, {homophily[1]:+.2f} in {target.name!r}: "
            "what relations mean is turned round, which the source cannot teach",
        )
    return RelationalVerdict(
        verdict=found,
        n_labels=n_labels,
        source=learned.name,
        target=target.name,
        homophily=homophily,
        warnings=warnings,
    )


def _half(graph: Graph, seed: int) -> Mask:
    """Return a mask of half of each class, the smaller half where it is odd."""
    rng, mask = np.random.default_rng(seed), np.zeros(len(graph), dtype=bool)
    for code in range(len(graph.classes)):
        rows = rng.permutation(np.flatnonzero(graph.y == code))
        mask[rows[: len(rows) // 2]] = True
    return mask
