"""The gate for pictures from outside: how large they may be, and making them small and harmless.

Sizes are read from the header, before anything is unpacked: a file of some kilobytes may hold hundreds of megapixels.
"""

from __future__ import annotations

import base64
import io
import stat
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from sdcolab.core.errors import CannotRead, PicturesTooLarge, PictureTooLarge, PictureUnreadable
from sdcolab.core.files import system_reason

MAX_PIXELS = 50_000_000
"""Largest picture that is unpacked."""

MAX_REQUEST_PIXELS = 150_000_000
"""Most pixels of all pictures of one request together: unpacked, 600 MB at most."""

MAX_PICTURE_BYTES = 64 * 1024 * 1024
"""Largest file that is read as a picture."""

MAX_BODY_TEXT = 2_000_000
"""Most characters of what one request sends outside pictures: prompts, links, lists of prompts."""

_SHORTEST_PICTURE = 40
"""No picture has fewer characters in base64. Megapixels of one colour need only some hundreds."""

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".bmp", ".tif", ".tiff")

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")

DAMAGED = (
    *(OSError, ValueError, SyntaxError, RuntimeError, struct.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)
"""What Pillow raises on bytes that are no picture: AVIF's decoder ``RuntimeError``, some readers of EXIF the others."""


def read_picture_file(path: Path) -> bytes:
    """The bytes of a file that should be a picture. Raises ``CannotRead``, ``PictureTooLarge``, or
    ``PictureUnreadable`` for what is no regular file."""
    try:
        known = path.stat()
        if not stat.S_ISREG(known.st_mode) and not stat.S_ISDIR(known.st_mode):
            raise PictureUnreadable(path=path)  # reading a pipe or a device may never end
        if known.st_size > MAX_PICTURE_BYTES:
            raise PictureTooLarge(path=path, limit=MAX_PIXELS // 1_000_000)
        return path.read_bytes()
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error


def open_picture(path: Path) -> Image.Image:
    """The picture in a file, turned as its camera says.

    Raises ``CannotRead``, ``PictureTooLarge`` or ``PictureUnreadable``.
    """
    return picture_from(read_picture_file(path), path)


def check_pixels(sizes: Iterable[tuple[int, int]]) -> None:
    """Raises ``PicturesTooLarge`` when pictures of these sizes (width, height) are too much for one request."""
    if sum(width * height for width, height in sizes) > MAX_REQUEST_PIXELS:
        raise PicturesTooLarge(limit=MAX_REQUEST_PIXELS // 1_000_000)


def size_in_text(text: str) -> tuple[int, int] | None:
    """Width and height of the picture that ``text`` holds in base64, with or without a ``data:`` address around it;
    None when it holds none. Nothing is unpacked."""
    encoded = text.strip()
    if encoded[:5].lower() == "data:":
        encoded = encoded.partition(",")[2]
    try:
        with Image.open(io.BytesIO(base64.b64decode(encoded)), formats=FORMATS) as image:
            return image.size
    except DAMAGED:
        return None


def measured(value: Any, most: int = MAX_BODY_TEXT) -> tuple[int, list[tuple[int, int]]]:
    """What a JSON value weighs: the characters of all its texts that are no pictures (other values count as one), and
    the sizes (width, height) of those that are, as base64. Nothing is unpacked, and nothing more is looked at once
    there are more than ``most`` characters."""
    characters = 0
    sizes: list[tuple[int, int]] = []
    waiting = [iter((value,))]
    while waiting and characters <= most:
        one = next(waiting[-1], waiting)
        if one is waiting:
            waiting.pop()
        elif isinstance(one, dict):
            waiting += [iter(one.values()), iter(one)]
        elif isinstance(one, list):
            waiting.append(iter(one))
        elif isinstance(one, str) and len(one) >= _SHORTEST_PICTURE and (size := size_in_text(one)):
            sizes.append(size)
        else:
            characters += len(one) if isinstance(one, str) else 1
    return characters, sizes


def picture_from(data: bytes, path: Path) -> Image.Image:
    """The picture in the bytes of a file, which an error calls ``path``. Raises ``PictureTooLarge`` or
    ``PictureUnreadable``."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return plain(ImageOps.exif_transpose(_checked(image, path))).copy()
    except DAMAGED as error:
        raise PictureUnreadable(path=path) from error


_KNOWN_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA"})
_WITH_ALPHA = frozenset({"PA", "La", "RGBa"})


def plain(image: Image.Image) -> Image.Image:
    """``image`` in a mode that PNG and everything here knows: 8 bits a channel, no inks. Pillow itself would make white
    of everything above 255 in pictures of 16 bits, as depth maps are. Raises one of ``DAMAGED``."""
    if image.mode in _KNOWN_MODES:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        grey = image if image.mode == "F" else image.convert("I")
        most = float(grey.getextrema()[1])  # type: ignore[arg-type]  # one channel has one pair
        whole = 1.0 if most <= 1 and image.mode == "F" else 255.0 if most <= 255 else 65535.0
        return (grey if whole == 255.0 else grey.point(lambda value: value * (255.0 / whole))).convert("L")
    return image.convert("RGBA" if image.mode in _WITH_ALPHA else "RGB")


def _checked(image: Image.Image, path: Path) -> Image.Image:
    if image.width * image.height > MAX_PIXELS:
        raise PictureTooLarge(path=path, limit=MAX_PIXELS // 1_000_000)
    return image


_TIFF = (b"II*\0", b"MM\0*")


def for_browsers(data: bytes) -> bytes:
    """``data``, or the same picture as PNG where it is in the one format of ours that browsers do not show."""
    if not data.startswith(_TIFF):
        return data
    out = io.BytesIO()
    try:
        picture_from(data, Path("imagen.tif")).save(out, "PNG")
    except (PictureTooLarge, PictureUnreadable):
        return data
    return out.getvalue()


def small_png(data: bytes, side: int) -> bytes | None:
    """The picture in ``data`` as a PNG of at most ``side`` pixels a side, without metadata; None when it is no picture
    of the known formats, or too large."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            small = plain(image).convert("RGB")
            small.thumbnail((side, side))
            small.info.clear()
            out = io.BytesIO()
            small.save(out, "PNG")
            return out.getvalue()
    except DAMAGED:
        return None
