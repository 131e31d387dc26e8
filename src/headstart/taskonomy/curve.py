"""What each unit of budget buys: the best taxonomy of every budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.results import Answer, DataError
from headstart.taskonomy.select import select_sources
from headstart.taskonomy.table import affinity_matrix, read_transfers
from headstart.taskonomy.taxonomy import Taxonomy

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


@dataclasses.dataclass(frozen=True, kw_only=True)
class BudgetCurve(Answer):
    """The best taxonomy of every budget.

    Attributes
    ----------
    taxonomies : tuple of Taxonomy
        By rising budget.
    rates : dict of str to tuple of float
        By name (``gain``, ``quality``): for each budget the mean win rate, over targets and weighted by importance, of
        the transfers that are used; NaN where the rate of one of them is not known.
    """

    taxonomies: tuple[Taxonomy, ...]
    rates: dict[str, tuple[float, ...]]

    question = "What does each unit of budget buy?"

    def headline(self) -> str:
        """One sentence: how soon most of what can be reached is reached."""
        last = self.taxonomies[-1]
        if not last.value > 0:
            return f"{len(self.taxonomies)} budgets, of which none reaches anything."
        enough = next(one for one in self.taxonomies if one.value >= 0.9 * last.value)
        return (
            f"A budget of {enough.budget:g} reaches {enough.value / last.value:.0%} of what {last.budget:g} reaches: "
            f"{', '.join(enough.sources)}."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row a budget: value, what the unit added, win rates, cost, sources (joined with a comma)."""
        import pandas as pd

        values = [one.value for one in self.taxonomies]
        columns: dict[str, Any] = {"value": values, "added": np.diff(values, prepend=np.nan), **self.rates}
        columns["cost"] = [one.cost for one in self.taxonomies]
        columns["sources"] = [", ".join(one.sources) for one in self.taxonomies]
        return pd.DataFrame(columns, index=pd.Index([one.budget for one in self.taxonomies], name="budget"))

    def plot(self) -> Figure:
        """Return value and win rates against budget."""
        from headstart.taskonomy.plots import budget_lines

        return budget_lines(self)


def budget_curve(
    affinity: pd.DataFrame,
    budgets: Sequence[float] | None = None,
    *,
    rates: Mapping[str, pd.DataFrame] | None = None,
    **settings: Any,
) -> BudgetCurve:
    """Solve the selection of sources for every budget.

    Parameters
    ----------
    affinity : DataFrame
        As in ``select_sources``.
    budgets : sequence of float, optional
        From 1 to the number of tasks that occur as sources by default.
    rates : mapping of str to DataFrame, optional
        Tables like ``affinity`` of win rates by which taxonomies are judged: in the paper the *gain* of a transfer is
        its win rate against a network trained from scratch on the same few examples, its *quality* that against full
        supervision.
    **settings
        As in ``select_sources``: targets, source_only, costs, importance, order, offer.

    Returns
    -------
    BudgetCurve

    Raises
    ------
    DataError
        As ``select_sources``, and if there is no budget.

    References
    ----------
    Zamir et al. (2018), Taskonomy, CVPR, figures 8 and 9, arXiv 1804.08328.
    """
    if budgets is None:
        budgets = range(1, affinity_matrix(affinity).shape[1] + 1)
    if len(budgets) == 0:
        raise DataError("there is no budget: give one or more")
    known = {name: _read_rates(table) for name, table in (rates or {}).items()}
    solved = tuple(select_sources(affinity, one, n_alternatives=0, **settings) for one in sorted(budgets))
    return BudgetCurve(
        taxonomies=solved,
        rates={name: tuple(_mean(one, table) for one in solved) for name, table in known.items()},
    )


def _read_rates(table: pd.DataFrame) -> dict[tuple[frozenset[str], str], float]:
    transfers = read_transfers(table, offer=("self", "random", "pixels"))
    return {(frozenset(one.sources), one.target): one.value for one in transfers}


def _mean(taxonomy: Taxonomy, rates: Mapping[tuple[frozenset[str], str], float]) -> float:
    found = [rates.get((frozenset(sources), target), np.nan) for target, sources in taxonomy.transfers.items()]
    weights = [taxonomy.importance[target] for target in taxonomy.transfers]
    return float(np.average(found, weights=weights)) if sum(weights) > 0 else float("nan")
