"""``headstart diagnose``: the diagnosis of files, pictures seen through a pretrained network."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.results import DataError
from headstart.scenario.diagnose import MOST, diagnose
from headstart.scenario.given import Given, read_source, read_target
from headstart.scenario.scenario import Scenario

if TYPE_CHECKING:
    from headstart.data.pictures import PictureSet
    from headstart.sources import Source

_GREY = 3  # steps of chroma that a grey JPEG may be off
_MOSTLY = 0.9
_LARGER = 4.0  # times the pixels


def diagnose_data(
    source: Any,
    target: Any,
    *,
    model: str | Path | Source = "lite0",
    target_labels: bool = True,
    image: Any = None,
    label: Any = None,
    split: Any = None,
    group: Any = None,
    most: int = MOST,
    seed: int = 0,
    max_unreadable: float = 0.1,
    backend: str = "auto",
    device: str = "auto",
    cache_size: int | None = None,
    quiet: bool = True,
    **more: Any,
) -> Scenario:
    """Say how a labelled source differs from a target; see :func:`headstart.scenario.diagnose`.

    Pictures are compared by what feeds the classifier of ``model``, through the activation cache. The target's test
    part is not looked at.

    Parameters
    ----------
    source, target : path, DataFrame, (X, y) or Target
        What ``load_target`` takes; columns of tables may also hold text. A target without labels may be any folder of
        pictures, or a table without a column of labels.
    model : str, Path or Source
        See ``headstart.sources.get``.
    target_labels : bool
        Whether the target's labels are looked at.
    image, label, split, group
        Columns of both, as for ``load_target``.
    most : int
        Rows of each side; of more, a random sample.
    seed : int
    max_unreadable : float
        Share of the pictures.
    backend, device, cache_size
        As for :func:`headstart.extract`.
    quiet : bool
        Whether to show no progress.
    **more
        Handed to ``diagnose``.

    Returns
    -------
    Scenario

    Raises
    ------
    DataError
        If one side is pictures and the other is not, or as ``diagnose``.
    """
    load = {
        "image": image, "label": label, "split": split, "group": group, "seed": seed, "quiet": quiet,
        "max_unreadable": max_unreadable,
    }  # fmt: skip
    given = read_source(source, **load), read_target(target, labelled=target_labels, **load)
    if (given[0].pictures is None) != (given[1].pictures is None):
        kinds = ["a table of features" if side.pictures is None else "pictures" for side in given]
        raise DataError(f"the source is {kinds[0]}, the target {kinds[1]}: give pictures on both sides, or tables")
    names = _names(*given)
    if given[0].pictures is None:
        own: Any = given[0].feature_names, given[1].feature_names
        return diagnose(
            given[0].table, given[0].y, given[1].table, given[1].y, names=names, most=most, random_state=seed,
            groups=(given[0].groups, given[1].groups),
            feature_names=None if None in own else own, **more,
        )  # fmt: skip
    from headstart.features.activations import compute
    from headstart.features.cache import DEFAULT_LIMIT
    from headstart.sources import get

    rng = np.random.default_rng(seed)
    network = get(model)
    given, twins = _without_twins(given[0], given[1], names)
    drawn = [_drawn(side, most, rng) for side in given]
    vectors = [
        compute(
            side.pictures, network, taps=["last"], backend=backend, device=device, quiet=quiet,
            cache_size=DEFAULT_LIMIT if cache_size is None else cache_size,
        )["last"]
        for side in drawn
        if side.pictures is not None
    ]  # fmt: skip
    found = diagnose(
        vectors[0], drawn[0].y, vectors[1], drawn[1].y, names=names, most=most, random_state=seed,
        groups=(drawn[0].groups, drawn[1].groups),
        feature_names=[f"{network.name} {number}" for number in range(vectors[0].shape[1])], **more,
    )  # fmt: skip
    sample = tuple(
        f"of {len(side):,} pictures of the {name} a random sample of {most:,} was looked at"
        for side, name in zip(given, names, strict=True)
        if len(side) > most
    )
    sensors = tuple(_sensors(drawn[0].pictures, drawn[1].pictures, names))
    sentence = f"Both are pictures, seen as the same {vectors[0].shape[1]:,} features of {network.name}."
    space = dataclasses.replace(
        found.feature_space, sentence=" ".join([sentence, *(f"{one}." for one in sensors)]), warnings=sensors
    )
    notes = tuple(one for one in found.warnings if one not in found.feature_space.warnings)  # features have no unit
    return dataclasses.replace(found, feature_space=space, warnings=(*twins, *sample, *sensors, *notes))


def _names(source: Given, target: Given) -> tuple[str, str]:
    nameless = {"", "arrays", "table"}
    if source.name != target.name and not {source.name, target.name} & nameless:
        return source.name, target.name
    return "source", "target"


def _without_twins(source: Given, target: Given, names: tuple[str, str]) -> tuple[tuple[Given, Given], tuple[str, ...]]:
    """Return both without those pictures of the source that are the target's: a source model would know them."""
    assert source.pictures is not None and target.pictures is not None
    theirs = {digest.tobytes() for digest in target.pictures.digests}
    rows = np.flatnonzero([digest.tobytes() not in theirs for digest in source.pictures.digests])
    n = len(source) - len(rows)
    if not n:
        return (source, target), ()
    if not len(rows):
        raise DataError(f"every picture of the {names[0]} is in the {names[1]} too: there is nothing to compare")
    note = f"{n:,} pictures of the {names[0]} are in the {names[1]} too and count there only"
    return (source.take(rows), target), (note,)


def _drawn(side: Given, most: int, rng: np.random.Generator) -> Given:
    """Return at most ``most`` pictures of groups of their own, so that none is passed that will not count."""
    rows = rng.permutation(len(side))
    if side.groups is not None:
        rows = rows[np.unique(side.groups[rows], return_index=True)[1]]
    rows = np.sort(rng.permutation(rows)[:most])
    return dataclasses.replace(side.take(rows), groups=None)


def _sensors(source: PictureSet | None, target: PictureSet | None, names: tuple[str, str]) -> list[str]:
    """Return what differs in how the pictures were taken."""
    from headstart.data.scan import scan

    assert source is not None and target is not None
    looks = scan(source), scan(target)
    grey = [
        float((np.abs(one.tints.astype(np.int64) - 128).max(axis=(1, 2, 3), initial=0) <= _GREY).mean())
        for one in looks
    ]
    pixels = [float(np.median(one.sizes.astype(np.float64).prod(axis=1))) for one in looks]
    found = []
    for (mine, my_name), (other, other_name) in (
        ((grey[0], names[0]), (grey[1], names[1])),
        ((grey[1], names[1]), (grey[0], names[0])),
    ):
        if mine >= _MOSTLY and other <= 1 - _MOSTLY:
            found.append(f"{my_name} is grey, {other_name} in colour")
    ratio = max(pixels) / max(min(pixels), 1.0)
    if ratio >= _LARGER:
        large, small = names if pixels[0] > pixels[1] else names[::-1]
        found.append(f"a picture of {large} has {ratio:.0f} times as many pixels as one of {small}")
    return found
