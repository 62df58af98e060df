"""Pictures that come from outside, made small and harmless."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageOps

from sdcolab.core.errors import CannotRead, PictureUnreadable
from sdcolab.core.files import system_reason

MAX_PIXELS = 50_000_000
"""Largest picture that is unpacked."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")

_DAMAGED = (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning)
"""What Pillow raises on bytes that are no picture."""


def open_picture(path: Path) -> Image.Image:
    """The picture in a file, turned as its camera says. Raises ``CannotRead`` or ``PictureUnreadable``."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    return picture_from(data, path)


def picture_from(data: bytes, path: Path) -> Image.Image:
    """The same of the bytes of a file, which an error calls ``path``. Raises ``PictureUnreadable``."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise PictureUnreadable(path=path)
            return ImageOps.exif_transpose(image).copy()
    except _DAMAGED as error:
        raise PictureUnreadable(path=path) from error


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
    except _DAMAGED:
        return None
