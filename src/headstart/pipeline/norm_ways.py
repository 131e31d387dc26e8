"""What normalization layers may go by, and what that asks of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.results import HeadstartError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from headstart.data import Target
    from headstart.features.cut import CutActivations

SOURCE, RECALIBRATED, GROUP, BATCH = "source", "recalibrated", "group", "batch"
WAYS = (SOURCE, RECALIBRATED, GROUP, BATCH)
STEP = 32  # pictures that a step of fine-tuning sees, whatever the batch size
SMALL = 16  # a batch below it tells too little of a mean and a variance to learn from
_MATCHED = 32  # pictures that a group normalization is matched on


def checked(norm: str, batch_size: int, *, strategy: str) -> str:
    """Return the way by its one name, ``"frozen"`` being ``"source"``.

    Raises
    ------
    HeadstartError
        If there is no such way, it is one of fine-tuning and nothing is fine-tuned, or the batch is too small for it.
    """
    way = SOURCE if norm == "frozen" else norm
    if way not in ("auto", *WAYS):
        raise HeadstartError(f"no norm {norm!r}: choose auto, frozen, {', '.join(WAYS)}")
    if batch_size < 1:
        raise HeadstartError(f"batch_size={batch_size}: give at least one picture")
    if way in (GROUP, BATCH) and strategy != "auto":
        raise HeadstartError(f"norm={norm!r} is a way to fine-tune: give strategy='auto' as well")
    if way == BATCH and batch_size < SMALL:
        raise HeadstartError(
            f"norm='batch' with batch_size={batch_size}: a mean and a variance of so few pictures mean nothing; give "
            f"{SMALL} or more, or norm='group' or 'source', which do not hang on the batch"
        )
    return way


def check_modality(target: Target, *, norm: str, scaling: str) -> None:
    """Refuse what belongs to the other kind of target: scaling to tables of features, norm to pictures.

    Raises
    ------
    HeadstartError
        If it was asked for.
    """
    if target.pictures is not None and scaling != "standard":
        raise HeadstartError(f"scaling={scaling!r} is for plain features: leave it out for pictures")
    if target.pictures is None and norm != SOURCE:
        raise HeadstartError(f"norm={norm!r} is for pictures: a table of features has no normalization layers")


def accumulated(batch_size: int) -> int:
    """Return how many batches' gradients make a step, so that it sees as many pictures at any batch size.

    No layer that holds its statistics, or normalizes by groups, looks at the rest of the batch: gradients of parts add
    up to that of the whole, a batch of one included.

    >>> [accumulated(size) for size in (1, 4, 32, 64)]
    [32, 8, 1, 1]
    """
    return max(1, round(STEP / batch_size))


def regroup_above(
    network: nn.Module, top: nn.Module, store: CutActivations, rows: NDArray[np.int64], *, matched: bool
) -> tuple[str, ...]:
    """Put group normalization in the place of batch normalization above a cut; return the names of the layers, if any.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place.
    top : torch.nn.Module
        ``headstart.finetuning.top.Top`` of it.
    store : CutActivations
        What enters the cut.
    rows : ndarray of int64
        Examples that may be looked at.
    matched : bool
        Whether the new layers shall give what the old ones gave on some of them; else they take over the weights.
    """
    import torch

    from headstart.finetuning.freezing import layout
    from headstart.normalization.convert import convert
    from headstart.normalization.forms import forms

    plan = layout(network)
    lowest = 0 if store.cut is None else plan.position(store.cut)
    names = tuple(
        name
        for name, form in forms(network).items()
        if form.kind in ("batch", "sync") and plan.position(plan.modules[name]) >= lowest
    )
    if not names:
        return ()
    sample: Any = None
    if matched:
        picked = rows[np.linspace(0, len(rows) - 1, min(_MATCHED, len(rows))).astype(np.int64)]
        store.ensure(0, picked)
        sample = torch.from_numpy(store.gather(picked, np.zeros(len(picked), np.int64)))
    convert(
        top.eval(), "group", keep="function" if matched else "weights", sample=sample,
        layers=[f"network.{name}" for name in names],
    )  # fmt: skip
    return names
