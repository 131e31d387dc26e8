"""From a target to the features that its head learns from."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

import numpy as np

from headstart.pipeline.findings import Findings, Tell
from headstart.pipeline.plan import Plan, Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import Target
    from headstart.features.backends import Choice
    from headstart.sources import Fit, Source


def choose_engine_for(target: Target, source: Source, settings: Settings) -> Choice:
    """Return the engine of a new plan."""
    from headstart.features.activations import choose_engine

    assert target.pictures is not None
    pictures = target.pictures.subset(readable(target))
    return choose_engine(pictures, source, backend=settings.backend, device=settings.device)


def readable(target: Target) -> NDArray[np.int64]:
    """Return the rows whose picture can be decoded."""
    return np.array([row for row, name in enumerate(target.ids) if name not in target.unreadable], dtype=np.int64)


def features(found: Findings, plan: Plan, tell: Tell, limit: int, quiet: bool) -> NDArray[np.floating]:
    """Return what the head learns from, (n, d), with NaN where a row cannot be read."""
    target, settings, source = found.target, found.settings, found.source
    if target.features is not None:
        return target.features
    from headstart.data.splits import sample_rows
    from headstart.features.activations import compute
    from headstart.features.graph import LAST
    from headstart.pipeline.input_fit import SAMPLE, InputFit, choose_input_fit

    assert source is not None and target.pictures is not None
    pictures, choice = target.pictures, plan.choice

    def last(rows: NDArray[np.int64], fit: Fit, label: str) -> NDArray[np.float32]:
        preprocessing = dataclasses.replace(source.preprocessing, fit=fit)
        found.source = dataclasses.replace(source, preprocessing=preprocessing)
        activations = compute(
            pictures.subset(rows),
            found.source,
            taps=[LAST],
            choice=choice,
            cache_size=limit,
            label=label,
            quiet=quiet,
        )
        found.count(activations.n_passed, activations.n_damaged)
        return activations[LAST]

    own = source.preprocessing.fit
    if settings.input_fit == "auto":
        sample = sample_rows(target.y, target.rows("train", "val"), SAMPLE, np.random.default_rng(settings.seed))
        with found.timed("input_fit"):
            found.input_fit = choose_input_fit(
                lambda fit: last(sample, fit, f"{source.name}: trying {fit}"),
                target.y[sample],
                target.groups[sample],
                own=own,
                random_state=settings.seed,
            )
    else:
        found.input_fit = InputFit(fit=cast("Fit", settings.input_fit), own=own)
    tell(found.input_fit)
    rows = readable(target)
    with found.timed("features"):
        vectors = last(rows, found.input_fit.fit, f"{source.name}: features")
    X = np.full((len(target), vectors.shape[1]), np.nan, dtype=np.float32)
    X[rows] = vectors
    return X


def features_of(
    found: Findings, plan: Plan, limit: int, quiet: bool, other: Target, rows: NDArray[np.int64]
) -> NDArray[np.floating]:
    """Return the features of other data's rows, (m, d), made as the target's were."""
    if other.features is not None:
        return other.features[rows]
    from headstart.features.activations import compute
    from headstart.features.graph import LAST

    assert other.pictures is not None and found.source is not None
    choice = plan.choice
    activations = compute(
        other.pictures.subset(rows), found.source, taps=[LAST], choice=choice, cache_size=limit,
        label=f"{found.source.name}: {other.name}", quiet=quiet,
    )  # fmt: skip
    found.count(activations.n_passed, activations.n_damaged)
    return activations[LAST]
