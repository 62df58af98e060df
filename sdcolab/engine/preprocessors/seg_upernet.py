"""What each place is, in ADE20K's colours."""

from __future__ import annotations

from sdcolab.engine.preprocessors.base import Asked, Pixels
from sdcolab.engine.preprocessors.nets.segments import segments


def detect(asked: Asked) -> Pixels:
    """A map of flat colours [H, W, 3]. Raises ``PreprocessorFileMissing`` and ``ModelError``."""
    return segments(asked.picture, asked.find("segments"), asked.device)
