"""What is carried over from a source: instances, features, parameters or relations."""

from headstart.transfer.adapter import ADAPTERS, Adapter, labelled
from headstart.transfer.domain import Domain
from headstart.transfer.parameter import CentredPrior, FisherPrior, PriorLogistic, PriorRidge

__all__ = [
    "ADAPTERS",
    "Adapter",
    "CentredPrior",
    "Domain",
    "FisherPrior",
    "PriorLogistic",
    "PriorRidge",
    "labelled",
]
