"""Thick strokes: where a picture is darker than its surroundings (extended difference of Gaussians; Winnemoeller et al.
2012)."""

from __future__ import annotations

import cv2
import numpy as np

from sdcolab.engine.preprocessors.base import Asked, Pixels, grey_to_rgb

_FINE, _COARSE = 0.5, 5.0


def detect(asked: Asked) -> Pixels:
    """White where twice the least difference of the channels is above ``a``."""
    picture = asked.picture.astype(np.float32)
    difference = cv2.GaussianBlur(picture, (0, 0), _COARSE) - cv2.GaussianBlur(picture, (0, 0), _FINE)
    light = (255 - difference.min(axis=2)).clip(0, 255).astype(np.uint8)
    return grey_to_rgb(np.where(2 * (255 - light.astype(np.int32)) > asked.a, 255, 0))
