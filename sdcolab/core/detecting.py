"""Looking at pictures with a preprocessor alone: the map that a ControlNet unit would follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from PIL import Image, ImageOps

from sdcolab.core.control import NO_PREPROCESSOR, UNSET, ControlUnit
from sdcolab.core.fields import check, fact, facts
from sdcolab.core.preprocessors import PREPROCESSORS
from sdcolab.core.resizing import flattened


@dataclass(frozen=True, slots=True)
class Detect:
    """Make the map of each of ``pictures`` (any mode). Numbers of ``UNSET`` are the preprocessor's own. ``mask``: what
    an inpaint preprocessor leaves to be painted (white), shown after each map.
    """

    code: ClassVar[str] = "detect"

    pictures: tuple[Image.Image, ...] = field(metadata=facts(control="pictures"))
    module: str = fact("canny", choices="preprocessors")
    resolution: int = fact(512, low=64, high=2048, step=8)
    threshold_a: float = fact(float(UNSET), low=UNSET, high=255)
    threshold_b: float = fact(float(UNSET), low=UNSET, high=255)
    save: bool = True
    mask: Image.Image | None = None

    def __post_init__(self) -> None:
        check(self, "detect")


def drawing_of(unit: ControlUnit) -> Image.Image | None:
    """What was drawn for ``unit``, as its preprocessor gets it: without one, as the model does, white on black. None
    where nothing was. Raises ``UnknownName`` and ``PreprocessorUnserved``."""
    if unit.drawing is None:
        return None
    flat = flattened(unit.drawing)
    return ImageOps.invert(flat) if PREPROCESSORS.find(unit.module).name == NO_PREPROCESSOR else flat
