"""Values of a payload, checked: numbers, texts, flags, choices and pictures as A1111's clients write them.

A reader takes the field's name in a request ("hires.scale", for the sentence of an error) and the raw JSON value.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from PIL import Image, ImageOps

from sdcolab.core.errors import (
    FieldNotOption,
    FieldNotPicture,
    FieldOutOfRange,
    FieldWrongType,
    PictureIsLink,
    SdcolabError,
)
from sdcolab.core.pictures import DAMAGED, FORMATS, MAX_PIXELS, plain
from sdcolab.core.registry import closest
from sdcolab.core.request import RANDOM_SEED
from sdcolab.core.words import option_called

Reader = Callable[[str, Any], Any]
"""(field of the request, raw value) -> value. Raises ``RequestError``."""

_SHOWN_LENGTH = 60
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class BadField(Exception):
    """The field that A1111 calls ``name`` ("override_settings.emphasis") has a value that cannot be used."""

    def __init__(self, name: str, error: SdcolabError) -> None:
        super().__init__(name)
        self.name = name
        self.error = error


def text(field: str, value: Any) -> str:
    """Any text; halves of surrogate pairs, which UTF-8 cannot hold, become ``?``."""
    if not isinstance(value, str):
        raise wrong(field, value, "text")
    return value.encode("utf-8", "replace").decode("utf-8")


def texts(field: str, value: Any) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise wrong(field, value, "texts")
    return tuple(text(field, one) for one in value)


def number(field: str, value: Any) -> float:
    """A number, also written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise wrong(field, value, "number")
    try:
        return float(value)
    except (ValueError, OverflowError) as error:
        raise wrong(field, value, "number") from error


def whole(field: str, value: Any) -> int:
    """A whole number, also written as text or as 20.0."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise wrong(field, value, "whole")
    try:
        result = int(value)
    except (ValueError, OverflowError) as error:
        raise wrong(field, value, "whole") from error
    if isinstance(value, float) and result != value:
        raise wrong(field, value, "whole")
    return result


def seed(field: str, value: Any) -> int:
    """A seed; an empty text means a random one, as in A1111 (hechos/a1111.md 2.1)."""
    return RANDOM_SEED if value == "" else whole(field, value)


def side(field: str, value: Any) -> int:
    """Pixels; A1111's -1 means "not set", as 0."""
    return max(0, whole(field, value))


def flag(field: str, value: Any) -> bool:
    """True or false, also as 1 and 0, as 1.0 and 0.0, or as text."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold().removesuffix(".0")
    known = {"1": True, "true": True, "0": False, "false": False}.get(word)
    if known is None or not isinstance(value, int | float | str):
        raise wrong(field, value, "flag")
    return known


def mapping(field: str, value: Any) -> Mapping[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise wrong(field, value, "object")
    return value


def colour(field: str, value: Any) -> str:
    """A colour as #rrggbb."""
    if not isinstance(value, str) or not _COLOUR.fullmatch(value):
        raise wrong(field, value, "colour")
    return value


def choice(options: type[StrEnum]) -> Reader:
    """One of ``options`` by its word, or by what the faces call it, whatever case and accents."""

    def read(field: str, value: Any) -> StrEnum:
        word = text(field, value)
        if (chosen := option_called(options, word)) is None:
            raise FieldNotOption(field=field, value=shown(word), suggestions=closest(word, map(str, options)))
        return chosen

    return read


def place(options: type[StrEnum]) -> Reader:
    """One of ``options`` by its place, from 0."""
    ordered = tuple(options)

    def read(field: str, value: Any) -> StrEnum:
        index = whole(field, value)
        if not 0 <= index < len(ordered):
            raise FieldOutOfRange(field=field, value=index, low=0, high=len(ordered) - 1)
        return ordered[index]

    return read


def place_or_choice(options: type[StrEnum]) -> Reader:
    """One of ``options`` by its place, or by its word."""
    by_place, by_word = place(options), choice(options)

    def read(field: str, value: Any) -> StrEnum:
        is_word = isinstance(value, str) and not value.strip().isdigit()
        chosen: StrEnum = (by_word if is_word else by_place)(field, value)
        return chosen

    return read


def several(one: Reader) -> Reader:
    """A list of what ``one`` reads."""

    def read(field: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise wrong(field, value, "list")
        return tuple(one(field, inner) for inner in value)

    return read


def unless(*nothing: str, otherwise: str = "") -> Reader:
    """A text; the words in ``nothing`` and the empty text mean ``otherwise``."""
    words = {"", *(word.casefold() for word in nothing)}

    def read(field: str, value: Any) -> str:
        written = text(field, value).strip()
        return otherwise if written.casefold() in words else written

    return read


def picture(field: str, value: Any) -> Image.Image:
    """The picture in base64, with or without a ``data:`` address around it, turned as its EXIF says.

    Raises ``PictureIsLink`` for web addresses and ``FieldNotPicture``.
    """
    opened = open_picture(field, value)
    try:
        opened.load()
        turned = plain(ImageOps.exif_transpose(opened))
    except DAMAGED as error:
        raise FieldNotPicture(field=field) from error
    return turned


_FOR_ADDRESSES = str.maketrans("-_", "+/")
"""The letters of base64 that are made for addresses."""


def open_picture(field: str, value: Any) -> Image.Image:
    """The same picture as it was sent, with its metadata and not yet unpacked."""
    encoded = text(field, value).strip()
    if encoded[:8].casefold().startswith(("http://", "https://")):
        raise PictureIsLink(field=field)
    if encoded[:5].lower() == "data:":
        encoded = encoded.partition(",")[2]
    try:
        data = base64.b64decode(f"{encoded.translate(_FOR_ADDRESSES)}==")  # some clients leave the padding out
        opened = Image.open(io.BytesIO(data), formats=FORMATS)
    except DAMAGED as error:
        raise FieldNotPicture(field=field) from error
    if opened.width * opened.height > MAX_PIXELS:
        raise FieldNotPicture(field=field)
    return opened


def wrong(field: str, value: Any, expected: str) -> FieldWrongType:
    return FieldWrongType(field=field, value=shown(value), expected=expected)


def shown(value: Any) -> str:
    """The beginning of a raw value for an error's sentence."""
    try:
        written = str(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, lists a thousand deep
        written = "…"
    written = written.encode("utf-8", "replace").decode("utf-8")
    return written if len(written) <= _SHOWN_LENGTH else written[:_SHOWN_LENGTH] + "…"
