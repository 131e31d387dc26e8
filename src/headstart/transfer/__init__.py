"""What is carried over from a source: instances, features, parameters or relations."""

from headstart.data.labels import labelled
from headstart.transfer import deep, feature, instance, parameter
from headstart.transfer.adapter import ADAPTERS, Adapter
from headstart.transfer.domain import Domain

__all__ = ["ADAPTERS", "Adapter", "Domain", "deep", "feature", "instance", "labelled", "parameter"]
