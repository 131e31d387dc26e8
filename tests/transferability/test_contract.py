"""What holds for every score."""

import copy
import pickle

import numpy as np
import pytest

import headstart.transferability as room
from headstart.results import DataError
from headstart.transferability import Score

OF_FEATURES = [room.logme, room.h_score, room.nleep, room.gbc, room.transrate, room.parc, room.knn_score]
OF_FEATURES += [room.linear_probe_score]
N = 60


def as_source_says(X):
    """Turn features into what each score takes: they stay, or become probabilities or source labels."""
    X = np.asarray(X, dtype=float)
    return {room.leep: np.exp(X - X.max(1, keepdims=True)) / np.exp(X - X.max(1, keepdims=True)).sum(1, keepdims=True),
            room.nce: X.argmax(axis=1)}  # fmt: skip


@pytest.fixture(params=[*OF_FEATURES, room.leep, room.nce], ids=lambda score: score.__name__)
def score(request):
    """Each score as a function of features, labels and options."""

    def called(X, y, **more):
        return request.param(as_source_says(X).get(request.param, X), y, **more)

    called.raw, called.of_features = request.param, request.param in OF_FEATURES
    return called


WEIGHTS = pytest.mark.parametrize("class_weight", [None, "balanced"])


def data(d=10, signal=2.0, seed=0, n=N):
    rng = np.random.default_rng(seed)
    y = np.r_[np.arange(3), rng.choice(3, n - 3, p=[0.6, 0.3, 0.1])]
    return rng.normal(size=(n, d)) + signal * np.eye(3, d)[y], y


def test_every_score_of_the_room_is_tested():
    others = {"MeanSimilarity", "Score", "class_distance", "frechet_distance", "mean_similarity", "mmd"}
    others |= {"task2vec", "task_distance", "Agreement", "agreement"}
    scores = {getattr(room, name) for name in set(room.__all__) - others}
    assert scores == {*OF_FEATURES, room.leep, room.nce}


@WEIGHTS
def test_it_returns_a_float_that_remembers(score, class_weight):
    found = score(*data(), class_weight=class_weight)
    assert isinstance(found, Score) and isinstance(found, float) and np.isfinite(found)
    assert found == found.value and found + 1 == found.value + 1 and sorted([found, found - 1])[1] is found
    assert isinstance(found.n_iter, int) and isinstance(found.warnings, tuple)
    again = pickle.loads(pickle.dumps(found))
    assert (again, again.n_iter, again.warnings) == (found, found.n_iter, found.warnings) and copy.copy(found) == found
    with pytest.raises(AttributeError):
        found.value = 1.0


@WEIGHTS
def test_signal_outranks_noise(score, class_weight):
    X, y = data(n=600)
    noise = [score(data(signal=0, seed=seed, n=600)[0], y, class_weight=class_weight) for seed in range(1, 6)]
    assert score(X, y, class_weight=class_weight) > max(noise)


@WEIGHTS
def test_names_and_gaps_of_labels_change_nothing(score, class_weight):
    X, y = data()
    expected = score(X, y, class_weight=class_weight)
    for names in (np.array([-5, 7, 1000]), np.array(["c", "a", "b"]), np.array([0.5, 2.5, 9.0])):
        if score.raw is room.logme and names.dtype.kind == "f":
            continue  # floats ask for regression
        assert score(X, names[y], class_weight=class_weight) == pytest.approx(expected, rel=1e-9)
    assert score(X.tolist(), y.tolist(), class_weight=class_weight) == pytest.approx(expected, rel=1e-9)


@WEIGHTS
def test_input_is_never_changed_and_the_same_input_gives_the_same_score(score, class_weight):
    X, y = data()
    X, kept = as_source_says(X).get(score.raw, X), None
    kept = X.copy(), y.copy()
    X.setflags(write=False)
    y.setflags(write=False)
    first = score.raw(X, y, class_weight=class_weight)
    assert np.array_equal(X, kept[0]) and np.array_equal(y, kept[1])
    assert score.raw(X, y, class_weight=class_weight) == first


@WEIGHTS
@pytest.mark.parametrize("d", [4, N - 1, N, N + 1, 300])
def test_it_is_finite_for_any_width(score, class_weight, d):
    X, y = data(d=d)
    assert np.isfinite(score(X, y, class_weight=class_weight))
    assert np.isfinite(score(X.astype(np.float32), y, class_weight=class_weight))


@WEIGHTS
def test_it_is_finite_on_degenerate_features(score, class_weight):
    X, y = data()
    flat_class, one_class, lonely = X.copy(), np.eye(3)[y], y.copy()
    flat_class[y == 1] = 4.0
    lonely[lonely == 2] = 0
    lonely[-1] = 2
    cases = [(flat_class, y), (one_class, y), (np.ones((N, 5)), y), (np.zeros((N, 5)), y), (X, lonely),
             (np.c_[X, X], y), (np.c_[X, np.full(N, 0.1)], y), (X * 1e-12, y), (X * 1e12, y), (X[:3], [0, 1, 2]),
             (X[:2], [0, 1]), (X[:, :1], y)]  # fmt: skip
    for features, labels in cases:
        assert np.isfinite(score(features, labels, class_weight=class_weight))


def test_class_weights_change_the_score_only_where_classes_are_not_equally_large(score):
    X, y = data()
    if score.raw is not room.gbc or X.shape[1] > 64:  # gbc knows shares in its principal components only
        assert score(X, y) != score(X, y, class_weight="balanced")
    even = np.arange(N) % 3
    assert score(X, even) == pytest.approx(score(X, even, class_weight="balanced"), rel=1e-9)


def test_bad_input_gets_one_line_with_the_way_out(score):
    X, y = data()
    with pytest.raises(DataError, match="at least two"):
        score(X, np.zeros(N, dtype=int))
    with pytest.raises(DataError, match="choose None or 'balanced'"):
        score(X, y, class_weight="even")
    with pytest.raises(DataError, match=r"one label for each|one for each row"):
        score(X, y[:-1])
    with pytest.raises(DataError, match="labels have shape"):
        score(X, [])
    if score.raw is not room.nce:
        with pytest.raises(DataError, match=r"row 3 are not all finite"):
            score.raw(np.where(np.arange(N)[:, None] == 3, np.nan, as_source_says(X).get(score.raw, X)), y)
        with pytest.raises(DataError, match="one row an example"):
            score.raw(X[:, 0], y)


def test_missing_labels_are_named():
    X, y = data()
    with pytest.raises(DataError, match="label of row 2 is missing"):
        room.h_score(X, np.where(np.arange(N) == 2, np.nan, y.astype(float)))
