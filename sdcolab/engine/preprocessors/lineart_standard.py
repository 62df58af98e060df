"""Lines of a drawing on white paper, white on black."""

from __future__ import annotations

from sdcolab.engine.preprocessors.base import Asked, Pixels, grey_to_rgb
from sdcolab.engine.preprocessors.nets.drawn_lines import darker_lines

_BLUR, _FAINT = 6.0, 8


def detect(asked: Asked) -> Pixels:
    """How much darker than its surroundings each pixel is, [H, W, 3]."""
    return grey_to_rgb(darker_lines(asked.picture, _BLUR, _FAINT))
