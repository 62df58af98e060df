"""Two values."""

from __future__ import annotations

import numpy as np

from sdcolab.engine.preprocessors.base import Asked, grey_to_rgb
from sdcolab.engine.preprocessors.resizing import Pixels


def detect(asked: Asked) -> Pixels:
    """White where the darkest channel is above ``a``."""
    return grey_to_rgb(np.where(asked.picture.min(axis=2) > asked.a, 255, 0))
