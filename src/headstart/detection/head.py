"""FCOS's head with a loss that leaves ignored regions alone and may weigh classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torchvision.models.detection.fcos import FCOSHead
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from headstart.detection.inputs import split_target

if TYPE_CHECKING:
    from torch import Tensor

    from headstart.detection.network import Detector

_START = 4.0  # units to each edge, where a level's boxes begin: zero would be a box without area


class Head(FCOSHead):  # type: ignore[misc]
    """torchvision's head with its own first guess of a box, and a loss of its own.

    Parameters
    ----------
    width : int
        Channels of the pyramid, a multiple of 32 (group normalization of 32 groups).
    n_classes : int
    n_convolutions : int
        Of each of the two towers.
    """

    def __init__(self, width: int, n_classes: int, n_convolutions: int) -> None:
        super().__init__(width, 1, n_classes, n_convolutions)
        nn.init.constant_(self.regression_head.bbox_reg.bias, _START)

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> dict[str, Tensor]:
        """Return the three terms of FCOS: focal, generalized IoU, and centredness.

        A point that is matched to a box of class c weighs w_c in all terms, one that is matched to none weighs 1 in the
        first, and 0 where its target's ``ignore`` says so; the terms are divided by the sum of the matched weights.
        With weights of 1 and nothing ignored this is ``FCOSHead.compute_loss``.

        Parameters
        ----------
        targets : list of dict
            ``boxes`` (m, 4), ``labels`` (m,), ``weights`` (k,) of the classes, ``ignore`` (A,) of the points.
        head_outputs : dict
            As torchvision names them.
        anchors : list of Tensor, (A, 4)
        matched_idxs : list of Tensor, (A,)
            The box that each point answers for, -1 for none.

        References
        ----------
        Tian et al. (2019), arXiv:1904.01355, eq. 2 and 3. Lin et al. (2017), Focal loss, arXiv:1708.02002, eq. 5.
        Weights of the classes: Cui et al. (2019), arXiv:1901.05555, sec. 4.
        """
        logits, edges, centred = (head_outputs[name] for name in ("cls_logits", "bbox_regression", "bbox_ctrness"))
        matched = torch.stack(matched_idxs)
        inside = matched >= 0
        labels = [_taken(one["labels"], match) for one, match in zip(targets, matched_idxs, strict=True)]
        boxes = [_taken(one["boxes"], match) for one, match in zip(targets, matched_idxs, strict=True)]
        label, points = torch.stack(labels)[inside], torch.stack(anchors)[inside]
        box = torch.stack(boxes)[inside]
        weight = torch.stack([one["weights"] for one in targets])[torch.nonzero(inside)[:, 0], label]
        total = weight.sum().clamp(min=1e-6) if len(weight) else torch.ones(())

        truth = torch.zeros_like(logits)
        truth[(*torch.nonzero(inside, as_tuple=True), label)] = 1.0
        of_point = (~torch.stack([one["ignore"] for one in targets])).to(logits.dtype)
        of_point[inside] = weight.to(logits.dtype)
        focal = sigmoid_focal_loss(logits, truth, reduction="none").sum(dim=2)

        predicted = self.box_coder.decode(edges[inside], points)
        overlap = generalized_box_iou_loss(predicted, box, reduction="none")
        distance = self.box_coder.encode(points, box)
        across, down = distance[:, [0, 2]], distance[:, [1, 3]]
        centre = torch.sqrt((across.amin(1) / across.amax(1)) * (down.amin(1) / down.amax(1)))
        entropy = nn.functional.binary_cross_entropy_with_logits(centred[inside][:, 0], centre, reduction="none")
        return {
            "classification": (focal * of_point).sum() / total,
            "bbox_regression": (overlap * weight).sum() / total,
            "bbox_ctrness": (entropy * weight).sum() / total,
        }


class DetectionLoss:
    """The sum of the three terms, for the training loop.

    Parameters
    ----------
    detector : Detector
        Matches boxes to points.
    weights : sequence of float
        Of the classes; 1 each for none.
    """

    def __init__(self, detector: Detector, weights: Sequence[float]) -> None:
        self._detector, self._weights = detector, torch.tensor(list(weights), dtype=torch.float32)

    def __call__(self, raw: Any, rows: Tensor) -> Tensor:
        """Return the loss of what a detector says (``Raw``) of a batch, whose boxes are (b, m, 6) of ``as_targets``."""
        weights = self._weights.to(raw.logits.device)
        targets = []
        for row in rows:
            target, ignored = split_target(row)
            targets.append({**target, "weights": weights, "ignore": _points_in(raw.points, ignored)})
        terms: dict[str, Any] = self._detector.fcos.compute_loss(
            targets, raw.outputs, [raw.points] * len(rows), raw.levels
        )
        loss: Tensor = sum(terms.values())  # type: ignore[assignment]
        return loss


def _taken(values: Tensor, match: Tensor) -> Tensor:
    """Return the value of each point's box; anything where it has none."""
    if not len(values):
        return values.new_zeros((len(match), *values.shape[1:]))
    return values[match.clamp(min=0)]


def _points_in(points: Tensor, boxes: Tensor) -> Tensor:
    """Return whether the centre of each point (A, 4) lies in any of the boxes (m, 4)."""
    centre = (points[:, None, :2] + points[:, None, 2:]) / 2
    return ((centre > boxes[None, :, :2]) & (centre < boxes[None, :, 2:])).all(dim=2).any(dim=1)
