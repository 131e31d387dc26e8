"""Pretrained models: catalogue, loading, cards."""

from headstart.sources.card import FITS, Card, Fit, Preprocessing
from headstart.sources.catalogue import DEFAULT, from_module, get, shelf
from headstart.sources.source import Source
from headstart.sources.stages import find_classifier, find_stages

__all__ = [
    "DEFAULT",
    "FITS",
    "Card",
    "Fit",
    "Preprocessing",
    "Source",
    "find_classifier",
    "find_stages",
    "from_module",
    "get",
    "shelf",
]
