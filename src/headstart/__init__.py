"""Transfer learning that is hard to get wrong."""

__version__ = "0.1.0"
