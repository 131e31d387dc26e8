"""What the guard refuses, against arithmetic on shares; and the damage it tells, against scikit-learn by hand."""

import itertools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from headstart.imbalance import Correction, check_corrections, class_weights, measured_damage
from headstart.imbalance.damage import WAYS
from headstart.results import DataError

COUNTS = np.array([900, 80, 20])
Y = np.repeat([0, 1, 2], COUNTS)
EVEN = [900, 900, 900]
PART = [900, 400, 400]


def weights(counts, how="balanced"):
    return class_weights(np.repeat(np.arange(len(counts)), counts), how)


STEPS = {
    "resampling": Correction.resampled("SMOTE", COUNTS, EVEN),
    "sampler": Correction.resampled("sampler='balanced'", COUNTS, [1, 1, 1], kind="sampler"),
    "class_weight": Correction.weighted("class_weight='balanced'", COUNTS, weights(COUNTS)),
    "logit_adjustment": Correction.adjusted("loss='logit_adjustment'", COUNTS),
    "thresholds": Correction.moved("thresholds", COUNTS),
    "prior_correction": Correction.moved("prevalence", COUNTS, [0.5, 0.3, 0.2], kind="prior_correction"),
}


@pytest.mark.parametrize("name", STEPS)
def test_one_correction_is_none_too_many(name):
    found = check_corrections(COUNTS, [STEPS[name]], classes=["a", "b", "c"])
    assert found.shares[0] == pytest.approx(COUNTS / 1000) and found.names == (STEPS[name].name,)
    expected = [0.5, 0.3, 0.2] if name == "prior_correction" else [1 / 3] * 3
    assert found.shares[1] == pytest.approx(expected)
    assert "'c' counts as" in found.headline() and found.to_frame().shape == (2, 3) and found.to_dict()["names"]


@pytest.mark.parametrize("second", STEPS)
@pytest.mark.parametrize("first", STEPS)
def test_two_that_start_from_the_same_counts_are_refused(first, second):
    with pytest.raises(DataError, match="already leaves") as caught:
        check_corrections(COUNTS, [STEPS[first], STEPS[second]])
    text = str(caught.value)
    assert STEPS[first].name in text and STEPS[second].name in text and "use one of them" in text
    assert "\n" not in text


def test_the_refusal_says_what_both_together_would_make():
    both = np.array([50 / 950, 950 / 50])  # counted twice: over-sampled to 1:1, then weighted by 19
    share = both[1] / (1 + both[1])
    once = Correction.resampled("SMOTE", [950, 50], [950, 950])
    again = Correction.weighted("weights", [950, 50], [1, 19])
    with pytest.raises(DataError, match=f"make 'defect' count as {share:.0%} instead of 50%"):
        check_corrections([950, 50], [once, again], classes=["ok", "defect"])


def test_a_second_that_is_computed_from_what_the_first_leaves_is_let_through():
    part = Correction.resampled("SMOTE", COUNTS, PART)
    rest = Correction.weighted("class_weight='balanced'", PART, weights(PART))
    back = Correction.moved("prevalence", [1, 1, 1], COUNTS, kind="prior_correction")
    found = check_corrections(COUNTS, [part, rest, back])
    assert [shares[2] for shares in found.shares] == pytest.approx([0.02, 400 / 1700, 1 / 3, 0.02])
    after = Correction.weighted("class_weight='balanced'", EVEN, weights(EVEN))
    assert check_corrections(COUNTS, [STEPS["resampling"], after]).shares[-1] == pytest.approx([1 / 3] * 3)
    with pytest.raises(DataError, match=r"thresholds is computed from shares \(0.900.*already leaves \(0.333"):
        check_corrections(COUNTS, [part, rest, STEPS["thresholds"]])


def test_what_changes_nothing_does_not_count():
    same = Correction.weighted("class_weight=None", COUNTS, [1, 1, 1])
    focal = Correction.weighted("loss='focal'", COUNTS, [1, 1, 1], kind="focal")
    assert check_corrections(COUNTS, [same, focal, STEPS["resampling"]]).shares[-1] == pytest.approx([1 / 3] * 3)
    assert check_corrections(COUNTS, []).headline() == "Nothing is done about the imbalance."


def pairs():
    """The two published pairs, in both orders."""
    focal = Correction.weighted("focal", COUNTS, [1, 1, 1], kind="focal")
    effective = Correction.weighted("effective", COUNTS, weights(COUNTS, "effective"))
    margin = Correction.moved("LDAM", COUNTS, kind="margin")
    deferred = Correction.weighted("DRW", COUNTS, weights(COUNTS, "effective"), kind="deferred_weights")
    return [(focal, effective), (effective, focal), (margin, deferred), (deferred, margin)]


@pytest.mark.parametrize("place", range(4))
def test_a_published_pair_is_one_and_a_third_is_refused(place):
    pair = pairs()[place]
    found = check_corrections(COUNTS, pair)
    expected = COUNTS * weights(COUNTS, "effective")
    assert len(found.names) == 1 and found.shares[1] == pytest.approx(expected / expected.sum())
    for third in (STEPS["resampling"], STEPS["class_weight"], pair[0] if pair[0].name != "focal" else pair[1]):
        with pytest.raises(DataError, match="already leaves"):
            check_corrections(COUNTS, [*pair, third])


def test_a_margin_with_weights_that_were_not_published_with_it_is_refused():
    margin = Correction.moved("LDAM", COUNTS, kind="margin")
    with pytest.raises(DataError, match="LDAM already leaves"):
        check_corrections(COUNTS, [margin, STEPS["class_weight"]])


def test_logit_adjustment_leaves_a_power_of_the_shares():
    half = Correction.adjusted("tau 1/2", COUNTS, tau=0.5)
    expected = np.sqrt(COUNTS / 1000)
    assert half.leaves == pytest.approx(expected / expected.sum())
    assert Correction.adjusted("tau 0", COUNTS, tau=0).leaves == pytest.approx(COUNTS / 1000)
    assert Correction.adjusted("absent", [5, 0, 5]).leaves.tolist() == [0.5, 0, 0.5]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check_corrections([], []), "no counts"),
        (lambda: check_corrections([0, 0], []), "not all 0"),
        (lambda: check_corrections([3, -1], []), "none negative"),
        (lambda: check_corrections([3, 1], [], classes=["a"]), "1 class names for 2"),
        (lambda: check_corrections([3, 1], [STEPS["resampling"]]), r"SMOTE has shape \(3,\) for 2"),
        (lambda: Correction.weighted("w", [3, 1], [1]), r"w has weights of shape \(1,\) for 2"),
        (lambda: check_corrections([1, 1, 1], [STEPS["resampling"]]), "compute it from the training rows"),
    ],
)
def test_what_does_not_fit_is_said(call, message):
    with pytest.raises(DataError, match=message):
        call()


def rare(n=2000, share=0.05, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(int)
    return rng.normal(size=(n, 10)) + 0.45 * y[:, None], y


def test_two_corrections_do_the_damage_that_scikit_learn_finds():
    X, y = rare()
    found = measured_damage(X, y)
    shown = dict(zip(WAYS, zip(found.balanced_accuracy, found.roc_auc, found.calibration, strict=True), strict=True))
    rng, said, probability = np.random.default_rng(0), {}, {}
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
        scaler = StandardScaler().fit(X[train])
        inside = scaler.transform(X[train])
        rows = [np.flatnonzero(y[train] == 0), rng.choice(np.flatnonzero(y[train] == 1), (y[train] == 0).sum())]
        rows = np.concatenate(rows)
        heavy = (len(train) / (2 * np.bincount(y[train])))[y[train]]
        for way, use, weight in (
            ("nothing", np.arange(len(train)), None), ("weights", np.arange(len(train)), heavy),
            ("copies", rows, None), ("both", rows, heavy[rows]),
        ):  # fmt: skip
            model = LogisticRegression().fit(inside[use], y[train][use], sample_weight=weight)
            probability.setdefault(way, np.zeros(len(y)))[test] = model.predict_proba(scaler.transform(X[test]))[:, 1]
    for way, p in probability.items():
        said[way] = balanced_accuracy_score(y, p > 0.5)
        assert shown[way][0] == pytest.approx(said[way], abs=0.03), way
        assert shown[way][1] == pytest.approx(roc_auc_score(y, p), abs=0.02), way
        cut = np.linspace(0, 1, 16)
        bins = [(p > low) & (p <= high) for low, high in itertools.pairwise(cut)]
        gap = sum(abs(p[rows].mean() - y[rows].mean()) * rows.mean() for rows in bins if rows.any())
        assert shown[way][2] == pytest.approx(gap, abs=0.03), way
    one = min(shown["weights"][0], shown["copies"][0])
    assert one > shown["nothing"][0] + 0.1 and one > shown["both"][0] + 0.1
    assert abs(shown["both"][1] - shown["weights"][1]) < 0.03, "ROC-AUC does not see it"
    assert shown["both"][2] > shown["weights"][2] + 0.1 > shown["nothing"][2] + 0.3
    assert shown["weights after copies"][0] == pytest.approx(shown["copies"][0], abs=0.01)
    assert found.rarest[WAYS.index("both")] > 0.5 and found.share == pytest.approx(y.mean())
    assert found.to_frame().shape == (5, 4) and "with two" in found.headline() and found.to_dict()["label"] == 1


def test_the_refusal_tells_the_measured_damage():
    X, y = rare(n=400, share=0.1)
    found = measured_damage(X, np.where(y, "defect", "ok"))
    with pytest.raises(DataError, match=r"measured here, balanced accuracy is 0\.[0-9]{3} with one correction and 0"):
        check_corrections(COUNTS, [STEPS["resampling"], STEPS["class_weight"]], damage=found)


def test_damage_keeps_groups_whole_and_has_a_seed():
    X, y = rare(n=200, share=0.2)
    X2, y2, groups = np.repeat(X, 2, axis=0), np.repeat(y, 2), np.repeat(np.arange(200), 2)
    assert measured_damage(X2, y2, groups) == measured_damage(X2, y2, groups)
    noise = np.random.default_rng(1).normal(size=(60, 40))
    y3 = np.random.default_rng(2).permutation(np.repeat([0, 1], [40, 20]))
    alone = measured_damage(np.repeat(noise, 3, axis=0), np.repeat(y3, 3), np.repeat(np.arange(60), 3))
    assert abs(alone.balanced_accuracy[1] - 0.5) < 0.2, "copies on both sides would be known by heart"
    assert measured_damage(np.repeat(noise, 3, axis=0), np.repeat(y3, 3)).balanced_accuracy[1] > 0.75


@pytest.mark.parametrize(
    ("X", "y", "groups", "message"),
    [
        (np.ones((3, 2)), [0, 0, 0], None, "all labels are 0"),
        (np.ones((3, 2)), [0, 1], None, "3 rows and labels 2"),
        (np.ones((4, 2)), [0, 0, 0, 1], None, "class '1' cannot be split, its only example"),
        (np.full((4, 2), np.nan), [0, 1, 0, 1], None, "row 0 are not all finite"),
        (np.ones((4, 2)), [0, 1, 0, 1], [1, 2], r"groups have shape \(2,\)"),
    ],
)
def test_damage_that_cannot_be_measured(X, y, groups, message):
    with pytest.raises(DataError, match=message):
        measured_damage(X, y, groups)
