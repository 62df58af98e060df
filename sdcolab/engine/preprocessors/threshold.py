"""Two values."""

from __future__ import annotations

import numpy as np

from sdcolab.engine.preprocessors.base import Asked, Pixels, grey_to_rgb


def detect(asked: Asked) -> Pixels:
    """White where the darkest channel is above ``a``."""
    return grey_to_rgb(np.where(asked.picture.min(axis=2) > asked.a, 255, 0))
