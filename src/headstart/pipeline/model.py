"""A model: taps of pretrained networks side by side, and the head that reads them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.results import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.sources import Source
    from headstart.training import LogisticHead, OrderedHead, RidgeHead, SeveralHead, SVMHead
    from headstart.training.isotonic import Isotonic

    Head = LogisticHead | SVMHead | OrderedHead | RidgeHead | SeveralHead

Part = tuple["Source", tuple[str, ...]]
KINDS = {"OrderedHead": "ordered logistic", "RidgeHead": "ridge", "SeveralHead": "logistic of several"}


@dataclass(frozen=True, eq=False)
class Model:
    """What a fit hands back, in memory. ``export`` turns it into files and ``Run`` reads it from them.

    Attributes
    ----------
    parts : tuple of (Source, tuple of str)
        Networks, with their exact preprocessing, and the taps that are taken from each; empty for a table of features.
        The weights of every network go into the run, whether it stands on disk or was just trained
        (``sources.from_module``).
    head : LogisticHead, SVMHead, OrderedHead, RidgeHead or SeveralHead
        Fitted on the taps of all parts, in this order, side by side. Its classes are the target's, by number. A
        network trained with a linear layer of its own is a part with the tap ``"last"`` and a ``LogisticHead`` made
        ``from_arrays`` of that layer.
    handmade : bool
        Whether the head reads classical descriptors of pictures (``features.handmade``), and no network does.
    offsets : tuple of float
        Added to each class's log probability before the highest is taken; none where the most probable class is said.
    calibration : Isotonic or None
        Applied to what the head says. A temperature stands in the head's own weights.
    prior : tuple of float
        Shares of the classes that the probabilities answer for; none where these are the shares of the data.
    cost : tuple of tuple of float
        Entry (i, j): the cost of saying class j of an example of class i; the class that costs least in expectation is
        said. None where no cost was given.
    rule : mapping of str to tuple of float
        What is said of ranks or labels; see ``headstart.pipeline.deciding.decide``.
    """

    parts: tuple[Part, ...]
    head: Head
    handmade: bool = False
    offsets: tuple[float, ...] = ()
    calibration: Isotonic | None = None
    prior: tuple[float, ...] = ()
    cost: tuple[tuple[float, ...], ...] = ()
    rule: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)

    @property
    def kind(self) -> str:
        """``"logistic"``, ``"linear SVM"``, ``"RBF SVM"``, or one of ``KINDS``."""
        name = type(self.head).__name__
        if name in KINDS:
            return KINDS[name]
        kernel = getattr(self.head, "kernel", None)
        return {None: "logistic", "linear": "linear SVM", "rbf": "RBF SVM"}[kernel]

    @property
    def text(self) -> str:
        """The model in a few words, such as ``"logistic on lite0 (blocks.4, last) and lite1 (last)"``."""
        where = [f"{source.name} ({', '.join(taps)})" for source, taps in self.parts]
        return f"{self.kind} on {' and '.join(where) or ('handmade features' if self.handmade else 'the features')}"

    @property
    def names(self) -> tuple[str, ...]:
        """What each part is called in the files: as its source, without dots, with a number where that is taken."""
        names = ["head"]
        for source, _ in self.parts:
            base = name = source.name.replace(".", "_")
            number = 1
            while name in names:
                number += 1
                name = f"{base} {number}"
            names.append(name)
        return tuple(names[1:])

    def concatenate(self, activations: Sequence[Mapping[str, NDArray[np.float32]]]) -> NDArray[np.float32]:
        """Return what the head reads, (n, d), from the activations of each part by tap, (n, d_tap)."""
        return np.hstack([found[tap] for (_, taps), found in zip(self.parts, activations, strict=True) for tap in taps])

    def predict_proba(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probability of each class, (n, k), for features (n, d): those of ``concatenate``, or the table's.

        Of several labels or heads the probabilities stand side by side; of a number it is the number, (n, 1).

        Raises
        ------
        DataError
            If the head was fitted on another number of features, or they are not finite.
        """
        if features.ndim != 2 or features.shape[1] != self.head.n_features_in_:
            raise DataError(
                f"the head was fitted on {self.head.n_features_in_:,} features, not on an array of {features.shape}"
            )
        broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(broken):
            raise DataError(
                f"row {broken[0]} holds values that are not finite ({len(broken):,} such rows): leave it out"
            )
        if not len(features):
            return np.empty((0, self.n_outputs))
        found = self.head.output(features)
        return found if self.calibration is None else self.calibration(found)

    @property
    def n_outputs(self) -> int:
        """How many columns the model gives."""
        arrays = self.head.to_arrays()
        return len(arrays["thresholds"]) + 1 if "thresholds" in arrays else len(arrays["bias"])

    def scores(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the decision takes the highest of, (n, k)."""
        return decision_scores(probabilities, self.offsets, self.cost)

    def with_logits(self, factor: float, shift: NDArray[np.float64] | float = 0.0) -> Model:
        """Return the model with the logits of its head times ``factor``, and ``shift`` (k,) added."""
        arrays = self.head.to_arrays()
        moved = {**arrays, "weight": arrays["weight"] * factor, "bias": arrays["bias"] * factor + shift}
        return dataclasses.replace(self, head=type(self.head).from_arrays(moved))


def decision_scores(
    probabilities: NDArray[np.float64], offsets: Sequence[float] = (), cost: Sequence[Sequence[float]] = ()
) -> NDArray[np.float64]:
    """Return what the decision takes the highest of, (n, k): minus the cost, or log probability plus offset."""
    if len(cost):
        return -np.asarray(probabilities @ np.array(cost))
    if not len(offsets):
        return probabilities
    return np.asarray(np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)) + np.array(offsets))


def read_head(path: Path, names: Mapping[str, str], kind: str) -> tuple[Head, Isotonic | None]:
    """Return the head of a ``kind``, and its calibration if it has one, from a safetensors file.

    ``names`` maps their arrays to tensors.
    """
    from safetensors import safe_open

    from headstart.training import LogisticHead, OrderedHead, RidgeHead, SeveralHead, SVMHead
    from headstart.training.isotonic import KNOTS, Isotonic

    with safe_open(path, framework="numpy") as stored:
        arrays = {array: stored.get_tensor(tensor) for array, tensor in names.items()}
    heads: dict[str, Any] = {
        "logistic": LogisticHead,
        **dict(zip(KINDS.values(), (OrderedHead, RidgeHead, SeveralHead), strict=True)),
    }
    head: Head = heads.get(kind, SVMHead).from_arrays(arrays)
    return head, Isotonic.from_arrays(arrays) if KNOTS in arrays else None
