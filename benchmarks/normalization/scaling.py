"""One parameter that rules the update: gradient descent on a table as it comes and scaled, and what scaling scores.

python benchmarks/normalization/scaling.py [--write docs/scaling.md]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.preprocessing import RobustScaler, StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import publish

from headstart.evaluation import cross_validate
from headstart.training.scaling import SCALINGS, Ranks

Floats = NDArray[np.float64]
PENALTY = 1e-3
STEPS = 10_000
NEAR = 0.01  # of the way from the first loss to the lowest


def ways(X: Floats) -> dict[str, Floats]:
    """Return the table as it comes, and scaled."""
    ranks = Ranks.of(X).transform(X)
    return {
        "as they come": X,
        "standard": StandardScaler().fit_transform(X),
        "robust": RobustScaler().fit_transform(X),
        "quantile": StandardScaler().fit_transform(ranks),
    }


def loss(X: Floats, sign: Floats, w: Floats) -> float:
    """Mean log loss of labels -1 and 1, with a small penalty."""
    return float(np.logaddexp(0, -sign * (X @ w)).mean() + PENALTY / 2 * w @ w)


def gradient(X: Floats, sign: Floats, w: Floats) -> Floats:
    """Its gradient."""
    return -X.T @ (sign * expit(-sign * (X @ w))) / len(X) + PENALTY * w


def descend(X: Floats, sign: Floats, optimum: float) -> tuple[int | None, float]:
    """Return steps of gradient descent at the rate 1 / L until near the optimum, and the loss after all steps."""
    rate = 1 / (np.linalg.norm(X, 2) ** 2 / (4 * len(X)) + PENALTY)
    w = np.zeros(X.shape[1])
    first, reached = loss(X, sign, w), None
    for step in range(1, STEPS + 1):
        w -= rate * gradient(X, sign, w)
        if reached is None and loss(X, sign, w) <= optimum + NEAR * (first - optimum):
            reached = step
            break
    return reached, loss(X, sign, w)


def lowest(X: Floats, sign: Floats) -> float:
    """Return the lowest loss, by a method of second order."""
    from scipy.optimize import minimize

    # Columns are divided by their size for the solver alone; the penalty stays that of the columns as given.
    size = np.sqrt((X**2).mean(axis=0))
    size[size == 0] = 1
    found = minimize(
        lambda v: loss(X, sign, v / size), np.zeros(X.shape[1]),
        jac=lambda v: gradient(X, sign, v / size) / size, method="L-BFGS-B", options={"maxiter": 20_000, "gtol": 1e-9},
    )  # fmt: skip
    return float(found.fun)


def rows() -> list[str]:
    """Return the table of the gradient and of descent."""
    data = load_breast_cancer()
    sign = 2.0 * data.target - 1
    names = list(data.feature_names)
    lines = [
        "| features | largest share of the first gradient's squared length | next | steps to within 1 % |",
        "|---|---|---|---|",
    ]
    for name, X in ways(data.data).items():
        squares = gradient(X, sign, np.zeros(X.shape[1])) ** 2
        shares = squares / squares.sum()
        order = np.argsort(-shares)
        reached, end = descend(X, sign, lowest(X, sign))
        steps = f"{reached:,}" if reached else f"not in {STEPS:,} (loss {end:.3f}, lowest {lowest(X, sign):.3f})"
        first, second = (f"{shares[place]:.0%} {names[place]}" for place in order[:2])
        lines.append(f"| {name} | {first} | {second} | {steps} |")
    return lines


def scores() -> list[str]:
    """Return the table of what the head scores with each scaling."""
    lines = ["| table | " + " | ".join(SCALINGS) + " |", "|---|" + "---|" * len(SCALINGS)]
    for name, load in {"breast cancer": load_breast_cancer, "wine": load_wine}.items():
        data = load()
        found = [
            cross_validate(
                data.data, data.target, np.arange(len(data.target)), classes=list(data.target_names), scaling=scaling
            ).estimate
            for scaling in SCALINGS
        ]
        lines.append(
            f"| {name} | " + " | ".join(f"{one.value:.3f} ({one.low:.3f}–{one.high:.3f})" for one in found) + " |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path)
    path = parser.parse_args().write
    publish("\n".join(rows()), path, "gradient")
    publish("\n".join(scores()), path, "scores")


if __name__ == "__main__":
    main()
