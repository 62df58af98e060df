"""White lines on black from black lines on white."""

from __future__ import annotations

from sdcolab.engine.preprocessors.base import Asked, Pixels


def detect(asked: Asked) -> Pixels:
    """The negative."""
    return 255 - asked.picture
