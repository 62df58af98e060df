"""A request with fields that do not exist: a plain one, a part that may be absent, and one that repeats. What the
program makes of them it makes of any field that is declared like them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from PIL import Image

from sdcolab.core.fields import check, fact, facts
from sdcolab.core.request import GenerationRequest


class Fit(StrEnum):
    STRETCH = "Just Resize"
    CROP = "Crop and Resize"


@dataclass(frozen=True, slots=True)
class Unit:
    """Declared like a unit of ControlNet (hechos/extensiones.md 3)."""

    model: str = field(metadata=facts(label="Model", codec="title", api=("model",), choices="controlnets"))
    module: str = fact("none", label="Module", codec="always", api=("module",), choices="preprocessors")
    weight: float = fact(1.0, low=0, high=2, label="Weight", codec="always", api=("weight",))
    fit: Fit = fact(Fit.CROP, label="Resize Mode", codec="always", api=("resize_mode",))
    pixel_perfect: bool = fact(False, label="Pixel Perfect", codec="always", api=("pixel_perfect",))
    image: Image.Image | None = fact(None, api=("input_image", "image"), control="picture")

    def __post_init__(self) -> None:
        check(self, "units")


@dataclass(frozen=True, slots=True)
class Guidance:
    scale: float = fact(3.0, low=0, high=10, label="Trial scale", api=("trial_scale",))
    early: bool = fact(False, label="Trial early", api=("trial_early",))

    def __post_init__(self) -> None:
        check(self, "guidance")


@dataclass(frozen=True, slots=True)
class Trial(GenerationRequest):
    mirrored: bool = fact(False, label="Mirrored", api=("mirrored",), key="mirrored_on")
    strengths: tuple[float, ...] = fact((), low=0, high=2, api=("trial_strengths",))
    guidance: Guidance | None = fact(None, api=("trial_enabled",))
    units: tuple[Unit, ...] = fact((), label="Trial unit {}", api=("alwayson_scripts.trial.args",))
