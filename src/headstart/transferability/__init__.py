"""Which source model? Scores on arrays, higher is better, and distances from the source's own data."""

from headstart.transferability.agreement import Agreement, agreement
from headstart.transferability.distances import (
    MeanSimilarity,
    class_distance,
    frechet_distance,
    mean_similarity,
    mmd,
)
from headstart.transferability.gbc import gbc
from headstart.transferability.h_score import h_score
from headstart.transferability.logme import logme
from headstart.transferability.parc import parc
from headstart.transferability.probes import knn_score, linear_probe_score
from headstart.transferability.score import Score
from headstart.transferability.task2vec import task2vec, task_distance
from headstart.transferability.transition import leep, nce, nleep
from headstart.transferability.transrate import transrate

__all__ = [
    "Agreement",
    "MeanSimilarity",
    "Score",
    "agreement",
    "class_distance",
    "frechet_distance",
    "gbc",
    "h_score",
    "knn_score",
    "leep",
    "linear_probe_score",
    "logme",
    "mean_similarity",
    "mmd",
    "nce",
    "nleep",
    "parc",
    "task2vec",
    "task_distance",
    "transrate",
]
