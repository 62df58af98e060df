"""How light each pixel is, for models that add colour (CIE L*a*b* lightness)."""

from __future__ import annotations

import cv2

from sdcolab.engine.preprocessors.base import Asked, Pixels
from sdcolab.engine.preprocessors.recolor import grey_with_gamma


def detect(asked: Asked) -> Pixels:
    """Lightness to the power ``a``. The extension reads the picture's channels as blue, green, red, and its models know
    it so."""
    return grey_with_gamma(cv2.cvtColor(asked.picture, cv2.COLOR_BGR2LAB)[:, :, 0], asked.a)
