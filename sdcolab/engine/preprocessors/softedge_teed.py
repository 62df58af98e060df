"""Soft edges (TEED)."""

from __future__ import annotations

from sdcolab.engine.preprocessors.base import Asked, Pixels
from sdcolab.engine.preprocessors.nets import teed
from sdcolab.engine.preprocessors.nets.soft_edges import safe, soft


def detect(asked: Asked) -> Pixels:
    """A map [H, W, 3] in ``a`` + 1 brightnesses (0: as many as there are). Raises ``PreprocessorFileMissing`` and
    ``ModelError``."""
    edges = teed.edges(asked.picture, asked.find("teed"), asked.device)
    return safe(edges, int(asked.a)) if int(asked.a) else soft(edges)
