"""Lines of drawn pictures."""

from __future__ import annotations

from sdcolab.engine.preprocessors.base import Asked, Pixels, grey_to_rgb
from sdcolab.engine.preprocessors.nets.anime import lines


def detect(asked: Asked) -> Pixels:
    """White lines on black, [H, W, 3]. Raises ``PreprocessorFileMissing`` and ``ModelError``."""
    return grey_to_rgb((lines(asked.picture, asked.find("anime"), asked.device).numpy() * 255).clip(0, 255))
