"""The heads and the choice of their penalties."""

from headstart.training.head import LogisticHead
from headstart.training.path import CS, Choice, choose, logistic_path, out_of_fold
from headstart.training.svm import SVMHead
from headstart.training.svm_path import SVMChoice, svm_out_of_fold

__all__ = [
    "CS",
    "Choice",
    "LogisticHead",
    "SVMChoice",
    "SVMHead",
    "choose",
    "logistic_path",
    "out_of_fold",
    "svm_out_of_fold",
]
