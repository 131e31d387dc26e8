"""A run: the folder that ``fit`` leaves, and the model in it."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.pipeline.deciding import CLASSIFICATION, columns_of, decide, said_names
from headstart.results import DataError, RunError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from headstart.data.pictures import PictureSet
    from headstart.features.backends import Backend
    from headstart.pipeline.model import Model
    from headstart.pipeline.sheet import Sheet
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
        The k classes, in the order of the columns of ``predict_proba``; labels, classes of all heads, or the number.
    task : str
        What is predicted; see ``headstart.load_target``.
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
            self.task: str = self.info.get("data", {}).get("task", CLASSIFICATION)
            self._parts: list[dict[str, Any]] = self.info["model"]["parts"]
        except FileNotFoundError:
            begun = (self.folder / "plan.json").is_file()
            hint = "the same `headstart fit` goes on with it" if begun else "`headstart fit DATA --out` makes one"
            what = "was not finished" if begun else "is no run"
            raise RunError(f"{str(self.folder)!r} {what}: {hint}") from None
        except (ValueError, KeyError, TypeError, OSError):
            what = f"{str(self.folder / 'run.json')!r} is damaged or of another version"
            raise RunError(f"{what}: fit again in a new folder") from None

    def __repr__(self) -> str:
        what = {"regression": "a number", "multilabel": f"{len(self.classes)} labels"}
        return f"<Run {str(self.folder)!r}: {what.get(self.task, f'{len(self.classes)} classes')}, {self.headline()}>"

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
        """How a picture becomes the (first) network's input; ``None`` for a model of plain features."""
        from headstart.sources import Preprocessing

        stored = self.info["model"]["preprocessing"]
        return Preprocessing.from_dict(stored) if stored else None

    @property
    def takes_pictures(self) -> bool:
        """Whether the model was made for pictures, not for a table of features."""
        return bool(self._parts) or self._handmade

    @property
    def _outputs(self) -> dict[str, tuple[str, ...]]:
        return {name: tuple(classes) for name, classes in self.info["model"]["outputs"]}

    @property
    def _handmade(self) -> bool:
        return bool(self.info["model"].get("handmade"))

    def predict_proba(self, X: Any, *, device: str = "auto", quiet: bool = True) -> NDArray[np.float64]:
        """Return the probability of each class, (n, k), for pictures or for rows of features.

        Of labels and heads all columns stand side by side, in the order of ``classes``.

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
            If a picture cannot be read, the features do not fit, or what is predicted is a number.
        """
        if self.task == "regression":
            raise DataError("the model predicts a number, which has no probability: use predict")
        return self._output(X, device, quiet)

    def _output(self, X: Any, device: str, quiet: bool) -> NDArray[np.float64]:
        if not self.takes_pictures:
            return self._from_features(X)
        probabilities, failed = self.predict_pictures(picture_set(X), device=device, quiet=quiet)
        if failed:
            row, reason = min(failed.items())
            raise DataError(f"picture {row} of {len(probabilities)} cannot be read ({reason}): leave it out")
        return probabilities

    def predict(self, X: Any, *, device: str = "auto", quiet: bool = True) -> NDArray[Any]:
        """Return the class, as text, of each picture or row of features; see ``predict_proba``.

        It is the most probable one, unless decisions were balanced (``fit(balance=...)``) or made for a cost. Of a
        number it is the number (n,), of labels a tuple of them (n,), of heads the class in each (n, h).
        """
        if self.task != CLASSIFICATION:
            return said_names(self.task, self._said(self._output(X, device, quiet)), self._outputs)
        best = self._scores(self.predict_proba(X, device=device, quiet=quiet)).argmax(axis=1)
        named: NDArray[np.object_] = np.array(self.classes, dtype=object)[best]
        return named

    def predict_pictures(
        self, pictures: PictureSet, *, device: str = "auto", quiet: bool = True
    ) -> tuple[NDArray[np.float64], dict[int, str]]:
        """Return probabilities (n, k), NaN where a picture cannot be read, and the reason for each of those rows.

        Of a number it is the number, (n, 1).
        """
        from headstart.features.engine import batches
        from headstart.results.terminal import progress

        if self._handmade:
            return self._from_handmade(pictures)
        assert self._parts, "a model of plain features has no pictures to predict"
        on_cpu = device in {"auto", "cpu"}
        engine = self._cpu_engine if on_cpu else self._torch_engine(device)
        failed: dict[int, str] = {}
        result = np.full((len(pictures), len(self.classes)), np.nan)
        sheets, every = self._sheet.of(pictures), np.arange(len(pictures))
        with progress("predicting", len(pictures), quiet=quiet) as advance:
            for rows, outputs in batches(engine, sheets, every, self._sheet.preprocessing, failed):
                last = outputs[-1].astype(np.float64)
                # The graph's float32 softmax sums to 1 within 1e-7; who uses it may check more strictly.
                result[rows] = self._summed(last) if on_cpu else self.model.predict_proba(last)
                advance(len(rows))
        result[sorted(failed)] = np.nan
        return result, failed

    def _said(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        return decide(self.task, table, self._outputs, self.info["model"]["rule"])

    def _summed(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the graph gave, rows adding up to 1 where they are a choice among classes."""
        return found / found.sum(axis=1, keepdims=True) if self.task in (CLASSIFICATION, "ordinal") else found

    def _scores(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the decision takes the highest of."""
        from headstart.pipeline.model import decision_scores

        told = self.info["model"]
        return decision_scores(probabilities, told.get("offsets") or (), told.get("cost") or ())

    def _from_handmade(self, pictures: PictureSet) -> tuple[NDArray[np.float64], dict[int, str]]:
        from headstart.features.handmade import handmade_features
        from headstart.results import PictureError

        failed: dict[int, str] = {}
        result = np.full((len(pictures), len(self.classes)), np.nan)
        for row in range(len(pictures)):
            try:
                result[row] = self.model.predict_proba(handmade_features(pictures, [row]))[0]
            except PictureError as error:
                failed[row] = str(error)
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
        return self.model.predict_proba(values)

    @functools.cached_property
    def model(self) -> Model:
        """The networks and the head, as they stand in ``model.safetensors``."""
        from headstart.pipeline.model import Model, read_head
        from headstart.sources.catalogue import run_parts

        told = self.info["model"]
        head, calibration = read_head(self.folder / "model.safetensors", told["head"], told["kind"])
        return Model(
            run_parts(self.folder), head, handmade=self._handmade, offsets=tuple(told.get("offsets") or ()),
            calibration=calibration, prior=tuple(told.get("prior") or ()),
            cost=tuple(tuple(row) for row in told.get("cost") or ()),
            rule={name: tuple(values) for name, values in (told.get("rule") or {}).items()},
        )  # fmt: skip

    @functools.cached_property
    def _sheet(self) -> Sheet:
        from headstart.pipeline.sheet import Sheet
        from headstart.sources import Preprocessing

        return Sheet([Preprocessing.from_dict(part["preprocessing"]) for part in self._parts])

    def _torch_engine(self, device: str) -> Backend:
        from headstart.features.backends import Choice, make_backend
        from headstart.pipeline.sheet import Together

        choice = Choice("torch", device, "named")
        return Together(self.model, self._sheet, [make_backend(choice, source) for source, _ in self.model.parts])

    @functools.cached_property
    def _cpu_engine(self) -> Backend:
        from headstart.features.backends.openvino import OpenVinoBackend

        with self._sheet.one_input(self.folder / "model.onnx") as graph:
            return OpenVinoBackend(graph)

    def table(
        self, ids: Sequence[str], probabilities: NDArray[np.float64], *, top: int = 3, failed: Mapping[int, str] = {}
    ) -> pd.DataFrame:
        """Return predictions as a table: id, the ``top`` classes with their probability, then every class.

        Rows of ``failed`` are empty but for their id and the column ``unreadable``, which is there if one failed.
        """
        import pandas as pd

        unreadable = sorted(failed)
        if self.task != CLASSIFICATION:
            made = columns_of(self.task, probabilities, self._said(probabilities), self._outputs, self.classes)
            frame = pd.DataFrame({"id": list(ids), **made})
            return frame.assign(unreadable=[failed.get(row, "") for row in range(len(frame))]) if failed else frame
        probabilities = probabilities.copy()
        probabilities[unreadable] = 0
        order = np.argsort(-self._scores(probabilities), axis=1, kind="stable")[
            :, : max(1, min(top, len(self.classes)))
        ]
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
    """Return the finished run in ``folder``; it predicts with ``predict`` and, if of classes, ``predict_proba``.

    Raises
    ------
    RunError
        If there is no finished run.
    """
    run = Run(folder)
    if run.info["model"].get("kind") == "detector":
        from headstart.pipeline.detector_run import DetectorRun

        return DetectorRun(folder)
    return run


def picture_set(X: Any) -> PictureSet:
    """Return what a person gives as pictures: paths, bytes, arrays, PIL pictures; a single path is one picture."""
    from headstart.data.pictures import PictureSet
    from headstart.data.readers.items import picture_item

    items = [X] if isinstance(X, (str, Path, bytes)) else X
    return PictureSet([picture_item(item, Path()) for item in items])
