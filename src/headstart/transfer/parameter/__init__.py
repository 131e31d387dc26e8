"""Parameters carried over: priors centred on the source's weights."""

from headstart.transfer.parameter.centred import CentredPrior, FisherPrior
from headstart.transfer.parameter.fisher import logistic_fisher
from headstart.transfer.parameter.logistic import PriorLogistic
from headstart.transfer.parameter.ridge import PriorRidge

__all__ = ["CentredPrior", "FisherPrior", "PriorLogistic", "PriorRidge", "logistic_fisher"]
