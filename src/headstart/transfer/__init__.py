"""What is carried over from a source: instances, features, parameters or relations."""

from headstart.transfer import instance
from headstart.transfer.adapter import ADAPTERS, Adapter, labelled
from headstart.transfer.domain import Domain

__all__ = ["ADAPTERS", "Adapter", "Domain", "instance", "labelled"]
