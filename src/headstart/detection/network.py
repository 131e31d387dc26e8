"""A detector: the trunk of a pretrained network, a feature pyramid, and torchvision's FCOS on it."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from headstart.detection.head import Head
from headstart.results import SourceError

if TYPE_CHECKING:
    from torch import Tensor

    from headstart.sources import Source

STRIDES = (8, 16, 32)
WIDTH, CONVOLUTIONS = 96, 2
# A level answers for points whose farthest edge is 4 to 8 of its units away. A unit of half a stride, where
# torchvision's is a whole one, sends boxes of 32 to 64 pixels to the middle level of three instead of to the finest.
UNIT = 0.5
_SMALLEST = 64  # pixels of the picture that tells which weights are used
_SCORE, _OVERLAP, _MOST = 0.05, 0.6, 100  # what is found: least score, overlap that makes two one, boxes a picture


class Raw(NamedTuple):
    """What the head says of each of the A points of all levels.

    Attributes
    ----------
    logits : Tensor of shape (b, A, k)
    edges : Tensor of shape (b, A, 4)
        Distances from the point to left, top, right and bottom, in the level's unit.
    centred : Tensor of shape (b, A, 1)
        Logit of how near to the box's centre the point is.
    points : Tensor of shape (A, 4)
        Squares of a unit a side around the points.
    levels : list of int
        Points of each level.
    """

    logits: Tensor
    edges: Tensor
    centred: Tensor
    points: Tensor
    levels: list[int]

    @property
    def outputs(self) -> dict[str, Tensor]:
        """What torchvision calls the head's outputs."""
        return {"cls_logits": self.logits, "bbox_regression": self.edges, "bbox_ctrness": self.centred}


class Detector(nn.Module):
    """FCOS over a feature pyramid over three stages of a source's network.

    The trunk is the source's own network, whole, with the weights it came with; timm hands out its activations at
    strides 8, 16 and 32. Pyramid, head, matching of boxes to points and suppression of doubles are torchvision's.

    Parameters
    ----------
    source : Source
        Any network of the catalogue whose activations have these strides.
    n_classes : int
    seed : int
        Seed of the pyramid's and the head's first weights.

    Attributes
    ----------
    trunk : torch.nn.Module
        Its stages are those of ``headstart.sources.find_stages``.
    fcos : torchvision.models.detection.FCOS
        Pyramid (``backbone``) and head: all that is not the source's.
    entries : dict of int to str
        For each stride, the module of the trunk whose output is taken.
    unused : tuple of str
        Parameters of the trunk that stand behind the last of these, such as its classifier: they never learn.

    Raises
    ------
    SourceError
        If the network has no activations at these strides.

    References
    ----------
    Tian et al. (2019), FCOS: fully convolutional one-stage object detection, arXiv:1904.01355. Lin et al. (2017),
    Feature pyramid networks for object detection, arXiv:1612.03144.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, source: Source, n_classes: int, *, seed: int = 0) -> None:
        super().__init__()
        from torchvision.models.detection import FCOS
        from torchvision.models.detection.anchor_utils import AnchorGenerator
        from torchvision.ops import FeaturePyramidNetwork

        self.trunk: Any = source.network()
        self._indices, channels, self.entries = levels(self.trunk, source.name)
        self.register_buffer("mean", torch.tensor(source.preprocessing.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(source.preprocessing.std).view(1, 3, 1, 1), persistent=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            pyramid: Any = FeaturePyramidNetwork(channels, WIDTH)
            pyramid.out_channels = WIDTH
            self.fcos: Any = FCOS(
                pyramid,
                n_classes,
                anchor_generator=AnchorGenerator(tuple((int(UNIT * stride),) for stride in STRIDES), ((1.0,),) * 3),
                head=Head(WIDTH, n_classes, CONVOLUTIONS),
                center_sampling_radius=1.5 / UNIT,
                score_thresh=_SCORE,
                nms_thresh=_OVERLAP,
                detections_per_img=_MOST,
            )
        self.unused = self._without_gradient()

    @property
    def head(self) -> Head:
        """The head, with its loss."""
        head: Head = self.fcos.head
        return head

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Return the trunk's activations (b, c, h, w) at each stride, of pictures uint8 (b, height, width, 3)."""
        x = pictures.permute(0, 3, 1, 2).to(self.mean.dtype) / 255
        found: list[Tensor] = self.trunk.forward_intermediates(
            (x - self.mean) / self.std, indices=self._indices, stop_early=True, intermediates_only=True
        )
        return found

    def forward(self, pictures: Tensor) -> Raw:
        """Return what the head says of pictures, uint8 (b, height, width, 3), sides multiples of 32."""
        from torchvision.models.detection.image_list import ImageList

        named = OrderedDict(zip(map(str, STRIDES), self.maps(pictures), strict=True))
        features = list(self.fcos.backbone(named).values())
        found = self.fcos.head(features)
        size = (int(pictures.shape[1]), int(pictures.shape[2]))
        canvas = ImageList(pictures.permute(0, 3, 1, 2), [size])
        (points,) = self.fcos.anchor_generator(canvas, features)
        levels = [one.shape[2] * one.shape[3] for one in features]
        return Raw(found["cls_logits"], found["bbox_regression"], found["bbox_ctrness"], points, levels)

    def found(self, raw: Raw, sizes: list[tuple[int, int]]) -> list[dict[str, Tensor]]:
        """Return ``boxes`` (k, 4), ``scores`` and ``labels`` (k,) in each picture, whose (height, width) are given."""
        outputs = {name: list(torch.split(value, raw.levels, dim=1)) for name, value in raw.outputs.items()}
        points = [list(torch.split(raw.points, raw.levels))] * len(sizes)
        boxes: list[dict[str, Tensor]] = self.fcos.postprocess_detections(outputs, points, sizes)
        return boxes

    def _without_gradient(self) -> tuple[str, ...]:
        """Return the trunk's parameters that no activation in use depends on."""
        self.eval()
        maps = self.maps(torch.zeros(1, _SMALLEST, _SMALLEST, 3, dtype=torch.uint8))
        torch.stack([one.sum() for one in maps]).sum().backward()  # type: ignore[no-untyped-call]
        unused = tuple(name for name, parameter in self.trunk.named_parameters() if parameter.grad is None)
        self.trunk.zero_grad(set_to_none=True)
        return unused


def levels(trunk: Any, name: str) -> tuple[list[int], list[int], dict[int, str]]:
    """Return place, width and module of the last of the trunk's activations at each stride.

    Raises
    ------
    SourceError
        If there are none at one of the strides.
    """
    info = getattr(trunk, "feature_info", None) if hasattr(trunk, "forward_intermediates") else None
    at = {entry["reduction"]: (place, entry) for place, entry in enumerate(info or ())}
    missing = [stride for stride in STRIDES if stride not in at]
    if missing:
        raise SourceError(
            f"{name!r} has no activations at stride {missing[0]}, which a detector needs: take a convolutional network "
            "of the catalogue, such as lite0"
        )
    chosen = [at[stride] for stride in STRIDES]
    return (
        [place for place, _ in chosen],
        [int(entry["num_chs"]) for _, entry in chosen],
        {stride: str(entry["module"]) for stride, (_, entry) in zip(STRIDES, chosen, strict=True)},
    )
