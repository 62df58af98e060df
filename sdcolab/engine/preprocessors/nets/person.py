"""One person's points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Points (x, y in pixels, and 1 where it was seen or 0): ``body`` [18, 3] in OpenPose's order, ``face`` [68, 3],
    ``hands`` [2, 21, 3]."""

    body: Floats
    face: Floats
    hands: Floats
