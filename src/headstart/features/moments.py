"""Mean and variance of each channel, pooled exactly over batches of any size."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.results import DataError

if TYPE_CHECKING:
    from torch import Tensor, nn

Floats = NDArray[np.float64]


@dataclasses.dataclass
class Moments:
    """Count, mean and sum of squared deviations of each channel, to which batches are added.

    Attributes
    ----------
    count : int
        Values a channel so far.
    mean, squares : ndarray, shape (c,)
        Mean, and sum of squared deviations from it.
    smallest : int
        Values a channel in the smallest batch.

    References
    ----------
    Chan, Golub and LeVeque (1979), Updating formulae and a pairwise algorithm for computing sample variances, eq. 2.1.

    Examples
    --------
    >>> import torch
    >>> moments = Moments()
    >>> moments.add(torch.tensor([[1.0], [2.0]])), moments.add(torch.tensor([[6.0]]))
    (None, None)
    >>> moments.count, moments.mean, moments.variance()
    (3, array([3.]), array([7.]))
    """

    count: int = 0
    mean: Floats = dataclasses.field(default_factory=lambda: np.zeros(0))
    squares: Floats = dataclasses.field(default_factory=lambda: np.zeros(0))
    smallest: int = 0

    def add(self, x: Tensor) -> None:
        """Add a batch (n, c) or (n, c, ...)."""
        count = x.numel() // x.shape[1]
        if count:
            variance, mean = batch_moments(x)
            self.merge(count, mean.double().cpu().numpy(), count * variance.double().cpu().numpy())

    def merge(self, count: int, mean: Floats, squares: Floats) -> None:
        """Add a batch of which count, mean and sum of squared deviations are known."""
        if not self.count:
            self.count, self.mean, self.squares, self.smallest = count, mean, squares, count
            return
        total = self.count + count
        apart = mean - self.mean
        self.squares = self.squares + squares + apart**2 * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count, self.smallest = total, min(self.smallest, count)

    def variance(self) -> Floats:
        """Return the unbiased variance, which is what running statistics hold; NaN of a single value."""
        return self.squares / (self.count - 1) if self.count > 1 else np.full_like(self.squares, np.nan)


def batch_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return biased variance and mean of each channel of (n, c) or (n, c, ...), in single precision or better."""
    import torch

    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    over = (0, *range(2, x.ndim))
    mean = wide.mean(over, keepdim=True)
    return (wide - mean).square_().mean(over), mean.flatten()  # a third of the time of torch.var_mean


def has_statistics(module: nn.Module) -> bool:
    """Return whether this is a batch normalization of any dimension, frozen kinds included, with running statistics.

    Instance normalization is none: its running statistics are means over examples of each one's own.
    """
    import torch

    kept = (getattr(module, name, None) for name in ("running_mean", "running_var"))
    return all(isinstance(tensor, torch.Tensor) for tensor in kept) and "Instance" not in type(module).__name__


@contextlib.contextmanager
def watched(layers: dict[str, nn.Module], seen: Callable[[str, Any, Tensor], None]) -> Iterator[None]:
    """Call ``seen(name, layer, input)`` before each of ``layers`` runs."""

    def hook_of(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(module: nn.Module, arguments: tuple[Any, ...]) -> None:
            seen(name, module, arguments[0])

        return hook

    handles = [module.register_forward_pre_hook(hook_of(name)) for name, module in layers.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a network into evaluation without gradients, and every part of it back into its mode afterwards."""
    import torch

    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def inputs_of(batch: Any, model: nn.Module) -> Tensor:
    """Return the inputs of a batch, which may be a tuple that begins with them, where the network's weights are.

    Raises
    ------
    DataError
        If there is no tensor in it.
    """
    import itertools

    import torch

    x = batch[0] if isinstance(batch, (tuple, list)) and batch else batch
    if not isinstance(x, torch.Tensor):
        raise DataError(f"a batch is a {type(x).__name__}: give tensors, or tuples that begin with one")
    held = next(itertools.chain(model.parameters(), model.buffers()), None)
    return x if held is None else x.to(held.device)
