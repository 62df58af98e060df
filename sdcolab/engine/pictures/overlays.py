"""What of the original picture stays, and how it goes back over the result (hechos/a1111.md 5.1 and 5.2)."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from sdcolab.core.request import ResizeMode
from sdcolab.core.resizing import Enlarger, resize
from sdcolab.engine.pictures.masks import Box, inverted

_FILL_BLURS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))
"""Radii of the blurs that fill a masked hole, the widest at the bottom, and how often each is laid on."""


def whole_picture_overlay_mask(mask: Image.Image) -> Image.Image:
    """The mask of the overlay when the whole picture is worked on: the blurred ``mask`` (mode L) twice as bright, so
    that nothing of the original lies over what is mostly new. With "only masked" the blurred mask itself serves."""
    return Image.fromarray(np.clip(np.asarray(mask, dtype=np.float32) * 2, 0, 255).astype(np.uint8))


def overlay(picture: Image.Image, overlay_mask: Image.Image) -> Image.Image:
    """``picture`` as RGBA, opaque where ``overlay_mask`` (mode L) is black and transparent where it is white.

    It passes through premultiplied colours, whose rounding is part of A1111's bytes.
    """
    return _without(picture, overlay_mask).convert("RGBA")


def composed(
    result: Image.Image, overlaid: Image.Image, box: Box | None = None, enlarge: Enlarger | None = None
) -> Image.Image:
    """``result`` under ``overlaid`` (an ``overlay``), as RGB of the overlay's size. With ``box`` ("only masked") it is
    first brought back to that part of the picture."""
    canvas = uncropped(result, overlaid.size, box, enlarge) if box else result.convert("RGBA")
    canvas.alpha_composite(overlaid)
    return canvas.convert("RGB")


def uncropped(result: Image.Image, size: tuple[int, int], box: Box, enlarge: Enlarger | None = None) -> Image.Image:
    """``result`` in its ``box`` of an otherwise transparent RGBA picture of ``size``."""
    left, top, right, bottom = box
    canvas = Image.new("RGBA", size)
    canvas.paste(resize(result, right - left, bottom - top, ResizeMode.CROP, enlarge), (left, top))
    return canvas


def filled(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """``picture`` (RGB) with the colours around ``mask`` (mode L) flowing into it ("fill" of masked content)."""
    kept = _without(picture, mask)
    canvas = Image.new("RGBA", picture.size)
    for radius, times in _FILL_BLURS:
        layer = kept.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            canvas.alpha_composite(layer)
    return canvas.convert("RGB")


def _without(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """``picture`` with premultiplied alpha (mode RGBa), transparent under ``mask``."""
    kept = Image.new("RGBa", picture.size)
    kept.paste(picture.convert("RGBA").convert("RGBa"), mask=inverted(mask))
    return kept
