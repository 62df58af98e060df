"""A blurred picture, for tile and blur models."""

from __future__ import annotations

import cv2
import numpy as np

from sdcolab.engine.preprocessors.base import Asked, Pixels


def detect(asked: Asked) -> Pixels:
    """Gaussian blur of deviation ``a`` pixels."""
    return np.asarray(cv2.GaussianBlur(asked.picture, (0, 0), asked.a), np.uint8)
