"""The history at both ends of a fit: what it says before anything is tried, and what it learns in the end."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.pipeline.candidates import PLAIN, way_of
from headstart.results import HeadstartWarning, StorageError
from headstart.results.team import team
from headstart.transfer.history import Record, Trial, WarmStart, describe, history_folder, remember, warm_start
from headstart.transfer.history.warm import kept

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.pipeline.findings import Findings

_DIGITS = 4


def ask_history(
    found: Findings, X: NDArray[np.floating], y: NDArray[np.int64], groups: NDArray[np.int64], folder: Path
) -> WarmStart:
    """Return what earlier targets say of this one: what stands in ``folder``, else a new answer, written there.

    Parameters
    ----------
    found : Findings
        With the source, and the probe.
    X : ndarray, shape (n, d)
        Features of the development rows at the last tap.
    y, groups : ndarray of int64, shape (n,)
    folder : Path
        Where the work is kept until the run is finished.
    """
    assert found.source is not None and found.probe is not None
    found.meta = describe(X, y, groups, seed=found.settings.seed)
    scores = [tap.score.value for tap in found.probe.taps]
    found.meta.update(last_over_first=scores[-1] - scores[0], best_over_last=max(scores) - scores[-1])
    if (similarity := found.probe.similarity.overall) is not None:
        found.meta["similarity"] = similarity
    meta, name, data = found.meta, found.source.name, found.target.fingerprint

    def ask() -> WarmStart:
        return warm_start(meta, modality="pictures", source=name, data=data, centre=_centre(X))

    return team().first(lambda: kept(folder / "history.json", ask))


def remember_run(found: Findings, X: NDArray[np.floating]) -> None:
    """Leave the run to the history: the target in numbers, and how each way did; a full disk is only warned of."""
    if history_folder() is None:
        return
    target = found.target
    development = target.rows("train", "val")
    y, rows = target.y[development], X[development]
    meta = found.meta or describe(rows, y, target.groups[development], seed=found.settings.seed)
    record = Record(
        target=target.name,
        data=target.fingerprint,
        modality=target.modality,
        source=found.source.name if found.source else "",
        meta={name: round(float(value), 6) for name, value in meta.items()},
        trials=_trials(found, y),
        rounds=tuple(found.bakeoff.rounds) if found.bakeoff else (),
        centre=_centre(rows) if found.source else (),
    )
    try:
        remember(record)
    except StorageError as error:
        warnings.warn(f"this run is not remembered: {error}", HeadstartWarning, stacklevel=2)


def _trials(found: Findings, y: NDArray[np.int64]) -> tuple[Trial, ...]:
    from headstart.metrics import scores

    if found.bakeoff is not None:
        return tuple(
            Trial(way_of(one.name), one.kind, one.detail, one.macro_f1, one.log_loss, one.n)
            for one in found.bakeoff.entries
        )
    assert found.validation is not None
    reached = scores(y, found.validation.probabilities)
    name = PLAIN if found.source else "logistic"
    settings = f"C = {found.validation.C:g}"
    return (Trial(name, "frozen", settings, reached["macro_f1"], reached["log_loss"], len(y)),)


def _centre(X: NDArray[np.floating]) -> tuple[float, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") for value in X.mean(axis=0, dtype=np.float64))
