"""What is made of the soft edges [H, W], 0 to 1, that a network finds."""

from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

from sdcolab.engine.preprocessors.base import Pixels, grey_to_rgb
from sdcolab.engine.preprocessors.resizing import ridges

_SAFE_STEPS = 2
_SCRIBBLE_SIGMA, _SCRIBBLE_FLOOR, _SCRIBBLE_SEEN = 3.0, 127, 4


def soft(edges: Tensor) -> Pixels:
    """White edges on black, [H, W, 3]."""
    return grey_to_rgb((edges.numpy() * 255).clip(0, 255))


def safe(edges: Tensor, steps: int = _SAFE_STEPS) -> Pixels:
    """The same in ``steps`` + 1 brightnesses, so that nothing else of the picture leaks through them."""
    stairs = (edges.numpy().astype(np.float32) * (steps + 1)).astype(np.int32)
    return grey_to_rgb((stairs / steps * 255).clip(0, 255))


def scribble(edges: Tensor) -> Pixels:
    """Only the ridges of the edges, as strokes of a thick pen."""
    grey = (edges.numpy() * 255).clip(0, 255).astype(np.uint8).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(grey, (0, 0), _SCRIBBLE_SIGMA), np.float32)
    thin = np.where(ridges(smooth) > _SCRIBBLE_FLOOR, 255, 0).astype(np.uint8)
    thick = cv2.GaussianBlur(thin, (0, 0), _SCRIBBLE_SIGMA)
    return grey_to_rgb(np.where(thick > _SCRIBBLE_SEEN, 255, 0))
