"""Which tasks are alike: a tree from what they transfer to."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from headstart.results import Answer, DataError
from headstart.taskonomy.table import affinity_matrix

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

Scale = Literal["log", "exponential", "linear"]
Linkage = Literal["average", "complete", "single", "ward"]
_BETA = 20.0  # of the paper's distance exp(-beta P)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskTree(Answer):
    """Tasks joined by the likeness of what they transfer to.

    Attributes
    ----------
    tasks : tuple of str
        The leaves, in the order of the table's columns.
    clusters : tuple of tuple of str
        The tree cut: tasks that are alike, the largest cluster first.
    merges : ndarray of float64, shape (n - 1, 4)
        SciPy's linkage matrix: the two nodes that are joined, their distance, how many leaves are below.
    patterns : DataFrame
        What was clustered: one row a task, one column a target, after scaling.
    """

    tasks: tuple[str, ...]
    clusters: tuple[tuple[str, ...], ...]
    merges: NDArray[np.float64] = dataclasses.field(repr=False)
    patterns: pd.DataFrame = dataclasses.field(repr=False)

    question = "Which tasks are alike?"

    def headline(self) -> str:
        """One sentence: the clusters."""
        return f"{len(self.clusters)} groups of tasks: {'; '.join(', '.join(one) for one in self.clusters)}."

    def cut(self, n_clusters: int) -> tuple[tuple[str, ...], ...]:
        """Return the tree cut into at most ``n_clusters`` groups, the largest first.

        Raises
        ------
        DataError
            If ``n_clusters`` is not between 1 and the number of tasks.
        """
        from scipy.cluster.hierarchy import fcluster

        if not 1 <= n_clusters <= len(self.tasks):
            raise DataError(f"n_clusters is {n_clusters}: give 1 to {len(self.tasks)}, the number of tasks")
        labels = fcluster(self.merges, n_clusters, criterion="maxclust")
        groups = [tuple(self.tasks[k] for k in np.flatnonzero(labels == label)) for label in np.unique(labels)]
        return tuple(sorted(groups, key=lambda group: -len(group)))

    def joins(self) -> tuple[tuple[frozenset[str], frozenset[str], frozenset[str]], ...]:
        """Return each node of the tree, from the leaves up: the tasks below it, and those below its two parts."""
        below = [frozenset([task]) for task in self.tasks]
        result = []
        for left, right in self.merges[:, :2].astype(int):
            below.append(below[left] | below[right])
            result.append((below[-1], below[left], below[right]))
        return tuple(result)

    def branches(self) -> dict[frozenset[str], float]:
        """Return the tasks below each node of the tree, leaves included, and the distance at which it joins them."""
        leaves = {frozenset([task]): 0.0 for task in self.tasks}
        return leaves | {
            node: float(height) for (node, _, _), height in zip(self.joins(), self.merges[:, 2], strict=True)
        }

    def to_frame(self) -> pd.DataFrame:
        """Return one row a task, in the order of the tree's leaves: the number of its cluster, from 1."""
        import pandas as pd
        from scipy.cluster.hierarchy import leaves_list

        order = [self.tasks[k] for k in leaves_list(self.merges)]
        number = {task: k for k, group in enumerate(self.clusters, 1) for task in group}
        return pd.DataFrame({"cluster": [number[task] for task in order]}, index=pd.Index(order, name="task"))

    def plot(self) -> Figure:
        """Return the tree as a dendrogram."""
        from headstart.taskonomy.plots import dendrogram

        return dendrogram(self)


def task_tree(
    affinity: pd.DataFrame,
    n_clusters: int | None = None,
    *,
    scale: Scale = "log",
    linkage: Linkage = "average",
) -> TaskTree:
    """Join tasks that transfer alike, by agglomerative clustering of their first-order affinities to all targets.

    A task is described by its column of the affinity matrix: how well it transfers to each target. Columns are
    compared by Euclidean distance, after scaling.

    Parameters
    ----------
    affinity : DataFrame
        Columns ``sources``, ``target``, ``value``; only transfers from a single task are looked at.
    n_clusters : int, optional
        Where to cut; by default where the mean silhouette is highest.
    scale : {"log", "exponential", "linear"}
        ``log``: logarithms, standardized by target. AHP affinities say how many times better, so that their
        differences are on the logarithm; each target counts the same. ``exponential``: the paper's distance,
        exp(-20 P), which depends on how many transfers share a target's sum. ``linear``: standardized by target, for
        affinities that are not ratios, such as accuracies.
    linkage : {"average", "complete", "single", "ward"}
        How the distance of clusters follows from the distances of their tasks.

    Returns
    -------
    TaskTree

    Raises
    ------
    DataError
        If the table cannot be used, there are fewer than three tasks, a transfer was not measured, or an affinity has
        no logarithm.

    References
    ----------
    Zamir et al. (2018), Taskonomy, CVPR, figure 14 of the supplement, arXiv 1804.08328.
    """
    import pandas as pd
    from scipy.cluster.hierarchy import linkage as join

    matrix = affinity_matrix(affinity)
    if matrix.shape[1] < 3:
        raise DataError(f"{matrix.shape[1]} tasks are no tree: give the affinities of three or more")
    missing = np.argwhere(matrix.isna().to_numpy())
    if len(missing):
        target, source = matrix.index[missing[0, 0]], matrix.columns[missing[0, 1]]
        raise DataError(f"the affinity of {source} to {target} is missing: measure it, or leave one of them out")
    features = _scaled(matrix, scale)
    merges = join(features, method=linkage, metric="euclidean")
    tree = TaskTree(
        tasks=tuple(matrix.columns),
        clusters=(),
        merges=merges,
        patterns=pd.DataFrame(features, index=matrix.columns, columns=matrix.index),
    )
    return dataclasses.replace(tree, clusters=tree.cut(n_clusters or _natural(tree)))


def _scaled(matrix: pd.DataFrame, scale: Scale) -> NDArray[np.float64]:
    values: NDArray[np.float64] = matrix.to_numpy(dtype=np.float64).T
    if scale == "exponential":
        return np.exp(-_BETA * values)
    if scale == "log":
        if not (values > 0).all():
            source, target = np.argwhere(~(values > 0))[0]
            raise DataError(
                f"the affinity of {matrix.columns[source]} to {matrix.index[target]} is {values[source, target]:g}, "
                "which has no logarithm: use scale='linear'"
            )
        values = np.log(values)
    elif scale != "linear":
        raise DataError(f"scale is {scale!r}: give 'log', 'exponential' or 'linear'")
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    result: NDArray[np.float64] = np.divide(
        centred, spread, out=np.zeros_like(centred), where=spread > 1e-12 * np.abs(values).max()
    )
    return result


def _natural(tree: TaskTree) -> int:
    """Return the number of clusters with the highest mean silhouette; 1 where all tasks transfer the same."""
    from scipy.cluster.hierarchy import fcluster
    from sklearn.metrics import silhouette_score

    features = tree.patterns.to_numpy()
    best, found = -1.0, 1
    for n in range(2, len(tree.tasks)):
        labels = fcluster(tree.merges, n, criterion="maxclust")
        if 2 <= len(np.unique(labels)) < len(labels):
            score = float(silhouette_score(features, labels))
            if score > best + 1e-12:
                best, found = score, n
    return found
