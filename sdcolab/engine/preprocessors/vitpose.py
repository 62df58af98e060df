"""Poses: bodies (ViTPose)."""

from __future__ import annotations

from sdcolab.engine.preprocessors.base import Asked, Pixels
from sdcolab.engine.preprocessors.nets.skeleton import drawn
from sdcolab.engine.preprocessors.nets.vitpose import people


def detect(asked: Asked) -> Pixels:
    """Coloured people on black, [H, W, 3]. Raises ``PreprocessorFileMissing`` and ``ModelError``."""
    found = people(asked.picture, asked.find("people"), asked.find("vitpose"), asked.device)
    return drawn(found, *asked.picture.shape[:2])
