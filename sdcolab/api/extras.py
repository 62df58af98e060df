"""Enlarging finished pictures, A1111's "Extras" (hechos/a1111.md 10.5)."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from sdcolab.api import fields
from sdcolab.api.fields import BadField, Reader
from sdcolab.api.studio import Upscaling
from sdcolab.core.checks import check_range
from sdcolab.core.errors import FeatureMissing, RequestError
from sdcolab.core.infotext.containers import PARAMETERS_KEY
from sdcolab.core.pictures import MAX_PIXELS
from sdcolab.core.upscaling import NO_UPSCALER

_EXTRAS_KEYS = ("postprocessing", "extras")
"""Keywords under which A1111 tells what was done, in a PNG."""

_STEP = 8


@dataclass(frozen=True, slots=True)
class Enlargement:
    """How to enlarge a picture. ``size`` is the wanted (width, height), or None for ``scale`` times larger; ``crop``
    cuts what is beyond it. ``second`` is mixed in by ``visibility`` 0..1.
    """

    scale: float = 2.0
    size: tuple[int, int] | None = None
    crop: bool = True
    first: str = NO_UPSCALER
    second: str = NO_UPSCALER
    visibility: float = 0.0

    def applied_to(self, picture: Image.Image, upscaling: Upscaling) -> Image.Image:
        """``picture`` (any mode) enlarged, as RGB. Without a first upscaler it stays as it is, as in A1111."""
        picture = picture.convert("RGB")
        if self.first == NO_UPSCALER:
            return picture
        scale = self.scale_for(picture)
        enlarged = upscaling.upscale(picture, scale, self.first)
        if self.second != NO_UPSCALER and self.visibility > 0:
            other = upscaling.upscale(picture, scale, self.second)
            enlarged = Image.blend(enlarged, other, self.visibility)
        return self._cropped(enlarged)

    def scale_for(self, picture: Image.Image) -> float:
        """How many times larger ``picture`` gets."""
        if self.size is None:
            return self.scale
        return max(self.size[0] / picture.width, self.size[1] / picture.height)

    def _cropped(self, picture: Image.Image) -> Image.Image:
        if self.size is None or not self.crop:
            return picture
        canvas = Image.new("RGB", self.size)
        width, height = self.size
        canvas.paste(picture, (width // 2 - picture.width // 2, height // 2 - picture.height // 2))
        return canvas

    def description(self) -> str:
        """What was done, as an infotext."""
        if self.first == NO_UPSCALER:
            return ""
        parts = {"Postprocess upscale by": f"{self.scale:g}"}
        if self.size is not None:
            parts = {"Postprocess upscale to": f"{self.size[0]}x{self.size[1]}"}
            if self.crop:
                parts["Postprocess crop to"] = f"{self.size[0]}x{self.size[1]}"
        parts["Postprocess upscaler"] = self.first
        if self.second != NO_UPSCALER and self.visibility > 0:
            parts["Postprocess upscaler 2"] = self.second
        return ", ".join(f"{label}: {value}" for label, value in parts.items())

    def html(self) -> str:
        """The same for web pages."""
        return f"<p>{html.escape(self.description())}</p>"

    def texts(self, picture: Image.Image) -> dict[str, str]:
        """What is written into the enlarged ``picture``: its own infotext, and what was done to it."""
        own = picture.info.get(PARAMETERS_KEY)
        texts = {PARAMETERS_KEY: own} if isinstance(own, str) else {}
        return texts | {key: self.description() for key in _EXTRAS_KEYS if self.description()}


def enlargement_from_payload(payload: Mapping[str, Any]) -> Enlargement:
    """What the payload of ``extra-single-image`` asks for. Upscalers' names stay as they are written.

    Raises ``BadField``.
    """
    given = _Given(payload)
    for name in ("gfpgan_visibility", "codeformer_visibility"):
        if given.take(name, fields.number, 0.0) > 0:
            raise BadField(name, FeatureMissing(field=name))
    size = None
    if given.take("resize_mode", fields.whole, 0, 0, 1) == 1:
        size = (
            given.take("upscaling_resize_w", fields.whole, 512, _STEP, 8192),
            given.take("upscaling_resize_h", fields.whole, 512, _STEP, 8192),
        )
    return Enlargement(
        scale=given.take("upscaling_resize", fields.number, 2.0, 1.0, 8.0),
        size=size,
        crop=given.take("upscaling_crop", fields.flag, True),
        first=given.take("upscaler_1", fields.unless(otherwise=NO_UPSCALER), NO_UPSCALER),
        second=given.take("upscaler_2", fields.unless(otherwise=NO_UPSCALER), NO_UPSCALER),
        visibility=given.take("extras_upscaler_2_visibility", fields.number, 0.0, 0.0, 1.0),
    )


def check_size(enlargement: Enlargement, picture: Image.Image) -> None:
    """Raise ``BadField`` when the result would be larger than any picture that the program opens."""
    name = "upscaling_resize" if enlargement.size is None else "upscaling_resize_w"
    scale, largest = enlargement.scale_for(picture), (MAX_PIXELS / (picture.width * picture.height)) ** 0.5
    try:
        check_range(name, round(scale, 2), 0.0, round(largest, 2))
    except RequestError as error:
        raise BadField(name, error) from error


class _Given:
    """The fields of a payload that are there."""

    def __init__(self, payload: Mapping[str, Any]) -> None:
        self._payload = payload

    def take(self, name: str, read: Reader, otherwise: Any, low: float | None = None, high: float | None = None) -> Any:
        """The value of ``name``, or ``otherwise`` when it is absent or null. Raises ``BadField``."""
        raw = self._payload.get(name)
        if raw is None:
            return otherwise
        try:
            value = read(name, raw)
            if low is not None and high is not None:
                check_range(name, value, low, high)
        except RequestError as error:
            raise BadField(name, error) from error
        return value
