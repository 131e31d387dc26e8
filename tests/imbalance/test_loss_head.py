"""Heads by a loss: against the logistic head, against PyTorch, and against the same rows written out."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.utils.estimator_checks import check_estimator

from headstart.imbalance import LOSSES, LossHead, make_loss
from headstart.results import DataError
from headstart.training import LogisticHead
from headstart.training.design import Design

X, Y = load_iris(return_X_y=True)
TAIL = np.r_[0:50, 50:75, 100:108]  # 50, 25 and 8 of the three


@pytest.mark.parametrize("rows", [TAIL, TAIL[:75]], ids=["three", "two"])
@pytest.mark.parametrize("how", [None, "balanced"])
def test_cross_entropy_is_the_logistic_head(rows, how):
    weights = np.linspace(0.5, 2, len(rows))
    ours = LossHead(C=0.3, class_weight=how, tol=1e-8).fit(X[rows], Y[rows])
    theirs = LogisticHead(C=0.3, class_weight=how, tol=1e-8).fit(X[rows], Y[rows])
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)
    ours.fit(X[rows], Y[rows], weights)
    theirs = LogisticHead(C=0.3, tol=1e-8).fit(X[rows], Y[rows], weights)
    if how is None:
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_it_is_where_pytorch_finds_no_slope(name):
    """The gradient of C times the summed loss and the penalty, by autograd, of the network's own loss."""
    import torch

    head = LossHead(name, C=0.5, tol=1e-9).fit(X[TAIL], Y[TAIL])
    design = Design.of(X[TAIL])
    scaled = torch.tensor(head.coef_ * design.scale, requires_grad=True)
    bias = torch.tensor(head.intercept_ + head.coef_ @ design.mean, requires_grad=True)
    options = {"reweight_from": 0} if name == "ldam_drw" else {}
    loss = make_loss(name, np.bincount(Y[TAIL]), reduction="sum", **options)
    logits = torch.tensor(design.rows) @ scaled.T + bias
    (0.5 * loss(logits, torch.tensor(Y[TAIL])) + (scaled**2).sum() / 2).backward()
    assert scaled.grad.abs().max() < 1e-4 and bias.grad.abs().max() < 1e-4


def test_what_a_loss_is_for_moves_the_rare_class_up():
    plain = LossHead(C=0.1).fit(X[TAIL], Y[TAIL]).predict_proba(X[100:])[:, 2].mean()
    for name in ("class_balanced", "ldam", "logit_adjustment"):
        assert LossHead(name, C=0.1).fit(X[TAIL], Y[TAIL]).predict_proba(X[100:])[:, 2].mean() > plain


def test_weights_by_label_and_options():
    names = np.array(["a", "b", "c"])[Y]
    by_label = LossHead(class_weight={"c": 5.0, "a": 1.0, "b": 2.0}).fit(X[TAIL], names[TAIL])
    by_place = LossHead(class_weight=[1.0, 2.0, 5.0]).fit(X[TAIL], Y[TAIL])
    np.testing.assert_array_equal(by_label.predict_proba(X), by_place.predict_proba(X))
    none = LossHead("focal", options={"gamma": 0.0}).fit(X, Y)
    np.testing.assert_allclose(none.predict_proba(X), LossHead().fit(X, Y).predict_proba(X), atol=1e-5)


def test_bad_input_is_named():
    with pytest.raises(DataError, match="no loss 'hinge'"):
        LossHead("hinge").fit(X, Y)
    with pytest.raises(DataError, match="no option 'tau'"):
        LossHead("focal", options={"tau": 1}).fit(X, Y)
    with pytest.raises(DataError, match="one class"):
        LossHead().fit(X[:50], Y[:50])
    with pytest.raises(DataError, match="C=-1"):
        LossHead(C=-1).fit(X, Y)


def test_it_is_a_scikit_learn_estimator():
    check_estimator(LossHead("focal", tol=1e-9))
