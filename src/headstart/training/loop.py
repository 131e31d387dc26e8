"""The training loop: batches in, a trained network out, on any device, stopped and resumed at any epoch."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from headstart.results import HeadstartError
from headstart.results.files import write_bytes
from headstart.results.team import Team, team
from headstart.training.memory import kept_memory

if TYPE_CHECKING:
    from torch import Tensor, nn

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
Multipliers = Callable[[int, int], Sequence[float]]


class Batches(Protocol):
    """What is learned from. The batches of an epoch depend on its number alone, so that a resumed run sees the same."""

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        ...

    def epoch(self, number: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield inputs (b, ...), classes (b,) or class shares (b, k), and weights (b,) where examples have some.

        Weights have a mean of 1 over all that is learned from.
        """
        ...


class Penalty(Protocol):
    """What is added to the loss of each batch, such as the distance to the source's weights."""

    def attach(self, network: nn.Module) -> None:
        """Note what the network is like before the first step; called before a checkpoint is read, too."""
        ...

    def __call__(self) -> Tensor:
        """Return the term for the batch that was just passed, a scalar."""
        ...

    def detach(self) -> None:
        """Take everything off the network again."""
        ...


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    epochs, batch_size : int
    rate, head_rate : float
        Peak learning rate of the stages, the one k below the head at ``rate * layer_decay**k``, and of the head.
    layer_decay : float
        Each stage learns so many times as fast as the one above it: 0 freezes all below the head, 1 is one rate.
    weight_decay : float
        Of weights; norms and biases have none.
    warmup : float
        Share of the steps in which the rate rises; then it falls along a cosine.
    label_smoothing : float
        Share of the target that is spread over all classes.
    clip : float or None
        Largest norm of the gradient.
    accumulate : int
        Batches whose gradients are added up before a step.
    precision : {"32-true", "bf16-mixed", "16-mixed"}
        What Lightning Fabric calls so.
    patience : int or None
        Epochs without a better validation score after which training stops; ``None`` trains to the end.
    """

    epochs: int = 12
    batch_size: int = 32
    rate: float = 3e-4
    head_rate: float = 1e-3
    layer_decay: float = 0.8
    weight_decay: float = 0.05
    warmup: float = 0.3
    label_smoothing: float = 0.1
    clip: float | None = 1.0
    accumulate: int = 1
    precision: str = "32-true"
    patience: int | None = None


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a training run left behind.

    Attributes
    ----------
    losses : tuple of float
        Mean training loss of each epoch.
    scores : tuple of float
        Validation score after each epoch; empty where nothing was validated.
    best : int
        The epoch whose weights the network has: the best validated one, else the last.
    """

    losses: tuple[float, ...]
    scores: tuple[float, ...]
    best: int


def train(
    network: nn.Module,
    batches: Batches,
    groups: Sequence[dict[str, Any]],
    recipe: Recipe,
    *,
    multipliers: Multipliers | None = None,
    loss: Callable[..., Tensor] | None = None,
    validate: Callable[[nn.Module], float] | None = None,
    device: str = "cpu",
    seed: int = 0,
    checkpoint: Path | None = None,
    advance: Callable[[int], None] | None = None,
    penalty: Penalty | None = None,
) -> Trained:
    """Train ``network`` in place.

    Where torchrun started several processes, each has its share of every batch, the gradients are those of the whole
    batch, and all end with the same weights.

    Parameters
    ----------
    network : torch.nn.Module
        Takes the inputs of ``batches`` and returns logits (b, k).
    batches : Batches
        What it learns from.
    groups : sequence of dict
        Groups of an optimizer, each with ``params``, its peak ``lr`` and ``weight_decay``.
    recipe : Recipe
        Epochs, precision and the rest.
    multipliers : callable, optional
        From step and number of steps to what each group's rate is multiplied with; all ones by default.
    loss : callable, optional
        From logits, classes and, where there are some, weights to a mean over the batch's examples; by default
        cross-entropy with the recipe's label smoothing. One that has a ``set_epoch`` is told each epoch (deferred
        reweighting). It divides by the number of examples and not by their weights: only then do the gradients of
        parts of a batch, on several processes or one after the other, add up to that of the whole.
    validate : callable, optional
        Scores the network, higher is better, after each epoch; the best epoch's weights are kept.
    device : str
        A PyTorch device.
    seed : int
        Seed of dropout and the like.
    checkpoint : Path, optional
        Written after each epoch; where it is there, training goes on from it, to the same weights. Deleted at the end.
    advance : callable, optional
        Called with the number of examples after each batch.
    penalty : Penalty, optional
        Its term is added to the loss of each batch, and stands in ``losses``.

    Raises
    ------
    HeadstartError
        If the precision is unknown, there is nothing to learn from, or the loss is no number any more.
    """
    import torch

    if recipe.precision not in PRECISIONS:
        raise HeadstartError(f"no precision {recipe.precision!r}: choose {', '.join(PRECISIONS)}")
    if not len(batches):
        raise HeadstartError("there is nothing to learn from: no batch")
    if loss is None:
        loss = _cross_entropy(recipe.label_smoothing)
    fabric = _fabric(device, recipe.precision)
    network.to(fabric.device)
    fused = recipe.precision != "16-mixed"  # a gradient scaler does not go with clipping where the step is fused
    optimizer: Any = torch.optim.AdamW(groups, fused=fused)
    peaks = [float(group["lr"]) for group in optimizer.param_groups]
    model, optimizer = fabric.setup(network, optimizer)
    steps = -(-len(batches) // recipe.accumulate)
    total = steps * recipe.epochs
    state, ours = _State(), team()
    cuda = fabric.device.type == "cuda"
    with kept_memory(), torch.random.fork_rng(devices=[fabric.device] if cuda else []), _attached(penalty, network):
        if checkpoint is not None and checkpoint.is_file():
            state = _restore(checkpoint, network, optimizer, fabric)
        for epoch in range(len(state.losses), recipe.epochs):
            if state.is_over(recipe.patience):
                break
            torch.manual_seed(_seed(seed, epoch))
            model.train()
            if (begin := getattr(loss, "set_epoch", None)) is not None:
                begin(epoch)
            summed, seen = torch.zeros(2, device=fabric.device)
            for number, batch in enumerate(batches.epoch(epoch)):
                step = epoch * steps + number // recipe.accumulate
                full = (number + 1) % recipe.accumulate == 0 or number + 1 == len(batches)
                share = min(recipe.accumulate, len(batches) - number // recipe.accumulate * recipe.accumulate)
                inputs, *answers = fabric.to_device(batch)
                part = _part(ours, len(inputs), fabric.device)
                if len(inputs):
                    with fabric.no_backward_sync(model, enabled=not full):
                        found = loss(model(inputs), *answers)
                        if penalty is not None:
                            found = found + penalty()
                        fabric.backward(found * part / share)
                    summed += found.detach() * len(inputs)
                    seen += len(inputs)
                if full:
                    _add_up_gradients(ours, optimizer)
                    factors = multipliers(step, total) if multipliers else [1.0] * len(peaks)
                    for group, peak, factor in zip(optimizer.param_groups, peaks, factors, strict=True):
                        group["lr"] = peak * factor
                    if recipe.clip is not None:
                        fabric.clip_gradients(model, optimizer, max_norm=recipe.clip, error_if_nonfinite=False)
                    optimizer.step()
                    optimizer.zero_grad()
                if advance:
                    advance(len(inputs))
            ours.add_up(summed, seen)
            mean = float(summed / seen)
            if mean != mean:
                raise HeadstartError(
                    f"the loss is no number any more after epoch {epoch + 1}: learn at a lower rate than {max(peaks):g}"
                )
            state.losses.append(mean)
            if validate is not None:
                model.eval()
                state.note(float(validate(network)), network)
            if checkpoint is not None and ours.leads and epoch + 1 < recipe.epochs:
                _save(checkpoint, state, network, optimizer, fabric)
    if state.weights is not None:
        network.load_state_dict(state.weights)
    network.eval()
    if checkpoint is not None and ours.leads:
        checkpoint.unlink(missing_ok=True)
    best = state.best if state.scores else len(state.losses) - 1
    return Trained(tuple(state.losses), tuple(state.scores), best)


def _cross_entropy(label_smoothing: float) -> Callable[..., Tensor]:
    from torch.nn.functional import cross_entropy

    def loss(logits: Tensor, classes: Tensor, weights: Tensor | None = None) -> Tensor:
        if weights is None:
            return cross_entropy(logits, classes, label_smoothing=label_smoothing)
        return (weights * cross_entropy(logits, classes, label_smoothing=label_smoothing, reduction="none")).mean()

    return loss


def _seed(seed: int, epoch: int) -> int:
    """Return an epoch's own seed: a resumed run draws as one in a piece does, on every kind of device."""
    import numpy as np

    return int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])


def _part(ours: Team, n: int, device: Any) -> float:
    """Return which part of a batch the ``n`` examples of this process are."""
    if ours.size == 1:
        return 1.0
    import torch

    whole = torch.tensor(float(n), device=device)
    ours.add_up(whole)
    return n / float(whole)


def _add_up_gradients(ours: Team, optimizer: Any) -> None:
    """Give every process the gradient of all of them."""
    if ours.size == 1:
        return
    import torch

    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    for one in parameters:
        if one.grad is None:
            one.grad = torch.zeros_like(one)
    ours.add_up(*(one.grad for one in parameters))


@dataclasses.dataclass
class _State:
    """Where a training run stands."""

    losses: list[float] = dataclasses.field(default_factory=list)
    scores: list[float] = dataclasses.field(default_factory=list)
    weights: Mapping[str, Any] | None = None

    @property
    def best(self) -> int:
        return max(range(len(self.scores)), key=self.scores.__getitem__)

    def note(self, score: float, network: nn.Module) -> None:
        self.scores.append(score)
        if self.best == len(self.scores) - 1:
            self.weights = copy.deepcopy(network.state_dict())

    def is_over(self, patience: int | None) -> bool:
        return patience is not None and bool(self.scores) and len(self.scores) - 1 - self.best >= patience


@contextlib.contextmanager
def _attached(penalty: Penalty | None, network: nn.Module) -> Iterator[None]:
    if penalty is None:
        yield
        return
    penalty.attach(network)
    try:
        yield
    finally:
        penalty.detach()


def _fabric(device: str, precision: str) -> Any:
    import logging

    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    from lightning_fabric import Fabric

    kind, _, number = device.partition(":")
    devices: Any = [int(number)] if number else 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Fabric(accelerator=kind, devices=devices, precision=precision)  # type: ignore[arg-type]


def _save(path: Path, state: _State, network: nn.Module, optimizer: Any, fabric: Any) -> None:
    import torch

    stream = io.BytesIO()
    content = {
        "losses": state.losses,
        "scores": state.scores,
        "weights": state.weights,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": fabric.strategy.precision.state_dict(),
    }
    torch.save(content, stream)
    write_bytes(path, stream.getvalue())


def _restore(path: Path, network: nn.Module, optimizer: Any, fabric: Any) -> _State:
    import torch

    content = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(content["network"])
    optimizer.load_state_dict(content["optimizer"])
    if scaler := content.get("scaler"):
        fabric.strategy.precision.load_state_dict(scaler)
    return _State(content["losses"], content["scores"], content["weights"])
