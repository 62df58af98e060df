"""Edges (Canny 1986)."""

from __future__ import annotations

import cv2

from sdcolab.engine.preprocessors.base import Asked, Pixels, grey_to_rgb


def detect(asked: Asked) -> Pixels:
    """White edges on black; ``a`` and ``b`` are the low and the high threshold."""
    return grey_to_rgb(cv2.Canny(asked.picture, int(asked.a), int(asked.b)))
