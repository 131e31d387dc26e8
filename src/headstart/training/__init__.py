"""The head and the choice of its penalty."""

from headstart.training.head import LogisticHead
from headstart.training.path import CS, Choice, choose, logistic_path, out_of_fold

__all__ = ["CS", "Choice", "LogisticHead", "choose", "logistic_path", "out_of_fold"]
