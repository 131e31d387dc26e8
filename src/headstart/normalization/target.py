"""A source on a person's own pictures: the audit of its normalization layers, and their statistics."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.normalization.audit import Audit, audit
from headstart.results import DataError
from headstart.results.terminal import progress

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from headstart.data.pictures import PictureSet
    from headstart.sources import Preprocessing, Source

MOST = 64  # pictures: means of channels are then known to a hundredth of a standard deviation, over all positions
ENOUGH = 256  # pictures to take statistics from
_BATCH = 64


def audit_source(
    data: Any,
    source: str | Path | Source = "lite0",
    *,
    batch_size: int = 32,
    until: str | None = None,
    most: int = MOST,
    cost: bool = False,
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
    cost : bool
        See :func:`audit`.
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
    from headstart.data.sample import load_sample
    from headstart.sources import get

    target, rows = load_sample(data, most, seed=seed, quiet=quiet, **load)
    assert target.pictures is not None
    n = len(target.rows("train", "val"))
    return audit_pictures(target.pictures, rows, get(source), batch_size=batch_size, until=until, n=n, cost=cost)


def audit_pictures(
    pictures: PictureSet,
    rows: NDArray[np.int64],
    source: Source,
    *,
    batch_size: int,
    n: int,
    until: str | None = None,
    held: bool = False,
    cost: bool = False,
) -> Audit:
    """Return the audit of a source on some rows of ``n`` pictures; ``held`` is for statistics that training holds."""
    import torch

    from headstart.finetuning.freezing import freeze
    from headstart.normalization.inputs import examine_preprocessing
    from headstart.training.frozen import freeze_statistics

    preprocessing = source.preprocessing
    fitted = prepared(pictures, rows, preprocessing)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
    sample = (torch.from_numpy(fitted).permute(0, 3, 1, 2) / 255 - mean) / std
    network = source.network()
    wrong = tuple(examine_preprocessing(network, fitted, preprocessing))
    if held:
        freeze_statistics(network)
    if until is not None:
        freeze(network, until=until)
    answer = audit(network.train(), batch_size, sample, n=n, cost=cost, findings=wrong)
    note = f"{len(rows):,} of {n:,} pictures were looked at, a stratified sample"
    return dataclasses.replace(answer, warnings=(*answer.warnings, note)) if len(rows) < n else answer


def recalibrate_source(
    pictures: PictureSet, source: Source, *, prior: float = 0.0, seed: int = 0, quiet: bool = True
) -> Source:
    """Return ``source`` with the running statistics of ``pictures``; see :func:`headstart.normalization.recalibrate`.

    It is precise batch normalization: one pass, in which each layer normalizes by the batch of 64 at hand, drawn from
    all pictures in a mixed order. A second and third pass, in evaluation, would change every layer at once, and on
    deep networks what the lower ones move throws the upper ones far off before they settle. The statistics are kept in
    the cache, by the source and the bytes of the pictures.

    Parameters
    ----------
    pictures : PictureSet
        Of the development part; no label is looked at.
    source : Source
        With its exact preprocessing.
    prior : float
        See :func:`headstart.normalization.recalibrate`.
    seed : int
        Of the order.
    quiet : bool
        Whether to show no progress.

    Raises
    ------
    DataError
        If the network has no batch normalization with running statistics, or there is no picture.
    """
    import torch
    from safetensors.torch import save

    from headstart.features.taps import TappedNetwork
    from headstart.normalization.recalibrate import recalibrate
    from headstart.results.cache import cache_folder
    from headstart.results.files import is_intact, write_checked

    if not len(pictures):
        raise DataError("no picture to recalibrate with")
    bytes_of = hashlib.sha256(pictures.digests.tobytes()).hexdigest()
    parts = [1, source.as_trained.fingerprint, source.preprocessing.to_dict(), bytes_of, prior, seed]
    stem = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
    folder = cache_folder() / "statistics"
    path = next((path for path in folder.glob(f"{stem}-*.safetensors") if is_intact(path)), None)
    if path is None:
        tapped = TappedNetwork(source.as_trained).to(memory_format=torch.channels_last)
        order = np.random.default_rng(seed).permutation(len(pictures))
        chunks = np.array_split(order, -(-len(order) // _BATCH))
        with progress(f"{source.name}: recalibrating", len(pictures), quiet=quiet) as advance:

            def batches() -> Iterator[Tensor]:
                for chunk in chunks:
                    yield torch.from_numpy(prepared(pictures, chunk, source.preprocessing))
                    advance(len(chunk))

            found = recalibrate(tapped, batches(), prior=prior, passes=1)
        held = tapped.network.state_dict()
        names = [layer.removeprefix("network.") for layer in found.layers]
        keys = [f"{name}.{what}" for name in names for what in ("running_mean", "running_var")]
        path = write_checked(folder, stem, ".safetensors", save({key: held[key].contiguous() for key in keys}))
    return dataclasses.replace(source, statistics=path)


def prepared(pictures: PictureSet, rows: Iterable[int], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Return pictures as the engine would feed them, (n, height, width, 3), not yet normalized."""
    from headstart.features.preprocess import prepare, shorter_side

    at_least = shorter_side(preprocessing)
    return np.stack([prepare(pictures.open(row, at_least=at_least), preprocessing) for row in rows])
