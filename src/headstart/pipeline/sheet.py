"""The inputs of several sources side by side on one sheet, so that a picture is decoded once and passed once."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.pictures import PictureSet, open_picture
from headstart.features.graph import INPUT
from headstart.features.preprocess import prepare, shorter_side

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from headstart.features.backends import Backend
    from headstart.pipeline.model import Model
    from headstart.sources import Preprocessing

_JPEG = b"\xff\xd8"


class Sheet:
    """Where the input of each source stands, from left to right; with one source, the input itself.

    Parameters
    ----------
    preprocessings : sequence of Preprocessing
        Of the sources.

    Attributes
    ----------
    preprocessing : Preprocessing
        What the engine is told of the sheet: it is taken as it is.
    """

    def __init__(self, preprocessings: Sequence[Preprocessing]) -> None:
        from headstart.sources import Preprocessing

        self.parts = tuple(preprocessings)
        self.edges = np.cumsum([0, *(part.size[1] for part in self.parts)]).tolist()
        height = max(part.size[0] for part in self.parts)
        several = Preprocessing((height, self.edges[-1]), fit="squash")
        self.preprocessing = several if len(self.parts) > 1 else self.parts[0]

    def of(self, pictures: PictureSet) -> PictureSet:
        """Return the sheets of ``pictures``, drawn when they are opened."""
        return _Sheets(pictures, self) if len(self.parts) > 1 else pictures

    def draw(self, raw: bytes | NDArray[np.uint8]) -> Image:
        """Return the sheet of one picture."""
        from PIL import Image

        height, width = self.preprocessing.size
        sheet = np.zeros((height, width, 3), dtype=np.uint8)
        sides = [shorter_side(part) for part in self.parts]
        for part, left, picture in zip(self.parts, self.edges, _decoded(raw, sides), strict=False):
            sheet[: part.size[0], left : left + part.size[1]] = prepare(picture, part)
        return Image.fromarray(sheet)

    def split(self, sheets: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """Return each source's inputs, uint8 (n, height, width, 3), from a batch of sheets."""
        return [
            np.ascontiguousarray(sheets[:, : part.size[0], left : left + part.size[1]])
            for part, left in zip(self.parts, self.edges, strict=False)
        ]

    @contextlib.contextmanager
    def one_input(self, graph: Path) -> Iterator[Path]:
        """Give the path of an ONNX graph that takes sheets, where that of a model has an input for each source."""
        if len(self.parts) == 1:
            yield graph
            return
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        model = onnx.load(graph)
        height, width = self.preprocessing.size
        cuts = []
        for value, part, left in zip(model.graph.input, self.parts, self.edges, strict=False):
            ends = {"from": (0, left), "to": (part.size[0], left + part.size[1]), "axes": (1, 2)}
            names = [f"{value.name}/{end}" for end in ends]
            cuts.append(helper.make_node("Slice", [INPUT, *names], [value.name]))
            model.graph.initializer.extend(map(numpy_helper.from_array, np.array(list(ends.values()), np.int64), names))
        nodes = [*cuts, *model.graph.node]
        del model.graph.input[:], model.graph.node[:]
        model.graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", height, width, 3]))
        model.graph.node.extend(nodes)
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "sheets.onnx"
            onnx.save(model, path)
            yield path


class _Sheets(PictureSet):
    """Pictures that open as their sheets."""

    def __init__(self, pictures: PictureSet, sheet: Sheet) -> None:
        super().__init__([])
        self._pictures, self._sheet = pictures, sheet

    def __len__(self) -> int:
        return len(self._pictures)

    def open(self, i: int, at_least: int | None = None) -> Image:
        return self._sheet.draw(self._pictures.raw(i))


def _decoded(raw: bytes | NDArray[np.uint8], sides: Sequence[int]) -> Iterator[Image]:
    """Yield the picture for each shorter side, as if decoded for it alone, but decoded once where that is the same."""
    largest = max(sides)
    picture = open_picture(raw, largest)
    jpeg = isinstance(raw, bytes) and raw.startswith(_JPEG)
    for side in sides:
        # A JPEG of four times the side that is wanted would have been decoded at half this size or less.
        smaller = jpeg and side < largest and min(picture.size) >= 4 * side
        yield open_picture(raw, side) if smaller else picture


class Together:
    """The networks of a model as one engine that takes sheets and returns what the head reads.

    Parameters
    ----------
    model : Model
    sheet : Sheet
        Of the model's parts.
    engines : sequence of Backend
        One a part.
    """

    taps: tuple[str, ...] = ("features",)

    def __init__(self, model: Model, sheet: Sheet, engines: Sequence[Backend]) -> None:
        self._model, self._sheet, self._engines = model, sheet, tuple(engines)
        first = engines[0]
        self.name, self.precision, self.version, self.workers = (
            first.name,
            first.precision,
            first.version,
            first.workers,
        )
        self.batch_size = min(engine.batch_size for engine in engines)

    def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        found = [
            dict(zip(engine.taps, engine(inputs), strict=True))
            for engine, inputs in zip(self._engines, self._sheet.split(pictures), strict=True)
        ]
        return [self._model.concatenate(found)]
