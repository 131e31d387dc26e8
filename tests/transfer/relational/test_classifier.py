"""Node classification with and without a source: what is learned where, and what is refused."""

import copy

import numpy as np
import pytest
import torch

from headstart.results import DataError
from headstart.transfer.relational import Graph, NodeClassifier, label_spreading, pretrain, relational_verdict
from headstart.transfer.relational.drawing import draw

from .conftest import planted


def accuracy(probabilities, graph, shown):
    asked = np.setdiff1d(np.arange(len(graph)), shown)
    return (probabilities.argmax(axis=1)[asked] == graph.y[asked]).mean()


def test_what_relations_mean_is_carried_over(learned, target):
    """Unlike attracts in both graphs: a source shows it, and spreading that takes neighbours for alike is misled."""
    shown = draw(target.y, 4, np.random.default_rng(0))
    few = target.only(shown)
    found = NodeClassifier(learned, epochs=0).fit(few)
    assert accuracy(found.predict_proba(), target, shown) > 0.5
    assert accuracy(label_spreading(few), target, shown) < 0.25
    assert set(found.predict()) <= set("abcd") and found.probabilities_.sum(axis=1) == pytest.approx(1)


def test_the_source_is_used_as_it_is_or_goes_on_learning(learned, target):
    few = target.only(draw(target.y, 4, np.random.default_rng(0)))
    before = copy.deepcopy(learned.network.state_dict())
    as_is = NodeClassifier(learned, epochs=0).fit(few)
    tuned = NodeClassifier(learned, epochs=2).fit(few)
    assert as_is.losses_ == () and len(tuned.losses_) == 2
    assert np.abs(as_is.probabilities_ - tuned.probabilities_).max() > 1e-4
    assert all(torch.equal(before[name], held) for name, held in learned.network.state_dict().items())


def test_same_seed_same_answer(target):
    few = target.only(draw(target.y, 4, np.random.default_rng(0)))
    state = torch.get_rng_state()
    first, again, other = (
        NodeClassifier(epochs=2, random_state=seed).fit(few).probabilities_ for seed in (0, 0, 1)
    )  # fmt: skip
    assert (first == again).all() and (first != other).any()
    assert torch.equal(state, torch.get_rng_state())


def test_classes_are_only_names(learned, target):
    shown = draw(target.y, 4, np.random.default_rng(0))
    gaps = Graph(target.edges, np.array([40, 7, 99, 12])[target.y])
    named = NodeClassifier(learned, epochs=0).fit(target.only(shown))
    numbered = NodeClassifier(learned, epochs=0).fit(gaps.only(shown))
    assert numbered.classes_.tolist() == [7, 12, 40, 99]
    same = np.array([1, 3, 0, 2])  # columns of the numbers in the order of the names
    assert numbered.probabilities_ == pytest.approx(named.probabilities_[:, same], abs=1e-4)


def test_words_help_where_relations_are_few():
    source = planted(2, 25, 0.1, 0.02, 0, "source", words=True)
    target = planted(3, 20, 0.05, 0.02, 1, "target", words=True)
    shown = draw(target.y, 4, np.random.default_rng(0))
    both, bare = (
        NodeClassifier(pretrain(source, features=features, shown=(4,), n_episodes=5, epochs=8), epochs=0)
        for features in (None, False)
    )
    found = accuracy(both.fit(target.only(shown)).probabilities_, target, shown)
    assert found > accuracy(bare.fit(target.only(shown)).probabilities_, target, shown) + 0.1


def test_degenerate_graphs(learned):
    one_each = Graph([[0, 1], [2, 3]], ["a", None, "b", None, None])
    found = NodeClassifier(learned).fit(one_each)
    assert found.losses_ == (), "one label a class leaves nothing to ask for"
    assert np.isfinite(found.probabilities_).all()
    lone = Graph([[0, 1], [1, 2], [3, 4]], ["a", "a", "a", "b", None])
    assert np.isfinite(NodeClassifier(epochs=1).fit(lone).probabilities_).all(), "a class with one label"
    assert np.isfinite(
        NodeClassifier(learned, epochs=1).fit(Graph([], ["a", "a", "b", "b", None])).probabilities_
    ).all()
    constant = Graph([[0, 1], [2, 3]], ["a", "a", "b", "b", None], np.ones((5, 3)))
    assert np.isfinite(NodeClassifier(epochs=1).fit(constant).probabilities_).all()


def test_bad_input(learned, target, unlike):
    with pytest.raises(DataError, match=r"labels of 1 class\(es\): give at least two"):
        NodeClassifier(learned).fit(target.only([0]))
    with pytest.raises(DataError, match=r"has one label of each class.*give more labels, or a source"):
        NodeClassifier().fit(target.only(draw(target.y, 1, np.random.default_rng(0))))
    with pytest.raises(DataError, match="has no features to compare"):
        pretrain(unlike, features=True)
    with pytest.raises(DataError, match="give positive numbers"):
        pretrain(unlike, n_episodes=0)
    words = pretrain(planted(2, 10, 0.3, 0.05, 0, "worded", words=True), shown=(2,), n_episodes=1, epochs=1)
    with pytest.raises(
        DataError, match=r"'target' has no features, but .* on 'worded': pretrain\(source, features=False"
    ):
        NodeClassifier(words).fit(target)
    with pytest.raises(DataError, match="features=False, but 'worded' was learned with True"):
        NodeClassifier(words, features=False).fit(target)


def test_verdict_on_drawings_of_labels(learned, target):
    found = relational_verdict(
        [learned] * 3, target, n_labels=3, n_seeds=3, without=NodeClassifier(epochs=1, n_episodes=2)
    )
    assert found.answer == found.verdict.answer and found.verdict.n == 60 and len(found.verdict.baseline) == 3
    assert found.headline().startswith("unlike → target with 3 labels a class: ") and len(found.to_frame()) == 7
    shown = draw(np.where(_tested(target), -1, target.y), 3, np.random.default_rng([0, 0]))
    said = NodeClassifier(learned).fit(target.only(shown)).predict()[_tested(target)]
    assert found.verdict.transfer[0] == (said == target.classes[target.y[_tested(target)]]).mean()
    assert found.homophily[0] < 0 and found.homophily[1] < 0 and not any("turned" in note for note in found.warnings)


def _tested(graph):
    from headstart.transfer.relational.verdict import _half

    return _half(graph, 0)


def test_a_source_in_which_relations_mean_the_opposite_is_told(learned):
    alike = planted(3, 12, 0.3, 0.03, 2, "alike")
    found = relational_verdict([learned] * 2, alike, n_labels=2, n_seeds=2, without=NodeClassifier(epochs=1))
    assert any("turned round" in note for note in found.warnings)
    with pytest.raises(DataError, match="2 pretrained networks for 10 drawings"):
        relational_verdict([learned] * 2, alike, n_labels=2)
    everything = Graph(alike.edges, alike.y, test=np.arange(len(alike)))
    with pytest.raises(DataError, match="has nothing to show or to test of 0, 1, 2"):
        relational_verdict([learned] * 2, everything, n_labels=2, n_seeds=2)
    with pytest.raises(DataError, match="n_labels=0"):
        relational_verdict([learned] * 2, alike, n_labels=0, n_seeds=2)
