"""Pictures that come from outside, made small and harmless."""

from __future__ import annotations

import io

from PIL import Image

MAX_PIXELS = 50_000_000
"""Largest picture that is unpacked."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


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
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
