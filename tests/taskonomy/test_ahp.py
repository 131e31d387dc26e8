"""AHP against dense solvers, known weights and the published affinities; tournaments against counting by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
from scipy.stats import spearmanr

from headstart.results import DataError
from headstart.taskonomy.ahp import ahp, geometric, inconsistency, mean_win_rate, ratios
from headstart.taskonomy.tournament import affinities, from_references, rescaled, tournament


def rates_of(weights):
    return weights[:, None] / (weights[:, None] + weights)


def noisy(n, rng):
    """A tournament that no set of weights explains."""
    upper = np.triu(rng.uniform(size=(n, n)), 1)
    return upper + np.tril(1 - upper.T, -1) + np.eye(n) / 2


@pytest.mark.parametrize("n", [1, 2, 5, 37])
def test_consistent_ratios_give_their_weights_back(n):
    weights = np.exp(np.random.default_rng(n).uniform(-3, 3, n))
    weights /= weights.sum()
    assert ahp(rates_of(weights)) == pytest.approx(weights, rel=1e-12)
    assert geometric(rates_of(weights)) == pytest.approx(weights, rel=1e-12)
    assert inconsistency(rates_of(weights)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("n", "seed"), [(3, 0), (8, 1), (40, 2)])
def test_it_is_the_principal_eigenvector_by_a_dense_solver(n, seed):
    wins = noisy(n, np.random.default_rng(seed))
    clipped = wins.clip(0.001, 0.999)
    values, vectors = scipy.linalg.eig(clipped / clipped.T)
    first = np.abs(vectors[:, values.real.argmax()].real)
    assert ahp(wins) == pytest.approx(first / first.sum(), rel=1e-8)
    assert inconsistency(wins) == pytest.approx((values.real.max() - n) / (n - 1), rel=1e-8)


def test_nearly_cyclic_tournaments_converge():
    """Rock, paper, scissors and a little: the second eigenvalue is 0.998 of the first in size."""
    wins = np.array([[0.5, 1, 0], [0, 0.5, 0.999], [1, 0.001, 0.5]])
    wins[0, 1], wins[1, 0] = 0.998, 0.002
    values, vectors = scipy.linalg.eig(ratios(wins))
    first = np.abs(vectors[:, values.real.argmax()].real)
    assert ahp(wins) == pytest.approx(first / first.sum(), rel=1e-9)


def test_targets_are_stacked():
    rng = np.random.default_rng(0)
    wins = np.stack([noisy(6, rng) for _ in range(4)])
    assert ahp(wins) == pytest.approx(np.stack([ahp(one) for one in wins]), rel=1e-12)
    assert inconsistency(wins).shape == (4,)


def test_pairs_that_were_never_compared_are_left_out():
    rng = np.random.default_rng(3)
    weights = rng.uniform(1, 5, 7)
    wins = rates_of(weights / weights.sum())
    for i, j in itertools.combinations(range(7), 2):
        if j != i + 1:  # a chain is left
            wins[i, j] = wins[j, i] = np.nan
    assert ahp(wins) == pytest.approx(weights / weights.sum(), rel=1e-9)
    with pytest.raises(DataError, match="never compared"):
        geometric(wins)
    wins[3, 4] = np.nan
    with pytest.raises(DataError, match=r"sources \[4, 5, 6\] were never compared with source 0"):
        ahp(wins)


def test_a_sure_win_is_clipped_as_published():
    assert ratios([[0.5, 1], [0, 0.5]])[0, 1] == pytest.approx(999)
    assert ahp([[0.5, 1], [0, 0.5]]) == pytest.approx([0.999, 0.001])
    assert ahp([[0.5, 1], [0, 0.5]], clip=0.1) == pytest.approx([0.9, 0.1])


def test_tournament_counts_as_by_hand():
    rng = np.random.default_rng(0)
    losses = rng.integers(0, 4, size=(5, 30)).astype(float)
    losses[1, :10] = np.nan
    found = tournament(losses)
    for i, j in itertools.product(range(5), repeat=2):
        pairs = [(a, b) for a, b in zip(losses[i], losses[j], strict=True) if a == a and b == b]
        points = [1.0 if a < b else 0.5 if a == b else 0.0 for a, b in pairs]
        assert found[i, j] == pytest.approx(np.mean(points))
    assert found + found.T == pytest.approx(np.ones((5, 5)))
    assert np.isnan(tournament([[1.0, np.nan], [np.nan, 2.0]])[0, 1])
    assert tournament([[1.0, np.inf], [2.0, 3.0]])[0, 1] == 0.5
    assert mean_win_rate(found)[2] == pytest.approx(np.delete(found[2], 2).mean())


def test_references_recover_the_strengths_that_made_the_rates():
    strength = np.array([5.0, 1.0, 0.2, 2.0])
    against = np.stack([strength / (strength + reference) for reference in (0.5, 3.0)], axis=1)
    assert ahp(from_references(against)) == pytest.approx(strength / strength.sum(), rel=1e-10)


def test_affinities_are_a_table():
    names = ["a", "b", "a+b"]
    wins = pd.DataFrame(rates_of(np.array([1.0, 2.0, 5.0])), index=names, columns=names)
    table = affinities({"t": wins, "u": wins.T.loc[names, names]})
    assert list(table.columns) == ["sources", "target", "value"] and len(table) == 6
    assert table.groupby("target")["value"].sum().tolist() == pytest.approx([1, 1])
    assert table.set_index(["target", "sources"]).loc[("t", "a+b"), "value"] == pytest.approx(5 / 8)


def test_losses_rescaled():
    table = pd.DataFrame({"sources": list("abcab"), "target": list("ttttt")[:3] + ["u", "u"], "value": [1, 2, 5, 3, 3]})
    assert rescaled(table)["value"].tolist() == [1.0, 0.75, 0.0, 1.0, 1.0]
    with pytest.raises(DataError, match="no column 'value'"):
        rescaled(table.drop(columns="value"))
    with pytest.raises(DataError, match="row 1 of the losses"):
        rescaled(table.assign(value=[1, np.nan, 2, 3, 3]))


def test_bad_input():
    with pytest.raises(DataError, match="square matrix"):
        ahp(np.ones((2, 3)))
    with pytest.raises(DataError, match=r"win rate 60 at \(0, 1\)"):
        ahp([[50, 60], [40, 50]])
    with pytest.raises(DataError, match="clip is 0"):
        ahp(np.full((2, 2), 0.5), clip=0)
    with pytest.raises(DataError, match="a row for each source"):
        tournament([1.0, 2.0])
    with pytest.raises(DataError, match="missing or outside"):
        from_references([[0.5], [np.nan]])
    with pytest.raises(DataError, match="a column for each reference"):
        from_references([0.5])
    with pytest.raises(DataError, match="no tournament"):
        affinities({})
    wins = pd.DataFrame(np.full((2, 2), 0.5), index=["a", "b"], columns=["b", "a"])
    with pytest.raises(DataError, match="tournament of 't': rows and columns"):
        affinities({"t": wins})
    with pytest.raises(DataError, match="tournament of 't': win rate 2"):
        affinities({"t": pd.DataFrame([[0.5, 2.0], [0.1, 0.5]], index=["a", "b"], columns=["a", "b"])})


def test_published_win_rates_order_sources_as_the_published_affinities(shared):
    """Each target's order of 37 sources, from their win rates against two references only.

    Three tasks that are solved in pixels stay below 0.95, and this is why: 20 to 23 of their sources win on less than
    one example in a thousand, against either reference, so they come out equal, where the tournaments between them,
    which were not published, told them apart. With those put in the published order, the rest agrees.
    """
    folder = shared / "data" / "taskonomy"
    index = ["target", "sources"]
    values = pd.read_csv(folder / "all_affinities.csv").set_index(index)["value"]
    wins = pd.concat(
        [pd.read_csv(folder / f"wins_vs_{name}.csv").set_index(index) for name in ("task", "pixels")], axis=1
    ).loc[values.index]
    below = set()
    for target in values.index.unique("target"):
        rates, truth = wins.loc[target].to_numpy(), values.loc[target].to_numpy()
        weights = ahp(from_references(rates))
        agreed = spearmanr(weights, truth).statistic
        print(f"{target:30s} {agreed:.3f}")
        if agreed < 0.95:
            below.add(target)
            silent = (rates < 0.001).all(axis=1)
            assert silent.sum() >= 20 and np.ptp(np.log(weights[silent])) < 1e-9 < np.ptp(np.log(truth[silent]))
            weights[silent] *= 1 + 1e-6 * truth[silent].argsort().argsort()
            assert spearmanr(weights, truth).statistic > 0.95
    assert below == {"autoencoder", "denoise", "edge2d"}
