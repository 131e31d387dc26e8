"""The heads and the choice of their penalties."""

from headstart.training.head import LogisticHead
from headstart.training.ordered import OrderedHead, ordered_path
from headstart.training.path import CS, Choice, choose, logistic_path, out_of_fold
from headstart.training.ridge import ALPHAS, RidgeHead, ridge_path
from headstart.training.several import SeveralHead
from headstart.training.svm import SVMHead
from headstart.training.svm_path import SVMChoice, svm_out_of_fold

__all__ = [
    "ALPHAS",
    "CS",
    "Choice",
    "LogisticHead",
    "OrderedHead",
    "RidgeHead",
    "SVMChoice",
    "SVMHead",
    "SeveralHead",
    "choose",
    "logistic_path",
    "ordered_path",
    "out_of_fold",
    "ridge_path",
    "svm_out_of_fold",
]
