"""How training rows are over-sampled, under-sampled and cleaned. Only what knows its training rows may call it."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.imbalance._labels import Codes
from headstart.results import DataError

OVER = ("copies", "smote", "borderline_smote", "svm_smote", "adasyn")
UNDER = ("random_under", "near_miss_1", "near_miss_2", "near_miss_3", "instance_hardness")
CLEAN = (
    "tomek", "edited_neighbours", "repeated_edited_neighbours", "all_knn", "one_sided",
    "neighbourhood_cleaning",
)  # fmt: skip
COMBINED = ("smote_enn", "smote_tomek")
METHODS = (*OVER, *UNDER, *CLEAN, *COMBINED)
KEEPS_ROWS = ("copies", *UNDER, *CLEAN)
_NEIGHBOURS = 5  # SMOTE's and ADASYN's own number
_FAILS = (ValueError, RuntimeError)

Features = NDArray[np.floating]
Strategy = str | float | Mapping[Any, int]


@dataclasses.dataclass(frozen=True, eq=False)
class Drawn:
    """What came out of it.

    Attributes
    ----------
    X : ndarray, shape (m, d)
    codes : ndarray of int64, shape (m,)
    rows : ndarray of int64, shape (m,)
        Which row each was; -1 for one that was made.
    notes : tuple of str
        What had to be done otherwise than asked.
    """

    X: Features
    codes: Codes
    rows: Codes
    notes: tuple[str, ...] = ()

    def taken(self, places: Codes, notes: Sequence[str] = ()) -> Drawn:
        """Return some of the rows."""
        return Drawn(self.X[places], self.codes[places], self.rows[places], (*self.notes, *notes))


def draw(
    X: Features, codes: Codes, method: str, strategy: Strategy, names: Sequence[Any], rng: np.random.Generator
) -> Drawn:
    """Return training rows resampled by ``method``; ``codes`` (n,) index ``names``. No class is lost."""
    if method not in METHODS:
        raise DataError(f"no resampling {method!r}: choose among {', '.join(METHODS)}")
    start = Drawn(X, codes, np.arange(len(codes)))
    if len(np.unique(codes)) < 2:
        raise DataError(f"all training labels are of one class, {names[codes[0]]!s}: give examples of at least two")
    if method in OVER:
        return _over(start, method, _over_targets(codes, strategy, names), names, rng)
    if method in UNDER:
        return _under(start, method, _under_targets(codes, strategy, names), names, rng)
    if method in CLEAN:
        if strategy != "auto":
            raise DataError(f"{method} finds by itself what to leave out: leave sampling_strategy='auto'")
        return _cleaned(start, method, "auto", names, rng)
    made = _over(start, "smote", _over_targets(codes, strategy, names), names, rng)
    return _cleaned(made, "edited_neighbours" if method == "smote_enn" else "tomek", "all", names, rng)


def _over(
    start: Drawn, method: str, targets: Mapping[int, int], names: Sequence[Any], rng: np.random.Generator
) -> Drawn:
    """Add rows, class by class where a class has too few for the usual number of neighbours."""
    counts = np.bincount(start.codes, minlength=len(names))
    notes: list[str] = []
    parts = [start]
    few = {code: want for code, want in targets.items() if counts[code] <= _NEIGHBOURS and method != "copies"}
    together = {code: want for code, want in targets.items() if code not in few}
    for wanted in ([together] if together else []) + [{code: want} for code, want in few.items()]:
        k = min(_NEIGHBOURS, int(min(counts[code] for code in wanted)) - 1)
        chain = [method] if method == "copies" else [*dict.fromkeys([method, "smote"]), "copies"]
        if k < 1 and method != "copies":
            notes.append(f"{names[next(iter(wanted))]!s} has one example: copies instead of {method}")
            chain = ["copies"]
        elif wanted.keys() & few.keys():
            code = next(iter(wanted))
            notes.append(f"{names[code]!s} has {counts[code]} examples: {method} with k = {k}")
        parts.append(_made(start, chain, wanted, k, names, notes, rng))
    return Drawn(
        np.concatenate([part.X for part in parts]),
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.rows for part in parts]),
        tuple(notes),
    )


def _made(
    start: Drawn, chain: Sequence[str], wanted: Mapping[int, int], k: int, names: Sequence[Any], notes: list[str],
    rng: np.random.Generator,
) -> Drawn:  # fmt: skip
    """Return the rows that the first method of the chain adds which can."""
    seed, n = int(rng.integers(2**31)), len(start.codes)
    for method, next_one in zip(chain, [*chain[1:], ""], strict=True):
        sampler = _over_sampler(method, dict(wanted), k, n, seed)
        try:
            X, codes = _quietly(sampler.fit_resample, start.X, start.codes)
            lacking = [code for code in wanted if not (codes[n:] == code).any()]
            if not lacking or not next_one:
                notes += _shortfalls(method, codes, wanted, names)
                rows = sampler.sample_indices_[n:] if method == "copies" else np.full(len(codes) - n, -1)
                return Drawn(X[n:], codes[n:].astype(np.int64), np.asarray(rows, dtype=np.int64))
            reason = "it finds nothing to start from"
        except _FAILS as error:
            if not next_one:
                raise
            lacking, reason = list(wanted), _reason(error)
        listed = ", ".join(str(names[code]) for code in lacking[:3]) + (", ..." if len(lacking) > 3 else "")
        notes.append(f"{method} cannot make examples of {listed} ({reason}): {next_one} instead")
    raise AssertionError("copies can always be made")


def _shortfalls(method: str, codes: Codes, wanted: Mapping[int, int], names: Sequence[Any]) -> list[str]:
    """Say which classes got clearly fewer than asked for: SVM-SMOTE and ADASYN make what they see fit."""
    got = np.bincount(codes, minlength=len(names))
    short = {code: want for code, want in wanted.items() if got[code] < 0.9 * want}
    return [f"{method} brings {names[code]!s} to {got[code]} examples, not {want}" for code, want in short.items()]


def _over_sampler(method: str, wanted: dict[int, int], k: int, n: int, seed: int) -> Any:
    from imblearn import over_sampling as over  # type: ignore[import-not-found,import-untyped]

    if method == "copies":
        return over.RandomOverSampler(sampling_strategy=wanted, random_state=seed)
    if method == "smote":
        return over.SMOTE(sampling_strategy=wanted, k_neighbors=k, random_state=seed)
    if method == "adasyn":
        return over.ADASYN(sampling_strategy=wanted, n_neighbors=k, random_state=seed)
    kind = over.BorderlineSMOTE if method == "borderline_smote" else over.SVMSMOTE
    return kind(sampling_strategy=wanted, k_neighbors=k, m_neighbors=min(10, n - 1), random_state=seed)


def _under(
    start: Drawn, method: str, targets: Mapping[int, int], names: Sequence[Any], rng: np.random.Generator
) -> Drawn:
    from imblearn import under_sampling as under  # type: ignore[import-not-found,import-untyped]

    if not targets:
        return start
    seed, wanted = int(rng.integers(2**31)), dict(targets)
    counts = np.bincount(start.codes, minlength=len(names))
    fewest = int(counts[counts > 0].min())
    anyone = under.RandomUnderSampler(sampling_strategy=wanted, random_state=seed)
    if method == "random_under":
        sampler = anyone
    elif method == "instance_hardness":
        if fewest < 2:
            name = names[int(np.flatnonzero(counts == fewest)[0])]
            return _selected(start, anyone, names, [f"{name!s} has one example: random_under instead of {method}"])
        sampler = under.InstanceHardnessThreshold(
            estimator=_judge(), sampling_strategy=wanted, cv=min(5, fewest), random_state=seed
        )
    else:
        most = min(3, *(int(counts[code]) for code in wanted))
        sampler = under.NearMiss(
            sampling_strategy=wanted, version=int(method[-1]), n_neighbors=min(3, fewest), n_neighbors_ver3=most
        )
    try:
        return _selected(start, sampler, names)
    except _FAILS as error:
        reason = _reason(error)
        return _selected(start, anyone, names, [f"{method} fails ({reason}): random_under instead"])


def _judge() -> Any:
    """Return who says which examples are hard; imbalanced-learn's own forest takes a hundred times as long."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def _cleaned(start: Drawn, method: str, which: str, names: Sequence[Any], rng: np.random.Generator) -> Drawn:
    from imblearn import under_sampling as under  # type: ignore[import-not-found,import-untyped]

    seed, k = int(rng.integers(2**31)), min(3, len(start.codes) - 1)
    makers: dict[str, Callable[[], Any]] = {
        "tomek": lambda: under.TomekLinks(sampling_strategy=which),
        "edited_neighbours": lambda: under.EditedNearestNeighbours(sampling_strategy=which, n_neighbors=k),
        "repeated_edited_neighbours": lambda: under.RepeatedEditedNearestNeighbours(n_neighbors=k),
        "all_knn": lambda: under.AllKNN(n_neighbors=k),
        "one_sided": lambda: under.OneSidedSelection(random_state=seed),
        "neighbourhood_cleaning": lambda: under.NeighbourhoodCleaningRule(n_neighbors=k),
    }
    try:
        return _selected(start, makers[method](), names)
    except _FAILS as error:
        return dataclasses.replace(start, notes=(*start.notes, f"{method} fails ({_reason(error)}): left as is"))


def _selected(start: Drawn, sampler: Any, names: Sequence[Any], notes: Sequence[str] = ()) -> Drawn:
    """Return the rows that a sampler keeps, in their order, and with them every class that it would lose."""
    _quietly(sampler.fit_resample, start.X, start.codes)
    kept = np.unique(sampler.sample_indices_).astype(np.int64)
    lost = np.setdiff1d(start.codes, start.codes[kept])
    told = [f"all {int((start.codes == code).sum())} examples of {names[code]!s} would go: they stay" for code in lost]
    return start.taken(np.union1d(kept, np.flatnonzero(np.isin(start.codes, lost))), [*notes, *told])


def _quietly(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call without warnings: what matters of them is in the counts and the notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*arguments)


def _reason(error: Exception) -> str:
    return str(error).split(".")[0].strip()


def _over_targets(codes: Codes, strategy: Strategy, names: Sequence[Any]) -> dict[int, int]:
    """Return how many examples each class is to have that gets more."""
    counts = np.bincount(codes, minlength=len(names))
    if isinstance(strategy, Mapping):
        return _given(counts, strategy, names, more=True)
    least = int(np.ceil(_ratio(strategy) * counts.max() - 1e-9))
    return {int(code): least for code in np.flatnonzero((counts > 0) & (counts < least))}


def _under_targets(codes: Codes, strategy: Strategy, names: Sequence[Any]) -> dict[int, int]:
    """Return how many examples each class is to keep that loses some."""
    counts = np.bincount(codes, minlength=len(names))
    if isinstance(strategy, Mapping):
        return _given(counts, strategy, names, more=False)
    most = int(np.floor(counts[counts > 0].min() / _ratio(strategy) + 1e-9))
    return {int(code): most for code in np.flatnonzero(counts > most)}


def _ratio(strategy: str | float) -> float:
    ratio = 1.0 if strategy == "auto" else strategy
    if isinstance(ratio, str) or not 0 < ratio <= 1:
        raise DataError(
            f"sampling_strategy={strategy!r}: give 'auto', a ratio of the smallest to the largest class above 0 and up "
            "to 1, or a mapping from labels to numbers of examples"
        )
    return float(ratio)


def _given(counts: Codes, strategy: Mapping[Any, int], names: Sequence[Any], *, more: bool) -> dict[int, int]:
    found, known = {}, list(names)
    for label, want in strategy.items():
        code = known.index(label) if label in known else -1
        if code < 0 or not counts[code]:
            raise DataError(f"sampling_strategy asks for {label!r}, which no training row has: leave it out")
        if want != int(want) or (want < counts[code] if more else not 1 <= want <= counts[code]):
            raise DataError(
                f"sampling_strategy asks for {want} examples of {label!r}, which has {counts[code]} in training: "
                + ("give no fewer" if more else "give from 1 to as many")
            )
        if want != counts[code]:
            found[code] = int(want)
    return found
