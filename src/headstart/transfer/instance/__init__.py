"""Which source examples to trust, and how much: weights, and boosting that learns them."""

from headstart.transfer.instance.boosting import DynamicTrAdaBoost, TrAdaBoost
from headstart.transfer.instance.boosting_regression import TrAdaBoostR2, TwoStageTrAdaBoostR2
from headstart.transfer.instance.classifier import classifier_weights
from headstart.transfer.instance.kliep import kliep_weights
from headstart.transfer.instance.kmm import kmm_weights
from headstart.transfer.instance.neighbours import neighbour_weights
from headstart.transfer.instance.size import effective_sample_size
from headstart.transfer.instance.ulsif import ulsif_weights
from headstart.transfer.instance.weighting import (
    KLIEP,
    KMM,
    ULSIF,
    ClassifierRatio,
    NearestNeighbourWeights,
)

__all__ = [
    "KLIEP",
    "KMM",
    "ULSIF",
    "ClassifierRatio",
    "DynamicTrAdaBoost",
    "NearestNeighbourWeights",
    "TrAdaBoost",
    "TrAdaBoostR2",
    "TwoStageTrAdaBoostR2",
    "classifier_weights",
    "effective_sample_size",
    "kliep_weights",
    "kmm_weights",
    "neighbour_weights",
    "ulsif_weights",
]
