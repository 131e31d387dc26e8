"""The order of a warm start against every possible order, and on histories where the answer is known."""

import itertools

import numpy as np
import pytest

from headstart.transfer.history import Record, Trial, advice
from headstart.transfer.history.order import likeness, missed, order
from headstart.transfer.history.warm import kept

WAYS = ("plain", "taps", "linear", "rbf", "low")


def run(target="a", scores=(0.9, 0.8), meta=None, rounds=(), **more):
    trials = tuple(Trial(name, "frozen", "", score, 1.0, 100) for name, score in zip(WAYS, scores, strict=False))
    trials += (Trial("by hand", "target-only", "", 0.99, 1.0, 100), Trial("tuned", "fine-tuned", "", 0.2, 1.0, 40))
    values = {"data": f"of {target}", "modality": "pictures", "source": "lite0", **more}
    return Record(target=target, meta=meta or {"rows": 5.0}, trials=trials, rounds=rounds, **values)


def test_the_first_is_the_best_alone_and_the_next_adds_most():
    rng = np.random.default_rng(0)
    for _ in range(20):
        tables = [missed(dict(zip(WAYS, rng.uniform(0.7, 0.9, 5), strict=True)), 100) for _ in range(6)]
        weights = rng.uniform(0.05, 1, 6)
        found = order(WAYS, tables, weights)
        assert sorted(found) == sorted(WAYS)
        for size in range(1, 4):

            def left(names, tables=tables, weights=weights):
                short = [min(table[name] for name in names) for table in tables]
                return float(np.dot(weights, short))

            greedy = min(left((*found[: size - 1], name)) for name in WAYS if name not in found[: size - 1])
            assert left(found[:size]) == pytest.approx(greedy, abs=1e-9)
        best = min(left(pair) for pair in itertools.combinations(WAYS, 2))
        worst = max(left((name,)) for name in WAYS)
        assert worst - left(found[:2]) >= 0.63 * (worst - best)  # 1 - 1/e: what a greedy choice is worth


def test_how_surely_a_way_fell_short():
    found = missed({"best": 0.8, "near": 0.8 - 0.04, "far": 0.2}, 100)  # the standard error is 0.04
    assert found == pytest.approx({"best": 0.0, "near": 1 - np.exp(-0.5), "far": 1.0}, abs=1e-6)
    assert missed({"a": 1.0, "b": 0.5}, 50)["b"] == pytest.approx(1.0, abs=1e-3)  # a perfect score has an error too
    assert missed({"a": 0.0}, 1) == {"a": 0.0}


def test_alike_is_near_in_what_all_have():
    others = [{"rows": 5.0, "classes": 1.0}, {"rows": 8.0, "classes": 1.0, "odd": 3.0}]
    first, second = likeness({"rows": 5.1, "classes": 1.0, "mine": 2.0}, others)
    assert first > 5 * second > 0
    assert likeness({}, others).tolist() == [1.0, 1.0] and likeness({"rows": 1.0}, []).shape == (0,)
    assert likeness({"rows": np.nan}, [{"rows": 3.0}]).tolist() == [1.0]


def test_a_target_like_those_that_the_rbf_won_tries_it_first():
    rbf, line = (0.70, 0.70, 0.70, 0.95, 0.5), (0.95, 0.7, 0.7, 0.7, 0.5)
    history = [run(f"t{n}", rbf, {"rows": 5 + n / 10, "curved": 0.3}) for n in range(3)]
    history += [run(f"l{n}", line, {"rows": 9 + n / 10, "curved": -0.2}) for n in range(4)]
    near = {"modality": "pictures", "source": "lite0"}
    found = advice(history, {"rows": 5.1, "curved": 0.28}, **near)
    assert found.ways[:2] == ("rbf", "plain") and found.targets[0] == "t1" and found.best[0] == "rbf"
    assert advice(history, {"rows": 9.1, "curved": -0.2}, **near).ways[0] == "plain"
    assert "Rbf first, as on t1" in found.headline() and len(found.to_frame()) == 7


def test_other_sources_other_kinds_the_same_data_and_single_trials_are_not_asked():
    others = [
        run(source="lite1"), run(modality="features"), run(data="mine"), run(scores=(0.9,)),
    ]  # fmt: skip
    found = advice(others, {"rows": 5.0}, modality="pictures", source="lite0", data="mine")
    assert not found and found.ways == () and "no earlier target" in found.headline()


def test_unknown_ways_keep_their_place_and_gaps_count_as_the_mean():
    tables = [{"a": 0.5, "b": 0.0}, {"b": 0.9, "c": 0.4}]
    assert order(["new", "a", "b", "c", "newer"], tables, np.ones(2)) == ("c", "b", "a", "new", "newer")
    assert order(["a", "b"], [], np.zeros(0)) == ("a", "b")


def test_cuts_and_rates_come_from_the_rounds():
    def one(cut, rate, fold, epochs, score):
        crops = {"crops": True, "log_loss": 1.0}
        return {"cut": cut, "rate": rate, "fold": fold, "epochs": epochs, "macro_f1": score, **crops}

    rounds = [
        one("blocks.5", 3e-4, 0, 3, 0.7), one("blocks.5", 3e-4, 0, 3, 0.72), one("", 3e-4, 0, 3, 0.9),
        one("blocks.4", 3e-4, 0, 3, 0.8), one("", 3e-4, 1, 12, 0.7), one("", 1e-3, 1, 12, 0.95),
    ]  # fmt: skip
    found = advice([run(rounds=rounds)], {"rows": 5.0}, modality="pictures", source="lite0")
    assert found.cuts == ("", "blocks.4", "blocks.5") and found.rates == ("0.001", "0.0003")
    assert found.first(["blocks.5", "x", ""], found.cuts) == ["", "blocks.5", "x"]


def test_what_was_said_once_is_said_again(tmp_path):
    path = tmp_path / "work" / "history.json"
    said = advice([run()], {"rows": 5.0}, modality="pictures", source="lite0")
    assert kept(path, lambda: said) == said
    assert kept(path, lambda: pytest.fail("asked again")) == said
