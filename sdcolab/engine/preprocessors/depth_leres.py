"""Depth (LeReS)."""

from __future__ import annotations

import numpy as np

from sdcolab.engine.preprocessors.base import Asked, Pixels, grey_to_rgb
from sdcolab.engine.preprocessors.nets import depth, leres


def detect(asked: Asked) -> Pixels:
    """Nearer is brighter, [H, W, 3]. The nearest ``a`` hundredths of the range count as the nearest place,
    and the farthest ``b`` are black.
    Raises ``PreprocessorFileMissing`` and ``ModelError``."""
    near = depth.shown(-leres.distance(asked.picture, asked.find("leres"), asked.device))
    near = np.where(255 - near.astype(np.float32) > asked.a * 2.55, near, 255) if asked.a else near
    return grey_to_rgb(np.where(near > asked.b * 2.55, near, 0) if asked.b else near)
