"""Parameter groups for an optimizer: a rate for each stage, and weight decay only where it belongs."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headstart.finetuning.freezing import HEAD, layout
from headstart.results import HeadstartError

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

_EMBEDDINGS = ("*_token", "*_tokens", "class_token", "*pos_embed*", "*position_embedding*", "*position_bias*")


def parameter_groups(
    model: nn.Module,
    *,
    rate: float,
    head_rate: float | None = None,
    layer_decay: float = 1.0,
    weight_decay: float = 0.05,
) -> list[dict[str, Any]]:
    """Return one or two optimizer groups a stage, with and without weight decay, for all that trains.

    The stage that stands k stages below the head (see :func:`headstart.finetuning.layout`) learns at
    ``rate * layer_decay**k``: the general features at the bottom move least (discriminative fine-tuning, Howard and
    Ruder 2018, arXiv:1801.06146, section 3.2, where the factor is 1 / 2.6). Biases, all other parameters with fewer
    than two dimensions, all parameters of normalization layers, class tokens and position embeddings, and whatever the
    network itself names in ``no_weight_decay()`` are not decayed.

    Parameters
    ----------
    model : torch.nn.Module
        The network, frozen already where it shall be (:func:`headstart.finetuning.freeze`). What is frozen is in no
        group; a parameter that is shared is in one, that of the first stage that uses it.
    rate : float
        Learning rate at depth 0, from which it decays downwards; at least 0.
    head_rate : float, optional
        Learning rate of the head; ``rate`` if not given.
    layer_decay : float
        From 0 (only the head learns) to 1 (all learn alike).
    weight_decay : float
        Of the groups that are decayed; at least 0.

    Returns
    -------
    list of dict
        ``params``, ``lr``, ``weight_decay``, and for those who look at it ``name`` (``"blocks.3/no decay"``), ``stage``
        and ``depth`` (k). Any optimizer of PyTorch takes it and keeps the additional keys.

    Raises
    ------
    HeadstartError
        If nothing trains, or a rate or a factor is out of range.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3), torch.nn.Linear(3, 2))
    >>> groups = parameter_groups(net, rate=0.01, head_rate=0.1, layer_decay=0.5)
    >>> [(group["name"], group["lr"], group["weight_decay"]) for group in groups]
    [('0/decay', 0.005, 0.05), ('0/no decay', 0.005, 0.0), ('head/decay', 0.1, 0.05), ('head/no decay', 0.1, 0.0)]
    """
    for title, value in (("rate", rate), ("head_rate", head_rate), ("weight_decay", weight_decay)):
        if value is not None and not 0 <= value < float("inf"):
            raise HeadstartError(f"{title}={value} must be a number from 0 on")
    if not 0 <= layer_decay <= 1:
        raise HeadstartError(f"layer_decay={layer_decay} must lie between 0 (only the head learns) and 1 (all alike)")
    plan = layout(model)
    undecayed = _undecayed(model)
    members: dict[tuple[str, bool], list[nn.Parameter]] = {
        (stage, decays): [] for stage in plan.stages for decays in (True, False)
    }
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            members[plan.parameters[name], id(parameter) not in undecayed].append(parameter)
    groups = []
    for (stage, decays), parameters in members.items():
        if parameters:
            depth = plan.depth(stage)
            top = rate if head_rate is None else head_rate
            groups.append(
                {
                    "params": parameters,
                    "lr": top if stage == HEAD else rate * layer_decay**depth,
                    "weight_decay": weight_decay if decays else 0.0,
                    "name": f"{stage}/{'decay' if decays else 'no decay'}",
                    "stage": stage,
                    "depth": depth,
                }
            )
    if not groups:
        raise HeadstartError("nothing of this network trains: unfreeze a stage, or attach a classifier")
    check_groups(groups, model)
    return groups


def check_groups(optimizer: Optimizer | Sequence[Mapping[str, Any]], model: nn.Module) -> None:
    """See that every trainable parameter of ``model`` is in exactly one group, and nothing else in any.

    An optimizer that was built before the head was replaced, before a stage was unfrozen or on another copy of the
    network trains the wrong tensors without a word.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer or sequence of mapping
        An optimizer, or its groups.
    model : torch.nn.Module
        The network.

    Raises
    ------
    HeadstartError
        If a trainable parameter is in no group or in more than one, if a frozen one is in a group, or if a group
        holds a tensor that is none of the network's. The first one is named, the others are counted.
    """
    groups = optimizer if isinstance(optimizer, Sequence) else optimizer.param_groups
    members = [(group, parameter) for group in groups for parameter in group["params"]]
    times: dict[int, int] = {}
    for _, parameter in members:
        times[id(parameter)] = times.get(id(parameter), 0) + 1
    named = {id(parameter): name for name, parameter in model.named_parameters()}
    trains = {id(parameter): parameter.requires_grad for parameter in model.parameters()}
    missing = [name for key, name in named.items() if trains[key] and key not in times]
    _refuse(missing, "trains but is in no group", "build the optimizer after freezing and after replacing the head")
    repeated = [name for key, name in named.items() if times.get(key, 0) > 1]
    _refuse(repeated, "is in more than one place", "give each parameter exactly one rate")
    frozen = [name for key, name in named.items() if key in times and not trains[key]]
    _refuse(frozen, "is frozen but in a group", "build the optimizer after freezing")
    strange = [
        f"a tensor {tuple(parameter.shape)} of group {group.get('name', '?')!r}"
        for group, parameter in members
        if id(parameter) not in named
    ]
    _refuse(strange, "is not of this network", "build the optimizer on this very network, not on a copy of it")


def _refuse(found: Sequence[str], what: str, way_out: str) -> None:
    if found:
        more = f", and so for {len(found) - 1} more" if len(found) > 1 else ""
        raise HeadstartError(f"{found[0]} {what}{more}: {way_out}")


def _undecayed(model: Any) -> set[int]:
    """Return the identities of the parameters that weight decay would only harm."""
    named: Iterable[str] = model.no_weight_decay() if hasattr(model, "no_weight_decay") else ()
    patterns = tuple(named)
    found = set()
    for prefix, module in model.named_modules():
        is_norm = "norm" in type(module).__name__.lower()
        for key, parameter in module.named_parameters(recurse=False):
            name = f"{prefix}.{key}" if prefix else key
            if (
                is_norm
                or parameter.ndim < 2
                or key == "bias"
                or any(fnmatch.fnmatchcase(key, pattern) for pattern in _EMBEDDINGS)
                or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
            ):
                found.add(id(parameter))
    return found
