"""Fine lines, as somebody would draw them."""

from __future__ import annotations

from sdcolab.engine.preprocessors.base import Asked, Pixels, grey_to_rgb
from sdcolab.engine.preprocessors.nets.drawing import lines


def detect(asked: Asked) -> Pixels:
    """White lines on black, [H, W, 3]. Raises ``PreprocessorFileMissing`` and ``ModelError``."""
    return grey_to_rgb((lines(asked.picture, asked.find("drawing"), asked.device).numpy() * 255).clip(0, 255))
