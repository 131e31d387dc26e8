"""Losses and batches for networks: the shares they train for, against minimizing the loss itself."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from headstart.imbalance import network_correction
from headstart.imbalance.loss_names import loss_spec
from headstart.imbalance.loss_spec import value_and_gradient
from headstart.imbalance.networks import BATCHES, LOSSES, check_network
from headstart.results import DataError

COUNTS = np.array([600, 80, 20])


@pytest.mark.parametrize("loss", [name for name in LOSSES if name not in ("focal", "class-balanced-focal", "ldam-drw")])
def test_a_model_that_only_knows_shares_learns_those_that_are_named(loss):
    """The best constant logits under the loss are the log shares that it trains for; shifted, those of the data."""
    y = np.repeat(np.arange(3), COUNTS)
    spec = loss_spec(loss, COUNTS)

    def value(z):
        found, gradient = value_and_gradient(spec, np.tile(z, (len(y), 1)), y)
        return found, gradient.sum(axis=0)

    z = minimize(value, np.zeros(3), jac=True, tol=1e-12).x
    correction = network_correction(loss)
    assert softmax(z) == pytest.approx(correction.trained_for(COUNTS), abs=1e-5)
    assert softmax(z + correction.shift(COUNTS)) == pytest.approx(COUNTS / 700, abs=1e-5)


@pytest.mark.parametrize("batches", BATCHES)
def test_batches_leave_the_shares_that_the_sampler_draws_in_the_end(batches):
    y = np.repeat(np.arange(3), COUNTS)
    correction = network_correction(batches=batches)
    sampler = correction.make_sampler(y, 32, 5, 0)
    drawn = COUNTS if sampler is None else sampler.draws(4)
    assert correction.trained_for(COUNTS) == pytest.approx(drawn / drawn.sum(), abs=0.005)
    assert (sampler is None) == (batches == "natural")


@pytest.mark.parametrize("batches", ["balanced", "square-root", "progressive"])
@pytest.mark.parametrize("loss", ["class-balanced", "class-balanced-focal", "ldam-drw", "logit-adjustment"])
def test_a_loss_and_batches_that_both_correct_are_refused(loss, batches):
    with pytest.raises(DataError, match=f"loss='{loss}' is computed from shares .* but batches='{batches}' already"):
        check_network(network_correction(loss, batches), COUNTS, ("a", "b", "c"))


def test_one_correction_and_what_corrects_no_shares_are_let_through():
    for loss in LOSSES:
        check_network(network_correction(loss), COUNTS, ("a", "b", "c"))
    for batches in BATCHES:
        check_network(network_correction("focal", batches), COUNTS, ("a", "b", "c"))
    check_network(network_correction("logit-adjustment", "balanced"), [50, 50], ("a", "b"))  # nothing to correct


def test_losses_are_made_with_what_the_recipe_says():
    import torch

    z, y = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 0, 0, 0, 1, 1, 2])
    assert network_correction().make_loss(COUNTS, 5, 0.1) is None and network_correction().is_plain
    adjusted = network_correction("logit-adjustment").make_loss(COUNTS, 5, 0.1)
    expected = torch.nn.functional.cross_entropy(
        z + torch.log(torch.tensor(COUNTS / 700)).float(), y, label_smoothing=0.1
    )
    assert float(adjusted(z, y)) == pytest.approx(float(expected), abs=1e-5)
    deferred = network_correction("ldam-drw").make_loss(COUNTS, 10, 0.1)
    deferred.set_epoch(7)
    early = float(deferred(z, y))
    deferred.set_epoch(8)
    assert float(deferred(z, y)) != pytest.approx(early)
    assert network_correction("focal", "balanced").text == "loss focal, balanced batches"


def test_unknown_names_are_said():
    with pytest.raises(DataError, match="no loss 'hinge': choose cross-entropy, focal"):
        network_correction("hinge")
    with pytest.raises(DataError, match="no batches 'sqrt': choose natural, balanced, square-root"):
        network_correction(batches="sqrt")
