"""How bright each pixel is, for models that add colour (the value of HSV)."""

from __future__ import annotations

from sdcolab.engine.preprocessors.base import Asked, Pixels
from sdcolab.engine.preprocessors.recolor import grey_with_gamma


def detect(asked: Asked) -> Pixels:
    """The brightest channel to the power ``a``."""
    return grey_with_gamma(asked.picture.max(axis=2), asked.a)
