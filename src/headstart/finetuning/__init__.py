"""What does each layer know? Where to cut, what to freeze, how fast each layer may learn, and what that cost."""

from headstart.finetuning.drift import Drift, drift, snapshot
from headstart.finetuning.finder import RateFinding, find_rate
from headstart.finetuning.forgetting import Forgetting, forgetting
from headstart.finetuning.freezing import Layout, freeze, frozen_stages, gradual, is_frozen, layout, unfreeze
from headstart.finetuning.groups import check_groups, parameter_groups
from headstart.finetuning.probe import LayerProbe, probe
from headstart.finetuning.rates import rate_factors, scheduler, stage_rates
from headstart.training.schedules import constant, one_cycle, warmup_cosine

__all__ = [
    "Drift",
    "Forgetting",
    "LayerProbe",
    "Layout",
    "RateFinding",
    "check_groups",
    "constant",
    "drift",
    "find_rate",
    "forgetting",
    "freeze",
    "frozen_stages",
    "gradual",
    "is_frozen",
    "layout",
    "one_cycle",
    "parameter_groups",
    "probe",
    "rate_factors",
    "scheduler",
    "snapshot",
    "stage_rates",
    "unfreeze",
    "warmup_cosine",
]
