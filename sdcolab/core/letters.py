"""Letters for what the program writes into pictures: Pillow's own have no accents."""

from __future__ import annotations

from pathlib import Path

from PIL import ImageFont

_FONT = Path(__file__).parents[1] / "grids" / "fonts" / "Roboto-Regular.ttf"
"""The font that legends of grids have; only its file is shared."""


def letters(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font with what Spanish needs, ``size`` pixels high."""
    try:
        return ImageFont.truetype(str(_FONT), size)
    except OSError:
        return ImageFont.load_default(size)
