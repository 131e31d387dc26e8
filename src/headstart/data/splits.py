"""Who goes where: copies counted once, and rows dealt to parts and folds, stratified, grouped and seeded."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.data.readers.base import count
from headstart.results import DataError

Rows = NDArray[np.int64]
Seed = int | np.random.Generator | None

_ATTEMPTS = 10  # other shuffles, where groups of several classes leave a class in one part only
_NAMES = {"train": "training", "val": "validation", "test": "test"}


def count_once(
    split: ArrayLike,
    clusters: ArrayLike,
    ids: Sequence[str] | NDArray[np.str_],
    y: ArrayLike,
    *,
    labels: Sequence[str] | NDArray[np.object_] | None = None,
) -> tuple[NDArray[np.str_], dict[str, str], list[str]]:
    """Let each picture stand in one part, the test part first, then validation; and count once in the test part.

    In the test part the first row of a picture stays. In training and validation copies stay, for a person may want
    the weight; being one group, they are never on two sides of a fold. Copies that contradict each other in their
    labels are all left out of training and validation, for no one knows which is right; in the test part one row for
    each label stays, so that the figure is not made better by a choice of ours.

    For data that has no split yet, call it with "train" for each usable row, make the split, and call it again.

    Parameters
    ----------
    split : array_like of str, shape (n,)
        "train", "val", "test", or "" for a row that is out already.
    clusters : array_like of int, shape (n,)
        Equal values: the same picture.
    ids : sequence of str, length n
        Name of each row.
    y : array_like of int, shape (n,)
        Class of each row; negative: the row is not usable and does not matter.
    labels : sequence of str, length n, optional
        Text of each row's label for the reasons; without it the class numbers are given.

    Returns
    -------
    split : ndarray of str, shape (n,)
        "" where a row is left out.
    left_out : dict of str to str
        id -> reason, for each row left out here.
    notes : list of str
        What was done, one sentence each, with counts and an example.

    Examples
    --------
    >>> split, left_out, notes = count_once(["train", "test", "test"], [0, 0, 0], ["a", "b", "c"], [1, 1, 1])
    >>> split.tolist(), left_out
    (['', 'test', ''], {'a': "the same picture as 'b' of the test part", 'c': "the same picture as 'b'"})
    """
    parts = np.array(split, dtype="<U5")
    cluster, codes = np.asarray(clusters), np.asarray(y)
    text = codes if labels is None else labels
    left_out: dict[str, str] = {}
    seen: dict[tuple[str, str], list[tuple[int, int]]] = {}  # (what happened, where) -> rows, each with its example

    def leave(row: int, other: int, event: str, more: str = "") -> None:
        parts[row] = ""
        left_out[str(ids[row])] = f"the same picture as {str(ids[other])!r}{more}"
        seen.setdefault((event, kept_in), []).append((row, other))

    for rows in _copies(cluster, np.flatnonzero((codes >= 0) & (parts != ""))):
        kept_in = next(part for part in ("test", "val", "train") if (parts[rows] == part).any())
        inside = [row for row in rows if parts[row] == kept_in]
        for row in rows:
            if row not in inside:
                leave(row, inside[0], parts[row], f" of the {_NAMES[kept_in]} part")
        first = {codes[row]: row for row in reversed(inside)}  # first row of each class
        if len(first) > 1 and kept_in != "test":
            for row in inside:
                other = next(other for code, other in sorted(first.items()) if code != codes[row])
                leave(row, other, "torn", f", which is labelled {str(text[other])!r}, not {str(text[row])!r}")
            continue
        for row in inside:
            other = first[codes[row]]
            if row != other and kept_in == "test":
                leave(row, other, "again")
            elif row != other:
                seen.setdefault(("stay", kept_in), []).append((row, other))
        if len(first) > 1:
            row, other, *_ = sorted(first.values())
            seen.setdefault(("open", kept_in), []).append((row, other))
    split_yet = len(set(parts.tolist()) - {""}) > 1
    return parts, left_out, _notes(seen, ids, text, split_yet)


def split_parts(
    y: ArrayLike,
    groups: ArrayLike,
    *,
    test_size: float,
    random_state: Seed,
    classes: Sequence[str] | None = None,
) -> NDArray[np.str_]:
    """Return "train" or "test" for each row: stratified, and no group torn apart.

    Each class gets as near to ``test_size`` of its rows as its groups allow, and at least one group on either side.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Class of each row; a row whose class is negative gets "".
    groups : array_like of int, shape (n,)
        Rows with equal values stay together.
    test_size : float
        Share of the test part, between 0 and 1.
    random_state : int or Generator
        Seed of the shuffle that decides between groups of one size.
    classes : sequence of str, optional
        Names of the classes, for errors.

    Raises
    ------
    DataError
        If all rows of a class are in one group, or if the groups tie the classes together so that no split was found.

    Examples
    --------
    >>> parts = split_parts([0] * 10 + [1] * 5, range(15), test_size=0.2, random_state=0)
    >>> [(parts[:10] == "test").sum().item(), (parts[10:] == "test").sum().item()]
    [2, 1]
    """
    if not 0 < test_size < 1:
        raise DataError(f"test_size={test_size} is no share: give a number between 0 and 1")
    codes = np.asarray(y, dtype=np.int64)
    part = _deal(codes, np.asarray(groups), np.array([1 - test_size, test_size]), random_state, classes)
    return np.array(["train", "test", ""])[part]


def stratified_group_folds(
    y: ArrayLike,
    groups: ArrayLike,
    *,
    n_folds: int,
    random_state: Seed,
    classes: Sequence[str] | None = None,
) -> list[tuple[Rows, Rows]]:
    """Return (training rows, test rows) of each fold; every class is on the training side of every fold.

    In place of scikit-learn's ``StratifiedGroupKFold(shuffle=True)``, which may put all of a class into one test fold
    and takes 0.15 ms for each group, so that a large set of single pictures waits for minutes at each repetition.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Class of each row; rows whose class is negative are in no fold.
    groups : array_like of int, shape (n,)
        Rows with equal values stay together.
    n_folds : int
        At least 2. Where there are fewer groups, there are as many folds as groups.
    random_state : int or Generator
        Seed of the shuffle that decides between groups of one size.
    classes : sequence of str, optional
        Names of the classes, for errors.

    Returns
    -------
    list of (ndarray, ndarray)
        Ascending row indices. The test sides are disjoint and together hold every usable row.

    Raises
    ------
    ValueError
        If ``n_folds`` is less than 2.
    DataError
        As :func:`split_parts`.
    """
    if n_folds < 2:
        raise ValueError(f"n_folds={n_folds}: at least 2 are needed")
    codes, members = np.asarray(y, dtype=np.int64), np.asarray(groups)
    n_folds = max(2, min(n_folds, len(np.unique(members[codes >= 0]))))
    fold = _deal(codes, members, np.full(n_folds, 1 / n_folds), random_state, classes)
    sides = [(np.flatnonzero((fold != k) & (codes >= 0)), np.flatnonzero(fold == k)) for k in range(n_folds)]
    return [(train, test) for train, test in sides if len(test)]


def _deal(
    y: Rows, groups: NDArray[np.generic], shares: NDArray[np.float64], seed: Seed, classes: Sequence[str] | None
) -> Rows:
    """Return the part of each row (-1 where ``y`` is negative); no class is in one part only."""
    usable = np.flatnonzero(y >= 0)
    part = np.full(len(y), -1)
    if not len(usable):
        return part
    present, code = np.unique(y[usable], return_inverse=True)
    _, group = np.unique(groups[usable], return_inverse=True)
    names = [str(k) if classes is None else classes[k] for k in present.tolist()]
    k = len(present)
    pairs, sizes = np.unique(group * k + code, return_counts=True)
    table = _Table(pairs // k, pairs % k, sizes)
    single = np.flatnonzero(np.bincount(table.classes, minlength=k) == 1)
    if len(single):
        rows = int(np.bincount(code)[single[0]])
        which = "its only example is" if rows == 1 else f"all of its {rows:,} examples are"
        raise DataError(
            f"class {names[single[0]]!r} cannot be split, {which} in one group: "
            "add examples from another group, merge the class with another, or remove it"
        )
    rng = np.random.default_rng(seed)
    for _ in range(_ATTEMPTS):
        dealt = table.deal(shares, rng)
        if table.spread(dealt, len(shares), rng):
            part[usable] = dealt[group]
            return part
    raise DataError(
        f"the groups tie {k} classes together so that no split has all of them on both sides: "
        "give a split of your own, smaller groups, or coarser classes"
    )


class _Table:
    """How many rows of each class each group has, as a sorted list of (group, class, rows)."""

    def __init__(self, groups: Rows, classes: Rows, rows: Rows) -> None:
        self.groups, self.classes, self.rows = groups, classes, rows
        self.starts = np.flatnonzero(np.diff(groups, prepend=-1))
        self.kinds = np.diff(self.starts, append=len(groups))  # classes in each group
        self.sizes = np.add.reduceat(rows, self.starts)

    def deal(self, shares: NDArray[np.float64], rng: np.random.Generator) -> Rows:
        """Return a part for each group: larger groups first, each to where its classes are needed most."""
        n, k = len(self.starts), int(self.classes.max()) + 1
        part = np.full(n, -1)
        total = np.bincount(self.classes, self.rows, k)
        need = shares[:, None] * total
        shuffled = rng.permutation(n)
        order = shuffled[np.argsort(-self.sizes[shuffled], kind="stable")]
        for group in order[self.kinds[order] > 1].tolist():
            kinds, rows = self._kinds(group), self.rows[self.starts[group] :][: self.kinds[group]]
            # Squared error of the shares goes down by most where need times rows, class by class, is largest.
            part[group] = np.argmax((need[:, kinds] * (rows / total[kinds] ** 2)).sum(axis=1))
            need[part[group], kinds] -= rows
        pure = order[self.kinds[order] == 1]
        kind = self.classes[self.starts[pure]]
        by_class = pure[np.argsort(kind, kind="stable")]
        ends = np.cumsum(np.bincount(kind, minlength=k))
        for code in range(k):
            open_needs = need.sum(axis=1) / shares  # ties go to the part that is emptiest as a whole
            heap = [(-need[p, code], -open_needs[p], p) for p in range(len(shares))]
            heapq.heapify(heap)
            for group in by_class[ends[code - 1] if code else 0 : ends[code]].tolist():
                rest, tie, p = heap[0]
                part[group] = p
                need[p, code] -= self.sizes[group]
                heapq.heapreplace(heap, (rest + self.sizes[group], tie, p))
        return part

    def spread(self, part: Rows, parts: int, rng: np.random.Generator) -> bool:
        """Move groups until no class is in one part only; return whether that was reached.

        The smallest group that can go without harm to another class goes; if none can, any goes, as in WalkSAT.
        """
        k = int(self.classes.max()) + 1
        held = np.zeros((parts, k), np.int64)  # groups, not rows
        np.add.at(held, (part[self.groups], self.classes), 1)
        for _ in range(100 + 10 * k):
            stuck = np.flatnonzero((held > 0).sum(axis=0) == 1)
            if not len(stuck):
                return True
            code = rng.choice(stuck)
            home = int(np.argmax(held[:, code]))
            others = np.delete(np.arange(parts), home)
            away = others[np.argmin(held[others].sum(axis=1))]
            candidates = rng.permutation(self.groups[self.classes == code])
            chosen = candidates[0]
            for group in candidates[np.argsort(self.sizes[candidates], kind="stable")].tolist():
                kinds = self._kinds(group)
                after = (held[:, kinds] > 0).sum(axis=0) + (held[away, kinds] == 0) - (held[home, kinds] == 1)
                if (after > 1).all():
                    chosen = group
                    break
            kinds = self._kinds(chosen)
            held[home, kinds] -= 1
            held[away, kinds] += 1
            part[chosen] = away
        return False

    def _kinds(self, group: int) -> Rows:
        return self.classes[self.starts[group] : self.starts[group] + self.kinds[group]]


def _copies(clusters: NDArray[np.generic], rows: Rows) -> list[list[int]]:
    """Return the clusters of two or more among ``rows``, ascending, in order of their first row."""
    order = rows[np.argsort(clusters[rows], kind="stable")]
    starts = np.flatnonzero(clusters[order][1:] != clusters[order][:-1]) + 1
    return sorted(part.tolist() for part in np.split(order, starts) if len(part) > 1)


def _notes(
    seen: Mapping[tuple[str, str], Sequence[tuple[int, int]]],
    ids: Sequence[str] | NDArray[np.str_],
    text: Sequence[str] | NDArray[Any],
    split_yet: bool,
) -> list[str]:
    notes = []
    for (event, part), pairs in sorted(seen.items()):
        n, (row, other) = len(pairs), pairs[0]
        a, b = repr(str(ids[row])), repr(str(ids[other]))
        are, were, stand, stay = ("is", "was", "stands", "stays") if n == 1 else ("are", "were", "stand", "stay")
        under = f"(for example {a} is labelled {str(text[row])!r} and {b} {str(text[other])!r})"
        same = f"(for example {a} is {b})"
        of_part = f" of the {_NAMES[part]} part" if split_yet else ""
        if event == "open":
            notes.append(f"{count(n, 'picture')}{of_part} {are} there under two labels, and each label stays {under}")
        elif event == "torn":
            notes.append(
                f"{count(n, 'picture')}{of_part} with a copy under another label {were} left out, "
                f"for it is not known which is right {under}"
            )
        elif event == "stay":
            if split_yet:  # else it may still go to the test part
                notes.append(f"{count(n, 'repeated picture')}{of_part} {stay}, never torn apart by a fold {same}")
        elif event == "again":
            notes.append(f"{count(n, 'repeated picture')}{of_part} {were} left out, so that each counts once {same}")
        else:
            notes.append(
                f"{count(n, f'{_NAMES[event]} picture')} that also {stand} in the {_NAMES[part]} part "
                f"{were} left out {same}"
            )
    return notes


def sample_rows(
    y: NDArray[np.int64], rows: NDArray[np.int64], size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return at most about ``size`` of ``rows``, ascending, with the classes' shares and at least five of each."""
    if len(rows) <= size:
        return rows
    kept = []
    for code in np.unique(y[rows]):
        mine = rows[y[rows] == code]
        wanted = max(min(5, len(mine)), round(size * len(mine) / len(rows)))
        kept.append(rng.choice(mine, size=wanted, replace=False))
    return np.sort(np.concatenate(kept))
