"""How source and target differ: feature space, P(X), label space, P(Y given X); and what follows from it."""

from headstart.scenario.classifier_test import Told, classifier_test
from headstart.scenario.conditional import Conditional
from headstart.scenario.diagnose import diagnose
from headstart.scenario.feature_space import FeatureSpace
from headstart.scenario.finding import Difference, Finding
from headstart.scenario.follows import Follow, follows
from headstart.scenario.label_shift import LabelShift, bbse
from headstart.scenario.label_space import LabelSpace, Pair, match_meanings, match_names
from headstart.scenario.marginal import FeatureShift, Marginal, feature_shifts, holm
from headstart.scenario.mmd import Discrepancy, mmd_test
from headstart.scenario.scenario import Scenario

__all__ = [
    "Conditional",
    "Difference",
    "Discrepancy",
    "FeatureShift",
    "FeatureSpace",
    "Finding",
    "Follow",
    "LabelShift",
    "LabelSpace",
    "Marginal",
    "Pair",
    "Scenario",
    "Told",
    "bbse",
    "classifier_test",
    "diagnose",
    "feature_shifts",
    "follows",
    "holm",
    "match_meanings",
    "match_names",
    "mmd_test",
]
