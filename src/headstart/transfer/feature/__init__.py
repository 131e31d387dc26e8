"""Transfer of features: source and target brought into one space, in which a model of the source serves the target."""

from headstart.transfer.feature.base import FeatureAdapter
from headstart.transfer.feature.coral import CORAL
from headstart.transfer.feature.latent import SharedLatentSpace
from headstart.transfer.feature.sinkhorn import Plan, exact_plan, grouped_sinkhorn, sinkhorn
from headstart.transfer.feature.subspace import SubspaceAlignment
from headstart.transfer.feature.tca import TCA
from headstart.transfer.feature.transport import OptimalTransport

__all__ = [
    "CORAL",
    "TCA",
    "FeatureAdapter",
    "OptimalTransport",
    "Plan",
    "SharedLatentSpace",
    "SubspaceAlignment",
    "exact_plan",
    "grouped_sinkhorn",
    "sinkhorn",
]
