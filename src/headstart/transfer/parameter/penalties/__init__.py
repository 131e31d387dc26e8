"""Penalties that keep a network near its source while it learns; ``fine_tune(..., penalty=...)`` takes them."""

from headstart.transfer.parameter.penalties.base import NetworkPenalty
from headstart.transfer.parameter.penalties.delta import DELTA, channel_attention
from headstart.transfer.parameter.penalties.l2sp import L2SP, FisherL2SP, network_fisher
from headstart.transfer.parameter.penalties.spectral import BatchSpectralShrinkage

__all__ = [
    "DELTA",
    "L2SP",
    "BatchSpectralShrinkage",
    "FisherL2SP",
    "NetworkPenalty",
    "channel_attention",
    "network_fisher",
]
