"""The picture with fewer details, for tile models."""

from __future__ import annotations

import cv2
import numpy as np

from sdcolab.engine.preprocessors.base import Asked, Pixels

_UNCHANGED_BELOW = 1.1


def detect(asked: Asked) -> Pixels:
    """The picture ``a`` times smaller."""
    if asked.a < _UNCHANGED_BELOW:
        return asked.picture
    height, width = (max(1, int(side / asked.a)) for side in asked.picture.shape[:2])
    return np.asarray(cv2.resize(asked.picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
