"""What the weightings and boosting cost: KMM beside the dense QP in cvxopt, paired rounds; both against the rows.

The quadratic program is the same: an RBF kernel of the median width on five features, 2,000 source and 2,000 target
rows, B = 1000, eps = 1 - 1/sqrt(ns). Both get the kernel ready made (ours in single precision), and cvxopt sparse
constraints; beside it stands the whole of KMM, kernels and their width included. A round runs both, one after the
other; a first one is left out. Times are the processor's, with one thread (OMP_NUM_THREADS=1).

    pip install cvxopt
    python benchmarks/transfer/instance_speed.py [--rounds 3] [--write docs/transfer-instances.md]
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from headstart.transfer.instance import (
    DynamicTrAdaBoost,
    TrAdaBoost,
    classifier_weights,
    kliep_weights,
    kmm_weights,
    neighbour_weights,
    ulsif_weights,
)
from headstart.transfer.instance._rows import Rows
from headstart.transfer.instance.kmm import matched, width
from headstart.transfer.instance.quadratic import Bounds, least_quadratic

Array = np.ndarray[Any, Any]


def sides(ns: int, nt: int, d: int = 5, seed: int = 0) -> tuple[Array, Array]:
    """Return a source and a target that is shifted and narrower."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(ns, d)), 0.8 * rng.normal(size=(nt, d)) + 0.5


def against_cvxopt(rounds: int, n: int = 2000) -> list[str]:
    """Return the lines of the table of paired rounds."""
    from cvxopt import matrix, solvers, spmatrix
    from sklearn.metrics.pairwise import rbf_kernel

    solvers.options["show_progress"] = False
    lines = [
        "| round | cvxopt, s | ours, s | ratio | ours with the kernels, s | objective over cvxopt's - 1 |",
        "|---|---|---|---|---|---|",
    ]
    ratios = []
    for seed in range(rounds + 1):
        rows = Rows.of(*sides(n, n, seed=seed))
        started = time.process_time()
        ours = matched(rows, B=1000.0, eps=None, gamma=None, n_components=None, random_state=0)
        whole = time.process_time() - started
        gamma, eps = width(rows), 1 - 1 / np.sqrt(n)
        K = rbf_kernel(rows.source, gamma=gamma)
        kappa = rbf_kernel(rows.source, rows.target, gamma=gamma).sum(axis=1)
        single, bounds = K.astype(np.float32), Bounds(1000.0, n * (1 - eps), n * (1 + eps))
        started = time.process_time()
        least_quadratic(lambda w, K=single: np.asarray(K @ w.astype(np.float32), np.float64), kappa, bounds)
        took = time.process_time() - started
        each = range(n)
        G = spmatrix([*[-1.0] * n, *[1.0] * n, *[1.0] * n, *[-1.0] * n],
                     [*each, *range(n, 2 * n), *[2 * n] * n, *[2 * n + 1] * n], [*each] * 4)  # fmt: skip
        h = matrix([0.0] * n + [1000.0] * n + [n * (1 + eps), -n * (1 - eps)])
        P, q = matrix(K), matrix(-kappa)
        started = time.process_time()
        theirs = solvers.qp(P, q, G, h)
        slow = time.process_time() - started
        if not seed:  # what is imported and allocated for the first time is no cost of either
            continue
        ratios.append(slow / took)
        off = (ours.x @ K @ ours.x / 2 - kappa @ ours.x) / theirs["primal objective"] - 1
        lines.append(f"| {seed} | {slow:.2f} | {took:.2f} | {slow / took:.1f} | {whole:.2f} | {off:+.1e} |")
        print(lines[-1], flush=True)
    low, middle, high = np.min(ratios), np.median(ratios), np.max(ratios)
    lines += ["", f"Ratio: min {low:.1f}, median {middle:.1f}, max {high:.1f}."]
    return lines


def rows_alike(n: int = 4095) -> str:
    """Return what becomes of the last 95 rows of 4,095 that are copies of the first, in the dense problem."""
    Xs, Xt = sides(n, 1000)
    Xs[-95:] = Xs[:95]
    rows = Rows.of(Xs, Xt)
    solved = np.empty(n)  # as the solver leaves them; what is handed out is the mean over copies
    solved[rows.place] = matched(rows, B=1000.0, eps=None, gamma=None, n_components=None, random_state=0).x
    apart = np.abs(solved[-95:] - solved[:95]).max()
    order = np.random.default_rng(0).permutation(n)
    same = np.array_equal(kmm_weights(Xs[order], Xt), kmm_weights(Xs, Xt)[order])
    return (
        f"KMM at {n:,} source rows, whole kernel: the last 95 are copies of the first 95, and the solver's weights of "
        f"the two differ by {apart:.1e} at most (mean {solved.mean():.2f}, largest {solved.max():.1f}). "
        f"Permuting the rows permutes the weights to the bit: {'yes' if same else 'no'}."
    )


def by_rows() -> list[str]:
    """Return seconds of boosting, 100 rounds, and of the weightings, by the number of source rows."""
    warnings.simplefilter("ignore")
    sizes: tuple[int, ...] = (5000, 10_000, 20_000, 40_000)
    lines = [f"| boosting, 100 rounds, 10 features | {' | '.join(f'{n:,} rows' for n in sizes)} | exponent |"]
    lines += ["|---|" + "---|" * (len(sizes) + 1)]
    for method in (TrAdaBoost, DynamicTrAdaBoost):
        took = []
        for n in sizes:
            Xs, Xt = sides(n, 200, d=10)
            ys, yt = (X[:, 0] + 0.5 * X[:, 1] ** 2 > 0.5 for X in (Xs, Xt))
            took.append(_seconds(lambda ys=ys, yt=yt, Xs=Xs, Xt=Xt: method(n_estimators=100).fit(Xs, ys, Xt, yt)))  # noqa: B023
        lines.append(_line(method.__name__, took, sizes))
    sizes = (25_000, 50_000, 100_000)
    lines += ["", f"| weighting, 2,000 target rows, 10 features | {' | '.join(f'{n:,}' for n in sizes)} | exponent |"]
    lines += ["|---|" + "---|" * (len(sizes) + 1)]
    for weigh in (kmm_weights, kliep_weights, ulsif_weights, classifier_weights, neighbour_weights):
        took = []
        for n in sizes:
            Xs, Xt = sides(n, 2000, d=10)
            took.append(_seconds(lambda weigh=weigh, Xs=Xs, Xt=Xt: weigh(Xs, Xt)))
        lines.append(_line(weigh.__name__, took, sizes))
    return lines


def _seconds(work: Any) -> float:
    """Return the processor's seconds, which colleagues on the same machine do not change much."""
    started = time.process_time()
    work()
    return time.process_time() - started


def _line(name: str, took: list[float], sizes: tuple[int, ...]) -> str:
    slope = np.polyfit(np.log(sizes), np.log(took), 1)[0]
    line = f"| {name} | {' | '.join(f'{one:.1f}' for one in took)} | {slope:.2f} |"
    print(line, flush=True)
    return line


def memory() -> str:
    """Return the peak of memory after all of that."""
    import resource

    return f"Peak memory of the whole run: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GB."


def main() -> None:
    """Measure; print and write the tables."""
    from common import publish

    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["kmm", "rows"])
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    if options.only != "rows":
        publish("\n".join([*against_cvxopt(options.rounds), "", rows_alike()]), options.write, "kmm")
    if options.only != "kmm":
        publish("\n".join([*by_rows(), "", memory()]), options.write, "rows")


if __name__ == "__main__":
    main()
