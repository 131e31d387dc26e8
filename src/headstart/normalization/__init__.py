"""Are activations scaled in a way that survives this batch size, this shift and these devices?"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from headstart.normalization.audit import Audit, audit
from headstart.normalization.convert import Conversion, convert
from headstart.normalization.facts import Finding
from headstart.normalization.recalibrate import Recalibration, recalibrate
from headstart.normalization.target import audit_source, recalibrate_source
from headstart.training.frozen import freeze_statistics, statistics_frozen, unfreeze_statistics

if TYPE_CHECKING:
    from headstart.normalization.kinds import KINDS, default_groups, make_norm
    from headstart.normalization.sync import SyncBatchNorm, synchronize

# Their modules define layers and so import torch.
_WHERE = {
    "KINDS": "kinds",
    "SyncBatchNorm": "sync",
    "default_groups": "kinds",
    "make_norm": "kinds",
    "synchronize": "sync",
}

__all__ = [
    "KINDS",
    "Audit",
    "Conversion",
    "Finding",
    "Recalibration",
    "SyncBatchNorm",
    "audit",
    "audit_source",
    "convert",
    "default_groups",
    "freeze_statistics",
    "make_norm",
    "recalibrate",
    "recalibrate_source",
    "statistics_frozen",
    "synchronize",
    "unfreeze_statistics",
]


def __getattr__(name: str) -> Any:
    """Find a public name where it is defined."""
    if name in _WHERE:
        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
