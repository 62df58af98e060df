"""Pictures to compare, and what is in them."""

from __future__ import annotations

import numpy as np
from PIL import Image


def pattern(width: int, height: int) -> Image.Image:
    """Every pixel another colour."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 5, y * 5, (x + y) * 3], axis=-1).astype(np.uint8))


def pixels(picture: Image.Image) -> list[int] | list[tuple[int, ...]]:
    """Every pixel, row by row."""
    array = np.asarray(picture)
    return [tuple(pixel) for pixel in array.reshape(-1, 3).tolist()] if array.ndim == 3 else array.ravel().tolist()


def values(picture: Image.Image) -> np.ndarray:
    """Every number, as one that may be subtracted."""
    return np.asarray(picture).astype(int)
