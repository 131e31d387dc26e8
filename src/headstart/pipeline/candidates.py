"""Candidates of the bake-off that are array work: heads on frozen features of one source or several."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from headstart.features.graph import LAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.pipeline.model import Model
    from headstart.sources import Source
    from headstart.training import SVMChoice
    from headstart.training.path import Choice, Folds

Kind = Literal["frozen", "fine-tuned", "target-only"]
Part = tuple["Source", tuple[str, ...]]
PLAIN = "logistic on the last tap"
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
    again : callable or None
        Returns the probabilities for other folds at the settings that were chosen; ``None`` where that is a training.
    C : float
        Inverse penalty of the head.
    linear : bool
        Whether the model's head is a ``LogisticHead``.
    sources : tuple of str
        Names of those that knowledge is carried over from.
    """

    name: str
    kind: Kind
    probabilities: NDArray[np.float64] = dataclasses.field(repr=False)
    make: Callable[[], Model] = dataclasses.field(repr=False)
    detail: str = ""
    again: Callable[[Folds], NDArray[np.float64]] | None = dataclasses.field(default=None, repr=False)
    C: float = np.nan
    linear: bool = False
    sources: tuple[str, ...] = ()


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

    def again(folds: Folds) -> Choice:
        return choose(X, bench.y, folds, [found.C], n_classes=bench.n_classes)

    return dataclasses.replace(_candidate(name, kind, found, make, f"C = {found.C:g}", again, parts), linear=True)


def machine(
    name: str, X: NDArray[Any], bench: Bench, parts: Sequence[Part], *, kernel: str, kind: Kind = "frozen"
) -> Candidate:
    """Return the candidate of a support vector machine on features (n, d) that come from ``parts``."""
    from headstart.pipeline.model import Model
    from headstart.training import svm_out_of_fold

    out_of_fold = functools.partial(
        svm_out_of_fold, X, bench.y, kernel=kernel, n_classes=bench.n_classes, random_state=bench.seed
    )
    found = out_of_fold(bench.folds)

    def make() -> Model:
        return Model(tuple(parts), found.head().fit(X, bench.y, groups=bench.groups))

    def again(folds: Folds) -> SVMChoice:
        unit = X.shape[1] if kernel == "linear" else 1  # the grid is for rows of length 1
        return out_of_fold(folds, Cs=[found.C * unit], gamma_factors=[found.gamma_factors[found.best]])

    return _candidate(name, kind, found, make, f"{kernel} kernel, C = {found.C:g}", again, parts)


def _candidate(
    name: str,
    kind: Kind,
    found: Choice,
    make: Callable[[], Model],
    detail: str,
    again: Callable[[Folds], Choice],
    parts: Sequence[Part],
) -> Candidate:
    def other(folds: Folds) -> NDArray[np.float64]:
        return np.asarray(again(folds).probabilities[0])

    names = tuple(source.name for source, _ in parts)
    return Candidate(name, kind, found.probabilities[found.best], make, detail, other, found.C, sources=names)


def handmade(X: NDArray[np.float32], bench: Bench) -> Iterator[Candidate]:
    """Yield the candidates that know nothing but the target: heads on classical descriptors (n, d).

    Where colour and texture tell the classes, the many columns of shape are in the way of a linear head. Nothing is
    fitted before it is asked for.
    """
    from headstart.features.handmade import blocks

    def by_hand(one: Candidate) -> Candidate:
        return dataclasses.replace(one, make=functools.partial(_by_hand, one.make))

    yield by_hand(logistic("logistic on handmade features", X, bench, [], kind="target-only"))
    kept = np.r_[blocks()["texture"], blocks()["colour"]]
    part = logistic("logistic on colour and texture", X[:, kept], bench, [], kind="target-only")
    yield by_hand(dataclasses.replace(part, make=functools.partial(_spread, part.make, kept, X.shape[1])))
    yield by_hand(machine("RBF SVM on handmade features", X, bench, [], kernel="rbf", kind="target-only"))


def _spread(make: Callable[[], Model], kept: NDArray[np.int64], d: int) -> Model:
    """Return the model whose linear head reads all ``d`` columns, with weights of 0 but for those it was fitted on."""
    from headstart.training import LogisticHead

    model = make()
    arrays = model.head.to_arrays()
    weight = np.zeros((len(arrays["bias"]), d))
    weight[:, kept] = arrays["weight"]
    return dataclasses.replace(model, head=LogisticHead.from_arrays({"weight": weight, "bias": arrays["bias"]}))


def _by_hand(make: Callable[[], Model]) -> Model:
    return dataclasses.replace(make(), handmade=True)


def frozen(
    features: Mapping[str, Mapping[str, NDArray[np.float32]]],
    sources: Mapping[str, Source],
    bench: Bench,
    *,
    main: str,
    best_tap: str,
    first: Sequence[str] = (),
    most: int | None = None,
) -> Iterator[Candidate]:
    """Yield the candidates that change nothing in the network, the plain one (logistic on the last tap) first.

    Nothing is fitted before it is asked for.

    Parameters
    ----------
    features : mapping of source name to mapping of tap to ndarray (n, d)
        Of the development rows: every tap of the main source, the last tap of the others.
    sources : mapping of source name to Source
        With their exact preprocessing.
    bench : Bench
    main : str
        The source whose taps are all there.
    best_tap : str
        What the layer probe says.
    first : sequence of str
        Names (``way_of``) in the order in which they are tried after the plain one; others follow in theirs.
    most : int, optional
        How many are tried; all by default.
    """
    taps = list(features[main])
    last = features[main][LAST]
    own: Part = (sources[main], (LAST,))
    upper, lower = tuple(taps[-_SEVERAL:]), tuple(taps[: max(1, len(taps) // 2)])

    def beside(names: tuple[str, ...]) -> NDArray[np.float32]:
        return np.hstack([features[main][tap] for tap in names])

    def all_sources(name: str) -> Candidate:
        X = np.hstack([found[LAST] for found in features.values()])
        return logistic(name, X, bench, [(sources[one], (LAST,)) for one in features])

    ways: dict[str, Callable[[str], Candidate]] = {PLAIN: lambda name: logistic(name, last, bench, [own])}
    if best_tap != LAST:
        ways[f"logistic on {best_tap}"] = lambda name: logistic(
            name, features[main][best_tap], bench, [(sources[main], (best_tap,))]
        )
    ways[f"logistic on {len(upper)} taps"] = lambda name: logistic(name, beside(upper), bench, [(sources[main], upper)])
    if len(features) > 1:
        ways[f"logistic on {len(features)} sources"] = all_sources
    ways["linear SVM on the last tap"] = lambda name: machine(name, last, bench, [own], kernel="linear")
    ways["RBF SVM on the last tap"] = lambda name: machine(name, last, bench, [own], kernel="rbf")
    ways["RBF SVM on low-level taps"] = lambda name: machine(
        name, beside(lower), bench, [(sources[main], lower)], kernel="rbf"
    )
    place = {name: rank for rank, name in enumerate(first)}
    plain, *rest = ways
    for name in [plain, *sorted(rest, key=lambda one: place.get(way_of(one), len(place)))][:most]:
        yield ways[name](name)


def way_of(name: str) -> str:
    """Return the name of a candidate as other targets have it: the best tap is another one there.

    >>> way_of("logistic on blocks.4"), way_of("logistic on 3 taps")
    ('logistic on the best tap', 'logistic on 3 taps')
    """
    return re.sub(r"^logistic on (?!the |\d|handmade|colour).*", "logistic on the best tap", name)
