"""What fine-tuning made the source forget of its own task."""

from __future__ import annotations

import dataclasses
import math
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.finetuning.freezing import _classifiers
from headstart.metrics import Interval
from headstart.metrics.intervals import paired_bootstrap
from headstart.results import Answer, DataError, SourceError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray
    from torch import nn

    from headstart.data import PictureSet
    from headstart.sources import Preprocessing, Source

_WNID = re.compile(r"n\d{8}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Forgetting(Answer):
    """How well a source still does its own task, with its old classifier on the fine-tuned trunk.

    Attributes
    ----------
    source : str
        Its name.
    n : int
        Pictures of the source task.
    before, after : float
        Top-1 accuracy of the source, and of the fine-tuned trunk under the source's classifier.
    change : Interval
        ``after - before`` with a 95 % interval, paired by picture.
    right_before, right_after : ndarray of bool, shape (n,)
        Which pictures each of them names rightly.
    """

    source: str
    n: int
    before: float
    after: float
    change: Interval
    right_before: NDArray[np.bool_] = dataclasses.field(repr=False, compare=False)
    right_after: NDArray[np.bool_] = dataclasses.field(repr=False, compare=False)

    question = "What did the source forget?"

    def headline(self) -> str:
        """One sentence: what is left of the source's accuracy."""
        ends = f"95 % interval {100 * self.change.low:+.1f} to {100 * self.change.high:+.1f} points"
        found = f"{self.source!r} names {self.after:.1%} of {self.n:,} pictures of its own task rightly, "
        if self.change.high < 0:
            return f"{found}{-100 * self.change.value:.1f} points fewer than before ({ends})."
        if self.change.low > 0:
            return f"{found}{100 * self.change.value:.1f} points more than before ({ends})."
        return f"{found}{self.before:.1%} before: no forgetting was found ({ends})."

    def to_frame(self) -> pd.DataFrame:
        """Return top-1 accuracy before and after, and the change with its interval."""
        import pandas as pd

        rows = {
            "before": (self.before, math.nan, math.nan),
            "after": (self.after, math.nan, math.nan),
            "change": (self.change.value, self.change.low, self.change.high),
        }
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=["top-1 accuracy", "low", "high"])
        return frame.rename_axis("trunk")


def forgetting(
    trunk: nn.Module,
    source: Source,
    pictures: str | Path | PictureSet,
    labels: ArrayLike | None = None,
    *,
    right_before: ArrayLike | None = None,
    device: str = "cpu",
    random_state: int | np.random.Generator | None = 0,
    quiet: bool = True,
) -> Forgetting:
    """Measure what a source has forgotten of its own task: its accuracy with its old classifier, before and after.

    The source's classifier is put on top of the fine-tuned trunk as it was, so the figure also falls where the
    features only moved and a new classifier would still tell the classes apart. It is what is lost for whoever wants
    to go on using the source as it was.

    Parameters
    ----------
    trunk : torch.nn.Module
        A network of the source's architecture with any classifier or none. It is not changed.
    source : Source
        What it was fine-tuned from.
    pictures : str, Path or PictureSet
        Pictures of the source task; a folder is read in the order of file names.
    labels : array_like of int, shape (n,), optional
        Index of each picture's class among the source's outputs. Without it the files of a folder must be named by
        WordNet ids (``n01440764_tench.JPEG``) of all the source's classes, which then count in ascending order, as
        those of ImageNet-1k do.
    right_before : array_like of bool, shape (n,), optional
        What an earlier answer says of the unchanged source on the same pictures; it is then not measured again.
    device : str
        A PyTorch device.
    random_state : int or Generator
        Seed of the resamples.
    quiet : bool
        Whether to show no progress.

    Raises
    ------
    DataError
        If a picture cannot be read, or labels are missing, of another length or no classes of the source.
    SourceError
        If the trunk has another architecture, or the source no classifier.
    """
    from headstart.data import PictureSet
    from headstart.data.readers.walk import is_picture

    old = source.network()
    tuned = with_source_classifier(trunk, source)
    if not isinstance(pictures, PictureSet):
        folder = Path(pictures)
        files = sorted(file for file in folder.iterdir() if is_picture(file.name)) if folder.is_dir() else []
        if not files:
            raise DataError(f"no pictures in {str(folder)!r}: give a folder of pictures of the source task")
        if labels is None:
            labels = _labels_of_names(files, source)
        pictures = PictureSet(files)
    if labels is None:
        raise DataError("labels are missing: give the index of each picture's class among the source's outputs")
    y = np.asarray(labels)
    if y.shape != (len(pictures),) or not len(y) or y.dtype.kind not in "iu":
        raise DataError(f"labels are {y.dtype}, {y.shape}, for {len(pictures)} pictures: give one class index each")
    known = None if right_before is None else np.asarray(right_before, dtype=bool)
    if known is not None and known.shape != y.shape:
        raise DataError(f"right_before has shape {known.shape} for {len(y)} pictures: give that of the same pictures")
    first = _right(old, source.preprocessing, pictures, y, device, quiet) if known is None else known
    then = _right(tuned, source.preprocessing, pictures, y, device, quiet)
    difference = then.astype(np.float64) - first
    groups = np.unique(pictures.digests, axis=0, return_inverse=True)[1].reshape(-1)
    change = paired_bootstrap(
        lambda weights: np.asarray(weights @ difference / weights.sum(axis=1)), groups, random_state=random_state
    )
    return Forgetting(
        source=source.name,
        n=len(y),
        before=float(first.mean()),
        after=float(then.mean()),
        change=change,
        right_before=first,
        right_after=then,
    )


def with_source_classifier(trunk: nn.Module, source: Source) -> nn.Module:
    """Return a new network with the source's classifier and all other weights and statistics of ``trunk``.

    Raises
    ------
    SourceError
        If the trunk has another architecture, or the source no classifier.
    """
    network = source.network()
    own = {id(tensor) for part in _classifiers(network) for tensor in (*part.parameters(), *part.buffers())}
    if not own:
        raise SourceError(f"{source.name!r} has no classifier, so there is no task of its own that it could forget")
    tuned = trunk.state_dict()
    state = {}
    for name, tensor in network.state_dict(keep_vars=True).items():
        given = tensor if id(tensor) in own else tuned.get(name)
        if given is None or given.shape != tensor.shape:
            shape = "is missing" if given is None else f"is {tuple(given.shape)}, not {tuple(tensor.shape)}"
            raise SourceError(f"the trunk does not fit {source.name!r}: {name} {shape}: give the source it came from")
        state[name] = given.detach()
    network.load_state_dict(state)
    return network.eval()


def _labels_of_names(files: list[Path], source: Source) -> NDArray[np.int64]:
    wnids = [file.name.partition("_")[0].partition(".")[0] for file in files]
    found, labels = np.unique(wnids, return_inverse=True)
    if len(found) != source.card.n_classes or not all(_WNID.fullmatch(wnid) for wnid in found):
        raise DataError(
            f"the names of {len(files)} pictures do not tell the {source.card.n_classes} classes of {source.name!r} "
            f"({files[0].name!r}, ...): give labels"
        )
    return np.asarray(labels, dtype=np.int64)


class _Logits:
    """An engine that runs a whole network, see ``headstart.features.backends.base.Backend``."""

    name = "torch"
    precision = "f32"
    taps: tuple[str, ...] = ("logits",)
    batch_size = 32

    def __init__(self, network: nn.Module, preprocessing: Preprocessing, device: str) -> None:
        import torch

        from headstart.features.backends import n_processors
        from headstart.finetuning.top import Top

        self.version = str(torch.__version__)
        self.workers = n_processors() + 1
        self._device = torch.device(device)
        self._network = Top(network, None, preprocessing).to(memory_format=torch.channels_last).to(self._device).eval()
        self._turn = threading.Lock()

    def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        import torch

        with self._turn, torch.inference_mode():
            return [self._network(torch.from_numpy(pictures).to(self._device)).float().cpu().numpy()]


def _right(
    network: nn.Module, preprocessing: Preprocessing, pictures: PictureSet, y: NDArray[Any], device: str, quiet: bool
) -> NDArray[np.bool_]:
    """Return which pictures the network names rightly."""
    from headstart.features.engine import batches
    from headstart.results.terminal import progress

    right = np.zeros(len(y), dtype=bool)
    failed: dict[int, str] = {}
    rows = np.arange(len(y))
    with progress("the source's own task", len(y), quiet=quiet) as advance:
        for done, (logits,) in batches(_Logits(network, preprocessing, device), pictures, rows, preprocessing, failed):
            if failed:
                row, reason = next(iter(failed.items()))
                raise DataError(f"picture {row} of the source task cannot be read ({reason}): leave it out")
            if not 0 <= y.min() <= y.max() < logits.shape[1]:
                raise DataError(
                    f"labels run from {y.min()} to {y.max()} where the source has {logits.shape[1]} classes: "
                    "count from 0 in the order of its outputs"
                )
            right[done] = logits.argmax(axis=1) == y[done]
            advance(len(done))
    return right
