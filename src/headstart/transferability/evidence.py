"""All that can be said of a source from one pass of the target's pictures: every score, and every distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.transferability.distances import class_distance, frechet_distance, mean_similarity, mmd
from headstart.transferability.gbc import gbc
from headstart.transferability.h_score import h_score
from headstart.transferability.logme import logme
from headstart.transferability.parc import parc
from headstart.transferability.probes import knn_score, linear_probe_score
from headstart.transferability.score import ClassWeight, Score, checked_labels
from headstart.transferability.transition import leep, nce, nleep
from headstart.transferability.transrate import transrate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from headstart.metrics import Sketch
    from headstart.sources import Source

OF_FEATURES: dict[str, Callable[..., Score]] = {
    "logme": logme, "h_score": h_score, "nleep": nleep, "gbc": gbc, "transrate": transrate, "parc": parc,
    "knn": knn_score, "linear_probe": linear_probe_score,
}  # fmt: skip
SCORES = (*OF_FEATURES, "leep", "nce")


def classifier_rows(source: Source) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return weight (k, d) and bias (k,) of the linear classifier that a source was trained with.

    ``None`` where it has none, or its weights are random: what it says means nothing then.
    """
    from headstart.sources.stages import find_classifier

    if source.card.trained_on == "nothing":
        return None
    found: Any = find_classifier(source.network())
    weight = getattr(found, "weight", None)
    if weight is None or weight.ndim != 2 or not weight.any():
        return None
    bias = np.zeros(len(weight)) if found.bias is None else found.bias.detach().double().numpy()
    return weight.detach().double().numpy(), bias


def scores(
    last: NDArray[np.floating],
    labels: NDArray[Any],
    classifier: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    *,
    class_weight: ClassWeight = None,
    names: Sequence[str] = SCORES,
) -> dict[str, Score]:
    """Return every score of a source on a target.

    Parameters
    ----------
    last : ndarray, shape (n, d)
        What feeds the source's classifier, for each picture.
    labels : ndarray, shape (n,)
    classifier : tuple of ndarray, optional
        The source's own, see :func:`classifier_rows`. Without it there is no ``leep`` and no ``nce``.
    class_weight : {"balanced"}, optional
    names : sequence of str
        The scores wanted.
    """
    found = {
        name: score(last, labels, class_weight=class_weight) for name, score in OF_FEATURES.items() if name in names
    }
    if classifier is not None and {"leep", "nce"} & set(names):
        from scipy.special import softmax

        weight, bias = classifier
        probabilities = softmax(last @ weight.T + bias, axis=1)
        if "leep" in names:
            found["leep"] = leep(probabilities, labels, class_weight=class_weight)
        if "nce" in names:
            found["nce"] = nce(probabilities.argmax(axis=1), labels, class_weight=class_weight)
    return found


def values(found: Mapping[str, Score]) -> dict[str, float]:
    """Return scores as plain numbers."""
    return {name: float(score) for name, score in found.items()}


def distances(
    last: NDArray[np.floating],
    labels: NDArray[Any],
    known: Sketch | None = None,
    classifier: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> dict[str, float]:
    """Return how far the target lies from the source's own data, at the last tap.

    Parameters
    ----------
    last : ndarray, shape (n, d)
    labels : ndarray, shape (n,)
    known : Sketch, optional
        Of the source's own data (``headstart.sources.sketches.stored_sketches``). Without it there is ``"classes"``
        alone.
    classifier : tuple of ndarray, optional
        Its rows, less their mean (which no softmax sees), stand for the source's classes; each target class is its
        mean vector, less that of the source's data where it is known. Without it there is no ``"classes"``.
    """
    from headstart.metrics import sketch

    found = {}
    if known is not None:
        target = sketch(last)
        means = mean_similarity(known, target)
        found = {
            "cosine": means.cosine,
            "euclidean": means.euclidean,
            "relative": means.relative,
            "frechet": frechet_distance(known, target),
            "mmd": mmd(known, target),
        }
    if classifier is not None:
        classes = checked_labels(labels)
        centres = classes.sums(last.astype(np.float64)) / np.bincount(classes.codes)[:, None]
        centres -= 0.0 if known is None else known.mean
        rows = classifier[0] - classifier[0].mean(axis=0)
        found["classes"] = -float(class_distance(rows, centres, target_weights=classes.shares))
    return found
