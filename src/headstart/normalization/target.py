"""The audit of a source on a person's own pictures."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.normalization.audit import Audit, audit

if TYPE_CHECKING:
    from headstart.sources import Source

MOST = 64  # pictures: means of channels are then known to a hundredth of a standard deviation, over all positions


def audit_source(
    data: Any,
    source: str | Path | Source = "lite0",
    *,
    batch_size: int = 32,
    until: str | None = None,
    most: int = MOST,
    seed: int = 0,
    quiet: bool = True,
    **load: Any,
) -> Audit:
    """Audit the normalization layers of a source as it would be trained on a target; see :func:`audit`.

    A sample of the development part is passed through it, prepared as the source was trained.

    Parameters
    ----------
    data : Target or anything that ``load_target`` takes
        Pictures.
    source : str, Path or Source
        See ``headstart.sources.get``.
    batch_size : int
        Of training.
    until : str, optional
        The stage below which everything is frozen, as ``headstart.finetuning.freeze`` does it.
    most : int
        Pictures that are looked at.
    seed : int
        Of the sample.
    quiet : bool
        Whether to show no progress.
    **load
        Handed to ``load_target``.

    Raises
    ------
    DataError, SourceError
        If there are no pictures, no such source or no such stage.
    """
    import torch

    from headstart.data.sample import load_sample
    from headstart.features.preprocess import prepare, shorter_side
    from headstart.finetuning.freezing import freeze
    from headstart.sources import get

    target, rows = load_sample(data, most, seed=seed, quiet=quiet, **load)
    assert target.pictures is not None
    found = get(source)
    preprocessing, pictures = found.preprocessing, target.pictures
    fitted = [prepare(pictures.open(row, at_least=shorter_side(preprocessing)), preprocessing) for row in rows]
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
    sample = (torch.from_numpy(np.stack(fitted)).permute(0, 3, 1, 2) / 255 - mean) / std
    network = found.network()
    if until is not None:
        freeze(network, until=until)
    n = len(target.rows("train", "val"))
    answer = audit(network.train(), batch_size, sample, n=n)
    note = f"{len(rows):,} of {n:,} pictures were looked at, a stratified sample"
    return dataclasses.replace(answer, warnings=(*answer.warnings, note)) if len(rows) < n else answer
