"""Looking at pictures with a preprocessor alone: the map that a ControlNet unit would follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from PIL import Image

from sdcolab.core.control import UNSET
from sdcolab.core.fields import check, fact, facts


@dataclass(frozen=True, slots=True)
class Detect:
    """Make the map of each of ``pictures`` (any mode). Numbers of ``UNSET`` are the preprocessor's own."""

    code: ClassVar[str] = "detect"

    pictures: tuple[Image.Image, ...] = field(metadata=facts(control="pictures"))
    module: str = fact("canny", choices="preprocessors")
    resolution: int = fact(512, low=64, high=2048, step=8)
    threshold_a: float = fact(float(UNSET), low=UNSET, high=255)
    threshold_b: float = fact(float(UNSET), low=UNSET, high=255)
    save: bool = True

    def __post_init__(self) -> None:
        check(self, "detect")
