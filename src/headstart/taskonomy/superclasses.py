"""A distribution over classes, seen from above: superclasses, branches, and which of them say the most."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError
from headstart.taskonomy.hierarchy import Hierarchy, imagenet

Floats = NDArray[np.float64]
_TOLERANCE = 1e-3  # by which probabilities in half precision miss 1


@dataclasses.dataclass(frozen=True)
class Branch:
    """A synset, and how much of a distribution is below it.

    Attributes
    ----------
    wnid, name : str
    depth : int
        Steps to the root.
    n_classes : int
        How many classes of the label space it stands above, itself included.
    probability : float
        Of them together.
    score : float
        How much more that is than a guess gives, in nats: the divergence between probability and share of classes.
    """

    wnid: str
    name: str
    depth: int
    n_classes: int
    probability: float
    score: float


def superclass_probabilities(probabilities: ArrayLike, hierarchy: Hierarchy | None = None) -> Floats:
    """Return the probability of each synset: the sum over the classes that it is or stands above.

    A class counts once for a synset, by however many ways it stands below it; so the root has 1. Superclasses overlap
    and do not add up to 1: ``level_probabilities`` does.

    Parameters
    ----------
    probabilities : array_like, shape (..., c)
        Over the c classes, in the order of ``hierarchy.classes``.
    hierarchy : Hierarchy, optional
        ImageNet's 1,000 classes by default.

    Returns
    -------
    ndarray of float64, shape (..., n)
        In the order of ``hierarchy.synsets``.

    Raises
    ------
    DataError
        If there is not one probability for each class, one is negative or missing, or they do not add up to 1.
    """
    known = hierarchy or imagenet()
    given = checked(probabilities, known)
    flat = given.reshape(-1, given.shape[-1])
    summed: Floats = (known.members @ flat.T).T
    return summed.reshape(*given.shape[:-1], len(known.synsets))


def level_probabilities(
    probabilities: ArrayLike, level: int, hierarchy: Hierarchy | None = None
) -> tuple[tuple[str, ...], Floats]:
    """Return a distribution over the synsets that are ``level`` steps from the root; it adds up to 1.

    A class with several ancestors there is shared out evenly among them; one that is not that deep stands for itself.

    Parameters
    ----------
    probabilities, hierarchy
        As in ``superclass_probabilities``.
    level : int
        0 is the root.

    Returns
    -------
    wnids : tuple of str
        In the order of ids.
    probabilities : ndarray of float64, shape (..., len(wnids))

    Raises
    ------
    DataError
        As ``superclass_probabilities``, and if ``level`` is negative.
    """
    known = hierarchy or imagenet()
    given = checked(probabilities, known)
    above = [known.at_level(one, level) for one in known.classes]
    wnids = tuple(sorted(set().union(*above)))
    column = {wnid: k for k, wnid in enumerate(wnids)}
    shares = np.zeros((len(above), len(wnids)))
    for row, ancestors in enumerate(above):
        shares[row, [column[one] for one in ancestors]] = 1 / len(ancestors)
    result: Floats = given @ shares
    return wnids, result


def coverage(probabilities: ArrayLike, wnid: str, hierarchy: Hierarchy | None = None) -> Floats:
    """Return how much of a distribution one branch covers.

    Parameters
    ----------
    probabilities, hierarchy
        As in ``superclass_probabilities``.
    wnid : str
        The synset that the branch hangs from.

    Returns
    -------
    ndarray of float64, shape (...)
        0 to 1.

    Raises
    ------
    DataError
        As ``superclass_probabilities``, and if the synset is unknown.
    """
    known = hierarchy or imagenet()
    given = checked(probabilities, known)
    place = {one: k for k, one in enumerate(known.classes)}
    result: Floats = given[..., [place[one] for one in known.classes_under(wnid)]].sum(axis=-1)
    return result


def nearest_superclasses(
    probabilities: ArrayLike, n: int = 10, hierarchy: Hierarchy | None = None, *, overlapping: bool = False
) -> tuple[Branch, ...]:
    """Return the synsets that say the most about a distribution, classes among them, the best first.

    The root covers everything and says nothing; a class says much if it takes most of the probability. In between, the
    score finds the level: it is the divergence p log(p/q) + (1-p) log((1-p)/(1-q)) of the synset's probability p from
    its share q of the classes. Of synsets above the same classes the lowest is taken.

    Parameters
    ----------
    probabilities : array_like, shape (c,)
        Mean probabilities over the examples of a target class.
    n : int
        At most so many: synsets with no more than their share are left out.
    hierarchy : Hierarchy, optional
        ImageNet's 1,000 classes by default.
    overlapping : bool
        Whether a synset is returned that shares classes with a better one. By default none is, so that probabilities
        add up to at most 1.

    Raises
    ------
    DataError
        As ``superclass_probabilities``, and if there is more than one distribution.

    Examples
    --------
    >>> known = imagenet()
    >>> p = np.full(1000, 0.19 / 999)
    >>> p[known.classes.index("n03594734")] = 0.81
    >>> best = nearest_superclasses(p, n=1)[0]
    >>> best.name, round(best.probability, 2), best.n_classes
    ('jean', 0.81, 1)
    """
    known = hierarchy or imagenet()
    found: list[Branch] = []
    taken = np.zeros(len(known.classes), dtype=bool)
    for branch in _ranked(probabilities, known):
        if len(found) >= n:
            break
        mine = known.members[[known.rows[branch.wnid]]].indices
        if overlapping or not taken[mine].any():
            taken[mine] = True
            found.append(branch)
    return tuple(found)


def nearest_branch(probabilities: ArrayLike, hierarchy: Hierarchy | None = None) -> Branch | None:
    """Return the synset above two or more classes that says the most about a distribution; None where none does.

    Parameters
    ----------
    probabilities, hierarchy
        As in ``nearest_superclasses``.

    Raises
    ------
    DataError
        As ``nearest_superclasses``.
    """
    known = hierarchy or imagenet()
    return next((one for one in _ranked(probabilities, known) if one.n_classes > 1), None)


def checked(probabilities: ArrayLike, hierarchy: Hierarchy) -> Floats:
    """Return probabilities as float64, or raise ``DataError`` where they are none."""
    given = np.asarray(probabilities, dtype=np.float64)
    if given.ndim == 0 or given.shape[-1] != len(hierarchy.classes):
        raise DataError(
            f"probabilities have shape {given.shape}: the last axis must be {len(hierarchy.classes)} classes"
        )
    if not (given >= 0).all():
        raise DataError("a probability is missing or negative: give the softmax of the source's logits")
    sums = given.sum(axis=-1)
    if not (np.abs(sums - 1) <= _TOLERANCE).all():
        worst = sums.flat[np.abs(sums - 1).argmax()]
        raise DataError(f"probabilities add up to {worst:.4g}: give the softmax of the source's logits")
    return given


def _ranked(probabilities: ArrayLike, known: Hierarchy) -> list[Branch]:
    """Return all synsets with more than their share, the best first, one for each set of classes."""
    from scipy.special import rel_entr

    given = checked(probabilities, known)
    if given.ndim != 1:
        raise DataError(f"probabilities have shape {given.shape}: give one distribution, the mean over a class")
    p = superclass_probabilities(given, known)
    counts = np.asarray(known.members.sum(axis=1)).astype(int)
    q = counts / len(known.classes)
    scores = rel_entr(p, q) + rel_entr(np.maximum(1 - p, 0), 1 - q)
    best: dict[bytes, Branch] = {}
    for row, one in enumerate(known.synsets.values()):
        if p[row] > q[row] * (1 + 1e-9):
            key = np.sort(known.members.indices[known.members.indptr[row] : known.members.indptr[row + 1]]).tobytes()
            branch = Branch(one.wnid, one.name, known.depth(one.wnid), int(counts[row]), float(p[row]), scores[row])
            if key not in best or branch.depth > best[key].depth:
                best[key] = branch
    return sorted((dataclasses.replace(one, score=float(one.score)) for one in best.values()), key=_order)


def _order(branch: Branch) -> tuple[float, str]:
    return -branch.score, branch.wnid
