"""Where each picture of a sheet lies on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.events import Portion

MOST_SPOTS = 1000
"""Cells of a sheet that can be pressed; with more they are smaller than a finger, and the browser too slow."""


@dataclass(frozen=True, slots=True)
class LaidCell:
    """A cell of a sheet on the disk: the file of its picture, what it is called, and where it lies."""

    picture: Path
    name: str
    box: Portion
