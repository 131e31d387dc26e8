"""Ways to correct an imbalance: each is what it says, the simplest good one is taken, and probabilities stay true."""

import dataclasses

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from headstart.imbalance import balance, choose_metric, decide, fit_balanced
from headstart.imbalance._counted import Objective
from headstart.imbalance.balance import WAYS, decided, moved, refitted
from headstart.imbalance.offsets import best_offsets
from headstart.imbalance.plots import calibration_curves, precision_recall, roc
from headstart.results import DataError
from headstart.training import LogisticHead


def world(n, shares, seed, spread=1.0, d=6):
    """Gaussian classes of the given shares."""
    rng = np.random.default_rng(seed)
    y = rng.choice(len(shares), n, p=shares)
    y[: 4 * len(shares)] = np.repeat(np.arange(len(shares)), 4)
    centres = np.random.default_rng(99).normal(scale=spread, size=(len(shares), d))
    return rng.normal(size=(n, d)) + centres[y], y


def folds_of(n, k=5):
    parts = np.array_split(np.random.default_rng(0).permutation(n), k)
    return [(np.setdiff1d(np.arange(n), part), part) for part in parts]


def compared(X, y, **options):
    k, folds = int(y.max()) + 1, folds_of(len(y))
    plain = refitted(X, y, folds, "none", k, C=1.0).probabilities
    return balance(
        y, plain, folds, choose_metric(y), np.arange(len(y)), classes=[str(code) for code in range(k)],
        refit=lambda way: refitted(X, y, folds, way, k, C=1.0), **options,
    )  # fmt: skip


def test_a_long_tail_is_corrected_and_the_gain_holds_on_new_rows():
    shares = np.array([0.8, 0.14, 0.04, 0.02])
    X, y = world(1500, shares, 0, spread=0.6)
    found = compared(X, y)
    assert found.metric == "f1_macro" and found.taken != "none" and found[found.taken].gain.low > 0
    assert [way.name for way in found.ways] == list(WAYS)
    new, truth = world(20_000, shares, 1, spread=0.6)
    way = found.taken if found.taken in WAYS[3:] else "none"
    head, own = fit_balanced(X, y, way, 4, C=1.0)
    said = decide(head.predict_proba(new), own + np.array(found.offsets))
    plain = LogisticHead(C=1.0).fit(X, y).predict(new)
    assert f1_score(truth, said, average="macro") > f1_score(truth, plain, average="macro") + 0.02
    assert "Yes, by" in found.headline() and found.to_frame().loc["none", "gain"] == 0
    assert list(found.plot().data[0].y) == list(WAYS[1:])


def test_equal_classes_are_left_alone_and_nothing_is_trained_for_it():
    X, y = world(600, np.full(3, 1 / 3), 0)
    found = compared(X, y)
    assert found.even and found.taken == "none" and len(found.ways) == 3 and not any(found.offsets)
    assert "represented equally" in found.headline()


def test_noise_stays_noise_by_every_way():
    recalls = {way: [] for way in WAYS}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(400, 5)), (rng.random(400) < 0.1).astype(int)
        folds = folds_of(400)
        plain = refitted(X, y, folds, "none", 2, C=1.0)
        tried = [*decided(y, plain.probabilities, folds, Objective.of("f1", 1, 2))]
        weighted = refitted(X, y, folds, "class-weights", 2, C=1.0)
        tried += [
            weighted,
            moved("weights-then-thresholds", y, weighted.probabilities, folds, Objective.of("f1", 1, 2)),
        ]
        tried += [refitted(X, y, folds, way, 2, C=1.0) for way in WAYS[5:]]
        for one in tried:
            recalls[one.name].append(np.mean([(one.decisions[y == code] == code).mean() for code in (0, 1)]))
    for way, found in recalls.items():
        assert np.mean(found) == pytest.approx(0.5, abs=0.03), way


def test_the_gain_to_expect_pays_for_the_choice():
    """Where the label is decided by a coin, the best of six ways looks better than it is; what is expected does not."""
    best, expected = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(300, 5)), (rng.random(300) < 0.35).astype(int)
        plain = refitted(X, y, folds_of(300), "none", 2, C=1.0).probabilities
        choice = dataclasses.replace(choose_metric(y), recommended=("balanced_accuracy",))
        found = balance(
            y, plain, folds_of(300), choice, np.arange(300), classes=["0", "1"],
            refit=lambda way, X=X, y=y: refitted(X, y, folds_of(300), way, 2, C=1.0),
        )  # fmt: skip
        best.append(max(way.score.value for way in found.ways) - found["none"].score.value)
        expected.append(found.expected_gain.value)
    assert np.mean(best) > 0.02 and abs(np.mean(expected)) < 0.012


@pytest.mark.parametrize("way", WAYS)
def test_probabilities_stay_those_of_the_data_whatever_is_done(way):
    X, y = world(6000, np.array([0.9, 0.08, 0.02]), 3)
    head, offsets = fit_balanced(X, y, way if way in WAYS[3:] else "none", 3, C=1.0)
    told = head.predict_proba(X)
    assert np.allclose(told.mean(axis=0), np.bincount(y) / len(y), atol=0.02), "as many as there are"
    balanced = np.log(told) + offsets
    balanced = np.exp(balanced - logsumexp(balanced, axis=1, keepdims=True))
    if way in WAYS[3:]:
        assert (balanced[:, 2].mean() > 2 * told[:, 2].mean()) and np.ptp(offsets) > 1


def test_class_weights_are_scikit_learns_and_the_shift_is_exact():
    X, y = world(500, np.array([0.9, 0.1]), 5)
    head, offsets = fit_balanced(X, y, "class-weights", 2, C=1e6)
    mean, spread = (np.average(X, axis=0, weights=1 / np.bincount(y)[y]) for _ in "12")
    spread = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=1 / np.bincount(y)[y]))
    theirs = LogisticRegression(C=1e6, class_weight="balanced", tol=1e-8, max_iter=5000).fit((X - mean) / spread, y)
    logs = np.log(head.predict_proba(X)) + offsets
    assert np.allclose(logs[:, 1] - logs[:, 0], theirs.decision_function((X - mean) / spread), atol=1e-3)
    counts = np.bincount(y)
    assert offsets[1] - offsets[0] == pytest.approx(np.log(counts[0] / counts[1]))


def test_a_way_that_is_named_is_taken_and_one_that_there_is_not_is_said():
    X, y = world(300, np.array([0.8, 0.2]), 2)
    assert compared(X, y, way="under-sampling").taken == "under-sampling"
    with pytest.raises(DataError, match=r"no way to balance 'copies'.*choose auto, none"):
        compared(X, y, way="copies")
    folds = folds_of(len(y))
    plain = refitted(X, y, folds, "none", 2, C=1.0).probabilities
    with pytest.raises(DataError, match="no way to balance 'smote' here"):
        balance(y, plain, folds, choose_metric(y), np.arange(300), classes=["0", "1"], way="smote")


def test_a_class_that_a_fold_lacks_is_predicted_with_probability_zero():
    X, y = world(60, np.array([0.7, 0.3]), 2)
    y[-1] = 2
    folds = folds_of(len(y))
    for way in ("none", "class-weights", "under-sampling", "smote"):
        found = refitted(X, y, folds, way, 3, C=1.0)
        test = next(test for _, test in folds if 59 in test)
        assert (found.probabilities[test, 2] == 0).all() and np.allclose(found.probabilities.sum(axis=1), 1)


def test_where_the_most_probable_class_is_the_best_answer_thresholds_stay_near_it():
    X, y = world(3000, np.array([0.97, 0.03]), 0, spread=1.5)
    found = compared(X, y)
    assert found["logit-adjustment"].gain.high < 0 and found["class-weights"].gain.high < 0
    assert found.taken in ("none", "thresholds") and found[found.taken].gain.high >= 0 >= found[found.taken].gain.low
    assert found.headline().startswith("No")


@pytest.mark.parametrize(("better", "taken"), [(0, "thresholds"), (2, "thresholds"), (60, "class-weights")])
def test_thresholds_are_left_only_for_what_is_better_beyond_doubt(better, taken):
    """A way that is right where thresholds are wrong, on so many rows."""
    X, y = world(600, np.array([0.8, 0.2]), 4, spread=0.5)
    folds = folds_of(600)
    plain = refitted(X, y, folds, "none", 2, C=1.0)
    objective = Objective.of("f1", 1, 2)
    thresholds = decided(y, plain.probabilities, folds, objective)[2].decisions
    wrong = np.flatnonzero(thresholds != y)

    def refit(way):
        decisions = thresholds.copy()
        if way == "class-weights":
            decisions[wrong[:better]] = y[wrong[:better]]
        return dataclasses.replace(plain, name=way, decisions=decisions)

    found = balance(y, plain.probabilities, folds, choose_metric(y), np.arange(600), classes=["0", "1"], refit=refit)
    assert len(wrong) > 60 and found.taken == taken
    assert (found["class-weights"].score.value > found["thresholds"].score.value) == (better > 0)


def test_thresholds_after_weights_are_tuned_on_what_the_weighted_head_says():
    X, y = world(800, np.array([0.9, 0.1]), 6)
    found, folds = compared(X, y, way="weights-then-thresholds"), folds_of(800)
    weighted = refitted(X, y, folds, "class-weights", 2, C=1.0)
    assert (found.probabilities == weighted.probabilities).all() and found["class-weights"] is not None
    objective = Objective.of(found.metric, 1, 2)
    assert np.allclose(found.offsets, best_offsets(y, weighted.probabilities, objective))
    best = max(f1_score(y, weighted.probabilities[:, 1] >= at) for at in np.unique(weighted.probabilities[:, 1]))
    assert f1_score(y, decide(weighted.probabilities, found.offsets)) == pytest.approx(best)
    assert f1_score(y, found.decisions) <= best


def test_curves_are_of_the_rarest_class_before_and_after():
    """Against scikit-learn's areas; the points are where it is decided."""
    X, y = world(600, np.array([0.85, 0.15]), 8, spread=0.5)
    found = compared(X, y, way="thresholds")
    before, after = roc(found).data[2], roc(found).data[4]
    alarms, hits = ([said[y == code].mean() for said in _said(found)] for code in (0, 1))
    assert [before.x[0], after.x[0]] == pytest.approx(alarms) and [before.y[0], after.y[0]] == pytest.approx(hits)
    names = [trace.name for trace in precision_recall(found).data if trace.name]
    assert names[0] == f"prevalence {(y == 1).mean():.3f}"
    assert names[1] == f"before, average precision {average_precision_score(y, found.plain[:, 1]):.3f}"
    bins = calibration_curves(found).data[1]
    assert np.mean(bins.y) == pytest.approx((y == 1).mean(), abs=0.01) and (np.diff(bins.x) > 0).all()
    kept = roc(found).data[1]
    assert np.trapezoid(kept.y, kept.x) == pytest.approx(roc_auc_score(y, found.plain[:, 1]), abs=0.005)


def _said(found):
    return found.plain.argmax(axis=1) == 1, found.decisions == 1


def test_where_nothing_can_be_told_nothing_is_moved():
    """Moving thresholds on noise says "positive" to all, which the F1 of a rare class rewards."""
    rng = np.random.default_rng(0)
    y = (np.arange(1000) < 20).astype(np.int64)
    probabilities = rng.permutation(1000)[:, None] / 1000 * [[-1, 1]] + [[1, 0]]
    found = balance(y, probabilities, folds_of(1000), choose_metric(y), np.arange(1000), classes=["0", "1"])
    always = f1_score(y, np.ones(1000, dtype=int))
    assert choose_metric(y).useless("f1") == ("always positive", pytest.approx(always))
    assert found.taken == "none" and found.blind and "than a useless model" in found.headline()
    assert any("'always positive'" in one for one in found.warnings)
    np.testing.assert_array_equal(found.offsets, 0)
