"""What a loss on logits is, apart from where it is computed; and its value and gradient on arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.results import DataError

Floats = NDArray[np.float64]
REDUCTIONS = ("mean", "sum", "examples", "none")


@dataclass(frozen=True, eq=False)
class LossSpec:
    """A loss on logits z (n, k) and classes y (n,).

    All losses of this room are of one family. With ``u_j = scale * (z_j - margins_j [j = y]) + offsets_j``, the
    odds against the true class are ``d = log(sum over j != y of exp(u_j)) - u_y``, cross-entropy is
    ``log(1 + exp(d))``, the chance that was given to the other classes is ``1 / (1 + exp(-d))``, and the loss is
    ``chance**gamma * log(1 + exp(d))``. In this form nothing overflows and no small number is a difference of large
    ones, however sure the logits are.

    **Weights.** The weight of an example is that of its class times its own, and a weight of 2 counts like an example
    that stands twice. ``"mean"`` is the weighted mean, ``sum_i w_i l_i / sum_i w_i`` over the batch, as in PyTorch's
    cross-entropy (and 0 where all weights are 0); ``"sum"`` is ``sum_i w_i l_i``; ``"examples"`` is that by the number
    of examples; ``"none"`` is ``w_i l_i``. In batches of one the weighted mean forgets all weights, and means of the
    parts of a batch do not average to that of the whole: a training loop that adds gradients up takes ``"examples"``.

    Attributes
    ----------
    name : str
        As :func:`headstart.imbalance.loss_names.make_loss` knows it.
    n_classes : int
        k.
    weight : ndarray of shape (k,), optional
        Weight of each class.
    margins : ndarray of shape (k,), optional
        What the true class's logit is lessened by.
    offsets : ndarray of shape (k,), optional
        What is added to the logits, in training only: predictions are made from z.
    scale : float
        Times the logits.
    gamma : float
        How much less an example counts the better it is predicted.
    label_smoothing : float
        Share of the target that is spread over all classes. The example's weight stays that of its class, where
        PyTorch gives each class's part of the target the weight of that class.
    one_vs_rest : bool
        The sum over the k classes, each against the rest by a sigmoid, in place of one softmax.
    reweight_from : int
        Epoch, counted from 0, from which on the classes' weights are used (deferred reweighting).
    """

    name: str
    n_classes: int
    weight: Floats | None = None
    margins: Floats | None = None
    offsets: Floats | None = None
    scale: float = 1.0
    gamma: float = 0.0
    label_smoothing: float = 0.0
    one_vs_rest: bool = False
    reweight_from: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.gamma < np.inf:
            raise DataError(f"gamma={self.gamma!r}: give a number of at least 0; 0 is cross-entropy, 2 the usual one")
        if not 0 < self.scale < np.inf:
            raise DataError(f"scale={self.scale!r}: give a positive number")
        if not 0 <= self.label_smoothing < 1:
            raise DataError(f"label_smoothing={self.label_smoothing!r}: give a share from 0 to below 1")
        if self.reweight_from < 0:
            raise DataError(f"reweight_from={self.reweight_from!r}: give the number of an epoch, counted from 0")

    def weight_at(self, epoch: int | None) -> Floats | None:
        """Return the weights of the classes in an epoch; ``None`` asks for those after the last change."""
        return None if epoch is not None and epoch < self.reweight_from else self.weight


def value_and_gradient(
    spec: LossSpec,
    scores: ArrayLike,
    labels: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    reduction: str = "mean",
    epoch: int | None = None,
) -> tuple[float, Floats]:
    """Return a loss and its gradient by the scores, for a solver that works on arrays.

    Parameters
    ----------
    spec : LossSpec
        The loss.
    scores : array_like, shape (n, k)
        Logits. The two columns of a head with one log-odds s are 0 and s.
    labels : array_like of int, shape (n,)
        Classes, from 0 to k - 1.
    sample_weight : array_like, shape (n,), optional
        Multiplied with the weights of the classes.
    reduction : {"mean", "sum"}
        See :class:`LossSpec`.
    epoch : int, optional
        For deferred reweighting; by default the classes' weights count.

    Returns
    -------
    value : float
    gradient : ndarray, shape (n, k)

    Raises
    ------
    DataError
        If shapes or labels do not fit.

    Examples
    --------
    >>> value, gradient = value_and_gradient(LossSpec("cross_entropy", 2), [[0.0, 0.0]], [1])
    >>> round(value, 4), gradient.tolist()
    (0.6931, [[0.5, -0.5]])
    """
    Z = np.asarray(scores, dtype=np.float64)
    y = np.asarray(labels)
    if Z.ndim != 2 or Z.shape[1] != spec.n_classes or y.shape != Z.shape[:1]:
        raise DataError(f"scores {Z.shape} and labels {y.shape} do not fit: give (n, {spec.n_classes}) and (n,)")
    if y.size and (y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= spec.n_classes):
        raise DataError(f"labels are not all whole numbers from 0 to {spec.n_classes - 1}")
    if reduction not in REDUCTIONS[:2]:
        raise DataError(f"reduction={reduction!r}: give mean or sum")
    w = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if w.shape != y.shape:
        raise DataError(f"sample_weight has shape {w.shape} for {len(y)} rows: give one weight a row")
    y = y.astype(np.int64)
    weight = spec.weight_at(epoch)
    if weight is not None:
        w = w * weight[y]
    terms, gradient = _terms(spec, Z, y)
    if reduction == "mean":
        w = w / (w.sum() or 1.0)
    return float(w @ terms), w[:, None] * gradient


def _terms(spec: LossSpec, Z: Floats, y: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return each row's loss (n,) and its gradient (n, k)."""
    from scipy.special import logsumexp, softmax

    true = np.arange(Z.shape[1]) == y[:, None]
    U = Z if spec.margins is None else Z - true * spec.margins
    U = spec.scale * U + (0.0 if spec.offsets is None else spec.offsets)
    if spec.one_vs_rest:
        signs = np.where(true, -1.0, 1.0)
        terms, slopes = _focused(signs * U, spec.gamma)
        return terms.sum(axis=1), spec.scale * signs * slopes
    others = np.where(true, -np.inf, U)
    terms, slopes = _focused(logsumexp(others, axis=1) - U[true], spec.gamma)
    gradient = slopes[:, None] * (softmax(others, axis=1) - true)
    if spec.label_smoothing:
        # The mean of what cross-entropy would be if each class were the true one.
        smooth, k = spec.label_smoothing, Z.shape[1]
        log_shares = U - logsumexp(U, axis=1, keepdims=True)
        terms = (1 - smooth) * terms - smooth * log_shares.mean(axis=1)
        gradient = (1 - smooth) * gradient + smooth * (np.exp(log_shares) - 1 / k)
    return terms, spec.scale * gradient


def _focused(d: Floats, gamma: float) -> tuple[Floats, Floats]:
    """Return ``sigmoid(d)**gamma * log(1 + exp(d))`` and its derivative."""
    from scipy.special import expit, log_expit

    focus, entropy = np.exp(gamma * log_expit(d)), -log_expit(-d)
    return focus * entropy, focus * (gamma * expit(-d) * entropy + expit(d))
