"""What holds for every way to resample: it is imbalanced-learn's, it stays inside the fold, and it loses no class."""

import numpy as np
import pytest
from imblearn import combine, over_sampling, under_sampling
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from headstart.imbalance import ResampledClassifier, check_corrections, resampled_folds
from headstart.imbalance._drawing import CLEAN, COMBINED, KEEPS_ROWS, METHODS, OVER, UNDER, draw
from headstart.results import DataError
from headstart.training import LogisticHead

EVERY = pytest.mark.parametrize("method", METHODS)


def data(counts=(60, 25, 12), d=4, signal=1.0, seed=0, names=("a", "b", "c", "d")):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return rng.normal(size=(len(y), d)) + signal * np.eye(4, d)[y], np.array(names)[y]


def folds_of(y, n_splits=3, seed=0):
    return list(StratifiedKFold(n_splits, shuffle=True, random_state=seed).split(y, y))


def imblearns(method, seed):
    """imbalanced-learn's own class, as a person would use it."""
    over, under = over_sampling, under_sampling
    return {
        "copies": lambda: over.RandomOverSampler(random_state=seed),
        "smote": lambda: over.SMOTE(random_state=seed),
        "borderline_smote": lambda: over.BorderlineSMOTE(random_state=seed),
        "svm_smote": lambda: over.SVMSMOTE(random_state=seed),
        "adasyn": lambda: over.ADASYN(random_state=seed),
        "random_under": lambda: under.RandomUnderSampler(random_state=seed),
        "near_miss_1": lambda: under.NearMiss(version=1),
        "near_miss_2": lambda: under.NearMiss(version=2),
        "near_miss_3": lambda: under.NearMiss(version=3),
        "tomek": lambda: under.TomekLinks(),
        "edited_neighbours": lambda: under.EditedNearestNeighbours(),
        "repeated_edited_neighbours": lambda: under.RepeatedEditedNearestNeighbours(),
        "all_knn": lambda: under.AllKNN(),
        "one_sided": lambda: under.OneSidedSelection(random_state=seed),
        "neighbourhood_cleaning": lambda: under.NeighbourhoodCleaningRule(),
        "smote_enn": lambda: combine.SMOTEENN(random_state=seed),
        "smote_tomek": lambda: combine.SMOTETomek(random_state=seed),
    }[method]()


@pytest.mark.parametrize("method", [method for method in METHODS if method != "instance_hardness"])
def test_it_is_what_imbalanced_learn_does_where_no_class_is_small(method):
    X, y = data()
    codes = np.unique(y, return_inverse=True)[1]
    found = draw(X, codes, method, "auto", ["a", "b", "c"], np.random.default_rng(7))
    seed = int(np.random.default_rng(7).integers(2**31))
    expected_X, expected = imblearns(method, seed).fit_resample(X, codes)
    order = [
        np.lexsort(np.column_stack([rows, labels]).T)
        for rows, labels in ((found.X, found.codes), (expected_X, expected))
    ]
    assert found.X[order[0]] == pytest.approx(expected_X[order[1]])
    assert (found.codes[order[0]] == expected[order[1]]).all() and all("brings" in note for note in found.notes)


@EVERY
def test_shapes_classes_and_rows_of_every_fold(method):
    X, y = data()
    X = X.astype(np.float32)
    folds = folds_of(y)
    got = list(resampled_folds(X, y, folds, method))
    assert len(got) == len(folds)
    for fold, (train, test) in zip(got, folds, strict=True):
        m = len(fold.y)
        assert fold.X.shape == (m, 4) and fold.rows.shape == (m,) and fold.X.dtype == np.float32
        assert fold.y.dtype == y.dtype and set(fold.y) == set(y), "no class is lost"
        kept = fold.rows[fold.rows >= 0]
        assert set(kept) <= set(train) and not set(kept) & set(test) and fold.test.tolist() == test.tolist()
        assert (fold.X[fold.rows >= 0] == X[kept]).all() and (fold.y[fold.rows >= 0] == y[kept]).all()
        assert fold.before.tolist() == [(y[train] == name).sum() for name in "abc"]
        assert fold.after.tolist() == [(fold.y == name).sum() for name in "abc"]
        if method in KEEPS_ROWS:
            assert (fold.rows >= 0).all()
        if method == "copies":
            assert set(kept) == set(train) and set(fold.after) == {fold.before.max()}
        elif method in OVER:
            assert set(kept) == set(train) and len(kept) == len(train) and fold.after.sum() > fold.before.sum()
        elif method in (*UNDER, *CLEAN):
            assert len(set(kept)) == m and (fold.after <= fold.before).all()
        if method in ("smote", "borderline_smote"):
            assert set(fold.after) == {fold.before.max()}
        if method in ("random_under", "near_miss_1", "near_miss_2"):
            assert set(fold.after) == {fold.before.min()}


@EVERY
def test_what_is_made_lies_between_training_rows_of_its_class(method):
    """One feature is the row's number, so that a test row would show."""
    X, y = data(counts=(40, 12, 12))
    train = np.flatnonzero(np.arange(len(y)) % 2)
    test = np.setdiff1d(np.arange(len(y)), train)
    X[test] += 1000
    (fold,) = resampled_folds(X, y, [(train, test)], method)
    low, high = X[train].min(axis=0), X[train].max(axis=0)
    beyond = np.maximum(low - fold.X, fold.X - high) / (high - low)
    assert beyond.max() <= (1 if method == "svm_smote" else 1e-9), "SVM-SMOTE extrapolates"


@EVERY
def test_seeds(method):
    X, y = data()
    folds = folds_of(y)

    def run(seed, chosen=folds):
        return list(resampled_folds(X, y, chosen, method, random_state=seed))

    one, again, other = run(0), run(0), run(1)
    assert all((a.X == b.X).all() and (a.rows == b.rows).all() for a, b in zip(one, again, strict=True))
    if method in ("copies", "smote", "adasyn", "random_under", *COMBINED):
        assert any(a.X.shape != b.X.shape or (a.X != b.X).any() for a, b in zip(one, other, strict=True))
    assert (run(0, folds[:1])[0].X == one[0].X).all(), "a fold does not depend on the others"


@EVERY
@pytest.mark.parametrize("few", [1, 2, 3, 5, 6])
def test_a_class_of_few_examples_survives(method, few):
    X, y = data(counts=(30, 12, few))
    train, test = np.arange(len(y)), np.arange(3) + len(y)
    (fold,) = resampled_folds(np.vstack([X, X[:3]]), np.r_[y, y[:3]], [(train, test)], method)
    assert set(fold.y) == set("abc") and np.isfinite(fold.X).all()
    said = " ".join(fold.notes)
    if method in OVER:
        assert fold.after[2] > few and (fold.after[2] == 30 or method in ("adasyn", "svm_smote"))
        assert fold.after[2] >= 27 or f"brings c to {fold.after[2]} examples, not 30" in said
        if few == 1 and method != "copies":
            assert f"c has one example: copies instead of {method}" in said
            assert len(np.unique(fold.X[fold.y == "c"], axis=0)) == 1
        elif few <= 5 and method != "copies":
            assert f"c has {few} examples: {method} with k = {few - 1}" in said
        else:
            assert "c has" not in said
    if method in ("random_under", "near_miss_1", "near_miss_2"):
        assert fold.after.tolist() == [few] * 3
    if method == "instance_hardness" and few == 1:
        assert "random_under instead" in said


@EVERY
def test_two_rows_constant_features_and_many_equal_ones(method):
    for X, y in (
        (np.array([[0.0], [1.0]]), np.array([0, 1])),
        (np.zeros((20, 2)), np.repeat([0, 1], [15, 5])),
        (np.repeat(np.eye(2), 10, axis=0)[:15], np.repeat([0, 1], [10, 5])),
    ):
        rows = np.arange(len(y))
        (fold,) = resampled_folds(np.vstack([X, X[:1]]), np.r_[y, y[:1]], [(rows, [len(y)])], method)
        assert set(fold.y) == {0, 1} and np.isfinite(fold.X).all()


def test_a_class_that_cleaning_would_lose_stays_and_that_is_said():
    """Class b sits inside class a, so that all of its neighbours are of a."""
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(60, 2)), rng.normal(size=(4, 2)), rng.normal(size=(3, 2)) + 50])
    y = np.repeat(["a", "b", "c"], [60, 4, 3])
    lost = under_sampling.EditedNearestNeighbours().fit_resample(X, y)[1]
    assert set(lost) == {"a", "c"}, "imbalanced-learn loses it"
    (fold,) = resampled_folds(np.vstack([X, X[:1]]), np.append(y, "a"), [(np.arange(67), [67])], "edited_neighbours")
    assert fold.after[1] == 4 and "all 4 examples of b would go: they stay" in fold.notes


def test_a_method_that_cannot_gives_way_and_says_so():
    X = np.vstack([np.arange(30.0)[:, None], np.arange(8)[:, None] + 1000])
    y = np.repeat([0, 1], [30, 8])
    (fold,) = resampled_folds(np.vstack([X, X[:1]]), np.r_[y, 0], [(np.arange(38), [38])], "adasyn")
    assert fold.after.tolist() == [30, 30] and "smote instead" in fold.notes[0], "no neighbour is of the other class"
    (fold,) = resampled_folds(np.vstack([X, X[:1]]), np.r_[y, 0], [(np.arange(38), [38])], "borderline_smote")
    assert fold.after.tolist() == [30, 30] and "smote instead" in fold.notes[0], "no example is in danger"


@pytest.mark.parametrize(
    ("method", "strategy", "expected"),
    [
        ("copies", 0.5, [60, 30, 30]),
        ("smote", 0.5, [60, 30, 30]),
        ("random_under", 0.5, [24, 24, 12]),
        ("near_miss_1", 0.2, [60, 25, 12]),
        ("copies", {"c": 20}, [60, 25, 20]),
        ("smote", {"c": 20, "b": 25}, [60, 25, 20]),
        ("random_under", {"a": 30}, [30, 25, 12]),
        ("random_under", {}, [60, 25, 12]),
    ],
)
def test_strategies(method, strategy, expected):
    X, y = data()
    (fold,) = resampled_folds(
        np.vstack([X, X[:1]]), np.r_[y, y[:1]], [(np.arange(97), [97])], method, sampling_strategy=strategy
    )
    assert fold.after.tolist() == expected


@EVERY
def test_pure_noise_stays_noise_in_any_folds(method):
    """1-NN knows copies by heart: what leaks out of a fold shows at once."""
    found = {"stratified": [], "grouped": []}
    for seed in range(20):
        X, y = data(counts=(100, 50), d=3, signal=0, seed=seed)
        grouped = np.random.default_rng(seed).integers(0, 20, 150)
        for name, groups, folds in (
            ("stratified", None, folds_of(y, 2, seed)),
            ("grouped", grouped, list(GroupKFold(2).split(X, y, grouped))),
        ):
            said = y.copy()
            for fold in resampled_folds(X, y, folds, method, groups=groups, random_state=seed):
                said[fold.test] = KNeighborsClassifier(1).fit(fold.X, fold.y).predict(X[fold.test])
            found[name].append(balanced_accuracy_score(y, said))
    for name, values in found.items():
        assert abs(np.mean(values) - 0.5) < 0.03, (name, np.mean(values))


def test_the_leak_that_this_room_makes_impossible_would_show():
    X, y = data(counts=(100, 50), d=3, signal=0)
    X, y = over_sampling.RandomOverSampler(random_state=0).fit_resample(X, y)
    said = cross_val_predict(KNeighborsClassifier(1), X, y, cv=StratifiedKFold(5, shuffle=True, random_state=0))
    assert balanced_accuracy_score(y, said) > 0.65


BAD = [
    ([], "no folds"),
    ([([0, 1, 2], [])], "fold 0 has no test rows"),
    ([([], [1])], "fold 0 has no training rows"),
    ([([0, 1, 2, 3], [3, 4])], "row 3 is on both sides of fold 0"),
    ([([0, 1, 1], [3])], "a training row twice: rows were copied before the split"),
    ([([0, 1, 99], [3])], "no row numbers from 0 to 9"),
    ([([0, 1, -1], [3])], "no row numbers"),
    ([(np.array([True, False]), [3])], "no row numbers"),
]


@pytest.mark.parametrize(("folds", "message"), BAD)
def test_what_is_no_split_is_refused_at_once(folds, message):
    with pytest.raises(DataError, match=message):
        resampled_folds(np.ones((10, 1)), np.arange(10) % 2, folds, "copies")


def test_other_mistakes_are_said():
    X, y, folds = np.ones((10, 1)), np.arange(10) % 2, [(np.arange(8), [8, 9])]
    with pytest.raises(DataError, match="no resampling 'oversample': choose among copies, smote"):
        resampled_folds(X, y, folds, "oversample")
    with pytest.raises(DataError, match="group 4 is on both sides of fold 0"):
        resampled_folds(X, y, folds, "copies", groups=[0, 0, 1, 1, 2, 2, 3, 4, 4, 5])
    with pytest.raises(DataError, match=r"groups have shape \(2,\)"):
        resampled_folds(X, y, folds, "copies", groups=[1, 2])
    with pytest.raises(DataError, match="all training labels are of one class, 0"):
        list(resampled_folds(X, y, [([0, 2, 4], [1])], "copies"))
    for strategy, message in [
        (0.0, "sampling_strategy=0.0"),
        ("all", "sampling_strategy='all'"),
        (2, "sampling_strategy=2"),
        ({7: 9}, "asks for 7, which no training row has"),
        ({0: 1}, "give no fewer"),
    ]:
        with pytest.raises(DataError, match=message):
            list(resampled_folds(X, y, folds, "copies", sampling_strategy=strategy))
    with pytest.raises(DataError, match="give from 1 to as many"):
        list(resampled_folds(X, y, folds, "random_under", sampling_strategy={0: 0}))
    with pytest.raises(DataError, match="tomek finds by itself"):
        list(resampled_folds(X, y, folds, "tomek", sampling_strategy=0.5))


def test_a_fold_tells_the_guard_what_it_leaves():
    X, y = data()
    fold = next(resampled_folds(X, y, folds_of(y), "copies"))
    assert check_corrections(fold.before, [fold.correction()]).shares[-1] == pytest.approx([1 / 3] * 3)
    with pytest.raises(DataError, match="copies already leaves"):
        check_corrections(fold.before, [fold.correction(), fold.correction()])


@parametrize_with_checks(
    [ResampledClassifier(LogisticRegression(), "copies"), ResampledClassifier(LogisticHead(), "smote")]
)
def test_the_classifier_keeps_scikit_learns_conventions(estimator, check):
    check(estimator)


@EVERY
def test_the_classifier_is_the_estimator_on_what_was_drawn(method):
    X, y = data()
    model = ResampledClassifier(LogisticRegression(), method, random_state=0).fit(X, y)
    kept = model.rows_[model.rows_ >= 0]
    assert set(kept) <= set(range(len(y))) and model.counts_.sum() == len(y)
    assert model.resampled_counts_.sum() == len(model.rows_) and (model.resampled_counts_ > 0).all()
    assert model.predict_proba(X).shape == (len(y), 3) and set(model.predict(X)) <= set(y)
    if method in KEEPS_ROWS:
        by_hand = LogisticRegression().fit(X[model.rows_], y[model.rows_])
        assert model.decision_function(X) == pytest.approx(by_hand.decision_function(X))
    again = ResampledClassifier(LogisticRegression(), method, random_state=0).fit(X, y)
    assert (again.predict_proba(X) == model.predict_proba(X)).all()


def test_the_classifier_does_not_leak_either():
    values = []
    for seed in range(20):
        X, y = data(counts=(100, 50), d=3, signal=0, seed=seed)
        model = ResampledClassifier(KNeighborsClassifier(1), "copies", random_state=seed)
        said = cross_val_predict(model, X, y, cv=StratifiedKFold(3, shuffle=True, random_state=seed))
        values.append(balanced_accuracy_score(y, said))
    assert abs(np.mean(values) - 0.5) < 0.03
