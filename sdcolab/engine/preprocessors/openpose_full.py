"""Poses: bodies, hands and faces."""

from __future__ import annotations

from sdcolab.engine.preprocessors.base import Asked, Pixels
from sdcolab.engine.preprocessors.nets.pose import people
from sdcolab.engine.preprocessors.nets.skeleton import drawn


def detect(asked: Asked) -> Pixels:
    """Coloured people on black, [H, W, 3]. Raises ``PreprocessorFileMissing`` and ``ModelUnreadable``."""
    found = people(asked.picture, asked.find("people"), asked.find("pose"))
    return drawn(found, *asked.picture.shape[:2], hands=True, face=True)
