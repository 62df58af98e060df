"""Soft edges and fine lines in one map (Anyline)."""

from __future__ import annotations

import cv2
import numpy as np

from sdcolab.engine.preprocessors.base import Asked, Pixels, grey_to_rgb
from sdcolab.engine.preprocessors.nets import teed
from sdcolab.engine.preprocessors.nets.drawn_lines import darker_lines
from sdcolab.engine.preprocessors.nets.soft_edges import safe, soft

_BLUR, _FAINT = 2.0, 3
_SPECK = 36
"""Pixels; what is smaller is no line."""


def detect(asked: Asked) -> Pixels:
    """A map [H, W, 3]: the edges of a network (in ``a`` + 1 brightnesses, 0: as many as there are) with the dark lines
    of the picture laid over them. Raises ``PreprocessorFileMissing`` and ``ModelError``."""
    edges = teed.edges(asked.picture, asked.find("anyline"), asked.device)
    base = (safe(edges, int(asked.a)) if int(asked.a) else soft(edges))[:, :, 0].astype(np.float32) / 255
    lines = _without_specks(darker_lines(asked.picture, _BLUR, _FAINT)).astype(np.float32) / 255
    return grey_to_rgb((1 - (1 - base) * (1 - lines)) * 255)


def _without_specks(lines: Pixels) -> Pixels:
    count, labels, found, _ = cv2.connectedComponentsWithStats((lines > 0).astype(np.uint8), connectivity=4)
    kept = np.array([number > 0 and found[number, cv2.CC_STAT_AREA] >= _SPECK for number in range(count)])
    return np.where(kept[labels], lines, 0).astype(np.uint8)
