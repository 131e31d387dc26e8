"""Fine-tuning from cached activations against a plain PyTorch loop over the whole network."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from headstart.data.pictures import PictureSet
from headstart.features.backends import Choice
from headstart.features.cut import CutActivations
from headstart.features.preprocess import prepare
from headstart.finetuning.batches import ViewBatches
from headstart.finetuning.finetune import Views, as_source, fine_tune, predict
from headstart.finetuning.pace import Pace, schedule
from headstart.results import DataError
from headstart.sources import get
from headstart.training.loop import Recipe
from headstart.training.schedules import one_cycle

N, K = 24, 3
Y = np.arange(N) % K


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    shades = rng.integers(0, 60, (N, 40, 50, 3)) + 60 * Y[:, None, None, None]
    return PictureSet(list(shades.astype(np.uint8)))


@pytest.fixture(scope="module")
def source():
    return get("timm:resnet18", pretrained=False)


@pytest.fixture(scope="module")
def head():
    rng = np.random.default_rng(1)
    return rng.normal(scale=0.01, size=(K, 512)), np.zeros(K)


RECIPE = Recipe(epochs=3, batch_size=7, rate=1e-3, head_rate=1e-2, layer_decay=0.5, weight_decay=0.1)


def plain_losses(pictures, source, cut, head, rows, order):
    """Fine-tune the whole network without a cache: freeze by hand, forward from the pixels in every epoch."""
    network, p = source.network(), source.preprocessing
    network.reset_classifier(K)
    with torch.no_grad():
        network.fc.weight.copy_(torch.from_numpy(head[0]))
        network.fc.bias.copy_(torch.from_numpy(head[1]))
    stages = ["layer1", "layer2", "layer3", "layer4"]
    trained = stages[stages.index(cut) :]
    modules = {name: network.get_submodule(name) for name in trained}
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    groups = []
    for depth, name in enumerate(reversed(trained), start=1):
        for parameter in modules[name].parameters():
            parameter.requires_grad_(True)
            decay = 0.1 if parameter.ndim > 1 else 0.0
            groups.append({"params": [parameter], "lr": 1e-3 * 0.5**depth, "weight_decay": decay})
    for parameter in network.fc.parameters():
        parameter.requires_grad_(True)
        groups.append({"params": [parameter], "lr": 1e-2, "weight_decay": 0.1 if parameter.ndim > 1 else 0.0})
    optimizer = torch.optim.AdamW(groups)
    peaks = [group["lr"] for group in optimizer.param_groups]
    x = torch.from_numpy(np.stack([prepare(pictures.open(row), p) for row in range(N)])).permute(0, 3, 1, 2) / 255
    x = (x - torch.tensor(p.mean).view(1, 3, 1, 1)) / torch.tensor(p.std).view(1, 3, 1, 1)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    network.eval()  # the statistics of the source, everywhere; ResNet-18 has no dropout
    losses, step, total = [], 0, RECIPE.epochs * len(order[0])
    for epoch in order:
        seen = 0.0
        for batch in epoch:
            found = loss(network(x[batch]), torch.from_numpy(Y[batch]))
            optimizer.zero_grad()
            found.backward()
            nn.utils.clip_grad_norm_([part for group in groups for part in group["params"]], 1.0)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * one_cycle(step, total, warmup=0.3)
            optimizer.step()
            seen += found.item() * len(batch)
            step += 1
        losses.append(seen / len(rows))
    return losses, network


@pytest.mark.parametrize("cut", ["layer3", "layer4"])
def test_losses_are_those_of_fine_tuning_without_a_cache(pictures, source, head, cut):
    rows = np.arange(0, N - 2)
    store = CutActivations(pictures, source, cut, Choice("torch", "cpu", ""), half=False)
    found = fine_tune(store, Y, rows, head, RECIPE, seed=4)
    order = []
    for epoch in range(RECIPE.epochs):  # as ViewBatches says it draws
        drawn = np.random.default_rng([4, epoch]).permutation(rows)
        order.append([drawn[part] for part in np.array_split(np.arange(len(rows)), 4)])
    expected, network = plain_losses(pictures, source, cut, head, rows, order)
    assert found.trained.losses == pytest.approx(expected, abs=1e-5)
    for name, tensor in found.network.state_dict().items():
        torch.testing.assert_close(tensor, network.state_dict()[name], atol=1e-4, rtol=1e-3, msg=name)


def test_the_half_precision_cache_is_close(pictures, source, head):
    rows = np.arange(N)
    losses = [
        fine_tune(
            CutActivations(pictures, source, "layer3", Choice("torch", "cpu", ""), half=half), Y, rows, head, RECIPE
        ).trained.losses
        for half in (False, True)
    ]
    assert losses[1] == pytest.approx(losses[0], abs=2e-3)


def test_a_picture_of_weight_two_counts_as_two(pictures, source, head):
    store = CutActivations(pictures, source, "layer4", Choice("torch", "cpu", ""), half=False)
    times = np.where(Y == 0, 2, 1)
    copies = np.repeat(np.arange(N), times)
    recipe = dataclasses.replace(RECIPE, batch_size=len(copies))
    expected = fine_tune(store, Y, copies, head, recipe)
    found = fine_tune(store, Y, np.arange(N), head, recipe, sample_weight=5.0 * times)
    assert found.trained.losses == pytest.approx(expected.trained.losses, abs=1e-5)
    plain = fine_tune(store, Y, np.arange(N), head, recipe)
    assert abs(plain.trained.losses[-1] - expected.trained.losses[-1]) > 1e-4


@pytest.mark.parametrize("weight", [np.ones(N - 1), np.zeros(N), np.full(N, np.nan), -np.ones(N)])
def test_weights_that_are_none_are_refused(pictures, source, weight):
    store = CutActivations(pictures, source, "layer4", Choice("torch", "cpu", ""))
    with pytest.raises(DataError, match="give each a finite number from 0 on"):
        ViewBatches(store, Y, np.arange(N), batch_size=4, sample_weight=weight)


def test_what_is_frozen_stays_and_what_is_learned_predicts(pictures, source, head):
    rows = np.arange(N)
    store = CutActivations(pictures, source, "layer4", Choice("torch", "cpu", ""))
    found = fine_tune(store, Y, rows, head, Recipe(epochs=12, batch_size=8, rate=3e-3), views=Views(2, 0.5))
    before, after = source.network().state_dict(), found.network.state_dict()
    moved = {name.partition(".")[0] for name in before if not torch.equal(before[name], after.get(name, before[name]))}
    assert moved == {"layer4", "fc"}
    statistics = [name for name in before if "running" in name or "num_batches" in name]
    assert all(torch.equal(before[name], after[name]) for name in statistics)
    probabilities = predict(found.network, store, rows)
    assert (probabilities.argmax(axis=1) == Y).mean() > 0.8
    again = as_source(found.network, source, "shades", K)
    x = torch.from_numpy(np.stack([prepare(pictures.open(row), source.preprocessing) for row in rows]))
    from headstart.finetuning.top import Top

    with torch.no_grad():
        whole = Top(again.network(), None, source.preprocessing).eval()(x).softmax(1).numpy()
    assert np.abs(whole - probabilities).max() < 5e-3, "half precision moves it a little"
    assert again.card.n_classes == K and again.fingerprint != source.fingerprint


def test_views_are_drawn_from_a_window_that_moves(pictures, source):
    store = CutActivations(pictures, source, "layer4", Choice("torch", "cpu", ""))
    batches = ViewBatches(store, Y, np.arange(N), batch_size=10, n_views=3, refresh=0.5)
    assert batches.views(0).tolist() == [0, 1, 2, 3] and batches.views(5).tolist() == [0, 3, 4, 5]
    assert Views(3, 0.5).total(6) == max(batches.views(5))
    drawn = [set() for _ in range(4000)]
    rng = np.random.default_rng(0)
    for epoch in range(6):
        for seen, view in zip(drawn, rng.choice(batches.views(epoch), len(drawn)), strict=True):
            seen.add(int(view))
    assert Views(3, 0.5).expected(6) == pytest.approx(np.mean([len(seen - {0}) for seen in drawn]), abs=0.05)
    assert Views(0, 0.0).expected(5) == 0
    sizes, shown = [], []
    for _, classes in batches.epoch(1):
        sizes.append(len(classes))
        shown.extend(classes.tolist())
    assert sizes == [8, 8, 8] and sorted(shown) == sorted(Y.tolist()), "each picture once, no short last batch"


def test_a_schedule_spends_what_it_is_given():
    sizes = {"top": 10, "middle": 30, "": 20}
    pace = Pace({"top": 0.001, "middle": 0.01, "": 0.1}, {"top": 0.004, "middle": 0.004, "": 0.002}, sizes)
    assert list(pace.within(20).step) == ["top", ""] and not pace.within(5).step
    views = Views(4, 0.25).expected

    def plan(budget, n=1000):
        return schedule(pace, n, budget, share=0.8, n_views=views)

    assert plan(1e6).cuts == ("top", "middle", "") and plan(1e6).epochs == (20, 20, 20)
    found = [plan(budget) for budget in (1.0, 30.0, 60.0, 100.0, 300.0, 1000.0, 3000.0, 1e5)]
    assert all(one.seconds <= one.budget for one in found)
    assert not found[0].cuts, "nothing fits"
    assert found[1].cuts == ("top",) and not found[1].short, "one fits: there is nothing to choose"
    tried = [len(one.cuts) for one in found]
    assert tried == sorted(tried) and set(tried) == {0, 1, 2, 3}
    assert all(one.epochs == tuple(sorted(one.epochs, reverse=True)) for one in found), "the dearer, the shorter"
    assert plan(300.0, n=10).epochs == (20, 20, 20), "few pictures afford all"
    pairs = {pair for one in found for pair in zip(one.epochs, one.n_rates, strict=True)}
    assert {rates for epochs, rates in pairs if epochs < 12} == {1} and {r for e, r in pairs if e > 12} == {2}

    one = plan(300.0)
    expected = 0.0
    for cut in ("top", *one.cuts):
        expected += 800 * one.short * pace.step[cut] + 1000 * (1 + views(one.short)) * pace.view[cut]
    ends = [
        1000 * (0.8 * k * r + 1) * epochs * pace.step[cut] + 1000 * (views(epochs) - views(one.short)) * pace.view[cut]
        for cut, epochs, k, r in zip(one.cuts, one.epochs, one.n_folds, one.n_rates, strict=True)
    ]
    assert one.seconds == pytest.approx(expected + max(ends))
    assert not schedule(pace.within(5), 1000, 1e6, share=0.8, n_views=views).cuts


def test_a_sampler_decides_what_each_batch_shows_and_a_loss_what_it_costs(pictures, source, head):
    from headstart.imbalance.loss_names import make_loss
    from headstart.imbalance.sampler import BalancedBatchSampler

    rows = np.flatnonzero((Y != 2) | (np.arange(N) < 3))  # 8, 8 and 1 of the classes
    store = CutActivations(pictures, source, "layer4", Choice("torch", "cpu", ""), half=False)
    sampler = BalancedBatchSampler(Y[rows], 6, shares="equal", seed=1)
    batches = ViewBatches(store, Y, rows, batch_size=99, sampler=sampler)
    for epoch in range(2):
        shown = [classes.numpy() for _, classes in batches.epoch(epoch)]
        places = list(BalancedBatchSampler(Y[rows], 6, shares="equal", seed=1).batches(epoch))
        assert len(shown) == len(batches) and all((a == Y[rows[b]]).all() for a, b in zip(shown, places, strict=True))
        assert all(abs(count - len(rows) / K) < 1 for count in np.bincount(np.concatenate(shown)))

    def tuned(loss):
        done = fine_tune(store, Y, rows, head, RECIPE, loss=loss)
        return done.trained.losses, predict(done.network, store, np.arange(N))

    plain, _ = tuned(torch.nn.CrossEntropyLoss(label_smoothing=RECIPE.label_smoothing))
    assert plain == tuned(None)[0]
    counts = np.bincount(Y[rows])
    first, _ = tuned(make_loss("ldam_drw", counts, reweight_from=3))
    later, _ = tuned(make_loss("ldam_drw", counts, reweight_from=2))
    assert first[:2] == later[:2] and first[2] != later[2], "weights begin in the third epoch"
