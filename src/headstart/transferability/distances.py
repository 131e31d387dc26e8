"""How far a target lies from a source's own data, in the source's features: means, Fréchet, MMD, classes moved."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.metrics._arrays import checked_rows
from headstart.metrics.sketch import Sketch
from headstart.results import DataError
from headstart.transferability.score import Floats, Score


@dataclasses.dataclass(frozen=True)
class MeanSimilarity:
    """Two average feature vectors compared.

    Attributes
    ----------
    cosine : float
        Of the angle between them, -1 to 1. Features that are never negative, which most are, point much the same way.
    euclidean : float
        Distance, in the unit of the features: not to be compared between sources.
    relative : float
        The distance over the root of the mean of both variances: how far apart, measured by how wide the sets are.
    """

    cosine: float
    euclidean: float
    relative: float


def mean_similarity(source: Sketch, target: Sketch) -> MeanSimilarity:
    """Return how alike the average feature vectors of source and target are.

    Examples
    --------
    >>> from headstart.metrics import sketch
    >>> a, b = sketch([[0.0, 1.0], [2.0, 1.0]]), sketch([[3.0, 1.0], [5.0, 1.0]])
    >>> mean_similarity(a, b)
    MeanSimilarity(cosine=0.8574929257125441, euclidean=3.0, relative=3.0)
    """
    _check(source, target)
    distance = float(np.linalg.norm(source.mean - target.mean))
    norms = float(np.linalg.norm(source.mean) * np.linalg.norm(target.mean))
    spread = np.sqrt((source.variance + target.variance) / 2)
    cosine = float(source.mean @ target.mean) / norms if norms else float("nan")
    return MeanSimilarity(cosine, distance, float(distance / spread) if spread else float("inf") if distance else 0.0)


def frechet_distance(source: Sketch, target: Sketch) -> float:
    """Return the squared Fréchet distance of two normal distributions with these means and covariances.

    ``|m - n|² + tr(S + T - 2 (S T)^½)``; the last trace is the sum of the singular values of the product of their
    factors, so that no matrix of d x d is made. What a factor leaves out counts as if the other set had none of it.

    Parameters
    ----------
    source, target : Sketch

    Raises
    ------
    DataError
        If their features differ in number.

    References
    ----------
    Dowson and Landau (1982), The Fréchet distance between multivariate normal distributions, eq. 4; Heusel et al.
    (2017), arXiv:1706.08500.

    Examples
    --------
    >>> from headstart.metrics import sketch
    >>> a = sketch([[0.0], [2.0]])
    >>> round(frechet_distance(a, sketch([[3.0], [9.0]])), 9)  # (1 - 6)² + (1 - 3)²
    29.0
    """
    _check(source, target)
    shared = np.linalg.svd(source.factor @ target.factor.T, compute_uv=False).sum()
    distance = ((source.mean - target.mean) ** 2).sum() + source.variance + target.variance - 2 * shared
    return max(0.0, float(distance))


def mmd(source: Sketch, target: Sketch) -> float:
    """Return the squared maximum mean discrepancy under the kernel ``(1 + xᵀy / s)²``, relative to the kernel's size.

    That kernel sees exactly means and covariances, so it needs no vectors. s is the source's mean squared norm, and
    the discrepancy is divided by the mean of both sets' squared norms in the kernel's space: 0 for the same moments,
    2 for sets that have nothing in common there.

    Parameters
    ----------
    source, target : Sketch

    Raises
    ------
    DataError
        If their features differ in number.

    References
    ----------
    Gretton et al. (2012), A kernel two-sample test, JMLR 13, eq. 3, the biased estimate; of the third degree it is the
    kernel inception distance (Bińkowski et al. 2018, arXiv:1801.01401).
    """
    _check(source, target)
    scale = source.variance + float(source.mean @ source.mean) or 1.0
    own, other = (_inner(one, one, scale) for one in (source, target))
    return max(0.0, 2 * (own + other - 2 * _inner(source, target, scale)) / (own + other))


def _inner(a: Sketch, b: Sketch, scale: float) -> float:
    """Return the mean of ``(1 + xᵀy / scale)²`` over all x of a and y of b."""
    mean = float(a.mean @ b.mean)
    # E (xᵀy)² = tr(E xxᵀ E yyᵀ), and E xxᵀ is the factors' product plus that of the mean.
    second = mean**2 + float(((a.factor @ b.mean) ** 2).sum() + ((b.factor @ a.mean) ** 2).sum())
    second += float(((a.factor @ b.factor.T) ** 2).sum())
    return 1 + 2 * mean / scale + second / scale**2


def class_distance(
    source_classes: ArrayLike,
    target_classes: ArrayLike,
    *,
    source_weights: ArrayLike | None = None,
    target_weights: ArrayLike | None = None,
) -> Score:
    """Return minus the earth mover's distance between two sets of class prototypes.

    Each prototype is brought to length 1, so that rows of a classifier can stand for classes of which there are no
    pictures; moving mass from one to another costs the distance between them.

    Parameters
    ----------
    source_classes : array_like, shape (k, d)
        Mean feature vector of each source class, or its row of the classifier.
    target_classes : array_like, shape (c, d)
        Mean feature vector of each target class.
    source_weights, target_weights : array_like, shape (k,) and (c,), optional
        Mass of each class, by default the same for all.

    Returns
    -------
    Score
        -2 to 0.

    Raises
    ------
    DataError
        If shapes do not match or a weight is negative.

    References
    ----------
    Cui et al. (2018), Large scale fine-grained categorization and domain-specific transfer learning, arXiv:1806.06193,
    section 4.1 (there as exp(-γ d), features not brought to length 1).

    Examples
    --------
    >>> class_distance([[1, 0], [0, 1]], [[0, 3], [2, 0]])
    Score(value=0.0, n_iter=0, warnings=())
    """
    from scipy.optimize import linprog
    from scipy.sparse import eye_array, kron, vstack

    a, b = (
        _unit(rows, name) for rows, name in ((source_classes, "source_classes"), (target_classes, "target_classes"))
    )
    if a.shape[1] != b.shape[1]:
        raise DataError(f"source_classes have {a.shape[1]} features and target_classes {b.shape[1]}: use one network")
    supply, demand = _mass(source_weights, len(a), "source_weights"), _mass(target_weights, len(b), "target_weights")
    cost = np.sqrt(np.maximum(2 - 2 * a @ b.T, 0))
    leaves = kron(eye_array(len(a)), np.ones((1, len(b))))
    arrives = kron(np.ones((1, len(a))), eye_array(len(b)))
    found = linprog(
        cost.ravel(), A_eq=vstack([leaves, arrives]).tocsr(), b_eq=np.concatenate([supply, demand]), method="highs"
    )
    if found.status:
        raise DataError(f"the classes could not be moved: {found.message}")
    return Score(min(0.0, -float(found.fun)), int(found.nit)) if found.fun > 1e-12 else Score(0.0)


def _unit(rows: ArrayLike, name: str) -> Floats:
    given = np.asarray(rows)
    table = checked_rows(given, len(given) if given.ndim else 0, name).astype(np.float64)
    return np.asarray(table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), np.finfo(np.float64).tiny))


def _mass(weights: ArrayLike | None, n: int, name: str) -> NDArray[np.float64]:
    found = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if found.shape != (n,) or not (found >= 0).all() or not found.sum() > 0:
        raise DataError(f"{name} have shape {found.shape}: give {n} numbers of 0 or more, one a class")
    return np.asarray(found / found.sum())


def _check(source: Sketch, target: Sketch) -> None:
    if len(source.mean) != len(target.mean):
        raise DataError(
            f"the source has {len(source.mean):,} features and the target {len(target.mean):,}: use the same tap"
        )
