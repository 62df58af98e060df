"""What a preprocessor gets and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""A picture [H, W, 3] (RGB) or a map [H, W], 0 to 255."""

Find = Callable[[str], Path]
"""Where the weights of a name (``core.preprocessor_files``) lie. Raises ``PreprocessorFileMissing``."""


def _no_files(name: str) -> Path:
    raise LookupError(name)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A picture [H, W, 3] (uint8 RGB) and how to look at it.

    ``a`` and ``b`` are the preprocessor's numbers; ``mask`` [H, W] is white (255) where an inpaint preprocessor lets
    paint. ``seed`` fixes what is drawn by chance. ``device`` (torch's name) is where a network runs.
    """

    picture: Pixels
    resolution: int = 512
    a: float = 0.0
    b: float = 0.0
    mask: Pixels | None = None
    seed: int = 0
    find: Find = field(default=_no_files)
    device: str = "cpu"


def grey_to_rgb(grey: np.ndarray) -> Pixels:
    """[H, W] -> uint8 [H, W, 3]."""
    return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)
