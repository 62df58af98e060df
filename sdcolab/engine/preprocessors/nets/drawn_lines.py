"""The dark lines of a picture, without any network."""

from __future__ import annotations

import cv2
import numpy as np

from sdcolab.engine.preprocessors.base import Pixels

_LEAST, _BRIGHT = 16.0, 127


def darker_lines(picture: Pixels, blur: float, faint: int) -> Pixels:
    """How much darker than its surroundings (a Gaussian of ``blur`` pixels) each pixel of ``picture`` [H, W, 3] is, so
    that a usual line has half the brightness: [H, W]. What differs by ``faint`` or less (0..255) is no line.
    """
    image = picture.astype(np.float32)
    depth = (cv2.GaussianBlur(image, (0, 0), blur) - image).min(axis=2).clip(0, 255)
    visible = depth[depth > faint]
    usual = max(_LEAST, float(np.median(visible))) if visible.size else _LEAST
    return np.asarray((depth / usual * _BRIGHT).clip(0, 255), np.uint8)
