"""Soft edges in few brightnesses (HED)."""

from __future__ import annotations

from sdcolab.engine.preprocessors.base import Asked, Pixels
from sdcolab.engine.preprocessors.nets import hed
from sdcolab.engine.preprocessors.nets.soft_edges import safe


def detect(asked: Asked) -> Pixels:
    """A map [H, W, 3]. Raises ``PreprocessorFileMissing`` and ``ModelError``."""
    return safe(hed.edges(asked.picture, asked.find("hed"), asked.device))
