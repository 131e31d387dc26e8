"""Which few tasks to supervise, and what each target is then transferred from: solved exactly."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.results import DataError
from headstart.taskonomy.table import Transfer, check_known, read_transfers
from headstart.taskonomy.taxonomy import Choice, Taxonomy

if TYPE_CHECKING:
    import pandas as pd

_SCALE = 1e4  # of the objective: the solver stops at an absolute gap of 1e-6, which is then 1e-10 of the value
_SLACK = 1e-9  # of a budget that decimal costs are to add up to


def select_sources(
    affinity: pd.DataFrame,
    budget: float,
    targets: Collection[str] | None = None,
    source_only: Collection[str] | None = None,
    costs: Mapping[str, float] | None = None,
    importance: Mapping[str, float] | None = None,
    *,
    order: int | None = None,
    offer: Collection[str] = (),
    n_alternatives: int = 2,
) -> Taxonomy:
    """Pick the tasks to supervise within a budget, and the transfer that each target uses, so that value is highest.

    The Boolean integer program of the paper: the supervised tasks cost at most ``budget``, each target has exactly
    one transfer, whose sources are all supervised, and the sum of importance times affinity is the highest possible.
    It is solved to optimality (HiGHS).

    Parameters
    ----------
    affinity : DataFrame
        Columns ``sources`` (joined with +), ``target``, ``value`` (higher is better).
    budget : float
        For supervision: the number of tasks, unless there are ``costs``.
    targets : collection of str, optional
        The tasks that are to be solved; every target of the table by default.
    source_only : collection of str, optional
        The tasks that may be supervised though they need not be solved; every other source of the table by default.
    costs : mapping of str to float, optional
        What it costs to label a task, 1 by default; ``math.inf`` for a task that cannot be labelled.
    importance : mapping of str to float, optional
        How much a target counts, 1 by default.
    order : int, optional
        At most so many sources in a transfer; as many as the table has by default.
    offer : collection of str
        Which of ``self`` (the target's own full supervision), ``random`` (an untrained encoder) and ``pixels`` (none)
        may be used. The first needs the target to be supervised, the others need nothing.
    n_alternatives : int
        How many next-best taxonomies to return, if there are so many.

    Returns
    -------
    Taxonomy

    Raises
    ------
    DataError
        If the table cannot be used, a name is not in it, a number is negative, or the budget is too small for every
        target to have a transfer; the message says which budget would do.

    References
    ----------
    Zamir et al. (2018), Taskonomy: disentangling task transfer learning, CVPR, section 3.4, arXiv 1804.08328.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame(
    ...     [("a", "a", 0.5), ("a", "b", 0.4), ("a", "c", 0.1), ("c", "a", 0.2), ("c", "b", 0.1), ("c", "c", 0.6)],
    ...     columns=["sources", "target", "value"],
    ... )
    >>> best = select_sources(table, budget=1)
    >>> best.sources, best.transfers, round(best.value, 2), round(best.gain_of_next_unit, 2)
    (('a',), {'a': ('a',), 'b': ('a',), 'c': ('a',)}, 1.0, 0.5)
    """
    if math.isnan(budget) or budget < 0:
        raise DataError(f"budget is {budget}: give what may be spent on supervision, 0 or more")
    problem = _Problem.of(affinity, targets, source_only, costs, importance, order, offer)
    found = problem.solve(budget)
    if found is None:
        cheapest = problem.cheapest()
        said = "no budget is enough" if cheapest is None else f"{cheapest:g} is the least that is enough"
        raise DataError(f"budget {budget:g} leaves a target without any transfer: {said}")
    best, bound = found
    used = [best]
    for _ in range(n_alternatives):
        another = problem.solve(budget, without=[choice.sources for choice in used])
        if another is None:
            break
        used.append(another[0])
    ceiling = problem.value(problem.tasks)
    more = best if ceiling <= best.value else (problem.solve(budget + 1) or found)[0]
    chosen = problem.best_transfers(best.sources)
    return Taxonomy(
        sources=best.sources,
        transfers={target: transfer.sources for target, transfer in chosen.items()},
        value=best.value,
        affinities={target: transfer.value for target, transfer in chosen.items()},
        importance=problem.importance,
        budget=float(budget),
        cost=best.cost,
        bound=bound,
        next_unit=more,
        alternatives=tuple(used[1:]),
    )


@dataclasses.dataclass(frozen=True)
class _Problem:
    """The program without its budget: variables are, in order, the transfers and the tasks."""

    transfers: tuple[Transfer, ...]
    tasks: tuple[str, ...]
    targets: tuple[str, ...]
    costs: dict[str, float]
    importance: dict[str, float]

    @classmethod
    def of(
        cls,
        affinity: pd.DataFrame,
        targets: Collection[str] | None,
        source_only: Collection[str] | None,
        costs: Mapping[str, float] | None,
        importance: Mapping[str, float] | None,
        order: int | None,
        offer: Collection[str],
    ) -> _Problem:
        transfers = read_transfers(affinity, order=order, offer=offer)
        all_targets = {str(target) for target in affinity["target"]}
        wanted = tuple(dict.fromkeys(affinity["target"] if targets is None else targets))
        if not wanted:
            raise DataError("there is no target: name at least one")
        check_known(wanted, all_targets, "target")
        tasks = sorted(set().union(*(transfer.needs for transfer in transfers)))
        if source_only is not None:
            check_known(source_only, tasks, "source")
            both = set(source_only) & set(wanted)
            if both:
                raise DataError(f"{sorted(both)[0]!r} is a target and source-only: leave it out of one of them")
            tasks = [task for task in tasks if task in wanted or task in source_only]
        prices = _numbers(costs, set(tasks) | all_targets, "cost", infinite=True)
        weights = _numbers(importance, all_targets, "importance")
        tasks = [task for task in tasks if math.isfinite(prices.get(task, 1.0))]
        usable = [t for t in transfers if t.target in wanted and t.needs <= set(tasks)]
        stuck = set(wanted) - {transfer.target for transfer in usable}
        if stuck:
            raise DataError(f"target {sorted(stuck)[0]!r} has no transfer from tasks that may be supervised")
        return cls(
            transfers=_undominated(usable),
            tasks=tuple(tasks),
            targets=wanted,
            costs={task: prices.get(task, 1.0) for task in tasks},
            importance={target: weights.get(target, 1.0) for target in wanted},
        )

    def best_transfers(self, sources: Collection[str]) -> dict[str, Transfer]:
        """Return the best transfer of each target from what is supervised; of equals, the one that needs the least."""
        available = set(sources)
        result: dict[str, Transfer] = {}
        for one in self.transfers:
            if one.needs <= available:
                best = result.get(one.target)
                if best is None or (one.value, -len(one.needs)) > (best.value, -len(best.needs)):
                    result[one.target] = one
        return {target: result[target] for target in self.targets if target in result}

    def value(self, sources: Collection[str]) -> float:
        """Return what supervising ``sources`` is worth."""
        found = self.best_transfers(sources)
        return math.fsum(self.importance[target] * transfer.value for target, transfer in found.items())

    def solve(self, budget: float, without: Sequence[tuple[str, ...]] = ()) -> tuple[Choice, float] | None:
        """Return the best choice that does without a task of each of ``without``, and an upper bound of its value."""
        worth = np.array([self.importance[one.target] * one.value for one in self.transfers])
        size = float(np.abs(worth).max()) * len(self.targets)
        scale = _SCALE / size if size > 0 else 1.0
        cost = np.concatenate([-scale * worth, np.zeros(len(self.tasks))])
        found = self._milp(cost, budget, without)
        if found is None:
            return None
        supervised, bound = found
        chosen = self.best_transfers(supervised)
        used = tuple(sorted(set().union(*(transfer.needs for transfer in chosen.values()))))
        price = math.fsum(self.costs[task] for task in used)
        return Choice(used, self.value(used), price), -bound / scale

    def cheapest(self) -> float | None:
        """Return the smallest budget with which every target has a transfer."""
        prices = np.array([self.costs[task] for task in self.tasks])
        found = self._milp(np.concatenate([np.zeros(len(self.transfers)), prices]), math.inf, ())
        return None if found is None else math.fsum(self.costs[task] for task in found[0])

    def _milp(
        self, objective: NDArray[np.float64], budget: float, without: Sequence[tuple[str, ...]]
    ) -> tuple[list[str], float] | None:
        from scipy.optimize import Bounds, LinearConstraint, milp

        n, m = len(self.transfers), len(self.tasks)
        integral = np.concatenate([np.zeros(n), np.ones(m)])  # given the tasks, the best transfers are whole anyway
        constraints = [
            LinearConstraint(self._included(), -np.inf, 0),
            LinearConstraint(self._one_each(), 1, 1),
        ]
        if math.isfinite(budget):
            prices = np.array([[0.0] * n + [self.costs[task] for task in self.tasks]])
            constraints.append(LinearConstraint(prices, -np.inf, budget + _SLACK * max(budget, 1.0)))
        for sources in without:
            if not sources:
                return None
            cut = np.array([[0.0] * n + [float(task in sources) for task in self.tasks]])
            constraints.append(LinearConstraint(cut, -np.inf, len(sources) - 1))
        solved: Any = milp(
            objective, integrality=integral, bounds=Bounds(0, 1), constraints=constraints, options={"mip_rel_gap": 0.0}
        )
        if solved.status == 2:
            return None
        if solved.x is None:
            raise RuntimeError(f"the integer program was not solved: {solved.message}")
        supervised = [task for task, on in zip(self.tasks, solved.x[n:] > 0.5, strict=True) if on]
        bound = solved.fun if solved.mip_dual_bound is None else solved.mip_dual_bound
        return supervised, float(bound)

    def _included(self) -> Any:
        """Constraint I: whoever is read is supervised.

        One row a target and source: of a target's transfers that read the source at most one is used, so that their sum
        is bounded by it. That is far tighter than a row for each transfer.
        """
        from scipy.sparse import coo_array

        n = len(self.transfers)
        pairs = [(one.target, task) for one in self.transfers for task in sorted(one.needs)]
        row = {pair: k for k, pair in enumerate(dict.fromkeys(pairs))}
        column = {task: n + k for k, task in enumerate(self.tasks)}
        entries = [(row[one.target, task], e, 1.0) for e, one in enumerate(self.transfers) for task in one.needs]
        entries += [(k, column[task], -1.0) for (_, task), k in row.items()]
        rows, columns, signs = zip(*entries, strict=True) if entries else ((), (), ())
        where = np.array([rows, columns], dtype=np.int64)
        return coo_array((np.array(signs), tuple(where)), shape=(max(len(row), 1), n + len(self.tasks))).tocsr()

    def _one_each(self) -> Any:
        """Constraint II: each target has exactly one transfer."""
        from scipy.sparse import coo_array

        where = {target: k for k, target in enumerate(self.targets)}
        rows = np.array([where[one.target] for one in self.transfers])
        shape = (len(self.targets), len(self.transfers) + len(self.tasks))
        return coo_array((np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=shape).tocsr()


def _undominated(transfers: Sequence[Transfer]) -> tuple[Transfer, ...]:
    """Drop every transfer that another one of its target matches or beats with no other task."""
    kept: dict[str, list[Transfer]] = {}
    for one in sorted(transfers, key=lambda t: (-t.value, len(t.needs))):
        mine = kept.setdefault(one.target, [])
        if not any(other.needs <= one.needs for other in mine):
            mine.append(one)
    return tuple(one for mine in kept.values() for one in mine)


def _numbers(
    given: Mapping[str, float] | None, known: Collection[str], what: str, infinite: bool = False
) -> dict[str, float]:
    result = {}
    for name, number in (given or {}).items():
        check_known([name], known, "task")
        if math.isnan(number) or number < 0 or (math.isinf(number) and not infinite):
            raise DataError(f"the {what} of {name!r} is {number}: give a number, 0 or more")
        result[name] = float(number)
    return result
