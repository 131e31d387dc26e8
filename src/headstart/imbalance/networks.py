"""How a network is trained against an imbalance: a loss, or batches, and the shares of the classes it is then for."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from headstart.imbalance._labels import Codes, Floats
from headstart.imbalance.balance import natural
from headstart.imbalance.guard import Correction, Kind, check_corrections
from headstart.imbalance.loss_names import loss_spec, make_loss
from headstart.imbalance.sampler_shares import shares_of
from headstart.results import DataError

if TYPE_CHECKING:
    from headstart.imbalance.damage import Damage
    from headstart.imbalance.losses import ClassificationLoss
    from headstart.imbalance.sampler import BalancedBatchSampler

CROSS_ENTROPY, NATURAL = "cross-entropy", "natural"
LOSSES = (CROSS_ENTROPY, "focal", "class-balanced", "class-balanced-focal", "ldam-drw", "logit-adjustment")
BATCHES = {NATURAL: "natural", "balanced": "equal", "square-root": "sqrt", "progressive": "progressive"}


@dataclasses.dataclass(frozen=True)
class NetworkCorrection:
    """A loss and a way to draw batches. Make it with :func:`network_correction`, which refuses what corrects twice.

    Attributes
    ----------
    loss : str
        One of ``LOSSES``.
    batches : str
        One of ``BATCHES``.
    """

    loss: str = CROSS_ENTROPY
    batches: str = NATURAL

    @property
    def is_plain(self) -> bool:
        """Whether it is cross-entropy on batches as they come, which the training loop does by itself."""
        return self.loss == CROSS_ENTROPY and self.batches == NATURAL

    @property
    def text(self) -> str:
        """What is done, in a few words; nothing where nothing is."""
        parts = [f"loss {self.loss}"] * (self.loss != CROSS_ENTROPY)
        return ", ".join(parts + [f"{self.batches} batches"] * (self.batches != NATURAL))

    def steps(self, counts: ArrayLike) -> list[Correction]:
        """Return what it does about the imbalance of ``counts`` (k,), as the guard understands it.

        Progressive batches end with equal shares; that is what they leave.
        """
        known = np.asarray(counts, dtype=np.float64)
        found = []
        if self.batches != NATURAL:
            after = shares_of(np.maximum(known, 1e-9), BATCHES[self.batches], 1.0)
            found.append(Correction.resampled(f"batches={self.batches!r}", known, after, kind="sampler"))
        name = f"loss={self.loss!r}"
        if self.loss == "logit-adjustment":
            found.append(Correction.adjusted(name, known))
        elif self.loss not in (CROSS_ENTROPY, "focal"):
            weight = loss_spec(self.loss, known, **self._options(1)).weight
            assert weight is not None
            kind: Kind = "deferred_weights" if self.loss == "ldam-drw" else "class_weight"
            found.append(Correction.weighted(name, known, weight, kind=kind))
        return found

    def trained_for(self, counts: ArrayLike) -> Floats:
        """Return the shares (k,) of the classes that a network is trained for so, where the data has ``counts``."""
        known = np.asarray(counts, dtype=np.float64)
        steps = self.steps(known)
        return steps[-1].leaves if steps else np.asarray(known / known.sum())

    def shift(self, counts: ArrayLike) -> Floats:
        """Return what is added to a network's logits (k,) so that they answer for the shares of the data.

        Its negative, added to the log probabilities, gives the decisions that the network was trained for.
        """
        known = np.asarray(counts, dtype=np.float64)
        return natural(known / known.sum(), self.trained_for(known))

    def make_loss(self, counts: ArrayLike, epochs: int, label_smoothing: float) -> ClassificationLoss | None:
        """Return the loss as a module, a mean over the batch's examples; ``None`` for cross-entropy."""
        if self.loss == CROSS_ENTROPY:
            return None
        smooth: dict[str, Any] = (
            {"label_smoothing": label_smoothing} if self.loss in ("class-balanced", "logit-adjustment") else {}
        )
        return make_loss(self.loss, counts, reduction="examples", **self._options(epochs), **smooth)

    def make_sampler(self, y: Codes, batch_size: int, epochs: int, seed: int) -> BalancedBatchSampler | None:
        """Return what draws the batches; ``None`` where they come as they are.

        It draws them whole on every process: each then takes its share of a batch.
        """
        from headstart.imbalance.sampler import BalancedBatchSampler

        if self.batches == NATURAL:
            return None
        return BalancedBatchSampler(
            y, batch_size, shares=BATCHES[self.batches], epochs=epochs, seed=seed, rank=0, world_size=1
        )

    def _options(self, epochs: int) -> dict[str, Any]:
        return {"epochs": epochs} if self.loss == "ldam-drw" else {}


PLAIN = NetworkCorrection()


def network_correction(loss: str = CROSS_ENTROPY, batches: str = NATURAL) -> NetworkCorrection:
    """Return a loss and a way to draw batches by name.

    ========================  =========================================================================================
    ``cross-entropy``         -log p_y
    ``focal``                 less for what is predicted well (arXiv 1708.02002); corrects no shares
    ``class-balanced``        cross-entropy weighted by effective numbers (arXiv 1901.05555)
    ``class-balanced-focal``  both
    ``ldam-drw``              margins, and the weights for the last fifth of the epochs (arXiv 1906.07413)
    ``logit-adjustment``      cross-entropy of logits plus log shares (arXiv 2007.07314)
    ========================  =========================================================================================

    Batches are ``natural``; ``balanced``, equal shares of all classes; ``square-root``, shares as the roots of the
    counts; ``progressive``, from natural to equal over the epochs (arXiv 1910.09217).

    Raises
    ------
    DataError
        If there is no such loss or batch.

    Examples
    --------
    >>> network_correction("logit-adjustment").shift([90, 10]).round(2).tolist()  # back to 9 : 1
    [0.59, -1.61]
    """
    if loss not in LOSSES:
        raise DataError(f"no loss {loss!r}: choose {', '.join(LOSSES)}")
    if batches not in BATCHES:
        raise DataError(f"no batches {batches!r}: choose {', '.join(BATCHES)}")
    return NetworkCorrection(loss, batches)


def check_network(
    correction: NetworkCorrection, counts: ArrayLike, classes: tuple[str, ...], damage: Damage | None = None
) -> None:
    """Refuse a loss and batches that correct the same imbalance twice.

    Raises
    ------
    DataError
        With the shares that both together would give, and the measured ``damage`` where it is given.
    """
    check_corrections(counts, correction.steps(counts), classes=classes, damage=damage)
