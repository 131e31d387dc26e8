"""The mean of two models with linear heads, which is one model with a linear head."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.pipeline.candidates import Bench, Candidate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headstart.pipeline.model import Model


def blends(candidates: Sequence[Candidate], bench: Bench) -> list[Candidate]:
    """Return each fine-tuned candidate's mean with the best of the frozen ones that have a linear head."""
    from headstart.metrics import scores
    from headstart.training.path import select

    frozen = [one for one in candidates if one.kind == "frozen" and one.linear]
    found = [scores(bench.y, one.probabilities) for one in frozen]
    best = select(
        np.array([one["macro_f1"] for one in found]), np.array([one["log_loss"] for one in found]), len(bench.y)
    )
    return [blend(one, frozen[int(best)], bench) for one in candidates if one.kind == "fine-tuned"]


def blend(one: Candidate, other: Candidate, bench: Bench) -> Candidate:
    """Return the candidate that takes the mean of two candidates' logits, its temperature set anew.

    A fine-tuned network and its frozen source err on different pictures, so that their mean is often better than
    either (Wortsman et al. 2022, arXiv 2109.01903, section 4, average weights for the same reason; here the frozen side
    may be several sources). A head that reads the features of both side by side gives exactly this mean.

    Parameters
    ----------
    one, other : Candidate
        Both ``linear``: their models have a ``LogisticHead``.
    bench : Bench
    """
    from headstart.pipeline.model import Model
    from headstart.training import LogisticHead
    from headstart.training.temperature import best_sharpness, sharpen

    table = np.sqrt(one.probabilities * other.probabilities)
    table /= table.sum(axis=1, keepdims=True)
    seen = np.isfinite(table).all(axis=1)
    sharpness = best_sharpness(table[seen], bench.y[seen])
    table[seen] = sharpen(table[seen], sharpness)

    def make() -> Model:
        models = one.make(), other.make()
        arrays = [model.head.to_arrays() for model in models]
        half = sharpness / 2
        weight = np.hstack([half * found["weight"] for found in arrays])
        bias = half * (arrays[0]["bias"] + arrays[1]["bias"])
        head = LogisticHead.from_arrays({"weight": weight, "bias": bias})
        return Model((*models[0].parts, *models[1].parts), head)

    return Candidate(
        f"{one.name}, with {other.name}", one.kind, table, make, f"mean of both; {one.detail}", linear=True,
        sources=(*one.sources, *other.sources),
    )  # fmt: skip
