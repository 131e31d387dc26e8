"""The engine: preprocessing, taps, backends, activation cache."""

from headstart.features.extract import Activations, extract

__all__ = ["Activations", "extract"]
