"""Depth (ZoeDepth)."""

from __future__ import annotations

from sdcolab.engine.preprocessors.base import Asked, Pixels, grey_to_rgb
from sdcolab.engine.preprocessors.nets import zoe


def detect(asked: Asked) -> Pixels:
    """Nearer is brighter, [H, W, 3]. Raises ``PreprocessorFileMissing`` and ``ModelError``."""
    return grey_to_rgb(zoe.shown(zoe.metres(asked.picture, asked.find("zoe"), asked.device)))
