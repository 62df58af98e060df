"""Depth (Depth Anything V2)."""

from __future__ import annotations

from sdcolab.engine.preprocessors.base import Asked, Pixels, grey_to_rgb
from sdcolab.engine.preprocessors.nets import depth


def detect(asked: Asked) -> Pixels:
    """Nearer is brighter, [H, W, 3]. Raises ``PreprocessorFileMissing`` and ``ModelError``."""
    found = depth.anything(asked.picture, asked.find("depth_anything_v2"), asked.device, version=2)
    return grey_to_rgb(depth.shown(found))
