"""Robust and quantile scaling against scikit-learn's own, fold by fold, and as arrays."""

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, RobustScaler, StandardScaler

from headstart.data.splits import stratified_group_folds
from headstart.evaluation import cross_validate
from headstart.results import DataError
from headstart.training import LogisticHead, logistic_path
from headstart.training.scaling import Ranks

RNG = np.random.default_rng(0)
Y = np.arange(90) % 3
X = np.exp(RNG.normal(size=(90, 4)) * 2 + 0.7 * RNG.normal(size=(3, 4))[Y])  # a few values rule each column
NEW = np.exp(RNG.normal(size=(40, 4)) * 3)


def pipeline(scaling, C):
    steps = {"robust": [RobustScaler()], "quantile": [QuantileTransformer(n_quantiles=100), StandardScaler()]}
    return make_pipeline(*steps[scaling], LogisticRegression(C=C, tol=1e-8, max_iter=5000))


@pytest.mark.filterwarnings("ignore:n_quantiles")
@pytest.mark.parametrize("n", [5, 90, 300])
def test_ranks_are_those_of_scikit_learn_where_no_values_are_tied(n):
    values = np.random.default_rng(n).lognormal(sigma=3, size=(n, 3))
    theirs = QuantileTransformer(n_quantiles=100).fit(values)
    ranks = Ranks.of(values)
    beyond = np.vstack([values, NEW[:, :3], [[-1.0, 0.0, 1e9]]])
    assert np.allclose(ranks.transform(beyond), theirs.transform(beyond), atol=1e-9)


def test_tied_values_get_the_middle_of_their_ranks_and_a_constant_column_says_nothing():
    values = np.array([[0.0, 7.0], [0.0, 7.0], [3.0, 7.0], [3.0, 7.0], [3.0, 7.0], [8.0, 7.0]])
    expected = (rankdata(values[:, 0]) - 1) / 5
    found = Ranks.of(values).transform(values)
    assert np.allclose(found[:, 0], expected - expected.min()) and not found[:, 1].any()


@pytest.mark.filterwarnings("ignore:n_quantiles")
@pytest.mark.parametrize("scaling", ["robust", "quantile"])
def test_the_head_is_scikit_learns_pipeline(scaling):
    ours = LogisticHead(C=0.1, scaling=scaling, tol=1e-8).fit(X, Y)
    expected = pipeline(scaling, 0.1).fit(X, Y).predict_proba(NEW)
    assert np.allclose(ours.predict_proba(NEW), expected, atol=1e-5)
    again = LogisticHead.from_arrays(ours.to_arrays())
    assert np.allclose(again.predict_proba(NEW), ours.predict_proba(NEW), atol=1e-12)
    assert not np.allclose(LogisticHead(C=0.1).fit(X, Y).predict_proba(NEW), expected, atol=0.05)


@pytest.mark.filterwarnings("ignore:n_quantiles")
@pytest.mark.parametrize("scaling", ["robust", "quantile"])
def test_each_fold_is_scaled_by_its_own_training_rows(scaling):
    folds = stratified_group_folds(Y, np.arange(90), n_folds=3, random_state=0)
    for C, found in zip(
        (0.01, 0.1), logistic_path(X, Y, folds, (0.01, 0.1), n_classes=3, scaling=scaling), strict=True
    ):
        for (train, test), table in zip(folds, found, strict=True):
            expected = pipeline(scaling, C).fit(X[train], Y[train]).predict_proba(X[test])
            assert np.allclose(table, expected, atol=2e-3)


def test_cross_validation_hands_the_scaling_down_below_and_above_its_limit():
    wide = np.exp(4 * np.random.default_rng(1).normal(size=(1200, 2)))
    y = (np.log(wide[:, 0]) + np.random.default_rng(2).normal(size=1200) > 0).astype(int)
    for n in (200, 1200):
        reached = {
            scaling: cross_validate(
                wide[:n], y[:n], np.arange(n), classes=("no", "yes"), Cs=(0.1, 1.0), n_folds=3, scaling=scaling
            ).uncorrected
            for scaling in ("standard", "quantile")
        }
        assert reached["quantile"] > reached["standard"] + 0.1, "a line through ranks sees what values hide"


def test_what_does_not_go_is_said():
    with pytest.raises(DataError, match="no scaling 'log': choose standard, robust, quantile"):
        LogisticHead(scaling="log").fit(X, Y)
    with pytest.raises(DataError, match="takes no sample weights"):
        LogisticHead(scaling="robust").fit(X, Y, sample_weight=np.ones(90))
    with pytest.raises(DataError, match="no scaling"):
        next(logistic_path(X, Y, [(np.arange(60), np.arange(60, 90))], n_classes=3, scaling="log"))
