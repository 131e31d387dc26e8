"""The pieces of a measurement against brute force, scikit-learn, SciPy and PyTorch."""

import itertools
import os

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from headstart.results import DataError
from headstart.taskonomy import ahp, select_sources
from headstart.taskonomy.measured.chance import against_random
from headstart.taskonomy.measured.decoder import _PENALTIES, decode, ridge
from headstart.taskonomy.measured.made import MADE, make_task, otsu, small
from headstart.taskonomy.measured.network import Recipe, build, encode, predict, train
from headstart.taskonomy.measured.parts import split
from headstart.taskonomy.measured.scoring import losses, score
from headstart.taskonomy.measured.seeds import affinity_over_seeds, over_seeds
from headstart.taskonomy.measured.store import Store, key_of
from headstart.taskonomy.measured.tasks import Task, TaskSet, class_task, common, number_task


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)


def test_turned_and_shuffled_pictures_can_be_put_back(pictures):
    turned = make_task("rotation", pictures, seed=1)
    assert set(turned.values) == {0, 1, 2, 3} and turned.classes == ("0", "90", "180", "270")
    for before, after, turn in zip(pictures, turned.inputs, turned.values, strict=True):
        assert np.array_equal(np.rot90(after, 4 - turn), before)
    puzzle = make_task("jigsaw", pictures, seed=1)
    corners = [(0, 0), (0, 16), (16, 0), (16, 16)]
    for before, after, order in zip(pictures, puzzle.inputs, puzzle.values, strict=True):
        back = np.zeros_like(before)
        for (row, column), tile in zip(corners, puzzle.classes[order], strict=True):
            r, c = corners[int(tile)]
            back[r : r + 16, c : c + 16] = after[row : row + 16, column : column + 16]
        assert np.array_equal(back, before)
    assert len(puzzle.classes) == 24


def test_edges_are_the_gradient_by_hand(pictures):
    edges = make_task("edges", pictures).values
    grey = pictures[0] @ np.array([0.299, 0.587, 0.114]) / 255
    padded = np.pad(grey, 1, mode="edge")
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    for row, column in itertools.product(range(0, 32, 5), range(0, 32, 7)):
        around = padded[row : row + 3, column : column + 3]
        expected = np.hypot((around * kernel).sum(), (around * kernel.T).sum())
        assert edges[0, 0, row, column] == pytest.approx(expected, rel=1e-4)


def test_the_other_made_tasks(pictures):
    colour = make_task("colour", pictures)
    grey = pictures @ np.array([0.299, 0.587, 0.114])
    assert np.abs(colour.inputs[..., 1] - grey).max() <= 0.5 + 1e-3
    assert colour.values[3, 1, 4, 5] == pytest.approx((pictures[3, 4, 5, 2] - grey[3, 4, 5]) / 255, abs=1e-5)
    flat = np.full((40, 32, 32, 3), 128, dtype=np.uint8)
    noise = make_task("denoising", flat)
    assert (noise.inputs.astype(float) - 128).std() / 255 == pytest.approx(0.15, rel=0.02)
    assert np.ptp(noise.values) == 0
    hole = make_task("inpainting", pictures)
    assert (hole.inputs[:, 8:24, 8:24] == 128).all() and np.array_equal(hole.inputs[:, :8], pictures[:, :8])
    assert np.allclose(hole.values, make_task("autoencoding", pictures).values)
    y, x = np.mgrid[:64, :64]
    disc = np.hypot(y - 30, x - 34) < 15
    drawn = np.where(disc[..., None], [200, 40, 60], 250).astype(np.uint8)[None]
    assert np.array_equal(make_task("mask", drawn).values[0, 0], disc.reshape(32, 2, 32, 2).mean(axis=(1, 3)))


def test_many_pictures_are_made_as_few_are(pictures, monkeypatch):
    whole = {name: make_task(name, pictures, seed=2) for name in MADE}
    monkeypatch.setattr("headstart.taskonomy.measured.made._CHUNK", 5)
    for name, task in whole.items():
        again = make_task(name, pictures, seed=2)
        assert np.array_equal(again.inputs, task.inputs) and np.array_equal(again.values, task.values), name
        assert (again.inputs is pictures) == (name in {"autoencoding", "edges", "mask"})


def test_area_means_equal_means_of_repeated_pixels():
    maps = np.random.default_rng(0).random((2, 12, 10, 3))
    repeated = maps.repeat(8, axis=1).repeat(8, axis=2)  # 96 and 80 divide by 8
    expected = repeated.reshape(2, 8, 12, 8, 10, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2)
    assert small(maps, 8) == pytest.approx(expected, abs=1e-6)


def test_the_threshold_splits_best_of_all():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 300), rng.normal(6, 1.5, 100)])
    cuts = np.sort(values)[:-1]
    within = {t: sum(part.var() * len(part) for part in (values[values <= t], values[values > t])) for t in cuts}
    best = min(within, key=within.get)
    found = otsu(values)
    assert abs(found - best) < 2 * np.ptp(values) / 256 + np.diff(np.sort(values)).max()
    assert otsu(np.full(5, 3.0)) == 3.0


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        ("depth", np.zeros((2, 32, 32, 3), np.uint8), "no task 'depth' can be made"),
        ("edges", np.zeros((2, 32, 32, 3)), "give uint8"),
        ("edges", np.zeros((2, 32, 40, 3), np.uint8), "give squares"),
        ("edges", np.zeros((2, 16, 16, 3), np.uint8), "give squares"),
        ("edges", np.zeros((0, 32, 32, 3), np.uint8), "there is no picture"),
    ],
)
def test_what_no_task_can_be_made_of(name, bad, message):
    with pytest.raises(DataError, match=message):
        make_task(name, bad)
    assert len(MADE) == 8


def test_ridge_is_scikit_learns_with_the_penalty_of_lowest_error():
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    X = rng.normal(3, [1, 5, 0.1, 2, 1], (40, 5))
    X[:, 4] = 7.0  # says nothing
    Y = X[:, :3] @ rng.normal(size=(3, 2)) + rng.normal(0, 2, (40, 2)) + 5
    held, folds = rng.normal(3, 1, (6, 5)), np.arange(40) % 4
    Z = np.divide(X - X.mean(axis=0), X.std(axis=0), where=X.std(axis=0) > 0, out=np.zeros_like(X))

    def fitted(rows, penalty, others):
        centred = Z[rows] - Z[rows].mean(axis=0)
        unit = np.linalg.eigvalsh(centred.T @ centred).clip(0).mean()
        return Ridge(alpha=penalty * unit).fit(Z[rows], Y[rows]).predict(others)

    errors = [
        sum(((fitted(folds != k, penalty, Z[folds == k]) - Y[folds == k]) ** 2).sum() for k in range(4))
        for penalty in _PENALTIES
    ]
    Z_held = np.divide(held - X.mean(axis=0), X.std(axis=0), where=X.std(axis=0) > 0, out=np.zeros_like(held))
    expected = fitted(np.ones(40, bool), _PENALTIES[int(np.argmin(errors))], Z_held)
    assert ridge(X, Y, held, folds) == pytest.approx(expected, rel=1e-8)


def test_a_map_that_is_linear_in_the_representation_is_decoded_exactly_in_pixel_shuffle_order():
    import torch
    from torch.nn.functional import conv2d, pixel_shuffle

    rng = np.random.default_rng(0)
    seen = rng.normal(size=(12, 3, 8, 8)).astype(np.float32)
    weight, bias = rng.normal(size=(32, 3, 1, 1)).astype(np.float32), rng.normal(size=32).astype(np.float32)
    values = pixel_shuffle(conv2d(torch.tensor(seen), torch.tensor(weight), torch.tensor(bias)), 4).numpy()
    found = decode("map", seen[:8], values[:8], seen[8:], n_outputs=2, groups=np.arange(8))
    assert found == pytest.approx(values[8:], abs=1e-3)


def test_classes_and_numbers_are_decoded():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    seen = rng.normal(0, 1, (90, 4, 8, 8)) + np.eye(4)[np.arange(90) % 3][:, :, None, None]
    settings = {"n_outputs": 5, "groups": np.arange(60)}
    found = decode("classes", seen[:60], y, seen[60:], **settings)
    assert found.shape == (30, 5) and found.sum(axis=1) == pytest.approx(1)
    assert (found.argmax(axis=1) == np.arange(60, 90) % 3).all() and not found[:, 3:].any()
    assert (decode("classes", seen[:60], np.full(60, 3), seen[60:], **settings)[:, 3] == 1).all()
    lone = np.where(np.arange(60) == 0, 4, y)  # a class with one example
    assert (decode("classes", seen[:60], lone, seen[60:], **settings)[:, 4] < 0.5).all()
    number = decode("number", seen[:60], seen[:60, 1].mean(axis=(1, 2)), seen[60:], **{**settings, "n_outputs": 1})
    assert number == pytest.approx(seen[60:, 1].mean(axis=(1, 2)), abs=0.02)
    same = decode("number", np.ones((4, 2, 8, 8)), np.arange(4.0), np.ones((1, 2, 8, 8)), n_outputs=1,
                  groups=np.zeros(4, int))  # fmt: skip
    assert same == pytest.approx([1.5])


def test_losses_and_scores_are_scikit_learns():
    from sklearn.metrics import balanced_accuracy_score, jaccard_score, log_loss, r2_score

    rng = np.random.default_rng(0)
    chances, y = rng.dirichlet(np.ones(4), 50), rng.integers(0, 4, 50)
    mixed = 0.999 * chances + 0.001 / 4
    assert losses("classes", chances, y).mean() == pytest.approx(log_loss(y, mixed, labels=range(4)))
    assert score("classes", chances, y) == pytest.approx(balanced_accuracy_score(y, chances.argmax(axis=1)))
    said, numbers = rng.normal(size=50), rng.normal(size=50)
    assert score("number", said, numbers) == pytest.approx(r2_score(numbers, said))
    assert losses("number", said, numbers) == pytest.approx((said - numbers) ** 2)
    map_, true = rng.random((5, 2, 32, 32)), rng.random((5, 2, 32, 32))
    rows = [a.transpose(0, 2, 3, 1).reshape(-1, 2) for a in (true, map_)]
    spread = ((rows[0] - rows[0].mean(axis=0)) ** 2).sum()
    assert score("map", map_, true) == pytest.approx(1 - ((rows[1] - rows[0]) ** 2).sum() / spread)
    assert losses("mask", 3 * map_ - 1, true)[2] == pytest.approx(
        np.square((3 * map_[2] - 1).clip(0, 1) - true[2]).mean()
    )
    assert score("mask", map_, true) == pytest.approx(jaccard_score(true.ravel() > 0.5, map_.ravel() > 0.5))
    assert np.isnan(score("mask", np.zeros((1, 1, 32, 32)), np.zeros((1, 1, 32, 32))))
    assert np.isnan(score("number", said, np.ones(50)))


def test_a_network_learns_and_speaks_in_the_tasks_own_units():
    rng = np.random.default_rng(0)
    level = rng.integers(20, 235, 80)
    pictures = np.repeat(level, 32 * 32 * 3).reshape(80, 32, 32, 3).astype(np.uint8)
    task = number_task("level", pictures, 1000.0 + 50 * level)
    recipe, rows = Recipe(steps=30, batch_size=32), np.arange(60)
    network = train(pictures, task, rows, recipe=recipe, seed=0)
    said = predict(network, task, pictures[60:])
    assert score("number", said, task.values[60:]) > 0.8
    again = train(pictures, task, rows, recipe=recipe, seed=0)
    assert np.array_equal(predict(again, task, pictures[60:]), said)
    seen = encode(network, pictures[:3])
    assert seen.shape == (3, 32, 8, 8) and seen.min() >= 0
    head = dict(network[1].named_parameters())
    pooled = seen.reshape(3, 32, 2, 4, 2, 4).mean(axis=(3, 5)).reshape(3, -1)
    by_hand = pooled @ head["2.weight"].detach().numpy().T + head["2.bias"].detach().numpy()
    assert by_hand[:, 0] == pytest.approx(predict(network, task, pictures[:3]), rel=1e-5)
    maps = Task("map", "map", pictures, np.full((80, 2, 32, 32), 7.0, np.float32))
    dense = train(pictures, maps, rows, recipe=Recipe(steps=1), seed=0)
    assert predict(dense, maps, pictures[:2]) == pytest.approx(np.full((2, 2, 32, 32), 7.0), abs=2)
    assert encode(build((5, 8, 8), task, 0), np.zeros((2, 5, 8, 8), np.float16)).shape == (2, 32, 8, 8)


def test_parts_are_disjoint_keep_groups_and_are_judged_by_the_same_pictures():
    groups = np.repeat(np.arange(100), 3)
    parts = [split(groups, 30, seed=4, number=number) for number in range(3)]
    for one in parts:
        rows = [one.encode, one.few, one.compare, one.judge]
        assert np.array_equal(np.sort(np.concatenate(rows)), np.arange(300))
        assert sum(len(np.unique(groups[part])) for part in rows) == 100
        assert [len(part) for part in rows] == [150, 30, 60, 60]
        assert np.array_equal(one.judge, parts[0].judge)
    assert not np.array_equal(parts[0].few, parts[1].few)
    assert len(split(np.arange(100), 10_000, seed=0, number=0).few) == 20


def test_intervals_over_seeds():
    values = np.array([0.2, 0.5, 0.3, 0.4])
    found, expected = over_seeds(values), stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert np.isnan(over_seeds([0.4]).low) and over_seeds([0.4]).value == 0.4
    rng = np.random.default_rng(0)
    wins = rng.uniform(0.3, 0.7, (4, 3, 3))
    wins = np.triu(wins, 1) + np.tril(1 - wins.transpose(0, 2, 1), -1) + 0.5 * np.eye(3)
    values, low, high = affinity_over_seeds(wins)
    assert values == pytest.approx(ahp(wins.mean(axis=0)))
    left = [np.log(ahp(np.delete(wins, k, axis=0).mean(axis=0))) for k in range(4)]
    error = np.sqrt(3 / 4 * ((left - np.mean(left, axis=0)) ** 2).sum(axis=0))
    assert high == pytest.approx(np.minimum(values * np.exp(stats.t.ppf(0.975, 3) * error), 1))
    assert values**2 / low == pytest.approx(values * np.exp(stats.t.ppf(0.975, 3) * error))
    assert np.isnan(affinity_over_seeds(wins[:1])[1]).all()


def test_a_random_choice_is_the_mean_over_all_choices():
    rng = np.random.default_rng(0)
    tasks = "abcd"
    sources = [*tasks, "a+b", "c+d"]
    rows = [(s, t, rng.uniform(0.1, 1)) for t in tasks for s in sources]
    table = pd.DataFrame(rows, columns=["sources", "target", "value"])
    points = {(s, t): rng.integers(0, 3, (3, 20)) / 2 for s, t, _ in rows}
    best = select_sources(table, 2)
    found = against_random(table, best, points, np.arange(20) // 2)
    values = {(s, t): v for s, t, v in rows}
    levels = {}
    for pair in itertools.combinations(tasks, 2):
        may = [s for s in sources if set(s.split("+")) <= set(pair)]
        levels[pair] = np.mean([points[max(may, key=lambda s: values[s, t]), t] for t in tasks], axis=0)
    mine = levels[best.sources]
    gaps = (mine - np.mean(list(levels.values()), axis=0)).mean(axis=1)
    expected = stats.ttest_1samp(gaps, 0).confidence_interval(0.95)
    assert found.chosen.value == pytest.approx(mine.mean()) and found.budget == 2
    assert (found.difference.low, found.difference.high) == pytest.approx((expected.low, expected.high))
    assert found.difference.value == pytest.approx(found.pictures.value)
    worse = [one.mean() < mine.mean() for pair, one in levels.items() if pair != best.sources]
    assert found.place == pytest.approx((sum(worse) + 0.5) / 6)
    sampled = against_random(table, best, points, np.arange(20) // 2, most=3)
    assert abs(sampled.random.value - found.random.value) < 0.2


def test_results_are_kept_and_damage_is_seen(cache_dir):
    key = key_of(what="test", number=1)
    assert Store().read(key) is None and key != key_of(what="test", number=2)
    Store().write(key, {"a": np.arange(6.0)[::2]})
    assert Store().read(key)["a"].tolist() == [0, 2, 4]
    path = next((cache_dir / "taskonomy").glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert Store().read(key) is None


def test_what_was_used_longest_ago_makes_room(cache_dir):
    store = Store()
    for number in range(3):
        store.write(f"{number}", {"a": np.arange(6.0)})
        os.utime(next((cache_dir / "taskonomy").glob(f"{number}-*")), (number, number))
    size = next((cache_dir / "taskonomy").glob("0-*")).stat().st_size
    assert store.read("0") is not None  # used just now
    assert store.prune(2 * size) == size
    assert [store.read(key) is None for key in "012"] == [False, True, False]


def _set(**values):
    inputs = np.zeros((200, 32, 32, 3), np.uint8)
    tasks = tuple(class_task(name, inputs, labels) for name, labels in values.items())
    return TaskSet(tasks, np.arange(200))


def test_tasks_with_too_few_common_pictures_are_named():
    full = ["a", "b"] * 100
    rare = full[:60] + [None] * 140
    with pytest.raises(DataError, match=r"60 of 200 pictures in common.*'rare' has a value on 60.*200 would be common"):
        common(_set(one=full, rare=rare, two=full))
    late = [None] * 90 + full[90:]
    early = full[:110] + [None] * 90
    with pytest.raises(
        DataError, match=r"20 of 200 pictures in common.*'early' has a value on 110.*110 would be common"
    ):
        common(_set(early=early, late=late))
    none = [None] * 90 + full[90:], full[:120] + [None] * 80
    with pytest.raises(DataError, match=r"'a' and 'b' share 30|'c' and 'b' share|'b' and 'c' share"):
        common(_set(a=none[0], b=none[1], c=none[1], d=none[0]))
    with pytest.raises(DataError, match=r"too few pictures have a value for 'a' \(60\), 'b' \(60\)"):
        common(_set(a=rare, b=rare, c=full))
    kept = common(_set(a=none[0], b=none[1]), least=30)
    assert len(kept.groups) == 30 and kept.groups[0] == 90


def test_tasks_that_cannot_be_used_are_named():
    full = ["a", "b"] * 100
    with pytest.raises(DataError, match="'one' has the same value on all 200"):
        common(_set(two=full, one=["a"] * 200))
    with pytest.raises(DataError, match="1 task has nothing"):
        common(_set(one=full))
    with pytest.raises(DataError, match="cannot be called 'self'"):
        common(_set(one=full, self=full))
    twice = _set(one=full)
    with pytest.raises(DataError, match="two tasks are called 'one'"):
        common(TaskSet(twice.tasks * 2, twice.groups))
    with pytest.raises(DataError, match="200 values for 150 pictures"):
        common(TaskSet(_set(one=full, two=full).tasks, np.arange(150)))
    grey = make_task("colour", np.repeat(np.random.default_rng(0).integers(0, 256, (150, 32, 32, 1), np.uint8), 3, 3))
    edges = make_task("edges", grey.inputs)
    with pytest.raises(DataError, match="'colour' has the same value"):
        common(TaskSet((edges, grey), np.arange(150)))
