"""Objects in pictures: annotations read and checked, a detector on a pretrained trunk, mean average precision."""

from headstart.detection.average import AveragePrecision, average_precision
from headstart.detection.boxes import Boxes, DetectionTarget
from headstart.detection.facts import BoxProfile, profile_boxes
from headstart.detection.load import load_detection_target
from headstart.detection.scoring import best_thresholds, picture_scores
from headstart.detection.writing import write_boxes_coco, write_boxes_csv

__all__ = [
    "AveragePrecision",
    "BoxProfile",
    "Boxes",
    "DetectionTarget",
    "average_precision",
    "best_thresholds",
    "load_detection_target",
    "picture_scores",
    "profile_boxes",
    "write_boxes_coco",
    "write_boxes_csv",
]
