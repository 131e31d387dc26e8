"""What spreads along relations: operators on an adjacency matrix, and the ways to spread labels with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from headstart.results import DataError
from headstart.transfer.relational.graph import Floats, Graph

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Kind = Literal["symmetric", "random-walk"]
_MOST = 1000  # what hardly reached a node is not blown up beyond this, as in the authors' code


def operator(adjacency: Any, kind: Kind = "symmetric", *, loops: bool = False) -> csr_array:
    """Return D^-1/2 A D^-1/2 ("symmetric") or D^-1 A ("random-walk"), (n, n).

    Parameters
    ----------
    adjacency : scipy sparse, shape (n, n)
        Weights of the relations, symmetric, not negative.
    kind : {"symmetric", "random-walk"}
    loops : bool
        Whether each node is also related to itself (A + I). A node without any relation keeps a row of zeros else.

    References
    ----------
    Kipf and Welling (2017), arXiv:1609.02907, eq. 2 (symmetric, with loops).

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> operator(csr_array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]), "random-walk").toarray().tolist()
    [[0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    from scipy.sparse import csr_array, diags_array, eye_array

    if kind not in ("symmetric", "random-walk"):
        raise DataError(f"kind={kind!r}: give 'symmetric' or 'random-walk'")
    A = csr_array(adjacency, dtype=np.float64)
    if loops:
        A = csr_array(A + eye_array(A.shape[0]))
    mass = np.asarray(A.sum(axis=1))
    inverse = np.divide(1.0, mass, out=np.zeros_like(mass), where=mass > 0)
    if kind == "random-walk":
        return csr_array(diags_array(inverse) @ A)
    root = diags_array(np.sqrt(inverse))
    return csr_array(root @ A @ root)


def spread(
    operator: Any, seeds: ArrayLike, alpha: float = 0.9, *, tol: float = 1e-6, max_iter: int = 1000,
    bounds: tuple[float, float] | None = None,
) -> Floats:  # fmt: skip
    """Return (1 - α) Σ_t α^t S^t Y, the fixed point of F = α S F + (1 - α) Y.

    With the symmetric operator this is label spreading (Zhou et al. 2004, up to a factor), with the random walk's it is
    personalized PageRank.

    Parameters
    ----------
    operator : scipy sparse, shape (n, n)
        S, of spectral radius at most 1.
    seeds : array-like, shape (n, k)
        Y.
    alpha : float
        From 0 (nothing spreads) to below 1.
    tol : float
        The series stops where no entry changes by more, relative to the largest of Y.
    max_iter : int
        Most terms.
    bounds : tuple of float, optional
        What F is cut to after every step.

    References
    ----------
    Zhou et al. (2004), Learning with local and global consistency, eq. 4. Gasteiger et al. (2019), Predict then
    propagate, arXiv:1810.05997, eq. 2.
    """
    if not 0 <= alpha < 1:
        raise DataError(f"alpha={alpha:g}: give a number from 0 to below 1")
    Y = np.asarray(seeds, dtype=np.float64)
    found = Y
    least = tol * max(float(np.abs(Y).max(initial=0.0)), np.finfo(float).tiny)
    for _ in range(max_iter):
        last, found = found, alpha * (operator @ found) + (1 - alpha) * Y
        if bounds is not None:
            found = found.clip(*bounds)
        if np.abs(found - last).max(initial=0.0) <= least:
            break
    return np.asarray(found)


def seeds(graph: Graph) -> Floats:
    """Return the labels as indicators, (n, k); rows of zeros where there is none."""
    table = np.zeros((len(graph), len(graph.classes)))
    known = np.flatnonzero(graph.y >= 0)
    table[known, graph.y[known]] = 1
    return table


def label_spreading(graph: Graph, alpha: float = 0.9, *, balanced: bool = True) -> Floats:
    """Return each node's share of each class, (n, k), by label spreading; uniform where no label reaches.

    Parameters
    ----------
    graph : Graph
        At least two classes among its labels.
    alpha : float
        How far labels spread, from 0 to below 1; :func:`learn_spreading` learns it on another graph.
    balanced : bool
        Whether each class starts with the same mass, whatever the number of its labels.

    References
    ----------
    Zhou et al. (2004), Learning with local and global consistency.

    Examples
    --------
    >>> chain = Graph([[0, 1], [1, 2], [2, 3]], ["a", None, None, "b"])
    >>> label_spreading(chain).argmax(axis=1).tolist()
    [0, 0, 1, 1]
    """
    Y = _two_classes(graph)
    if balanced:
        Y = Y / Y.sum(axis=0)
    return shares(spread(operator(graph.adjacency), Y, alpha))


def label_propagation(graph: Graph) -> Floats:
    """Return the harmonic function: labelled nodes keep their label, each other one has its neighbours' mean, (n, k).

    The linear system is solved exactly. Nodes that no label reaches get the same share of each class.

    References
    ----------
    Zhu, Ghahramani and Lafferty (2003), Semi-supervised learning using Gaussian fields and harmonic functions, eq. 5.
    """
    from scipy.sparse import csc_array, diags_array
    from scipy.sparse.csgraph import connected_components
    from scipy.sparse.linalg import splu

    Y = _two_classes(graph)
    known = graph.y >= 0
    _, part = connected_components(graph.adjacency, directed=False)
    reached = np.isin(part, part[known])
    inner = np.flatnonzero(reached & ~known)
    found = np.full(Y.shape, 1 / Y.shape[1])
    found[known] = Y[known]
    if len(inner):
        A = graph.adjacency
        system = csc_array(diags_array(graph.degrees[inner]) - A[inner][:, inner])
        found[inner] = splu(system).solve(A[inner][:, np.flatnonzero(known)] @ Y[known])
    return found


def correct_and_smooth(
    graph: Graph, probabilities: ArrayLike, *, correct: float = 0.8, smooth: float = 0.8, scale: float | None = None,
    n_steps: int = 50,
) -> Floats:  # fmt: skip
    """Return predictions whose errors on labelled nodes were spread and that were then smoothed, (n, k).

    First the residuals of the labelled nodes spread, E = α S E + (1 - α) E₀, and are added; then the labelled nodes are
    set to their labels and all is spread once more.

    Parameters
    ----------
    graph : Graph
        Its labels are those that are known.
    probabilities : array-like, shape (n, k)
        Of a model that knows nothing of relations, in the order of ``graph.classes``.
    correct, smooth : float
        α of the two steps.
    scale : float, optional
        What residuals are multiplied by; by default such that a node's residual is as large as the labelled ones' are
        in the mean ("autoscale").
    n_steps : int
        Terms of either series.

    References
    ----------
    Huang et al. (2021), Combining label propagation and simple models out-performs graph neural networks,
    arXiv:2010.13993, sec. 3.
    """
    Y = _two_classes(graph)
    Z = np.asarray(probabilities, dtype=np.float64)
    if Z.shape != Y.shape:
        raise DataError(f"probabilities have shape {Z.shape} for {Y.shape[0]:,} nodes and {Y.shape[1]} classes")
    known = graph.y >= 0
    S = operator(graph.adjacency)
    residual = np.where(known[:, None], Y - Z, 0.0)
    wrong = spread(S, residual, correct, tol=0.0, max_iter=n_steps, bounds=(-1, 1))
    factor: Any = scale
    if scale is None:
        own = np.abs(wrong).sum(axis=1, keepdims=True)
        factor = np.divide(np.abs(residual).sum() / known.sum(), own, out=np.ones_like(own), where=own > 0)
        factor[factor > _MOST] = 1.0
    corrected = np.where(known[:, None], Y, Z + factor * wrong)
    return spread(S, corrected, smooth, tol=0.0, max_iter=n_steps, bounds=(0, 1))


def shares(found: Floats) -> Floats:
    """Return rows that add up to 1; uniform where a row is 0."""
    total = found.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(found, total, out=np.full_like(found, 1 / found.shape[1]), where=total > 0))


def _two_classes(graph: Graph) -> Floats:
    if len(graph.classes) < 2:
        raise DataError(
            f"{graph.name!r} has labels of {len(graph.classes)} class{'es' * (len(graph.classes) != 1)}: "
            "give at least two"
        )
    return seeds(graph)
