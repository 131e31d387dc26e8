"""Losses by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from headstart.imbalance.loss_counts import Floats, checked_counts, ldam_margins, log_priors, loss_weights
from headstart.imbalance.loss_spec import LossSpec
from headstart.results import DataError

if TYPE_CHECKING:
    from headstart.imbalance.losses import ClassificationLoss

_DEFERRED = 0.8  # share of the epochs before the weights, as in the paper: 160 of 200


def _cross_entropy(counts: Floats, *, label_smoothing: float = 0.0) -> dict[str, Any]:
    return {"label_smoothing": label_smoothing}


def _focal(counts: Floats, *, gamma: float = 2.0, one_vs_rest: bool = False) -> dict[str, Any]:
    return {"gamma": gamma, "one_vs_rest": one_vs_rest}


def _ldam(counts: Floats, *, max_margin: float = 0.5, scale: float = 1.0) -> dict[str, Any]:
    return {"margins": ldam_margins(counts, max_margin), "scale": scale}


def _ldam_drw(
    counts: Floats,
    *,
    max_margin: float = 0.5,
    scale: float = 1.0,
    epochs: int | None = None,
    reweight_from: int | None = None,
) -> dict[str, Any]:
    if reweight_from is None:
        if epochs is None or epochs < 1:
            raise DataError(
                f"ldam_drw with epochs={epochs!r} does not know when to reweight: give epochs, how many there will be, "
                "or reweight_from, the first that is weighted"
            )
        reweight_from = round(_DEFERRED * epochs)
    return {**_ldam(counts, max_margin=max_margin, scale=scale), "reweight_from": reweight_from}


def _logit_adjustment(counts: Floats, *, tau: float = 1.0, label_smoothing: float = 0.0) -> dict[str, Any]:
    return {"offsets": log_priors(counts, tau), "label_smoothing": label_smoothing}


_LOSSES: dict[str, tuple[Callable[..., dict[str, Any]], str | None]] = {  # and their usual class weights
    "cross_entropy": (_cross_entropy, None),
    "class_balanced": (_cross_entropy, "effective"),
    "focal": (_focal, None),
    "class_balanced_focal": (_focal, "effective"),
    "ldam": (_ldam, None),
    "ldam_drw": (_ldam_drw, "effective"),
    "logit_adjustment": (_logit_adjustment, None),
}
LOSSES = tuple(_LOSSES)
_COMMON = ("class_weight", "beta", "reweight_from")


def loss_spec(name: str, counts: ArrayLike, **options: Any) -> LossSpec:
    """Return what the loss of that name is; :func:`make_loss` says what it takes.

    Needs no PyTorch: :func:`headstart.imbalance.loss_spec.value_and_gradient` computes it on arrays.
    """
    key = str(name).strip().lower().replace("-", "_").replace(" ", "_")
    if key not in _LOSSES:
        raise DataError(f"no loss {name!r}: choose {', '.join(LOSSES)}")
    known = checked_counts(counts)
    build, usual = _LOSSES[key]
    own = tuple(inspect.signature(build).parameters)[1:]
    every = tuple(dict.fromkeys((*own, *_COMMON)))
    for option in options:
        if option not in every:
            raise DataError(f"the loss {key} has no option {option!r}: it has {', '.join(every)}")
    weight = loss_weights(known, options.pop("class_weight", usual), options.pop("beta", 0.999))
    settings = {"reweight_from": options.pop("reweight_from", 0)} if "reweight_from" not in own else {}
    return LossSpec(key, len(known), weight, **settings, **build(known, **options))


def make_loss(name: str, counts: ArrayLike, *, reduction: str = "mean", **options: Any) -> ClassificationLoss:
    """Return a loss as a PyTorch module: ``loss(logits, classes, sample_weight=None)``.

    ==================== =========================================================== ==========================
    name                 what it is                                                  options
    ==================== =========================================================== ==========================
    cross_entropy        -log p_y                                                    label_smoothing
    class_balanced       the same, weighted by effective numbers [2]_                label_smoothing
    focal                -(1 - p_y)^gamma log p_y [1]_                               gamma (2), one_vs_rest
    class_balanced_focal the same, weighted by effective numbers [2]_                gamma (2), one_vs_rest
    ldam                 cross-entropy with a margin ~ n_y^(-1/4) [3]_               max_margin (0.5), scale (1)
    ldam_drw             the same, weighted from a late epoch on [3]_                max_margin, scale, epochs
    logit_adjustment     cross-entropy of logits + tau log(prior) [4]_               tau (1), label_smoothing
    ==================== =========================================================== ==========================

    All take ``class_weight`` (``"balanced"``, ``"sqrt"``, ``"effective"``, a mapping, or one weight a class; they are
    scaled to sum to n over the examples), ``beta`` (0.999; 0.9999 in the code of [3]_) for ``"effective"``, and
    ``reweight_from``, the epoch from which on the weights are used. ``ldam_drw`` also takes ``epochs``, how many there
    will be, and then reweights from 80 % of them on, as the paper does (160 of 200); whoever trains calls
    ``loss.set_epoch(epoch)`` as each epoch begins.

    [2]_ publishes its focal loss with sigmoids (``one_vs_rest=True``); the softmax is the default because Headstart's
    heads give probabilities by softmax. [3]_ takes cosines for logits, times 30 in the authors' code: on those give
    ``scale``; on plain logits the margin is in units of the logit.

    Parameters
    ----------
    name : str
        One of the above; case, ``-`` and blanks do not matter.
    counts : array_like, shape (k,)
        Examples of each class in what is trained on: where batches are drawn by
        :class:`headstart.imbalance.sampler.BalancedBatchSampler`, what it draws. A class without examples weighs 0,
        and has the margin and the prior of the rarest one that has some.
    reduction : {"mean", "sum", "examples", "none"}
        Weighted mean, weighted sum, the sum by the number of examples, or one number an example
        (:class:`headstart.imbalance.loss_spec.LossSpec`).
    **options
        Of that loss.

    Raises
    ------
    DataError
        If there is no such loss or option, or a value is out of range.

    References
    ----------
    .. [1] Lin et al. (2017), Focal loss for dense object detection, arXiv:1708.02002, eq. 4.
    .. [2] Cui et al. (2019), Class-balanced loss based on effective number of samples, arXiv:1901.05555, sec. 4.
    .. [3] Cao et al. (2019), Learning imbalanced datasets with label-distribution-aware margin loss,
       arXiv:1906.07413, sec. 3.2 and algorithm 1; weights by effective number as in the authors' code.
    .. [4] Menon et al. (2021), Long-tail learning via logit adjustment, arXiv:2007.07314, eq. 10.

    Examples
    --------
    >>> import torch
    >>> loss = make_loss("logit adjustment", [90, 10])
    >>> round(float(loss(torch.zeros(1, 2), torch.tensor([1]))), 4)  # -log(10 / 100)
    2.3026
    """
    from headstart.imbalance.losses import ClassificationLoss

    return ClassificationLoss(loss_spec(name, counts, **options), reduction=reduction)
