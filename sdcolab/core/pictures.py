"""Pictures that come from outside, made small and harmless."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageOps

from sdcolab.core.errors import PictureUnreadable

MAX_PIXELS = 50_000_000
"""Largest picture that is unpacked."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")

_UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning)
"""What Pillow raises for files that are no pictures, or too large."""


def small_png(data: bytes, side: int) -> bytes | None:
    """The picture in ``data`` as a PNG of at most ``side`` pixels a side, without metadata; None when it is no picture
    of the known formats, or too large."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            small = image.convert("RGB")
            small.thumbnail((side, side))
            small.info.clear()
            out = io.BytesIO()
            small.save(out, "PNG")
            return out.getvalue()
    except _UNREADABLE:
        return None


def open_picture(path: Path) -> Image.Image:
    """The picture at ``path``, unpacked and upright (its EXIF orientation applied), with its metadata.

    Raises ``PictureUnreadable``.
    """
    return _opened(path, path.name)


def picture_from(data: bytes, source: str) -> Image.Image:
    """The same of the picture in ``data``, which an error calls ``source``."""
    return _opened(io.BytesIO(data), source)


def _opened(file: Path | io.BytesIO, source: str) -> Image.Image:
    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise PictureUnreadable(source=source)
            upright = ImageOps.exif_transpose(image)
            upright.load()
            return upright
    except _UNREADABLE as error:
        raise PictureUnreadable(source=source) from error
