"""Weights against scikit-learn's and the paper's formulas written out."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from headstart.imbalance import class_weights, effective_number, sample_weights, weighted_counts
from headstart.imbalance.weights import HOW
from headstart.results import DataError

COUNTS = [[50, 3, 1], [7, 7], [1, 1000, 20, 4], [5]]
EVERY = pytest.mark.parametrize("how", [None, *HOW, "mapping"])


def labelled(counts):
    return np.random.default_rng(0).permutation(np.repeat([f"c{code}" for code in range(len(counts))], counts))


def given(how, y):
    return {name: place + 1.0 for place, name in enumerate(np.unique(y))} if how == "mapping" else how


@pytest.mark.parametrize("counts", COUNTS)
@EVERY
def test_weights_of_the_examples_add_up_to_n(how, counts):
    y = labelled(counts)
    each = sample_weights(y, given(how, y))
    assert each.shape == y.shape and each.sum() == pytest.approx(len(y)) and (each > 0).all()
    assert weighted_counts(counts, class_weights(y, given(how, y))).sum() == pytest.approx(len(y))


@pytest.mark.parametrize("counts", COUNTS)
def test_balanced_is_scikit_learns(counts):
    y = labelled(counts)
    expected = compute_class_weight("balanced", classes=np.unique(y), y=y)
    assert class_weights(y) == pytest.approx(expected)
    assert sample_weights(y) == pytest.approx(compute_sample_weight("balanced", y))


@EVERY
def test_equal_counts_weigh_one(how):
    y = labelled([6, 6, 6])
    if how != "mapping":
        assert class_weights(y, how) == pytest.approx(np.ones(3))


def test_square_root_and_mapping_keep_their_proportions():
    y = labelled([100, 4])
    root, mapped = class_weights(y, "sqrt"), class_weights(y, {"c0": 3, "c1": 12})
    assert root[1] / root[0] == pytest.approx(5) and mapped[1] / mapped[0] == pytest.approx(4)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999, 0.9999])
def test_the_effective_number_is_the_papers_sum(beta):
    """E_n = 1 + β + ... + β^(n - 1), equation 2 of the paper with its terms written out."""
    counts = [1, 2, 30, 1000]
    expected = [sum(beta**j for j in range(n)) for n in counts]
    assert effective_number(counts, beta) == pytest.approx(expected)
    weights = class_weights(labelled(counts), "effective", beta=beta)
    assert weights * expected == pytest.approx(np.full(4, weights[0] * expected[0]))


def test_the_effective_number_runs_from_none_to_balanced():
    y = labelled([200, 30, 2])
    assert class_weights(y, "effective", beta=0) == pytest.approx(np.ones(3))
    assert class_weights(y, "effective", beta=1 - 1e-13) == pytest.approx(class_weights(y), rel=1e-2)
    assert effective_number([10], 1 - 1e-9)[0] == pytest.approx(10, rel=1e-6)


def test_class_indices_may_have_gaps_and_absent_classes_weigh_nothing():
    assert class_weights([0, 2, 2, 2], n_classes=4).tolist() == [2, 0, pytest.approx(2 / 3), 0]
    assert class_weights([5, 900, 900, 900]) == pytest.approx([2, 2 / 3])
    assert sample_weights([0, 2, 2, 2], n_classes=4).sum() == pytest.approx(4)


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        ([], {}, "at least one"),
        ([0, 1], {"how": "focal"}, "no class weights 'focal': choose None, 'balanced', 'sqrt', 'effective'"),
        ([0, 1], {"how": "effective", "beta": 1.0}, "beta=1.0"),
        ([0, 1], {"how": {0: 1.0}}, "no weight for 1"),
        ([0, 1], {"how": {0: 1.0, 1: -1.0}}, "none negative"),
        ([0, 1], {"how": {0: 0.0, 1: 0.0}}, "every example would weigh 0"),
        ([0, 3], {"n_classes": 2}, "from 0 to 1"),
        (["a", "b"], {"n_classes": 2}, "class indices"),
        ([0], {"n_classes": 0}, "n_classes=0"),
    ],
)
def test_what_does_not_fit_is_said(y, options, message):
    with pytest.raises(DataError, match=message):
        class_weights(y, **options)
