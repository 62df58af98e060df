"""Small copies of the pictures made, for the filmstrip: a phone must not load twenty full ones."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from PIL import Image

from sdcolab.core.errors import SdcolabError
from sdcolab.core.files import atomic_write
from sdcolab.core.pictures import open_picture

SIDE = 256
"""Longest side in pixels."""


def changed(picture: Path) -> int:
    """When the file was written last, in nanoseconds since 1970; 0 when it is gone."""
    try:
        return picture.stat().st_mtime_ns
    except OSError:
        return 0


class Thumbnails:
    """Makes them in ``folder``, once each, and again when the picture was written again. One that cannot be read is its
    own thumbnail."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, picture: Path) -> Path:
        """The thumbnail of ``picture``."""
        name = hashlib.sha256(f"{picture}\0{changed(picture)}".encode()).hexdigest()[:24]
        small = self._folder / f"{name}.webp"
        if not small.exists():
            with contextlib.suppress(SdcolabError, OSError):
                self._make(picture, small)
        return small if small.exists() else picture

    def _make(self, picture: Path, small: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        image: Image.Image = open_picture(picture).convert("RGB")
        image.thumbnail((SIDE, SIDE))
        with atomic_write(small) as file:
            image.save(file, format="WEBP", quality=80)
