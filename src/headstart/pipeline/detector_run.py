"""A run whose model is a detector: its folder, and what predicts from it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.pipeline.plan import FORMAT, Plan
from headstart.pipeline.run import Run, picture_set
from headstart.pipeline.writing import data_of
from headstart.results import DataError, RunError, plain
from headstart.results.files import write_bytes, write_json, write_text

if TYPE_CHECKING:
    import pandas as pd

    from headstart.data.pictures import PictureSet
    from headstart.detection.boxes import Boxes
    from headstart.detection.inputs import InputSize
    from headstart.detection.network import Detector
    from headstart.pipeline.detecting import Detected

KIND, TRUNK = "detector", "trunk."


class DetectorRun(Run):
    """A finished run that finds boxes."""

    # Boxes, not classes: what a detector predicts has another type than what Run does.
    def predict(self, X: Any, *, device: str = "auto", quiet: bool = True) -> list[Boxes]:  # type: ignore[override]
        """Return the boxes found in each picture, in its own pixels, by score from the highest.

        Parameters
        ----------
        X : sequence of paths, bytes, arrays or PIL pictures, or array (n, h, w, 3)
            Of any sizes. A single path is one picture.
        device : str
            A PyTorch device; ``"auto"`` is the CPU.
        quiet : bool
            Whether to show no progress.

        Raises
        ------
        DataError
            If a picture cannot be read.
        """
        found, failed = self.predict_pictures(picture_set(X), device=device, quiet=quiet)
        if failed:
            row, reason = min(failed.items())
            raise DataError(f"picture {row} of {len(found)} cannot be read ({reason}): leave it out")
        return found

    def predict_proba(self, X: Any, *, device: str = "auto", quiet: bool = True) -> Any:
        """Raise: a detector has no probabilities of classes."""
        raise RunError("this run finds boxes: call predict, whose boxes have scores")

    def predict_pictures(  # type: ignore[override]
        self, pictures: PictureSet, *, device: str = "auto", quiet: bool = True
    ) -> tuple[list[Boxes], dict[int, str]]:
        """Return the boxes found in each picture, and for each that cannot be read, which has none, the reason."""
        from headstart.detection.find import find_boxes
        from headstart.results.terminal import progress

        where = "cpu" if device == "auto" else device
        with progress("predicting", len(pictures), quiet=quiet) as advance:
            return find_boxes(
                self.detector, pictures, self.input_size, self._parts[0]["preprocessing"]["mean"], device=where,
                advance=advance,
            )  # fmt: skip

    def table(  # type: ignore[override]
        self, ids: Sequence[str], found: Sequence[Boxes], *, top: int = 0, failed: Mapping[int, str] = {}
    ) -> pd.DataFrame:
        """Return one row a box, see ``boxes_frame``; and one for each picture that cannot be read."""
        import pandas as pd

        frame = boxes_frame(ids, found, self.classes, self.thresholds)
        if not failed:
            return frame
        lost = {"picture": [ids[row] for row in failed], "unreadable": list(failed.values())}
        return pd.concat([frame, pd.DataFrame(lost)], ignore_index=True)

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The score of each class from which on its boxes are worth showing: best F1 on the validation part."""
        return tuple(self.info["model"]["thresholds"])

    @functools.cached_property
    def input_size(self) -> InputSize:
        """How large a picture enters."""
        from headstart.detection.inputs import InputSize

        return InputSize(**self.info["model"]["input"], small={}, typical={})

    @functools.cached_property
    def detector(self) -> Detector:
        """The network, as it stands in ``model.safetensors``."""
        from safetensors.torch import load_file

        from headstart.detection.network import Detector
        from headstart.sources.catalogue import run_parts

        detector = Detector(run_parts(self.folder)[0][0], len(self.classes))
        detector.load_state_dict(load_file(self.folder / "model.safetensors"))
        return detector.eval()


def write_detector(folder: Path, plan: Plan, found: Detected, detector: Detector) -> None:
    """Write the run folder of a detector; ``run.json`` comes last and says that the rest is whole."""
    from safetensors.torch import save

    from headstart.pipeline.page_detector import report_page

    weights = {name: tensor.contiguous() for name, tensor in detector.state_dict().items()}
    write_bytes(folder / "model.safetensors", save(weights))
    write_text(folder / "predictions.csv", predictions(found).to_csv(index=False, float_format="%.6g"))
    write_text(folder / "report.html", report_page(found, plan))
    write_json(folder / "run.json", plain(describe(found, plan)))


def describe(found: Detected, plan: Plan) -> dict[str, Any]:
    """Return what ``run.json`` holds; all that depends on the clock stands under ``times``."""
    from headstart.pipeline.page_detector import headline

    target, source, taken = found.target, found.source, found.taken
    part = {
        "source": f"{taken.name}, trained to detect",
        "fingerprint": taken.fingerprint,
        "architecture": taken.card.architecture,
        "preprocessing": taken.preprocessing.to_dict(),
        "taps": [],
        "groups": taken.groups,
        "card": dataclasses.replace(
            taken.card, trained_on=f"{target.name} (boxes; trunk: {taken.card.trained_on})", accuracy=None
        ).to_dict(),
        "prefix": TRUNK,
    }
    return {
        "format": FORMAT,
        "headline": headline(found),
        "settings": dataclasses.asdict(plan.settings),
        "data": data_of(target),
        "source": {"name": source.name, "fingerprint": source.fingerprint, "card": source.card.to_dict()},
        "engine": dict(plan.engine),
        "model": {
            "kind": KIND,
            "classes": target.classes,
            "thresholds": found.thresholds,
            "input": {"shorter": found.size.shorter, "longer": found.size.longer},
            "parts": [part],
            "architecture": part["architecture"],
            "preprocessing": part["preprocessing"],
            "fitted_on": ["train"],
        },
        "metrics": metrics(found),
        "decisions": {one.question: {"headline": one.headline(), **one.to_dict()} for one in found.answers},
        "versions": {**plan.versions, "torchvision": version("torchvision")},
        "times": found.times,
    }


def metrics(found: Detected) -> dict[str, Any]:
    """Return average precision on the test part: of all classes, and at IoU 0.5 of each; empty without a test part."""
    from headstart.pipeline.page_detector import precision_of

    measured = precision_of(found)
    if measured is None:
        return {}
    by_class = {f"AP50({name})": one for name, one in zip(measured.classes, measured.ap50, strict=True)}
    return {"mAP": measured.mean_ap, "mAP50": measured.mean_ap50, **by_class}


def predictions(found: Detected) -> pd.DataFrame:
    """Return one row for each box found in the validation and the test part."""
    rows = list(found.boxes)
    names = [str(found.target.ids[row]) for row in rows]
    frame = boxes_frame(names, list(found.boxes.values()), found.target.classes, found.thresholds)
    parts = {str(found.target.ids[row]): str(found.target.split[row]) for row in rows}
    frame.insert(1, "split", [parts[name] for name in frame["picture"]])
    return frame


def boxes_frame(
    ids: Sequence[str], found: Sequence[Boxes], classes: Sequence[str], thresholds: Sequence[float]
) -> pd.DataFrame:
    """Return one row for each box: picture, class, score, edges in its pixels, and whether it is worth showing.

    All boxes are there, the unsure ones too; ``shown`` tells those whose score reaches the threshold of their class.
    """
    import pandas as pd

    from headstart.detection.writing import COLUMNS

    rows = [
        (name, classes[label], score, *edges, bool(score >= thresholds[label]))
        for name, one in zip(ids, found, strict=True)
        for label, score, edges in zip(one.labels, one.scores if one.scores is not None else (), one.xyxy, strict=True)
    ]
    return pd.DataFrame(rows, columns=[*COLUMNS, "shown"])
