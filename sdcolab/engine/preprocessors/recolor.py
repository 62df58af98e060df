"""What the two recolor preprocessors share."""

from __future__ import annotations

import numpy as np

from sdcolab.engine.preprocessors.base import Pixels, grey_to_rgb


def grey_with_gamma(grey: np.ndarray, gamma: float) -> Pixels:
    """[H, W] in 0..255 -> its power ``gamma`` (of 0..1), as grey RGB."""
    return grey_to_rgb(((grey.astype(np.float32) / 255) ** gamma * 255).clip(0, 255))
