"""Statistics that stay what they are, against ``.train()``, until they are let go."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from headstart.results import HeadstartWarning

if TYPE_CHECKING:
    from torch import nn

_MARK = "_headstart_statistics"


def freeze_statistics(model: nn.Module) -> nn.Module:
    """Let every normalization with running statistics use them and leave them alone, in train mode as well.

    Weights and biases still learn: only the statistics are held. Held are batch and instance normalization of every
    dimension, synchronized or with an activation, wherever they have running statistics. A dropout that timm fuses into
    a batch normalization goes on in train mode.

    Each of these layers turns itself back to evaluation before it runs, so ``.train()`` cannot undo it; the state
    dict does not show it, and ``copy.deepcopy`` and pickling carry it along. Calling it again changes nothing.
    :func:`headstart.finetuning.freeze` does this, and holds the weights, for all layers before a stage; the two can
    be combined and undone one by one.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.

    Returns
    -------
    torch.nn.Module
        ``model``.

    Warns
    -----
    HeadstartWarning
        If a batch normalization keeps no running statistics: its output depends on the batch (pytorch issue 38084).

    Examples
    --------
    >>> import torch
    >>> net = freeze_statistics(torch.nn.Sequential(torch.nn.BatchNorm1d(2))).train()
    >>> _ = net(torch.randn(8, 2)), net(torch.randn(1, 2))
    >>> net[0].running_mean
    tensor([0., 0.])
    >>> _ = unfreeze_statistics(net)(torch.ones(8, 2))
    >>> net[0].running_mean
    tensor([0.1000, 0.1000])
    """
    from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

    for name, module in model.named_modules():
        if not isinstance(module, _NormBase):
            continue
        if module.running_mean is None:
            if isinstance(module, _BatchNorm):
                warnings.warn(
                    f"{name!r} keeps no running statistics (track_running_stats=False) and cannot be held: give it "
                    "statistics, or convert it to a group normalization",
                    HeadstartWarning,
                    stacklevel=2,
                )
        elif not hasattr(module, _MARK):
            handle = module.register_forward_pre_hook(stay_in_evaluation, prepend=True)
            setattr(module, _MARK, handle)
            module.training = False
    return model


def unfreeze_statistics(model: nn.Module) -> nn.Module:
    """Undo :func:`freeze_statistics`: statistics are estimated from the batch again and move, in train mode.

    What :func:`headstart.finetuning.freeze` holds stays held.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place; the layers take the mode that ``model`` is in.
    """
    for module in model.modules():
        handle: Any = getattr(module, _MARK, None)
        if handle is not None:
            handle.remove()
            delattr(module, _MARK)
            module.training = model.training
    return model


def stay_in_evaluation(module: nn.Module, arguments: tuple[Any, ...]) -> None:
    """Turn a module back to evaluation before it runs: a forward pre-hook."""
    # A function of this module, not a closure: copies and pickles of a network keep it.
    if module.training:
        module.training = False


def statistics_frozen(module: nn.Module) -> bool:
    """Return whether a layer turns itself to evaluation before it runs, whatever held it."""
    return any(hook is stay_in_evaluation for hook in module._forward_pre_hooks.values())
