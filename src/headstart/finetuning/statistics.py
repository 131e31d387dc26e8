"""Statistics of the source that stay what they are while the rest of a network learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.finetuning.freezing import stay_in_evaluation

if TYPE_CHECKING:
    from torch import nn


def hold_statistics(model: nn.Module) -> nn.Module:
    """Let every normalization with running statistics use them and leave them alone, in train mode as well.

    Weights and biases of the layers still learn. A small batch estimates the statistics of a layer badly, and those of
    the source are what the weights were learned with.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place, and returned.
    """
    from torch.nn.modules.batchnorm import _NormBase

    for module in model.modules():
        if isinstance(module, _NormBase) and module.running_mean is not None:
            module.register_forward_pre_hook(stay_in_evaluation, prepend=True)
    return model
