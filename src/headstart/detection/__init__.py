"""Objects in pictures: annotations read and checked, a detector on a pretrained trunk, mean average precision."""

from headstart.detection.boxes import Boxes, DetectionTarget
from headstart.detection.load import load_detection_target

__all__ = ["Boxes", "DetectionTarget", "load_detection_target"]
