"""Which way surfaces look (normal_bae)."""

from __future__ import annotations

import numpy as np

from sdcolab.engine.preprocessors.base import Asked, Pixels
from sdcolab.engine.preprocessors.nets.normals import normals


def detect(asked: Asked) -> Pixels:
    """x, y and z as red, green and blue, [H, W, 3]. Raises ``PreprocessorFileMissing`` and ``ModelError``."""
    found = normals(asked.picture, asked.find("normals"), asked.device).numpy().transpose(1, 2, 0)
    return np.asarray(((found + 1) * 127.5).clip(0, 255), np.uint8)
