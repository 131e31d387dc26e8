"""The engine: preprocessing, taps, backends, activation cache."""

from headstart.features.activations import Activations, extract

__all__ = ["Activations", "extract"]
