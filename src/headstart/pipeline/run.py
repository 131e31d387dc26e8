"""A run: the folder that ``fit`` leaves, and the model in it."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.results import DataError, RunError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from headstart.data.pictures import PictureSet
    from headstart.features.backends import Backend
    from headstart.sources import Preprocessing


class Run:
    """A finished run: its answers, and a model that predicts. ``headstart.load`` and ``headstart.fit`` give one.

    Parameters
    ----------
    folder : Path
        The run folder.

    Attributes
    ----------
    folder : Path
    classes : tuple of str
        The k classes, in the order of the columns of ``predict_proba``.
    info : dict
        What ``run.json`` holds: settings, decisions with their evidence, metrics, versions.

    Raises
    ------
    RunError
        If the folder holds no finished run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            self.info: dict[str, Any] = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
            self.classes: tuple[str, ...] = tuple(self.info["model"]["classes"])
        except FileNotFoundError:
            begun = (self.folder / "plan.json").is_file()
            hint = "the same `headstart fit` goes on with it" if begun else "`headstart fit DATA --out` makes one"
            what = "was not finished" if begun else "is no run"
            raise RunError(f"{str(self.folder)!r} {what}: {hint}") from None
        except (ValueError, KeyError, TypeError, OSError):
            raise RunError(f"{str(self.folder / 'run.json')!r} is damaged: fit again in a new folder") from None

    def __repr__(self) -> str:
        return f"<Run {str(self.folder)!r}: {len(self.classes)} classes, {self.headline()}>"

    def headline(self) -> str:
        """Return what the run found, in one sentence."""
        return str(self.info["headline"])

    @property
    def metrics(self) -> dict[str, Any]:
        """Metrics on the test part, each with ``value``, ``low`` and ``high`` (95 % interval)."""
        return dict(self.info["metrics"])

    @property
    def report(self) -> Path:
        """The report page."""
        return self.folder / "report.html"

    @property
    def preprocessing(self) -> Preprocessing | None:
        """How a picture becomes the network's input; ``None`` for a model of plain features."""
        from headstart.sources import Preprocessing

        stored = self.info["model"]["preprocessing"]
        return Preprocessing.from_dict(stored) if stored else None

    def predict_proba(self, X: Any, *, device: str = "auto", quiet: bool = True) -> NDArray[np.float64]:
        """Return the probability of each class, (n, k), for pictures or for rows of features.

        Parameters
        ----------
        X : sequence of paths, bytes, arrays or PIL pictures; array (n, h, w, 3); or features (n, d)
            What the model was made for. A single path is one picture.
        device : str
            ``"auto"`` and ``"cpu"`` run on the CPU, else a PyTorch device.
        quiet : bool
            Whether to show no progress.

        Raises
        ------
        DataError
            If a picture cannot be read, or the features do not fit.
        """
        if self.preprocessing is None:
            return self._from_features(X)
        probabilities, failed = self.predict_pictures(_pictures(X), device=device, quiet=quiet)
        if failed:
            row, reason = min(failed.items())
            raise DataError(f"picture {row} of {len(probabilities)} cannot be read ({reason}): leave it out")
        return probabilities

    def predict(self, X: Any, *, device: str = "auto", quiet: bool = True) -> NDArray[np.object_]:
        """Return the most probable class, as text, of each picture or row of features; see ``predict_proba``."""
        best = self.predict_proba(X, device=device, quiet=quiet).argmax(axis=1)
        named: NDArray[np.object_] = np.array(self.classes, dtype=object)[best]
        return named

    def predict_pictures(
        self, pictures: PictureSet, *, device: str = "auto", quiet: bool = True
    ) -> tuple[NDArray[np.float64], dict[int, str]]:
        """Return probabilities (n, k), NaN where a picture cannot be read, and the reason for each of those rows."""
        from headstart.features.engine import batches
        from headstart.results.terminal import progress

        assert self.preprocessing is not None
        on_cpu = device in {"auto", "cpu"}
        engine = self._cpu_engine if on_cpu else self._torch_engine(device)
        failed: dict[int, str] = {}
        result = np.full((len(pictures), len(self.classes)), np.nan)
        with progress("predicting", len(pictures), quiet=quiet) as advance:
            every = np.arange(len(pictures))
            for rows, outputs in batches(engine, pictures, every, self.preprocessing, failed):
                last = outputs[-1].astype(np.float64)
                # The graph's float32 softmax sums to 1 within 1e-7; who uses it may check more strictly.
                result[rows] = last / last.sum(axis=1, keepdims=True) if on_cpu else self._from_last(last)
                advance(len(rows))
        result[sorted(failed)] = np.nan
        return result, failed

    def _from_features(self, X: Any) -> NDArray[np.float64]:
        names = self.info["model"]["feature_names"]
        if hasattr(X, "columns"):
            missing = [name for name in names if name not in X.columns]
            if missing:
                raise DataError(f"there is no column {missing[0]!r}, which the model was made with: {', '.join(names)}")
            X = X[names]
        try:
            values = np.asarray(X, dtype=np.float64)
        except (TypeError, ValueError):
            raise DataError("the model was made with plain features: give numbers, (n, d)") from None
        if values.ndim != 2 or values.shape[1] != len(names):
            raise DataError(f"the model was made with {len(names)} features, not with an array of {values.shape}")
        return self._from_last(values)

    def _from_last(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        weight, bias = self._layer
        logits = features @ weight.T.astype(np.float64) + bias
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))

    @functools.cached_property
    def _layer(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        from safetensors import safe_open

        weight, bias = self.info["model"]["layer"]
        with safe_open(self.folder / "model.safetensors", framework="numpy") as stored:
            return stored.get_tensor(weight), stored.get_tensor(bias)

    def _torch_engine(self, device: str) -> Backend:
        from headstart.features.backends.pytorch import TorchBackend
        from headstart.sources import get

        return TorchBackend(get(self.folder), device)

    @functools.cached_property
    def _cpu_engine(self) -> Backend:
        from headstart.features.backends.openvino import OpenVinoBackend

        return OpenVinoBackend(self.folder / "model.onnx")

    def table(
        self, ids: Sequence[str], probabilities: NDArray[np.float64], *, top: int = 3, failed: Mapping[int, str] = {}
    ) -> pd.DataFrame:
        """Return predictions as a table: id, the ``top`` classes with their probability, then every class.

        Rows of ``failed`` are empty but for their id and the column ``unreadable``, which is there if one failed.
        """
        import pandas as pd

        unreadable = sorted(failed)
        probabilities = probabilities.copy()
        probabilities[unreadable] = 0
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, : max(1, min(top, len(self.classes)))]
        columns: dict[str, Any] = {"id": list(ids)}
        for place in range(order.shape[1]):
            suffix = "" if place == 0 else f"_{place + 1}"
            columns[f"predicted{suffix}"] = [self.classes[code] for code in order[:, place]]
            columns[f"probability{suffix}"] = np.take_along_axis(probabilities, order, axis=1)[:, place]
        for code, name in enumerate(self.classes):
            columns[f"p({name})"] = probabilities[:, code]
        frame = pd.DataFrame(columns)
        if failed:
            frame.loc[unreadable, frame.columns[1:]] = None
            frame["unreadable"] = [failed.get(row, "") for row in range(len(frame))]
        return frame


def load(folder: str | Path) -> Run:
    """Return the finished run in ``folder``; it predicts with ``predict`` and ``predict_proba``.

    Raises
    ------
    RunError
        If there is no finished run.
    """
    return Run(folder)


def _pictures(X: Any) -> PictureSet:
    from headstart.data.pictures import PictureSet
    from headstart.data.readers.items import picture_item

    items = [X] if isinstance(X, (str, Path, bytes)) else X
    return PictureSet([picture_item(item, Path()) for item in items])
