"""Depth (Depth Anything)."""

from __future__ import annotations

from sdcolab.engine.preprocessors.base import Asked, Pixels, grey_to_rgb
from sdcolab.engine.preprocessors.nets import depth


def detect(asked: Asked) -> Pixels:
    """Nearer is brighter, [H, W, 3]. Raises ``PreprocessorFileMissing`` and ``ModelError``."""
    found = depth.anything(asked.picture, asked.find("depth_anything"), asked.device, version=1)
    return grey_to_rgb(depth.shown(found))
