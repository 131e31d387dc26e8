"""The table of affinities: what may be transferred to what, checked and read once."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import numpy as np

from headstart.results import DataError

if TYPE_CHECKING:
    import pandas as pd

# Sources that are no task: the target's own full supervision, an untrained encoder, and no encoder at all.
BASELINES = ("self", "random", "pixels")


@dataclasses.dataclass(frozen=True)
class Transfer:
    """One way to solve a target.

    Attributes
    ----------
    sources : tuple of str
        Whose encoders are read, as the table names them.
    target : str
    value : float
        The affinity, higher is better.
    needs : frozenset of str
        The tasks that must be supervised for it: the sources; for ``self`` the target; nothing for other baselines,
        which may stand beside tasks.
    """

    sources: tuple[str, ...]
    target: str
    value: float
    needs: frozenset[str]


def read_transfers(
    affinity: pd.DataFrame, *, order: int | None = None, offer: Collection[str] = ()
) -> tuple[Transfer, ...]:
    """Return the rows of an affinity table that may be used.

    Parameters
    ----------
    affinity : DataFrame
        Columns ``sources`` (joined with +), ``target``, ``value``; one row for each transfer.
    order : int, optional
        At most so many sources in a transfer; all by default.
    offer : collection of str
        Which of ``self``, ``random`` and ``pixels`` may be used as sources, alone or beside tasks.

    Raises
    ------
    DataError
        If a column is missing, there is no row, a value is not finite, a row stands twice, or an argument is not
        possible.
    """
    lacking = {"sources", "target", "value"} - set(affinity.columns)
    if lacking:
        raise DataError(f"the affinity table has no column {sorted(lacking)[0]!r}: it needs sources, target, value")
    unknown = set(offer) - set(BASELINES)
    if unknown:
        raise DataError(f"offer names {sorted(unknown)[0]!r}: only {', '.join(BASELINES)} can be asked for")
    if order is not None and order < 1:
        raise DataError(f"order is {order}: a transfer has at least one source")
    found = []
    seen = set()
    for joined, target, value in _rows(affinity):
        if not np.isfinite(value):
            raise DataError(f"the affinity of {joined} to {target} is {value}: measure it, or leave the row out")
        sources = tuple(joined.split("+"))
        if "" in sources or len(set(sources)) < len(sources):
            raise DataError(f"sources {joined!r} of {target}: give different task names, joined with +")
        if (frozenset(sources), target) in seen:
            raise DataError(f"the affinity of {joined} to {target} stands twice: keep one of the rows")
        seen.add((frozenset(sources), target))
        baselines = set(sources) & set(BASELINES)
        if not baselines <= set(offer) or (order is not None and len(sources) > order):
            continue
        needs = frozenset(sources) - baselines | ({target} if "self" in baselines else set())
        found.append(Transfer(sources, target, value, needs))
    if not found:
        raise DataError("the affinity table has no transfer that may be used: measure some, or raise order")
    return tuple(found)


def affinity_matrix(affinity: pd.DataFrame, *, baselines: bool = False) -> pd.DataFrame:
    """Return the first-order affinities, one row a target and one column a source; NaN where there is none.

    Parameters
    ----------
    affinity : DataFrame
        As in ``read_transfers``.
    baselines : bool
        Whether ``self``, ``random`` and ``pixels`` have columns too.

    Raises
    ------
    DataError
        As ``read_transfers``.
    """
    import pandas as pd

    transfers = read_transfers(affinity, order=1, offer=BASELINES if baselines else ())
    table = pd.DataFrame({"source": t.sources[0], "target": t.target, "value": t.value} for t in transfers)
    return table.pivot(index="target", columns="source", values="value")


def single_sources(affinity: pd.DataFrame, targets: Collection[str] | None = None) -> pd.DataFrame:
    """Return how well each single task transfers to the targets other than itself, the best on top.

    Parameters
    ----------
    affinity : DataFrame
        As in ``read_transfers``.
    targets : collection of str, optional
        All by default.

    Returns
    -------
    DataFrame
        By source: ``mean`` affinity and mean ``rank`` (1 is the best) over the targets other than itself, a rank being
        among the sources other than the target; and ``n``, the number of those targets that it was measured on.

    Raises
    ------
    DataError
        As ``read_transfers``, and if a target is not in the table.
    """
    import pandas as pd

    matrix = affinity_matrix(affinity)
    chosen = list(matrix.index if targets is None else targets)
    check_known(chosen, matrix.index, "target")
    others = matrix.loc[chosen].astype(float)
    for task in set(chosen) & set(others.columns):
        others.loc[task, task] = np.nan
    ranks = others.rank(axis=1, ascending=False)
    result = pd.DataFrame({"mean": others.mean(), "rank": ranks.mean(), "n": others.notna().sum()})
    return result.sort_values("mean", ascending=False, kind="stable")


def check_known(names: Collection[str], known: Collection[str], what: str) -> None:
    """Raise ``DataError`` for the first of ``names`` that the table does not have as a ``what``."""
    for name in names:
        if name not in known:
            raise DataError(
                f"{name!r} is no {what} of the affinity table, which has {', '.join(sorted(known)[:8])}, ..."
            )


def _rows(affinity: pd.DataFrame) -> Iterator[tuple[str, str, float]]:
    for joined, target, value in affinity[["sources", "target", "value"]].itertuples(index=False, name=None):
        yield str(joined), str(target), float(value)
