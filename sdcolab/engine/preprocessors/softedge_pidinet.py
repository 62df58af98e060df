"""Soft edges (PiDiNet)."""

from __future__ import annotations

from sdcolab.engine.preprocessors.base import Asked, Pixels
from sdcolab.engine.preprocessors.nets import pidinet
from sdcolab.engine.preprocessors.nets.soft_edges import soft


def detect(asked: Asked) -> Pixels:
    """A map [H, W, 3]. Raises ``PreprocessorFileMissing`` and ``ModelError``."""
    return soft(pidinet.edges(asked.picture, asked.find("pidinet"), asked.device))
