"""How pictures are written."""

from __future__ import annotations

from enum import StrEnum

QUALITY = 80
"""Of JPEG and WebP, 1 to 100; A1111's."""


class ImageFormat(StrEnum):
    """How pictures are written; the values are their files' extensions."""

    PNG = "png"
    JPEG = "jpg"
    WEBP = "webp"
    AVIF = "avif"

    @property
    def media(self) -> str:
        """What HTTP calls it."""
        return "image/jpeg" if self is ImageFormat.JPEG else f"image/{self}"
