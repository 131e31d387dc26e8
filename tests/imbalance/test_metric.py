"""Each figure of a useless model against scikit-learn, on constant answers and on many random ones."""

import itertools
import warnings

import numpy as np
import pytest
from imblearn.metrics import geometric_mean_score
from scipy.optimize import minimize
from sklearn import metrics
from sklearn.dummy import DummyClassifier

from headstart.imbalance import choose_metric
from headstart.imbalance.metric import EVEN
from headstart.results import DataError

TARGETS = {
    "more_positives": np.repeat([0, 1], [6, 54]),
    "more_negatives": np.repeat([0, 1], [57, 3]),
    "balanced": np.repeat([0, 1], [30, 26]),
    "long_tail": np.repeat([0, 1, 2, 3], [40, 20, 5, 1]),
    "balanced_multiclass": np.repeat([0, 1, 2], [20, 20, 16]),
}
KINDS = pytest.mark.parametrize("kind", TARGETS)


def scored(model, y, names):
    """Return scikit-learn's own scores."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: metrics.get_scorer(name)(model, np.zeros((len(y), 1)), y) for name in names}


def dummy(y, strategy, constant=None):
    return DummyClassifier(strategy=strategy, constant=constant).fit(np.zeros((len(y), 1)), y)


def of_sklearn(choice):
    return [row.metric for row in choice.rows if row.metric in metrics.get_scorer_names()]


@KINDS
def test_the_kind_is_found_and_names_are_scikit_learns(kind):
    choice = choose_metric(TARGETS[kind])
    assert choice.kind == kind and choice.question
    names = [*choice.recommended, *choice.misleading]
    assert set(names) <= set(metrics.get_scorer_names()) and len(set(names)) == len(names)
    assert set(names) <= set(choice.baselines.index)


@KINDS
def test_always_the_majority_and_always_positive_score_what_scikit_learn_says(kind):
    y = TARGETS[kind]
    choice = choose_metric(y)
    names = of_sklearn(choice)
    expected = scored(dummy(y, "prior"), y, names)
    assert choice.baselines.loc[names, "always the majority"].to_dict() == pytest.approx(expected)
    if choice.positive is None:
        assert "always positive" not in choice.baselines
        return
    expected = scored(dummy(y, "constant", 1), y, names)
    assert choice.baselines.loc[names, "always positive"].to_dict() == pytest.approx(expected)


@KINDS
def test_always_the_majority_is_useless_by_every_recommended_metric_and_flattered_by_another(kind):
    y = TARGETS[kind]
    choice = choose_metric(y)
    table, k = choice.to_frame(), len(choice.classes)
    useless = scored(dummy(y, "most_frequent"), y, choice.recommended)
    for name, value in useless.items():
        assert value <= table.loc[name, "chance"] + 1e-9, name
        assert table.loc[name, "chance"] <= (0.7 if k == 2 else 0.5), f"{name} leaves room above chance"
    flattering = scored(dummy(y, "most_frequent"), y, choice.misleading)
    assert max(flattering.values()) > 1.3 / k
    assert max(flattering.values()) > (0.8 if k == 2 else 0.5) and set(table["use"]) >= {"recommended", "misleading"}


@KINDS
def test_no_useless_model_is_expected_beyond_chance_in_a_recommended_metric(kind):
    """Average precision of a random ranking excepted, which is above the prevalence on few examples."""
    choice = choose_metric(TARGETS[kind])
    table = choice.to_frame().loc[[name for name in choice.recommended if name != "average_precision"]]
    for model in choice.baselines.columns:
        assert (table[model] <= table["chance"] + 1e-9).all(), model


def enumerated(y, positive):
    """Return the exact mean of scikit-learn's scores over all answers there are, and over all rankings."""
    k, shares, n = len(np.unique(y)), np.bincount(y) / len(y), len(y)
    found, total = {}, 0.0
    for said in itertools.product(range(k), repeat=n):
        chance = shares[list(said)].prod()
        f1 = metrics.f1_score(y, said, average=None, labels=range(k), zero_division=0)
        recalls = metrics.recall_score(y, said, average=None, labels=range(k), zero_division=0)
        one = {"accuracy": metrics.accuracy_score(y, said), "matthews_corrcoef": metrics.matthews_corrcoef(y, said)}
        one |= {"f1_macro": f1.mean(), "f1_weighted": f1 @ shares, "balanced_accuracy": recalls.mean()}
        one |= {f"recall[{code}]": recalls[code] for code in range(k)}
        one["geometric_mean"] = np.prod(recalls) ** (1 / k)
        if positive is not None:
            one |= {"f1": f1[positive], "recall": recalls[positive], "false_positive_rate": 1 - recalls[1 - positive]}
            one["precision"] = metrics.precision_score(y, said, pos_label=positive, zero_division=0)
        total += chance
        for name, value in one.items():
            found[name] = found.get(name, 0.0) + chance * value
    assert total == pytest.approx(1)
    rankings = list(itertools.permutations(range(n)))

    def mean(metric, code):
        return np.mean([metric(y == code, ranks) for ranks in rankings])

    each = [mean(metrics.average_precision_score, code) for code in range(k)]
    found["average_precision"] = np.mean(each) if positive is None else each[positive]
    found["roc_auc_ovr" if positive is None else "roc_auc"] = np.mean(
        [mean(metrics.roc_auc_score, c) for c in range(k)]
    )
    second = np.array([np.argsort(ranks)[-2:] for ranks in itertools.permutations(range(k))])
    found["top_k_accuracy"] = (second == 0).any(axis=1).mean()  # whatever the true class is
    return found


@pytest.mark.parametrize(("counts", "positive"), [((4, 1), 1), ((4, 1), 0), ((2, 1, 1), None)])
def test_random_scores_are_the_mean_over_all_answers_there_are(counts, positive):
    y = np.repeat(np.arange(len(counts)), counts)
    table = choose_metric(y, positive).baselines["random"]
    assert table.to_dict() == pytest.approx(enumerated(y, positive))


@pytest.mark.parametrize("counts", [(95, 5), (60, 40), (40, 20, 5, 1), (10, 10, 10)])
def test_the_line_of_the_weighted_f1_is_the_best_that_an_optimizer_finds(counts):
    shares = np.array(counts) / sum(counts)

    def loss(logits):
        q = np.exp(logits - logits.max())
        return -(2 * shares**2 * q / q.sum() / (shares + q / q.sum())).sum()

    best = max(-minimize(loss, np.log(shares) * scale).fun for scale in (0.5, 1, 3))
    table = choose_metric(np.repeat(np.arange(len(counts)), counts)).to_frame()
    assert table.loc["f1_weighted", "chance"] == pytest.approx(best, abs=1e-5)


def test_random_scores_of_many_examples_are_what_draws_find():
    rng, positives, negatives = np.random.default_rng(0), 40, 2960
    share = positives / (positives + negatives)
    hits, false = rng.binomial(positives, share, 400_000), rng.binomial(negatives, share, 400_000)
    f1, root = 2 * hits / (positives + hits + false), np.sqrt(hits / positives * (1 - false / negatives))
    table = choose_metric(np.repeat([0, 1], [negatives, positives])).baselines["random"]
    for name, drawn in {"f1": f1, "geometric_mean": root}.items():
        assert abs(table[name] - drawn.mean()) < 4 * drawn.std() / np.sqrt(len(drawn)), name


def test_the_lines_of_a_rare_disease_are_the_textbooks():
    table = choose_metric([0] * 990 + [1] * 10).to_frame()
    assert table.loc["accuracy", "always the majority"] == 0.99
    assert table.loc["average_precision", "chance"] == 0.01, "the prevalence line"
    assert table.loc["f1", "always positive"] == pytest.approx(2 * 0.01 / 1.01)
    assert table.loc["roc_auc", "always the majority"] == 0.5
    assert choose_metric([0] * 990 + [1] * 10).misleading[0] == "accuracy"


def test_where_positives_rule_false_positives_show_what_f1_hides():
    table = choose_metric([1] * 95 + [0] * 5).baselines["always positive"]
    assert table["false_positive_rate"] == 1 and table["roc_auc"] == 0.5
    assert min(table["f1"], table["precision"], table["recall"], table["average_precision"]) >= 0.95


@pytest.mark.filterwarnings("ignore:'k'")
@pytest.mark.parametrize("positive", ["defect", "ok"])
def test_scorers_know_text_labels_and_the_positive_one(positive):
    rng = np.random.default_rng(0)
    y = np.array(["ok", "defect"])[(rng.random(80) < 0.3).astype(int)]
    model = dummy(y, "stratified")
    model.set_params(random_state=0)
    X = np.zeros((80, 1))
    choice, said = choose_metric(y, positive), model.predict(X)
    truth, guess = (y == positive).astype(int), (said == positive).astype(int)
    expected = {
        "f1": metrics.f1_score(truth, guess),
        "precision": metrics.precision_score(truth, guess),
        "recall": metrics.recall_score(truth, guess),
        "average_precision": metrics.average_precision_score(truth, guess),
        "false_positive_rate": -((guess == 1) & (truth == 0)).sum() / (truth == 0).sum(),
        "geometric_mean": geometric_mean_score(truth, guess),
        "recall[ok]": metrics.recall_score(y, said, pos_label="ok"),
    }
    for row in choice.rows:
        value = choice.scorer(row.metric)(model, X, y)
        assert np.isfinite(value) and value == pytest.approx(expected.get(row.metric, value)), row.metric


def test_the_positive_class_is_one_else_the_rarer_and_that_is_said():
    assert choose_metric([0, 1, 1]).positive == 1 and choose_metric([True, False]).positive is True
    assert choose_metric([-1, -1, 1]).positive == 1 and choose_metric([1, 1, 2]).positive == 1
    assert choose_metric(["0", "0", "1", "1", "1"]).positive == "0"
    guessed = choose_metric(["a"] * 20 + ["b"] * 40)
    assert guessed.positive == "a" and "'a' is taken as the positive class" in guessed.warnings[0]
    assert not choose_metric(["a"] * 20 + ["b"] * 40, "b").warnings
    assert choose_metric(["a"] * 20 + ["b"] * 40, "b").kind == "more_positives"


def test_gaps_tiny_classes_and_the_edge_of_even():
    assert (
        choose_metric([3, 3, 3, 900]).counts == (3, 1)
        and "900 has 1 example" in choose_metric([3, 3, 900]).warnings[-1]
    )
    assert choose_metric([0, 1]).kind == "balanced"
    at, above = np.repeat([0, 1], [15, 10]), np.repeat([0, 1], [16, 10])
    assert EVEN == 1.5 and choose_metric(at).kind == "balanced" and choose_metric(above).kind == "more_negatives"
    table = choose_metric(np.repeat([0, 1], [200_000, 1])).baselines
    assert np.isfinite(table.to_numpy()).all()


@pytest.mark.parametrize(
    ("y", "positive", "message"),
    [
        ([], None, "at least one"),
        ([1, 1], None, "all labels are 1"),
        ([[0, 1]], None, r"shape \(1, 2\)"),
        ([0.0, np.nan], None, "row 1 is missing"),
        (["a", None], None, "cannot be sorted"),
        ([0, 1, 2], 1, "with 3 classes"),
        ([0, 1], 7, "positive=7 is no label: choose among 0, 1"),
    ],
)
def test_what_cannot_be_chosen_from_is_said(y, positive, message):
    with pytest.raises(DataError, match=message):
        choose_metric(y, positive)


def test_an_unknown_scorer_names_the_known_ones():
    with pytest.raises(DataError, match=r"no metric 'kappa'.*f1"):
        choose_metric([0, 1]).scorer("kappa")


@KINDS
def test_it_shows_itself(kind):
    choice = choose_metric(TARGETS[kind])
    assert choice.recommended[0] in choice.headline() and choice.misleading[0] in choice.headline()
    assert choice.to_dict()["kind"] == kind and "<table" in choice._repr_html_()
    assert len(choice.plot().data) == len(choice.baselines.columns) + 1
