"""The stages of a network: the named parts that run one after another, where it can be cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

HEADS = {"head", "classifier", "fc", "global_pool", "head_drop", "fc_norm", "head_dist", "attn_pool", "avgpool"}


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _is_container(module: nn.Module) -> bool:
    from torch import nn

    return isinstance(module, (nn.Sequential, nn.ModuleList)) and len(module) > 1


def _only_norm(module: nn.Module) -> bool:
    owners = [part for part in module.modules() if next(part.parameters(recurse=False), None) is not None]
    return bool(owners) and all("norm" in type(part).__name__.lower() for part in owners)


def _children(network: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield the parts between input and head, the one container that holds the body taken apart."""
    parts = [(name, part) for name, part in network.named_children() if name not in HEADS]
    if len(parts) == 1 and not _is_container(parts[0][1]) and list(parts[0][1].children()):
        yield from _children(parts[0][1], f"{prefix}{parts[0][0]}.")
        return
    whole = max(1, sum(_parameters(part) for _, part in parts))
    bodies = [name for name, part in parts if _is_container(part) and _parameters(part) >= 0.05 * whole]
    for name, part in parts:
        if bodies == [name]:
            for inner, child in part.named_children():
                yield f"{prefix}{name}.{inner}", child
        else:
            yield prefix + name, part


def find_stages(network: nn.Module) -> tuple[str, ...]:
    """Return the names of the stages of ``network``, in the order in which they run.

    A stage is a child that has weights. Where one container holds the body (``blocks`` of an EfficientNet or a
    vision transformer, ``stages`` of a ConvNeXt) its children are the stages. A normalization that stands by itself
    belongs to the stage before it, except a layer norm that closes a transformer. The head is no stage.

    Parameters
    ----------
    network : torch.nn.Module
        Any timm network, or any module whose named children run in the order in which they were registered.

    Returns
    -------
    tuple of str
        Names for ``network.get_submodule``.
    """
    found = [(name, part) for name, part in _children(network) if _parameters(part)]
    if not found:
        return ()
    closing = found[-1][0]
    return tuple(
        name
        for position, (name, part) in enumerate(found)
        if position == 0 or not _only_norm(part) or (name == closing and "batchnorm" not in type(part).__name__.lower())
    )


def find_classifier(network: Any) -> nn.Module | None:
    """Return what turns features into scores: timm's own classifier, else the last linear layer, if there is one."""
    from torch import nn

    found = network.get_classifier() if hasattr(network, "get_classifier") else None
    if isinstance(found, nn.Module):
        return found
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    return linear[-1] if linear and not hasattr(network, "forward_head") else None
