"""Straight lines (M-LSD): for rooms and buildings."""

from __future__ import annotations

import cv2
import numpy as np

from sdcolab.engine.preprocessors.base import Asked, Pixels
from sdcolab.engine.preprocessors.nets.mlsd import segments


def detect(asked: Asked) -> Pixels:
    """White lines on black, [H, W, 3]: those likelier than ``a`` and longer than ``b``. Raises
    ``PreprocessorFileMissing`` and ``ModelError``."""
    drawn = np.zeros_like(asked.picture)
    for x1, y1, x2, y2 in segments(asked.picture, asked.find("mlsd"), asked.device, asked.a, asked.b).astype(int):
        cv2.line(drawn, (int(x1), int(y1)), (int(x2), int(y2)), (255, 255, 255), 1)
    return drawn
