"""What the target's classes look like to a source that knows ImageNet's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.pipeline.findings import Findings
    from headstart.taskonomy import SeenAs

_CLASSES = 1000
_NAMES = ("ImageNet-1k", "in1k")  # as cards and timm's tags call the data


def seen_by_source(found: Findings, X: NDArray[np.floating]) -> SeenAs | None:
    """Return it from what feeds the source's own classifier, (n, d); ``None`` where that does not tell ImageNet's."""
    from scipy.special import softmax

    from headstart.taskonomy import seen_as
    from headstart.transferability.evidence import classifier_rows

    target, source = found.target, found.source
    if source is None or not any(name in source.card.trained_on for name in _NAMES):
        return None
    rows = classifier_rows(source)
    if rows is None or rows[0].shape != (_CLASSES, X.shape[1]):
        return None
    development = target.rows("train", "val")
    weight, bias = rows
    return seen_as(softmax(X[development] @ weight.T + bias, axis=1), target.y[development], target.classes)
