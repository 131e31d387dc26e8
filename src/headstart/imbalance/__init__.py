"""Are the classes represented equally? The metric to trust, and one correction at a time."""

from headstart.imbalance.balance import balance, fit_balanced
from headstart.imbalance.balanced import Balance, Way
from headstart.imbalance.cost import bayes_decision, cost_matrix, parse_cost
from headstart.imbalance.cuts import CutPoints, tune_cuts
from headstart.imbalance.damage import Damage, measured_damage
from headstart.imbalance.deployed import Deployment, deployed, parse_prevalence
from headstart.imbalance.guard import Correction, Corrections, check_corrections
from headstart.imbalance.label_thresholds import LabelThresholds, tune_label_thresholds
from headstart.imbalance.loss_head import LossHead
from headstart.imbalance.loss_names import LOSSES, make_loss
from headstart.imbalance.metric import MetricChoice, choose_metric
from headstart.imbalance.networks import NetworkCorrection, network_correction
from headstart.imbalance.offsets import decide
from headstart.imbalance.prior import EstimatedPrior, estimate_prior, prior_correction
from headstart.imbalance.resample import ResampledFold, resampled_folds
from headstart.imbalance.resampled import ResampledClassifier
from headstart.imbalance.sampler import BalancedBatchSampler
from headstart.imbalance.threshold import Thresholds, tune_thresholds
from headstart.imbalance.weights import class_weights, effective_number, sample_weights, weighted_counts

__all__ = [
    "LOSSES",
    "Balance",
    "BalancedBatchSampler",
    "Correction",
    "Corrections",
    "CutPoints",
    "Damage",
    "Deployment",
    "EstimatedPrior",
    "LabelThresholds",
    "LossHead",
    "MetricChoice",
    "NetworkCorrection",
    "ResampledClassifier",
    "ResampledFold",
    "Thresholds",
    "Way",
    "balance",
    "bayes_decision",
    "check_corrections",
    "choose_metric",
    "class_weights",
    "cost_matrix",
    "decide",
    "deployed",
    "effective_number",
    "estimate_prior",
    "fit_balanced",
    "make_loss",
    "measured_damage",
    "network_correction",
    "parse_cost",
    "parse_prevalence",
    "prior_correction",
    "resampled_folds",
    "sample_weights",
    "tune_cuts",
    "tune_label_thresholds",
    "tune_thresholds",
    "weighted_counts",
]
