"""Small pictures that stand inside the page itself."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 200


class Thumbnail(NamedTuple):
    """A small picture: its address (a ``data:`` URI), and its width and height in pixels."""

    uri: str
    width: int
    height: int


def thumbnail(picture: Image | bytes, side: int = SIDE) -> Thumbnail:
    """Return ``picture`` shrunk so that no side is longer than ``side`` pixels.

    Parameters
    ----------
    picture : PIL.Image.Image or bytes
        An upright picture (EXIF orientation is applied where pictures are read), or one as an encoded file.
        It is not changed. Transparency is shown on white. Small pictures are not enlarged.
    side : int, default 200
        Longest side, in pixels.

    Returns
    -------
    Thumbnail
        JPEG in a ``data:image/jpeg;base64`` address.

    Raises
    ------
    OSError
        If encoded bytes are not a picture.
    """
    from PIL import Image

    image = picture
    if isinstance(image, bytes):
        opened = Image.open(io.BytesIO(image))
        opened.draft("RGB", (2 * side, 2 * side))
        image = opened
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        clear = image.convert("RGBA")
        image = Image.new("RGB", clear.size, "white")
        image.paste(clear, mask=clear.getchannel("A"))
    small = image.convert("RGB")
    if small is picture:
        small = small.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=82, optimize=True)
    return Thumbnail("data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii"), *small.size)


def data_uri(picture: Image | bytes, side: int = SIDE) -> str:
    """Return ``picture``, shrunk to at most ``side`` pixels a side, as a ``data:`` URI (see `thumbnail`).

    >>> from PIL import Image
    >>> data_uri(Image.new("RGB", (640, 480)))[:23]
    'data:image/jpeg;base64,'
    """
    return thumbnail(picture, side).uri
