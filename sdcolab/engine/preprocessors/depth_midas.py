"""Depth (MiDaS 3.0)."""

from __future__ import annotations

from sdcolab.engine.preprocessors.base import Asked, Pixels, grey_to_rgb
from sdcolab.engine.preprocessors.nets import depth


def detect(asked: Asked) -> Pixels:
    """Nearer is brighter, [H, W, 3]. Raises ``PreprocessorFileMissing`` and ``ModelError``."""
    return grey_to_rgb(depth.shown(depth.midas(asked.picture, asked.find("midas"), asked.device)))
