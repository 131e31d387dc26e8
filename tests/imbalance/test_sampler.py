"""The batch sampler's promises, counted: shares, cycles, seeds, processes, resuming; and two real processes."""

import itertools
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare
from torch.utils.data import DataLoader

from headstart.imbalance.sampler import BalancedBatchSampler
from headstart.imbalance.sampler_shares import given_shares, shares_of, whole_numbers, with_least
from headstart.results import DataError

RNG = np.random.default_rng(0)
TARGETS = {
    "two": np.array(["rare"] * 7 + ["common"] * 93),
    "gaps": RNG.permutation(np.repeat([-3, 5, 6, 100], [61, 20, 9, 1])),  # one class has a single example
    "one class": np.zeros(23, dtype=int),
    "many": RNG.integers(0, 30, 150) ** 2,
    "one picture": np.array([4]),
}
OPTIONS = {
    "equal": {},
    "sqrt": {"shares": "sqrt"},
    "natural": {"shares": "natural"},
    "progressive": {"shares": "progressive", "epochs": 4},
    "power": {"shares": 0.25},
    "reversed": {"shares": -1},
    "long": {"epoch_size": 230},
    "short": {"epoch_size": 37},
    "groups": {"groups": True},
    "groups sqrt": {"groups": True, "shares": "sqrt"},
    "least": {"shares": "natural", "min_per_class": 1, "batch_size": 32, "epoch_size": 300},
}
targets = pytest.mark.parametrize("target", TARGETS)
each_sampler = pytest.mark.parametrize("option", OPTIONS)


def make(target, option, **more):
    labels, options = TARGETS[target], OPTIONS[option] | more
    if options.get("groups") is True:
        options["groups"] = np.random.default_rng(5).choice(["a", "b", "c"], size=len(labels), p=[0.7, 0.2, 0.1])
    options = {"batch_size": 16} | options
    return BalancedBatchSampler(labels, **options)


def promised(target, option, epoch):
    """The share of each class, by the definition."""
    counts = np.unique(TARGETS[target], return_counts=True)[1]
    n, k = counts.sum(), len(counts)
    if option == "progressive":
        t = min(epoch / 3, 1)
        return (1 - t) * counts / n + t / k
    q = {"sqrt": 0.5, "groups sqrt": 0.5, "natural": 1, "least": 1, "power": 0.25, "reversed": -1}.get(option, 0)
    return counts.astype(float) ** q / (counts.astype(float) ** q).sum()


def codes_of(target):
    return np.unique(TARGETS[target], return_inverse=True)[1]


@targets
@each_sampler
def test_contract(target, option):
    labels, sampler = TARGETS[target], make(target, option)
    for epoch in range(3):
        batches = list(sampler)
        assert sampler.epoch == epoch + 1
        size = OPTIONS[option].get("epoch_size", len(labels))
        sizes = [len(rows) for rows in batches]
        assert len(batches) == len(sampler) == -(-size // sampler.batch_size)
        assert sum(sizes) == size and max(sizes) <= sampler.batch_size and max(sizes) - min(sizes) <= 1
        drawn = np.concatenate(batches)
        assert all(type(row) is int for rows in batches for row in rows)
        assert drawn.min() >= 0 and drawn.max() < len(labels)
        found = np.bincount(codes_of(target)[drawn], minlength=len(sampler.classes))
        np.testing.assert_array_equal(found, sampler.draws(epoch))
        if option != "least":
            assert (np.abs(found - promised(target, option, epoch) * size) < 1).all()
        for rows in batches:  # each batch has the epoch's mean, rounded up or down
            share = np.bincount(codes_of(target)[rows], minlength=len(found)) - found / len(batches)
            assert (np.abs(share) < 1).all()


@targets
@each_sampler
def test_a_class_shows_all_its_pictures_before_one_repeats(target, option):
    labels, sampler = TARGETS[target], make(target, option)
    drawn = np.concatenate([rows for _ in range(5) for rows in sampler])
    if "groups" in OPTIONS[option]:
        groups = np.random.default_rng(5).choice(["a", "b", "c"], size=len(labels), p=[0.7, 0.2, 0.1])
        cells = np.unique(np.char.add(labels.astype(str), groups), return_inverse=True)[1]
    else:
        cells = codes_of(target)
    for cell in np.unique(cells):
        size, shown = (cells == cell).sum(), drawn[cells[drawn] == cell]
        times = np.bincount(shown, minlength=len(labels))[cells == cell]
        # Only within a batch does the order not tell which cycle a picture belongs to.
        assert times.max() - times.min() <= 1 and times.sum() == len(shown)
        assert times.max() == -(-len(shown) // size)


def test_whole_cycles_in_the_order_of_time():
    """Batches that divide a class's cycle: each run of 12 draws of the class of 12 shows all 12."""
    sampler = BalancedBatchSampler([0] * 84 + [1] * 12, 8, seed=3)
    rare = [sorted(row for row in rows if row >= 84) for _ in range(4) for rows in sampler]
    assert {len(rows) for rows in rare} == {4}
    flat = np.concatenate(rare).reshape(-1, 12)
    np.testing.assert_array_equal(np.sort(flat), np.tile(np.arange(84, 96), (len(flat), 1)))
    assert len({tuple(rows) for rows in rare}) > 10  # in new orders


@targets
def test_natural_shares_show_every_picture_once_an_epoch(target):
    sampler = make(target, "natural")
    for _ in range(3):
        assert sorted(itertools.chain.from_iterable(sampler)) == list(range(len(TARGETS[target])))


def test_progressive_shares_go_from_natural_to_equal():
    sampler = BalancedBatchSampler([0] * 90 + [1] * 10, 10, shares="progressive", epochs=5)
    assert [sampler.draws(epoch).tolist() for epoch in (0, 1, 2, 3, 4, 9)] == [
        [90, 10], [80, 20], [70, 30], [60, 40], [50, 50], [50, 50],
    ]  # fmt: skip
    assert BalancedBatchSampler([0] * 3 + [1], 2, shares="progressive", epochs=1).draws(0).tolist() == [2, 2]


def test_what_cannot_be_whole_is_right_in_the_mean():
    """30 classes in 20 draws: in the long run each gets as many, and each picture of a class too."""
    labels = np.repeat(np.arange(30), np.arange(1, 31))
    sampler = BalancedBatchSampler(labels, 7, epoch_size=20, seed=1)
    drawn = np.concatenate([rows for _ in range(300) for rows in sampler])
    assert chisquare(np.bincount(labels[drawn])).pvalue > 0.001  # even: more even than independent draws
    assert np.abs(np.bincount(labels[drawn]) - 200).max() < 40
    for label in (10, 29):
        times = np.bincount(drawn[labels[drawn] == label], minlength=len(labels))[labels == label]
        assert times.max() - times.min() <= 1


def test_orders_are_random():
    """Over seeds the first batch has every picture of a class as often: a chi-square on 2,000 draws."""
    labels = np.repeat([0, 1], [15, 5])
    firsts = [BalancedBatchSampler(labels, 4, seed=seed).batches(0)[0] for seed in range(500)]
    counts = np.bincount(np.concatenate(firsts), minlength=20)
    assert counts[:15].sum() == counts[15:].sum() == 1000
    assert chisquare(counts[:15]).pvalue > 0.001 and chisquare(counts[15:]).pvalue > 0.001


def test_which_batches_have_the_odd_pictures_changes():
    sampler = BalancedBatchSampler(np.repeat([0, 1, 2], [61, 9, 5]), 8, shares="natural")
    patterns = {str([np.bincount(np.digitize(rows, [61, 70])).tolist() for rows in sampler]) for _ in range(5)}
    assert len(patterns) == 5


def test_a_least_number_of_each_class_in_each_batch():
    labels = np.repeat([0, 1, 2, 3], [900, 80, 15, 5])
    sampler = BalancedBatchSampler(labels, 32, shares="natural", min_per_class=3)
    batches = list(sampler)
    counts = np.array([np.bincount(labels[rows], minlength=4) for rows in batches])
    assert counts.min() == 3
    np.testing.assert_array_equal(counts[:, 2:], 3)
    # 1,000 draws less 96 for each of the two rare classes, the others as 900 to 80
    rest = 1000 - 2 * 3 * len(batches)
    first = min(rest * 900 / 980, rest - 3 * len(batches))
    np.testing.assert_allclose(sampler.draws(0), [first, rest - first, 96, 96], atol=1)
    exact = BalancedBatchSampler(labels, 8, min_per_class=2)
    assert {tuple(np.bincount(labels[rows])) for rows in exact} == {(2, 2, 2, 2)}


def test_groups_of_a_class_take_turns():
    labels = np.repeat([0, 1], [80, 20])
    groups = np.array(["a"] * 72 + ["b"] * 8 + ["a"] * 10 + ["c"] * 10)
    cells = np.char.add(labels.astype(str), groups)
    sampler = BalancedBatchSampler(labels, 20, groups=groups)
    assert Counter(cells[np.concatenate(list(sampler))]) == {"0a": 25, "0b": 25, "1a": 25, "1c": 25}
    for rows in sampler:
        assert Counter(cells[rows]) == {"0a": 5, "0b": 5, "1a": 5, "1c": 5}
    root = BalancedBatchSampler(labels, 20, groups=groups, shares="sqrt", epoch_size=1200)
    found = Counter(cells[np.concatenate(list(root))])
    assert found == {"0a": 600, "0b": 200, "1a": 200, "1c": 200}  # 2 : 1, in the first 3 : 1
    given = BalancedBatchSampler(labels, 20, groups=groups, shares={0: 3, 1: 1})
    assert [len(rows) for rows in given] == [20] * 5 and given.draws(1).tolist() == [75, 25]
    natural = BalancedBatchSampler(labels, 20, groups=groups, shares="natural")
    assert sorted(itertools.chain.from_iterable(natural)) == list(range(100))


def test_given_shares():
    sampler = BalancedBatchSampler(["b", "a", "a", "c"], 2, shares={"a": 1, "b": 3, "c": 0}, epoch_size=40)
    assert sampler.classes.tolist() == ["a", "b", "c"] and sampler.draws(0).tolist() == [10, 30, 0]
    assert Counter(itertools.chain.from_iterable(sampler)) == {0: 30, 1: 5, 2: 5}
    least = BalancedBatchSampler(
        ["b", "a", "a", "c"], 2, shares={"a": 1, "b": 3, "c": 0}, min_per_class=1, epoch_size=40
    )
    assert least.draws(0).tolist() == [20, 20, 0]  # a class that is not drawn needs no least number


@targets
@each_sampler
def test_an_epoch_depends_on_seed_and_number_alone(target, option):
    one, other = make(target, option, seed=7), make(target, option, seed=7)
    expected = [list(one) for _ in range(4)]
    other.set_epoch(3)
    assert list(other) == expected[3]
    other.set_epoch(1)
    assert list(other) == expected[1]
    assert [rows.tolist() for rows in other.batches(2)] == expected[2]
    if len(TARGETS[target]) > 1:
        assert expected[0] != expected[1] and list(make(target, option, seed=8)) != expected[0]
    other.set_epoch(0)
    next(iter(other))  # a look at the first batch takes nothing away
    assert list(other) == expected[0]


@pytest.mark.parametrize("target", ["two", "gaps", "one class", "many"])
@each_sampler
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_processes_divide_each_batch(target, option, world_size):
    alone, codes = make(target, option), codes_of(target)
    ranks = [make(target, option, rank=rank, world_size=world_size) for rank in range(world_size)]
    for _ in range(3):
        expected, parts = list(alone), [list(rank) for rank in ranks]
        assert {len(part) for part in parts} == {len(alone)} == {len(rank) for rank in ranks}
        for whole, *pieces in zip(expected, *parts, strict=True):
            assert sorted(itertools.chain.from_iterable(pieces)) == sorted(whole)
            sizes = [len(piece) for piece in pieces]
            assert max(sizes) - min(sizes) <= 1
            each = np.array([np.bincount(codes[piece], minlength=len(alone.classes)) for piece in pieces])
            assert np.ptp(each, axis=0).max() <= 1  # of each class as many
        totals = [sum(map(len, part)) for part in parts]
        assert max(totals) - min(totals) <= 1


@targets
@each_sampler
def test_it_resumes_exactly(target, option):
    whole = make(target, option)
    expected = [list(whole) for _ in range(3)]
    for epoch, stop in {(0, 1), (1, len(whole) // 2), (1, len(whole) - 1), (1, len(whole))}:
        first = make(target, option)
        first.set_epoch(epoch)
        seen = list(itertools.islice(first, stop))
        state = first.state_dict()
        second = make(target, option)
        second.load_state_dict(state)
        assert second.state_dict() == state
        for number in range(state["epoch"], 3):  # as a loop goes on
            second.set_epoch(number)
            rest = list(second)
            assert rest == (expected[number][stop:] if number == epoch else expected[number])
        assert seen == expected[epoch][:stop]
        assert len(second) == len(whole)


def test_it_resumes_with_another_number_of_processes_and_says_what_was_trained_on():
    labels = TARGETS["gaps"]
    alone = BalancedBatchSampler(labels, 16)
    expected = list(alone)
    first = BalancedBatchSampler(labels, 16, rank=0, world_size=2)
    list(itertools.islice(first, 4))
    assert first.state_dict()["batch"] == 4
    state = first.state_dict(epoch=0, batch=2)  # two more were fetched ahead
    parts = []
    for rank in range(3):
        second = BalancedBatchSampler(labels, 16, rank=rank, world_size=3)
        second.load_state_dict(state)
        parts.append(list(second))
    rest = [sorted(itertools.chain.from_iterable(pieces)) for pieces in zip(*parts, strict=True)]
    assert rest == [sorted(rows) for rows in expected[2:]]
    moved = BalancedBatchSampler(labels, 16)
    moved.load_state_dict(state)
    moved.set_epoch(5)  # another epoch is begun at its beginning
    assert len(list(moved)) == len(moved)
    assert alone.state_dict(epoch=0, batch=len(alone)) == {**alone.state_dict(), "epoch": 1, "batch": 0}


def test_a_data_loader_takes_it():
    labels = TARGETS["two"]
    sampler = BalancedBatchSampler(labels, 20)
    loader = DataLoader(np.arange(100), batch_sampler=sampler)
    shown = [batch.tolist() for batch in loader]
    assert len(loader) == 5 and shown == [rows.tolist() for rows in BalancedBatchSampler(labels, 20).batches(0)]
    assert {tuple((labels[rows] == "rare").tolist().count(True) for rows in shown)} == {(10,) * 5}


SCRIPT = """
import sys
from pathlib import Path
import numpy as np
import torch.distributed as dist
from headstart.imbalance.sampler import BalancedBatchSampler

sampler = BalancedBatchSampler(np.repeat([0, 1, 2], [61, 9, 1]), 8, shares="sqrt", seed=4)
dist.init_process_group("gloo")
seen = [[row for rows in sampler for row in rows] for _ in range(2)]
gathered = [None] * dist.get_world_size()
dist.all_gather_object(gathered, seen)
if dist.get_rank() == 0:
    Path(sys.argv[1]).write_text(repr(gathered))
dist.destroy_process_group()
"""


def test_two_processes_see_what_one_sees(tmp_path):
    """torchrun, gloo, two processes: every picture exactly as often as in one process."""
    script, out = tmp_path / "count.py", tmp_path / "seen.txt"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", script, out]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    first, second = eval(out.read_text())
    alone = BalancedBatchSampler(np.repeat([0, 1, 2], [61, 9, 1]), 8, shares="sqrt", seed=4)
    for epoch in range(2):
        assert abs(len(first[epoch]) - len(second[epoch])) <= 1
        assert Counter(first[epoch] + second[epoch]) == Counter(itertools.chain.from_iterable(alone))


def test_shares_by_hand():
    np.testing.assert_allclose(shares_of([100, 4], "sqrt"), [10 / 12, 2 / 12])
    np.testing.assert_allclose(shares_of([100, 4], "natural"), [100 / 104, 4 / 104])
    np.testing.assert_allclose(shares_of([100, 4], "equal"), [0.5, 0.5])
    np.testing.assert_allclose(shares_of([100, 4], -1), [4 / 104, 100 / 104])
    np.testing.assert_allclose(given_shares(np.array([1, 2]), {2: 3, 1: 1}), [0.25, 0.75])
    np.testing.assert_allclose(with_least(np.array([50.0, 30.0, 20.0]), 25), [46.875, 28.125, 25])
    np.testing.assert_allclose(with_least(np.array([90.0, 9.0, 1.0]), 33), [34, 33, 33])
    np.testing.assert_allclose(with_least(np.array([3.0, 3.0]), 3), [3, 3])


def test_whole_numbers_are_right_in_the_mean():
    rng = np.random.default_rng(0)
    shares = np.array([0.5, 0.26, 0.01, 0.2, 0.03])
    draws = np.array([whole_numbers(shares, 7, rng) for _ in range(4000)])
    assert (draws.sum(axis=1) == 7).all() and (np.abs(draws - 7 * shares) < 1).all()
    np.testing.assert_allclose(draws.mean(axis=0), 7 * shares, atol=0.03)
    assert whole_numbers(shares, 0, rng).tolist() == [0] * 5
    assert whole_numbers(np.full(3, 1 / 3), 9, rng).tolist() == [3, 3, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": []}, r"labels have shape \(0,\)"),
        ({"labels": [[0, 1]]}, r"labels have shape \(1, 2\)"),
        ({"batch_size": 0}, "batch_size=0: give a whole number of at least 1"),
        ({"batch_size": 2.5}, "batch_size=2.5: give a whole number"),
        ({"epoch_size": 0}, "epoch_size=0"),
        ({"seed": -1}, "seed=-1"),
        ({"shares": "fair"}, "shares='fair': choose equal, sqrt, natural, progressive"),
        ({"shares": np.inf}, "shares=inf"),
        ({"shares": "progressive"}, "give epochs"),
        ({"shares": "progressive", "epochs": 0}, "epochs=0"),
        ({"shares": {0: 1}}, "same classes, see '1'"),
        ({"shares": {0: 1, 1: -1}}, "at least 0, not all 0"),
        ({"shares": {0: 0, 1: 0}}, "not all 0"),
        ({"groups": [1, 2]}, r"groups have shape \(2,\) for 4 labels"),
        ({"min_per_class": 2}, "min_per_class=2 of 2 classes does not fit into batches of 2"),
        ({"rank": 0}, "give both or neither"),
        ({"rank": 2, "world_size": 2}, "rank=2 and world_size=2"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(DataError, match=message):
        BalancedBatchSampler(**{"labels": [0, 0, 0, 1], "batch_size": 3} | options)


def test_bad_calls():
    sampler = BalancedBatchSampler([0, 0, 0, 1], 3)
    with pytest.raises(DataError, match="batches of 2 cannot be divided among 3 processes"):
        list(BalancedBatchSampler([0, 0, 0, 1], 3, rank=0, world_size=3))
    with pytest.raises(DataError, match="epoch=-1"):
        sampler.set_epoch(-1)
    with pytest.raises(DataError, match="batch=3: an epoch has 2"):
        sampler.state_dict(epoch=0, batch=3)
    with pytest.raises(DataError, match="both or neither"):
        sampler.state_dict(batch=1)
    for other in (
        BalancedBatchSampler([0, 0, 1, 1], 3),
        BalancedBatchSampler([0, 0, 0, 1], 3, seed=1),
        BalancedBatchSampler([0, 0, 0, 1], 3, shares="sqrt"),
        BalancedBatchSampler([0, 0, 0, 1], 3, groups=[0, 1, 1, 1]),
    ):
        with pytest.raises(DataError, match="other labels or options"):
            sampler.load_state_dict(other.state_dict())
    same = BalancedBatchSampler([0, 0, 0, 1], 3, shares={0: 1, 1: 2})
    same.load_state_dict(BalancedBatchSampler([0, 0, 0, 1], 3, shares={1: 4, 0: 2}).state_dict())
