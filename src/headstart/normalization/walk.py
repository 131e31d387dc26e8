"""Replacing layers of a network where they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def replace(model: nn.Module, make: Callable[[str, nn.Module], nn.Module | None]) -> nn.Module:
    """Put another layer in the place of each for which ``make`` returns one.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place. What was put in is not walked into.
    make : callable
        Takes the name and the layer; returns the new layer, or ``None`` to leave it.

    Returns
    -------
    torch.nn.Module
        ``model``, or what was put in its place. A layer that stands at several places is made once and put at all.
    """
    made: dict[int, nn.Module] = {}
    seen: set[int] = set()

    def visit(name: str, module: nn.Module) -> nn.Module:
        if id(module) in made:
            return made[id(module)]
        if id(module) in seen:
            return module
        seen.add(id(module))
        new = make(name, module)
        if new is not None:
            made[id(module)] = new
            return new
        for key, child in list(module._modules.items()):
            if child is not None:
                found = visit(f"{name}.{key}" if name else key, child)
                if found is not child:
                    module._modules[key] = found  # not add_module: a name such as "0" may have been set by a container
        return module

    return visit("", model)
