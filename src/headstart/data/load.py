"""From anything a person has to a checked :class:`Target`."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.data.answers import check_answers, check_learned, given_answers, identity, split_answers, strata
from headstart.data.duplicates import find_duplicates
from headstart.data.parts import check_classes, check_parts, check_shares, own_parts
from headstart.data.readers import Columns, Rows, read
from headstart.data.readers.answers import TASKS
from headstart.data.readers.base import CLASSIFICATION, count, natural_key, some
from headstart.data.scan import scan
from headstart.data.splits import count_once, split_parts
from headstart.data.target import Target
from headstart.results import DataError

# Equal rows of features are copies, unless most rows have an equal: then the features are coarse.
_MOST_EQUAL = 0.5


def load_target(
    data: Any,
    *,
    image: Any = None,
    label: Any = None,
    split: Any = None,
    group: Any = None,
    test_size: float = 0.2,
    random_state: int | np.random.Generator | None = 0,
    max_unreadable: float = 0.1,
    task: str = CLASSIFICATION,
    order: str | Sequence[str] | None = None,
    quiet: bool = True,
) -> Target:
    """Read, check, and split labelled examples.

    Parameters
    ----------
    data : path, DataFrame, (X, y), datasets.Dataset, datasets.DatasetDict or Target
        A folder of class folders, or with train, val(idation) and test folders of class folders below it; a CSV, TSV
        or Parquet file or a DataFrame with a column of pictures (paths, which start at the table's folder, or encoded
        bytes) or with columns of numbers; a pair of arrays or lists. A Target is returned as it is.
    image, label, split, group : column, optional
        The columns of a table that hold the picture, its label, the part it belongs to ("train", "val", "test") and
        the group that must not be torn apart, such as the patient. Found by name and content where only one fits.
        For (X, y), ``split`` and ``group`` hold the n values themselves. With ``task="multilabel"`` ``label`` may be
        a list of columns, or text with commas.
    test_size : float, default 0.2
        Share of the rows that becomes the test part where the data has no split of its own.
    random_state : int or Generator, default 0
        Seed of that split.
    max_unreadable : float, default 0.1
        Share of the pictures, 0–1, that may be unreadable. They keep their row and are left out.
    task : {"classification", "ordinal", "regression", "multilabel"}
        What the labels are: one class; one of classes that have an order; a number; any number of labels. Those are
        several columns of 0 and 1, or one of sequences, or of text with ";" or "|" between labels. Several columns
        that hold anything else are heads: each has classes of its own.
    order : str or sequence of str, optional
        The classes of ``task="ordinal"``, lowest first, such as ``"none<slight<severe"``; numbers need none.
    quiet : bool, default True
        Whether to show no progress.

    Returns
    -------
    Target
        Each picture counts once, see :func:`headstart.data.splits.count_once`: where it stands in the test part and
        in another, the test row stays and its copy is left out. Equal rows of features may be different things, so
        all of them count; but they are kept in one group, and those that equal a test row of the data's own split
        are left out. Where more than half of the rows have an equal, the features are too coarse to tell copies, and
        each row stands for itself.

    Raises
    ------
    DataError
        If the data cannot be read or cannot be learned from; one line that names the way out.

    Examples
    --------
    >>> X = np.arange(40.0).reshape(20, 2)
    >>> target = load_target((X, ["cat", "dog"] * 10))
    >>> target
    <Target 'arrays': features, 2 classes, 16 train + 4 test>
    >>> target.classes, len(target.rows("test"))
    (('cat', 'dog'), 4)
    """
    if isinstance(data, Target):
        return data
    check_shares(test_size, max_unreadable)
    if task not in TASKS:
        raise DataError(f"no task {task!r}: choose {', '.join(TASKS)}")
    if order is not None and task != "ordinal":
        raise DataError(f"an order of classes means nothing where the task is {task}: leave it out")
    several = task == "multilabel" and isinstance(label, tuple)  # else it is one column of several levels
    rows = read(data, Columns(image, list(label) if several else label, split, group, task))
    answers = given_answers(rows, task, order)
    notes = list(rows.notes)
    digests, clusters, reasons = _examine(rows, notes, quiet)
    usable = reasons == ""
    unreadable = {row: str(reason) for row, reason in zip(rows.ids, reasons, strict=True) if reason}
    _check_unreadable(unreadable, len(rows.ids), max_unreadable)

    labels = np.array(rows.labels, dtype=object)
    groups = unite(clusters, rows.groups)
    classes, y = strata(labels, answers, usable, groups)
    if answers is not None and answers.task == "ordinal":  # ranks among the classes that can be used
        answers = replace(
            answers, values=y[:, None].astype(np.float64), outputs=dict.fromkeys(answers.outputs, classes)
        )
    same = y if answers is None else identity(labels, answers, y)
    lost = [] if answers else sorted(set(labels) - set(classes), key=natural_key)
    if lost:
        notes.append(f"{count(len(lost), 'class')} without any readable picture left out: {some(lost)}")

    own = rows.split is not None
    given = "train" if rows.split is None else own_parts(rows.split, notes)
    parts = np.where(usable, given, "").astype("<U5")
    if rows.pictures is not None:
        parts, copies, more = count_once(parts, clusters, rows.ids, same, labels=labels)
    else:
        parts, copies, more = _without_leaks(parts, clusters, rows.ids)
    notes += more
    kept = parts != ""
    if answers is None or answers.task == "ordinal":
        check_classes(classes, y[kept], clusters[kept])
    else:
        check_answers(answers, kept, clusters)
    if own:
        check_parts(parts, y, () if answers and answers.task != "ordinal" else classes, notes)
        _note_torn_groups(rows.groups, parts, notes)
    elif answers is None or answers.task == "ordinal":
        parts[kept] = split_parts(
            y[kept], groups[kept], test_size=test_size, random_state=random_state, classes=classes
        )
    else:
        parts[kept] = split_answers(answers, kept, y, groups, test_size=test_size, random_state=random_state)
        if rows.pictures is not None:
            parts, again, more = count_once(parts, clusters, rows.ids, same, labels=labels)
            copies |= again
            notes += more
    if answers is not None:
        check_learned(answers, parts, notes)
    return Target(
        ids=np.array(rows.ids, dtype=np.str_),
        labels=labels,
        classes=classes,
        y=y,
        split=parts,
        groups=groups,
        left_out=unreadable | copies,
        unreadable=unreadable,
        twins=_twins(rows.ids, clusters),
        notes=tuple(notes),
        modality="features" if rows.pictures is None else "pictures",
        task=answers.task if answers else CLASSIFICATION,
        own_split=own,
        pictures=rows.pictures,
        features=rows.features,
        feature_names=rows.feature_names,
        name=rows.name,
        fingerprint=fingerprint(rows.ids, rows.labels if answers is None else answers.texts(), parts, digests),
        values=answers.values if answers else None,
        outputs=answers.outputs if answers else {},
    )


def unite(clusters: ArrayLike, groups: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return the finest grouping in which neither a cluster nor a group (-1: in none) is torn apart.

    Groups are numbered by their first row.

    >>> unite([0, 0, 1, 2, 3], np.array([5, 7, 7, -1, -1]))
    array([0, 0, 0, 1, 2])
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = [np.unique(clusters, return_inverse=True)[1]]
    n = len(edges[0])
    if groups is not None:
        lone = np.arange(n) + n + groups.max(initial=0) + 1
        edges.append(n + np.unique(np.where(groups < 0, lone, groups), return_inverse=True)[1])
    ends = n + np.concatenate(edges)
    graph = coo_array((np.ones(len(ends), bool), (np.tile(np.arange(n), len(edges)), ends)), shape=(3 * n, 3 * n))
    components = connected_components(graph, directed=False)[1][:n]
    _, first, codes = np.unique(components, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[codes], np.int64)


def fingerprint(ids: Iterable[str], labels: Iterable[str], split: Iterable[str], digests: NDArray[np.uint8]) -> str:
    """Return the SHA-256, in hexadecimal, of what makes up a target."""
    total = hashlib.sha256()
    for column in (ids, labels, split):
        for text in column:
            encoded = str(text).encode("utf-8", "surrogatepass")
            total.update(len(encoded).to_bytes(4, "little") + encoded)
    total.update(np.ascontiguousarray(digests).data)
    return total.hexdigest()


def _examine(
    rows: Rows, notes: list[str], quiet: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.str_]]:
    """Return for each row its digest, its cluster of copies, and why it cannot be read ("" if it can)."""
    if rows.features is not None:
        return *_examine_features(rows.features, notes), np.full(len(rows.features), "", dtype="<U1")
    assert rows.pictures is not None
    found = scan(rows.pictures, quiet=quiet)
    reasons = np.asarray(found.reasons, dtype=np.str_)
    readable = np.flatnonzero(reasons == "")
    clusters = len(reasons) + np.arange(len(reasons))  # what cannot be read is a copy of nothing
    if len(readable):
        clusters[readable] = find_duplicates(
            found.digests[readable], found.hashes[readable], found.thumbs[readable], found.tints[readable]
        )
    return found.digests, clusters, reasons


def _examine_features(features: NDArray[np.float64], notes: list[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    rows = features + 0.0  # -0.0 equals 0.0, but not byte by byte
    joined = b"".join(hashlib.sha256(row.tobytes()).digest() for row in rows)
    digests = np.frombuffer(joined, np.uint8).reshape(-1, 32)
    _, clusters, sizes = np.unique(digests.view("V32").ravel(), return_inverse=True, return_counts=True)
    equal = int(sizes[sizes > 1].sum())
    if equal > _MOST_EQUAL * len(rows):
        notes.append(f"{count(equal, 'row')} have the same features as another; too many to be copies, so all count")
        return digests, np.arange(len(rows))
    return digests, clusters


def _check_unreadable(unreadable: Mapping[str, str], n: int, most: float) -> None:
    if len(unreadable) <= most * n:
        return
    first = ", ".join(f"{row!r} ({reason})" for row, reason in list(unreadable.items())[:3])
    raise DataError(
        f"{len(unreadable):,} of {count(n, 'picture')} cannot be read, more than max_unreadable={most:g} of them: "
        f"{first}; mend or remove them, or raise max_unreadable to leave them out"
    )


def _without_leaks(
    parts: NDArray[np.str_], clusters: NDArray[np.int64], ids: Sequence[str]
) -> tuple[NDArray[np.str_], dict[str, str], list[str]]:
    """Leave out the rows of features that equal one in the test part; unlike pictures, equals in one part all count."""
    leaks = (parts != "test") & (parts != "") & np.isin(clusters, clusters[parts == "test"])
    left_out = dict.fromkeys(itertools.compress(ids, leaks.tolist()), "the same features as a row of the test part")
    n = count(len(left_out), "row")
    notes = [f"{n} outside the test part with the features of one inside it left out"] if left_out else []
    return np.where(leaks, "", parts), left_out, notes


def _note_torn_groups(groups: NDArray[np.int64] | None, parts: NDArray[np.str_], notes: list[str]) -> None:
    if groups is None:
        return
    tested = groups[(groups >= 0) & (parts == "test")]
    torn = np.intersect1d(tested, groups[np.isin(parts, ["train", "val"])])
    if len(torn):
        notes.append(
            f"{count(len(torn), 'group')} of the group column in the test part and outside it: "
            "the test figures may be too good"
        )


def _twins(ids: Sequence[str], clusters: NDArray[np.int64]) -> tuple[tuple[str, ...], ...]:
    """Return the ids of each cluster of two or more, in row order."""
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.diff(clusters[order])) + 1
    found = [members.tolist() for members in np.split(order, starts) if len(members) > 1]
    return tuple(tuple(ids[row] for row in members) for members in sorted(found))
