"""Small copies of pictures: WebP of 256 pixels, made when somebody looks, or before by a thread in the background."""

from __future__ import annotations

import contextlib
import hashlib
import io
from pathlib import Path

from PIL import Image, ImageOps

from sdcolab.core.errors import StorageError
from sdcolab.core.files import atomic_write, changed
from sdcolab.core.pictures import DAMAGED, FORMATS, MAX_PIXELS

SIDE = 256
"""Longest side, in pixels."""

QUALITY = 78


class ThumbnailFolder:
    """Keeps them in ``folder``, named by what they show and when it changed, so none is ever out of date."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, path: Path, mtime: int) -> Path:
        """Where the thumbnail of the picture at ``path``, last changed at ``mtime``, lies or would lie."""
        name = hashlib.sha256(f"{path}\0{mtime}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return self._folder / name[:2] / f"{name}.webp"

    def of(self, path: Path, mtime: int) -> bytes | None:
        """The thumbnail's bytes, made if need be; None when the picture cannot be opened."""
        place = self.place(path, mtime)
        try:
            return place.read_bytes()
        except OSError:
            pass
        made = thumbnail(path)
        if made is not None:
            with (
                contextlib.suppress(StorageError),
                atomic_write(place) as file,
            ):  # a full disk: the next look tries again
                file.write(made)
        return made

    def file(self, path: Path) -> Path:
        """What to show small for the picture at ``path``: its thumbnail, made if need be, or else itself."""
        place = self.place(path, changed(path))
        if not place.exists():
            self.of(path, changed(path))
        return place if place.exists() else path


def thumbnail(path: Path) -> bytes | None:
    """The picture at ``path`` as WebP with no side above ``SIDE``; None when it cannot be opened."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            image.draft("RGB", (SIDE, SIDE))  # JPEG unpacks at a fraction of its size
            small = ImageOps.exif_transpose(image)
            small.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
            if small.mode not in ("RGB", "RGBA"):
                small = small.convert("RGBA" if "transparency" in image.info else "RGB")
            out = io.BytesIO()
            small.save(out, "WEBP", quality=QUALITY, method=2)
            return out.getvalue()
    except DAMAGED:
        return None
