"""The picture's colours in other places (ControlNet 1.1 "shuffle"): a smooth random flow says where each pixel comes
from."""

from __future__ import annotations

import cv2
import numpy as np

from sdcolab.engine.preprocessors.base import Asked, Pixels

_GRAIN = 256
"""Pixels between two independent values of the flow."""


def detect(asked: Asked) -> Pixels:
    """The picture moved along a flow that ``seed`` fixes."""
    height, width = asked.picture.shape[:2]
    rng = np.random.RandomState(asked.seed % 2**32)
    across = _smooth(rng, height, width) * (width - 1)
    down = _smooth(rng, height, width) * (height - 1)
    return np.asarray(cv2.remap(asked.picture, across, down, cv2.INTER_LINEAR), np.uint8)


def _smooth(rng: np.random.RandomState, height: int, width: int) -> np.ndarray:
    """Smooth noise [height, width] from 0 to 1."""
    coarse = rng.uniform(0.0, 1.0, (height // _GRAIN + 2, width // _GRAIN + 2)).astype(np.float32)
    large = cv2.resize(coarse, (width + 2 * _GRAIN, height + 2 * _GRAIN), interpolation=cv2.INTER_CUBIC)
    cut = large[_GRAIN : _GRAIN + height, _GRAIN : _GRAIN + width]
    cut = cut - cut.min()
    return np.asarray(cut / max(float(cut.max()), 1e-6), np.float32)
