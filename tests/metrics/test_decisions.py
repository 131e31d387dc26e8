"""Metrics of decisions that are not the most probable class: counts follow the decision, ranks the probabilities."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, log_loss, recall_score

from headstart.evaluation import confident_mistakes, evaluate
from headstart.metrics import bootstrap, bootstrap_classes, per_class, scores
from headstart.results import DataError

RNG = np.random.default_rng(0)
Y = RNG.choice(3, 300, p=[0.7, 0.2, 0.1])
P = RNG.dirichlet(np.ones(3), 300) * 0.5 + 0.5 * np.eye(3)[Y] * RNG.random((300, 1))
P /= P.sum(axis=1, keepdims=True)
SAID = (np.log(P) + [-1.0, 0.5, 1.0]).argmax(axis=1)


def test_counts_follow_the_decision_and_ranks_the_probabilities():
    assert (P.argmax(axis=1) != SAID).sum() > 20
    found, plain = scores(Y, P, predicted=SAID), scores(Y, P)
    assert found["macro_f1"] == pytest.approx(f1_score(Y, SAID, average="macro"))
    assert found["accuracy"] == pytest.approx((Y == SAID).mean())
    assert found["log_loss"] == pytest.approx(log_loss(Y, P)) and found["roc_auc"] == plain["roc_auc"]
    assert per_class(Y, P, predicted=SAID)["recall"] == pytest.approx(recall_score(Y, SAID, average=None))
    for name in ("macro_f1", "accuracy", "roc_auc"):
        interval = bootstrap(Y, P, predicted=SAID, metrics=[name])[name]
        assert interval.value == pytest.approx(found[name]) and interval.low < interval.value < interval.high
    each = bootstrap_classes(Y, P, predicted=SAID)["f1"]
    assert [one.value for one in each] == pytest.approx(f1_score(Y, SAID, average=None))


def test_evaluation_and_mistakes_are_of_the_decision():
    classes = ("a", "b", "c")
    found = evaluate(Y, P, classes=classes, predicted=SAID)
    assert (found.confusion == confusion_matrix(Y, SAID)).all()
    assert found.metrics["macro_f1"].value == pytest.approx(f1_score(Y, SAID, average="macro"))
    wrong = confident_mistakes(Y, P, [str(row) for row in range(300)], classes, predicted=SAID)
    assert wrong.n_found == (Y != SAID).sum()
    rows = [int(name) for name in wrong.ids]
    assert list(wrong.predicted) == [classes[code] for code in SAID[rows]]
    assert list(wrong.probability) == [P[row, SAID[row]] for row in rows] == sorted(wrong.probability, reverse=True)


def test_decisions_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match=r"predicted has shape \(2,\) for 300 examples"):
        scores(Y, P, predicted=[0, 1])
    with pytest.raises(DataError, match="predicted has values from 0 to 3"):
        scores(Y, P, predicted=np.where(Y == 0, 3, 0))
