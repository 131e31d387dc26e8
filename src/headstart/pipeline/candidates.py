"""Candidates of the bake-off that are array work: heads on frozen features of one source or several."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from headstart.features.graph import LAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.pipeline.model import Model
    from headstart.sources import Source
    from headstart.training.path import Folds

Kind = Literal["frozen", "fine-tuned", "target-only"]
Part = tuple["Source", tuple[str, ...]]
_SEVERAL = 3  # taps taken together, from the top


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """One way to make a model, and what it predicted for examples that it was not fitted on.

    Attributes
    ----------
    name : str
        What a person calls it.
    kind : {"frozen", "fine-tuned", "target-only"}
        Whether knowledge was carried over, and whether the network was changed.
    probabilities : ndarray of float64, shape (n, k)
        Out of fold, for the rows of the development part; NaN for rows of folds that were not tried.
    make : callable
        Returns the model, fitted on the whole development part.
    detail : str
        Its settings, for the report.
    """

    name: str
    kind: Kind
    probabilities: NDArray[np.float64] = dataclasses.field(repr=False)
    make: Callable[[], Model] = dataclasses.field(repr=False)
    detail: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Bench:
    """What every candidate is tried on.

    Attributes
    ----------
    y, groups : ndarray of int64, shape (n,)
        Classes and groups of the development rows.
    folds : sequence of (ndarray, ndarray)
        Training and test rows; each row stands in one test side.
    n_classes : int
    seed : int
    """

    y: NDArray[np.int64]
    groups: NDArray[np.int64]
    folds: Folds
    n_classes: int
    seed: int


def logistic(name: str, X: NDArray[Any], bench: Bench, parts: Sequence[Part], *, kind: Kind = "frozen") -> Candidate:
    """Return the candidate of a logistic head on features (n, d) that come from ``parts``."""
    from headstart.pipeline.model import Model
    from headstart.training import LogisticHead, choose

    found = choose(X, bench.y, bench.folds, n_classes=bench.n_classes)

    def make() -> Model:
        return Model(tuple(parts), LogisticHead(C=found.C).fit(X, bench.y))

    return Candidate(name, kind, found.probabilities[found.best], make, f"C = {found.C:g}")


def machine(
    name: str, X: NDArray[Any], bench: Bench, parts: Sequence[Part], *, kernel: str, kind: Kind = "frozen"
) -> Candidate:
    """Return the candidate of a support vector machine on features (n, d) that come from ``parts``."""
    from headstart.pipeline.model import Model
    from headstart.training import svm_out_of_fold

    found = svm_out_of_fold(X, bench.y, bench.folds, kernel=kernel, n_classes=bench.n_classes, random_state=bench.seed)

    def make() -> Model:
        return Model(tuple(parts), found.head().fit(X, bench.y, groups=bench.groups))

    return Candidate(name, kind, found.probabilities[found.best], make, f"{kernel} kernel, C = {found.C:g}")


def handmade(X: NDArray[np.float32], bench: Bench) -> Iterator[Candidate]:
    """Yield the candidates that know nothing but the target: heads on classical descriptors (n, d)."""
    for one in (
        logistic("logistic on handmade features", X, bench, [], kind="target-only"),
        machine("RBF SVM on handmade features", X, bench, [], kernel="rbf", kind="target-only"),
    ):
        yield dataclasses.replace(one, make=functools.partial(_by_hand, one.make))


def _by_hand(make: Callable[[], Model]) -> Model:
    return dataclasses.replace(make(), handmade=True)


def best_tap(features: Mapping[str, NDArray[np.float32]], bench: Bench) -> str:
    """Return the tap whose logistic head has the best out-of-fold macro-F1, C from a coarse grid."""
    from headstart.training import choose
    from headstart.training.path import CS

    found = {tap: choose(X, bench.y, bench.folds, CS[2::3], n_classes=bench.n_classes) for tap, X in features.items()}
    return max(found, key=lambda tap: found[tap].scores[found[tap].best])


def frozen(
    features: Mapping[str, Mapping[str, NDArray[np.float32]]],
    sources: Mapping[str, Source],
    bench: Bench,
    *,
    main: str,
) -> Iterator[Candidate]:
    """Yield the candidates that change nothing in the network, the plain one (logistic on the last tap) first.

    Parameters
    ----------
    features : mapping of source name to mapping of tap to ndarray (n, d)
        Of the development rows: every tap of the main source, the last tap of the others.
    sources : mapping of source name to Source
        With their exact preprocessing.
    bench : Bench
    main : str
        The source whose taps are all there.
    """
    taps = list(features[main])
    last = features[main][LAST]
    own: Part = (sources[main], (LAST,))
    yield logistic("logistic on the last tap", last, bench, [own])
    best = best_tap(features[main], bench)
    if best != LAST:
        yield logistic(f"logistic on {best}", features[main][best], bench, [(sources[main], (best,))])
    upper = tuple(taps[-_SEVERAL:])
    X = np.hstack([features[main][tap] for tap in upper])
    yield logistic(f"logistic on {len(upper)} taps", X, bench, [(sources[main], upper)])
    if len(features) > 1:
        X = np.hstack([found[LAST] for found in features.values()])
        parts = [(sources[name], (LAST,)) for name in features]
        yield logistic(f"logistic on {len(features)} sources", X, bench, parts)
    yield machine("linear SVM on the last tap", last, bench, [own], kernel="linear")
    yield machine("RBF SVM on the last tap", last, bench, [own], kernel="rbf")
    lower = tuple(taps[: max(1, len(taps) // 2)])
    X = np.hstack([features[main][tap] for tap in lower])
    yield machine("RBF SVM on low-level taps", X, bench, [(sources[main], lower)], kernel="rbf")
