from __future__ import annotations

import itertools

import numpy as np
import pytest

from headstart.data.splits import count_once, split_parts, stratified_group_folds
from headstart.results import DataError


def _target(seed):
    """Imbalanced classes; groups of one to five rows, some of them of several classes."""
    rng = np.random.default_rng(seed)
    k = rng.integers(2, 7)
    y = rng.choice(k, rng.integers(80, 300), p=rng.dirichlet(np.full(k, 0.7)))
    groups = rng.permutation(np.arange(len(y)) // rng.choice([1, 1, 2, 5]))
    pure = rng.random(len(y)) < 0.7
    groups[pure] = groups[pure] * 10 + y[pure] + 10_000
    kept = np.isin(y, [code for code in range(k) if len(set(groups[y == code])) > 1])
    return np.unique(y[kept], return_inverse=True)[1], groups[kept]


def _possible(y, groups):
    """Whether any assignment of the groups to two parts puts every class into both, by trying all of them."""
    names = np.unique(groups)
    for sides in itertools.product([False, True], repeat=len(names) - 1):
        part = np.isin(groups, names[[*sides, False]])
        if all(0 < part[y == code].sum() < (y == code).sum() for code in np.unique(y)):
            return True
    return False


@pytest.mark.parametrize("seed", range(60))
def test_split_keeps_every_promise(seed):
    y, groups = _target(seed)
    parts = split_parts(y, groups, test_size=0.25, random_state=seed)
    test = parts == "test"
    assert set(parts) == {"train", "test"}
    assert not set(groups[test]) & set(groups[~test])
    for code in set(y):
        share = test[y == code].sum()
        assert 0 < share < (y == code).sum()
        largest = max(np.bincount(np.unique(groups, return_inverse=True)[1][y == code]))
        assert abs(share - 0.25 * (y == code).sum()) <= 2 * largest + 2
    np.testing.assert_array_equal(parts, split_parts(y, groups, test_size=0.25, random_state=seed))


def test_split_of_single_rows_rounds_each_class():
    y = np.repeat([0, 1, 2, 3], [1000, 101, 7, 2])
    tests = []
    for seed in range(5):
        parts = split_parts(y, np.arange(len(y)), test_size=0.2, random_state=seed)
        tests.append(tuple(np.flatnonzero(parts == "test")))
        assert np.bincount(y[parts == "test"]).tolist() == [200, 20, 1, 1]
    assert len(set(tests)) == 5
    assert len({rows[-1] for rows in tests}) == 2  # either of the two rows of the smallest class may be the one


@pytest.mark.parametrize("seed", range(40))
def test_split_of_tied_classes_against_every_assignment(seed):
    rng = np.random.default_rng(seed)
    y, groups = rng.integers(0, 4, 10), rng.integers(0, 6, 10)
    y = np.unique(y, return_inverse=True)[1]
    if _possible(y, groups):
        parts = split_parts(y, groups, test_size=0.3, random_state=0)
        assert all(len(set(parts[y == code])) == 2 for code in set(y))
    else:
        with pytest.raises(DataError):
            split_parts(y, groups, test_size=0.3, random_state=0)


def test_split_needs_two_groups_of_each_class():
    with pytest.raises(DataError, match=r"class 'owl'.* all of its 3 examples are in one group: add"):
        split_parts([0, 0, 1, 1, 1], [0, 1, 2, 2, 2], test_size=0.2, random_state=0, classes=["cat", "owl"])
    with pytest.raises(DataError, match=r"class '1'.* its only example"):
        split_parts([0, 0, 1], [0, 1, 2], test_size=0.2, random_state=0)
    with pytest.raises(DataError, match="test_size=1"):
        split_parts([0, 0], [0, 1], test_size=1, random_state=0)


def test_rows_without_a_class_are_in_no_part():
    y = np.array([0, 0, 0, -1, 1, 1, 1, -1])
    parts = split_parts(y, np.arange(8), test_size=0.3, random_state=0)
    np.testing.assert_array_equal(parts == "", y < 0)
    for train, test in stratified_group_folds(y, np.arange(8), n_folds=3, random_state=0):
        assert sorted([*train, *test]) == np.flatnonzero(y >= 0).tolist()
    assert split_parts([], [], test_size=0.3, random_state=0).tolist() == []


@pytest.mark.parametrize("seed", range(60))
def test_folds_keep_every_promise(seed):
    y, groups = _target(seed)
    folds = stratified_group_folds(y, groups, n_folds=5, random_state=seed)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(y)))
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])
        assert sorted([*train, *test]) == list(range(len(y)))
        assert set(y[train]) == set(y)
    again = stratified_group_folds(y, groups, n_folds=5, random_state=seed)
    assert all((a == b).all() for one, two in zip(folds, again, strict=True) for a, b in zip(one, two, strict=True))


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_folds_are_as_even_as_those_of_scikit_learn():
    from sklearn.model_selection import StratifiedGroupKFold

    def unevenness(folds, y):
        counts = np.array([np.bincount(y[test], minlength=y.max() + 1) for _, test in folds])
        return (counts.std(axis=0) / np.bincount(y)).mean()

    ours, theirs = [], []
    for seed in range(30):
        y, groups = _target(seed)
        ours.append(unevenness(stratified_group_folds(y, groups, n_folds=5, random_state=seed), y))
        peer = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        theirs.append(unevenness(list(peer.split(y, y, groups)), y))
    assert np.mean(ours) <= np.mean(theirs) * 1.05


def test_folds_of_single_rows_are_those_of_a_stratified_split():
    y = np.repeat([0, 1, 2], [53, 20, 9])
    folds = stratified_group_folds(y, np.arange(82), n_folds=5, random_state=1)
    counts = np.array([np.bincount(y[test], minlength=3) for _, test in folds])
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(axis=1)) <= 1


def test_there_are_no_more_folds_than_groups():
    folds = stratified_group_folds([0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 2, 2], n_folds=10, random_state=0)
    assert [test.tolist() for _, test in sorted(folds, key=lambda fold: fold[1][0])] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(ValueError, match="n_folds=1"):
        stratified_group_folds([0, 1], [0, 1], n_folds=1, random_state=0)


def _count(rows):
    """``rows``: (id, part, cluster, class)."""
    ids, split, clusters, y = zip(*rows, strict=True)
    labels = [("cat", "dog", "owl")[code] if code >= 0 else "" for code in y]
    parts, left_out, notes = count_once(split, clusters, ids, y, labels=labels)
    return dict(zip(ids, parts.tolist(), strict=True)), left_out, notes


def test_the_test_row_stays():
    parts, left_out, notes = _count(
        [("a", "train", 0, 0), ("b", "val", 0, 0), ("c", "test", 0, 0), ("d", "train", 1, 1), ("e", "val", 1, 1)]
    )
    assert parts == {"a": "", "b": "", "c": "test", "d": "", "e": "val"}
    assert left_out == {
        "a": "the same picture as 'c' of the test part",
        "b": "the same picture as 'c' of the test part",
        "d": "the same picture as 'e' of the validation part",
    }
    assert notes == [
        "1 training picture that also stands in the test part was left out (for example 'a' is 'c')",
        "1 training picture that also stands in the validation part was left out (for example 'd' is 'e')",
        "1 validation picture that also stands in the test part was left out (for example 'b' is 'c')",
    ]


def test_copies_inside_a_part_count_once():
    parts, left_out, notes = _count(
        [("a", "test", 0, 0), ("b", "test", 0, 0), ("c", "test", 0, 0), ("d", "train", 1, 1)]
    )
    assert parts == {"a": "test", "b": "", "c": "", "d": "train"}
    assert left_out == dict.fromkeys("bc", "the same picture as 'a'")
    assert notes == [
        "2 repeated pictures of the test part were left out, so that each counts once (for example 'b' is 'a')"
    ]


def test_contradicting_copies_leave_training():
    parts, left_out, (note,) = _count(
        [("a", "train", 0, 0), ("b", "train", 0, 1), ("c", "train", 0, 0), ("d", "train", 1, 1), ("e", "test", 2, 1)]
    )
    assert parts == {"a": "", "b": "", "c": "", "d": "train", "e": "test"}
    assert left_out == {
        "a": "the same picture as 'b', which is labelled 'dog', not 'cat'",
        "b": "the same picture as 'a', which is labelled 'cat', not 'dog'",
        "c": "the same picture as 'b', which is labelled 'dog', not 'cat'",
    }
    assert note.startswith("3 pictures of the training part with a copy under another label were left out")
    assert "'a' is labelled 'cat' and 'b' 'dog'" in note


def test_contradicting_copies_stay_in_the_test_part():
    parts, left_out, notes = _count(
        [("a", "test", 0, 0), ("b", "test", 0, 1), ("c", "test", 0, 1), ("d", "train", 0, 2), ("e", "train", 1, 0)]
    )
    assert parts == {"a": "test", "b": "test", "c": "", "d": "", "e": "train"}
    assert left_out == {"c": "the same picture as 'b'", "d": "the same picture as 'a' of the test part"}
    assert any("1 picture of the test part is there under two labels, and each label stays" in note for note in notes)


def test_rows_that_are_out_already_have_no_say():
    parts, left_out, notes = _count([("a", "", 0, 1), ("b", "test", 0, -1), ("c", "train", 0, 0), ("d", "train", 1, 0)])
    assert parts == {"a": "", "b": "test", "c": "train", "d": "train"}
    assert (left_out, notes) == ({}, [])


@pytest.mark.parametrize("seed", range(30))
def test_counting_once_holds_for_any_data(seed):
    rng = np.random.default_rng(seed)
    n = 200
    split, clusters = rng.choice(["train", "val", "test", ""], n), rng.integers(0, 90, n)
    y, ids = rng.integers(-1, 3, n), np.array([f"row {row}" for row in rng.permutation(n)])
    parts, left_out, _ = count_once(split, clusters, ids, y)
    assert set(left_out) == set(ids[(split != "") & (parts == "")])
    np.testing.assert_array_equal(parts[parts != ""], split[parts != ""])
    for cluster in set(clusters):
        before = (clusters == cluster) & (y >= 0) & (split != "")
        after = before & (parts != "")
        if not before.any():
            continue
        part = next(part for part in ("test", "val", "train") if part in split[before])
        codes = y[before & (split == part)]
        assert set(parts[after]) <= {part}
        if part == "test":
            assert sorted(y[after]) == sorted(set(codes))
        else:
            assert after.sum() == (len(codes) if len(set(codes)) == 1 else 0)
    again = count_once(parts, clusters, ids, y)
    assert again[1] == {}
