"""Enlarging finished pictures, A1111's "Extras" (hechos/a1111.md 10.5)."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from PIL import Image

from sdcolab.api import fields
from sdcolab.api.fields import BadField, Reader
from sdcolab.core.checks import check_range
from sdcolab.core.describing import Describe
from sdcolab.core.errors import CodeFormerAbsent, RequestError
from sdcolab.core.infotext.containers import PARAMETERS_KEY
from sdcolab.core.upscaling import ENLARGEMENT_FIELDS, MAX_SIDE, NO_UPSCALER, Enlargement
from sdcolab.core.words.kitchen import BLIP_BASE

_EXTRAS_KEYS = ("postprocessing", "extras")
"""Keywords under which A1111 tells what was done, in a PNG."""

_SMALLEST_SIDE = 8
_TAGS = ("deepdanbooru", "deepbooru")
"""A1111's model of tags, whose place another one takes here."""
SCALE = ENLARGEMENT_FIELDS["enlargement.scale"]


def enlargement_from_payload(payload: Mapping[str, Any]) -> Enlargement:
    """What the payload of ``extra-single-image`` asks for. Upscalers' names stay as they are written.

    Raises ``BadField``.
    """
    given = _Given(payload)
    if given.take("codeformer_visibility", fields.number, 0.0) > 0:
        raise BadField("codeformer_visibility", CodeFormerAbsent())
    width = height = 0
    if given.take("resize_mode", fields.whole, 0, 0, 1) == 1:
        width = given.take("upscaling_resize_w", fields.whole, 512, _SMALLEST_SIDE, MAX_SIDE)
        height = given.take("upscaling_resize_h", fields.whole, 512, _SMALLEST_SIDE, MAX_SIDE)
    return Enlargement(
        in_eights=True,
        upscaler=given.take("upscaler_1", fields.unless(otherwise=NO_UPSCALER), NO_UPSCALER),
        scale=given.take("upscaling_resize", fields.number, 2.0, SCALE.low, SCALE.high),
        width=width,
        height=height,
        crop=given.take("upscaling_crop", fields.flag, True),
        second=given.take("upscaler_2", fields.unless(otherwise=NO_UPSCALER), NO_UPSCALER),
        second_visibility=given.take("extras_upscaler_2_visibility", fields.number, 0.0, 0.0, 1.0),
        gfpgan_visibility=given.take("gfpgan_visibility", fields.number, 0.0, 0.0, 1.0),
    )


def description(payload: Mapping[str, Any]) -> Describe:
    """What ``interrogate`` asks for: a sentence by "clip", whose BLIP is ours too, tags by "deepdanbooru", or what one
    of ours says that is called by its name.

    Raises ``BadField``.
    """
    try:
        picture = fields.picture("image", payload.get("image") or "")
    except RequestError as error:
        raise BadField("image", error) from error
    name = str(payload.get("model") or "clip").strip()
    if name.casefold() == "clip":
        return Describe((picture,), BLIP_BASE)
    return Describe((picture,)) if name.casefold() in _TAGS else Describe((picture,), name)


def check_fits(enlargement: Enlargement, picture: Image.Image) -> None:
    """Raise ``BadField`` when the result would be larger than any picture that the program opens."""
    try:
        enlargement.check_fits(*picture.size)
    except RequestError as error:
        raise BadField("upscaling_resize_w" if enlargement.to_size else "upscaling_resize", error) from error


def html_of(enlargement: Enlargement) -> str:
    """What is done, for web pages."""
    return f"<p>{html.escape(enlargement.description(repr))}</p>"


def texts_of(enlargement: Enlargement, picture: Image.Image) -> dict[str, str]:
    """What is written into the enlarged ``picture``: its own infotext, and what was done to it."""
    own = picture.info.get(PARAMETERS_KEY)
    texts = {PARAMETERS_KEY: own} if isinstance(own, str) else {}
    done = enlargement.description(repr)
    return texts | {key: done for key in _EXTRAS_KEYS if done}


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
