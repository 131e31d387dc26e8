"""Which tasks help which? Affinities measured on pictures, sources selected within a budget, ImageNet's hierarchy."""

from headstart.taskonomy.ahp import ahp, geometric, inconsistency, mean_win_rate
from headstart.taskonomy.class_paths import imagenet_paths, level_paths
from headstart.taskonomy.curve import BudgetCurve, budget_curve
from headstart.taskonomy.hierarchy import Hierarchy, Synset, imagenet
from headstart.taskonomy.levels import LevelScore, LevelScores, score_levels
from headstart.taskonomy.measured import (
    MeasuredTasks,
    Recipe,
    Task,
    TaskSet,
    class_task,
    make_task,
    measure,
    number_task,
    read_tasks,
)
from headstart.taskonomy.seen import SeenAs, SeenClass, seen_as
from headstart.taskonomy.select import select_sources
from headstart.taskonomy.superclasses import (
    Branch,
    coverage,
    level_probabilities,
    nearest_branch,
    nearest_superclasses,
    superclass_probabilities,
)
from headstart.taskonomy.table import affinity_matrix, single_sources
from headstart.taskonomy.taxonomy import Choice, Taxonomy
from headstart.taskonomy.tournament import affinities, from_references, rescaled, tournament
from headstart.taskonomy.tree import TaskTree, task_tree

__all__ = [
    "Branch",
    "BudgetCurve",
    "Choice",
    "Hierarchy",
    "LevelScore",
    "LevelScores",
    "MeasuredTasks",
    "Recipe",
    "SeenAs",
    "SeenClass",
    "Synset",
    "Task",
    "TaskSet",
    "TaskTree",
    "Taxonomy",
    "affinities",
    "affinity_matrix",
    "ahp",
    "budget_curve",
    "class_task",
    "coverage",
    "from_references",
    "geometric",
    "imagenet",
    "imagenet_paths",
    "inconsistency",
    "level_paths",
    "level_probabilities",
    "make_task",
    "mean_win_rate",
    "measure",
    "nearest_branch",
    "nearest_superclasses",
    "number_task",
    "read_tasks",
    "rescaled",
    "score_levels",
    "seen_as",
    "select_sources",
    "single_sources",
    "superclass_probabilities",
    "task_tree",
    "tournament",
]
