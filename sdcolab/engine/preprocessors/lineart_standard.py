"""Lines of a drawing on white paper, white on black."""

from __future__ import annotations

import cv2
import numpy as np

from sdcolab.engine.preprocessors.base import Asked, Pixels, grey_to_rgb

_BLUR, _FAINT, _LEAST, _BRIGHT = 6.0, 8, 16.0, 127


def detect(asked: Asked) -> Pixels:
    """How much darker than its surroundings each pixel is, so that a usual line has half the brightness."""
    picture = asked.picture.astype(np.float32)
    depth = (cv2.GaussianBlur(picture, (0, 0), _BLUR) - picture).min(axis=2).clip(0, 255)
    visible = depth[depth > _FAINT]
    usual = max(_LEAST, float(np.median(visible))) if visible.size else _LEAST
    return grey_to_rgb((depth / usual * _BRIGHT).clip(0, 255))
