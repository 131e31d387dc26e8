"""Transfer of features in networks: alignments as losses of one training loop, and model selection without labels."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from headstart.transfer.deep.adapters import CDAN, DANN, MCC, AdaBN, DeepCORAL, NetworkAdapter
from headstart.transfer.deep.validation import information, soft_neighbourhood_density, weighted_validation

if TYPE_CHECKING:
    from headstart.transfer.deep.alignments import (
        AdversarialAlignment,
        Alignment,
        ConditionalAlignment,
        ConfusionAlignment,
        CoralAlignment,
        NoAlignment,
    )
    from headstart.transfer.deep.joint import AdaptedNetwork, DomainBatches, adapt
    from headstart.transfer.deep.losses import (
        class_confusion,
        conditional_features,
        coral_loss,
        domain_loss,
        reverse_gradient,
    )

# Their modules define layers and so import torch.
_WHERE = {
    "AdaptedNetwork": "joint",
    "AdversarialAlignment": "alignments",
    "Alignment": "alignments",
    "ConditionalAlignment": "alignments",
    "ConfusionAlignment": "alignments",
    "CoralAlignment": "alignments",
    "DomainBatches": "joint",
    "NoAlignment": "alignments",
    "adapt": "joint",
    "class_confusion": "losses",
    "conditional_features": "losses",
    "coral_loss": "losses",
    "domain_loss": "losses",
    "reverse_gradient": "losses",
}

__all__ = [
    "CDAN",
    "DANN",
    "MCC",
    "AdaBN",
    "AdaptedNetwork",
    "AdversarialAlignment",
    "Alignment",
    "ConditionalAlignment",
    "ConfusionAlignment",
    "CoralAlignment",
    "DeepCORAL",
    "DomainBatches",
    "NetworkAdapter",
    "NoAlignment",
    "adapt",
    "class_confusion",
    "conditional_features",
    "coral_loss",
    "domain_loss",
    "information",
    "reverse_gradient",
    "soft_neighbourhood_density",
    "weighted_validation",
]


def __getattr__(name: str) -> Any:
    """Find a public name where it is defined."""
    if name in _WHERE:
        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
