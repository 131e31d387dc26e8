"""Objects in pictures: annotations read and checked, a detector on a pretrained trunk, mean average precision."""

from headstart.detection.average import AveragePrecision, average_precision
from headstart.detection.boxes import Boxes, DetectionTarget
from headstart.detection.load import load_detection_target
from headstart.detection.scoring import best_thresholds, picture_scores

__all__ = [
    "AveragePrecision",
    "Boxes",
    "DetectionTarget",
    "average_precision",
    "best_thresholds",
    "load_detection_target",
    "picture_scores",
]
