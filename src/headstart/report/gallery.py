"""Pictures with what is said about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headstart.report.blocks import Block, Notes
from headstart.report.thumbnails import SIDE, thumbnail

if TYPE_CHECKING:
    from PIL.Image import Image

    from headstart.report.page import Page


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of a gallery.

    Attributes
    ----------
    image : PIL.Image.Image, bytes, callable or None
        The picture, upright: as an image, as an encoded file, or as a function without arguments that opens it (called
        only if it is shown, so that a gallery of thousands costs nothing). None where it cannot be shown.
    lines : sequence of str or of (str, str)
        Lines below it; of a pair, the first is the quiet one: ``("given", "apple"), ("predicted", "pear 0.97")``.
    name : str
        File name or other identity.
    """

    image: Image | bytes | Callable[[], Image | bytes] | None
    lines: Sequence[str | tuple[str, str]] = ()
    name: str = ""


@dataclass(frozen=True, eq=False)
class Gallery(Block):
    """Pictures in rows. What does not fit is counted and named, never dropped in silence.

    Attributes
    ----------
    pictures : sequence of Picture
        Most telling first.
    caption : str
        What they have in common.
    limit : int
        Pictures that are shown; the names of the others can be opened. The page as a whole has a limit, too
        (``picture_budget`` of `headstart.report.render`).
    side : int
        Longest side of a shown picture, in pixels.
    wide : bool
        Whether pictures are shown large, two in a row at most, in their own shape: for details drawn into them.
    """

    pictures: Sequence[Picture]
    caption: str = ""
    limit: int = 24
    side: int = SIDE
    wide: bool = False
    template = "gallery.html"

    def view(self, page: Page) -> dict[str, Any]:
        shown: list[dict[str, Any]] = []
        full = False
        for picture in self.pictures[: self.limit]:
            item = _item(picture, self.side)
            if item["thumb"] is not None:
                full = not page.spend(len(item["thumb"].uri))
            if full:
                break
            shown.append(item)
        left = self.pictures[len(shown) :]
        names = Notes(
            "Pictures not shown",
            [(picture.name or "unnamed", ", ".join(_flat(line) for line in picture.lines)) for picture in left],
        )
        return {"items": shown, "left": len(left), "full": full, "names": names}


def _flat(line: str | tuple[str, str]) -> str:
    return line if isinstance(line, str) else f"{line[0]}: {line[1]}"


def _item(picture: Picture, side: int) -> dict[str, Any]:
    thumb, reason = None, "not available"
    try:
        image = picture.image() if callable(picture.image) else picture.image
        thumb = None if image is None else thumbnail(image, side)
    except (OSError, ValueError, SyntaxError) as error:  # what PIL and PictureError raise for a damaged file
        # PIL names the stream it read from, which says nothing and differs from run to run.
        reason = str(error).split("<_io", 1)[0].strip() or type(error).__name__
    return {
        "thumb": thumb,
        "reason": reason,
        "name": picture.name,
        "lines": [("", line) if isinstance(line, str) else line for line in picture.lines],
        "alt": "; ".join(_flat(line) for line in picture.lines) or picture.name,
    }
