"""What is carried over from a source: instances, features, parameters or relations."""

from headstart.transfer import deep, feature, parameter
from headstart.transfer.adapter import ADAPTERS, Adapter, labelled
from headstart.transfer.domain import Domain

__all__ = ["ADAPTERS", "Adapter", "Domain", "deep", "feature", "labelled", "parameter"]
