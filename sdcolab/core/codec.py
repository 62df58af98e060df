"""Frozen dataclasses as JSON values: requests in the settings file, tasks in the journal, work for other processes.

What a dataclass holds says how it is written: numbers, texts, flags, enumerations by their word, paths as text,
pictures as ``{"png": base64}``, parts as objects, tuples as lists. One of several dataclasses (``Grid | Loop``) is told
by the ``code`` that its class has. So nothing needs JSON code of its own.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import io
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image, UnidentifiedImageError

from sdcolab.core.errors import RequestError
from sdcolab.core.pictures import MAX_PIXELS
from sdcolab.core.request import GenerationRequest

T = TypeVar("T")

PictureOut = Callable[[Image.Image], Any]
PictureIn = Callable[[Any], Image.Image]
"""How pictures are written, and read again. The second raises ``ValueError``, ``TypeError`` or ``KeyError``."""

CODE = "code"
"""Key that tells which dataclass an object is, where there are several."""


def png_text(picture: Image.Image) -> Any:
    """``picture`` as PNG in base64."""
    png = io.BytesIO()
    picture.save(png, format="PNG")
    return {"png": base64.b64encode(png.getvalue()).decode("ascii")}


def picture_from_text(value: Any) -> Image.Image:
    """The picture that ``png_text`` wrote. Raises ``ValueError``, ``TypeError`` or ``KeyError``."""
    return _picture(value["png"])


def to_json(value: object, picture: PictureOut = png_text) -> Any:
    """``value`` as JSON values; ``picture`` says how pictures are written."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Image.Image):
        return picture(value)
    if isinstance(value, tuple):
        return [to_json(one, picture) for one in value]
    if is_dataclass(value):
        code = getattr(type(value), CODE, None)
        known = {} if code is None else {CODE: code}
        return known | {field.name: to_json(getattr(value, field.name), picture) for field in fields(value)}
    return value


def from_json(kind: type[T], raw: Mapping[str, Any], picture: PictureIn = picture_from_text) -> T:
    """A ``kind`` from its saved fields. Fields that this version does not know are left out, missing ones keep their
    default, and one whose value is no longer accepted keeps its default too.

    Raises ``ValueError``, ``TypeError``, ``KeyError`` or ``RequestError`` when a field that has no default is not there
    or not accepted.
    """
    made: T = _filled(_blank(kind, raw, picture), raw, picture)
    return made


def request_to_json(request: GenerationRequest) -> dict[str, Any]:
    """The fields of ``request`` as JSON values."""
    written: dict[str, Any] = to_json(request)
    return written


def request_from_json(raw: Mapping[str, Any]) -> GenerationRequest:
    """A request from its saved fields, as ``from_json``."""
    return from_json(GenerationRequest, raw)


@functools.cache
def _hints(kind: type) -> Mapping[str, Any]:
    every = typing.get_type_hints(kind)
    return {field.name: every[field.name] for field in fields(kind)}


_REFUSED = (RequestError, ValueError, TypeError, KeyError, AttributeError)
"""What a value raises that is not accepted."""


def _filled(part: Any, raw: Mapping[str, Any], picture: PictureIn) -> Any:
    """``part`` with those fields of ``raw`` that it knows and accepts."""
    kind: type = type(part)
    hints = _hints(kind)
    known: dict[str, Any] = {}
    for name, value in raw.items():
        if name in hints:
            with contextlib.suppress(*_REFUSED):
                known[name] = _decoded(hints[name], value, picture)
    try:
        return replace(part, **known)
    except _REFUSED:  # one by one then, which takes far longer
        for name, value in known.items():
            with contextlib.suppress(*_REFUSED):
                part = replace(part, **{name: value})
        return part


def _decoded(kind: Any, value: Any, picture: PictureIn) -> Any:
    """``value`` as a ``kind``. Raises ``ValueError`` or ``TypeError`` when it is none."""
    if isinstance(kind, types.UnionType):
        return _decoded_union(typing.get_args(kind), value, picture)
    if typing.get_origin(kind) is tuple:
        return _decoded_tuple(typing.get_args(kind), value, picture)
    if kind is Image.Image:
        return picture(value)
    if is_dataclass(kind):
        return from_json(typing.cast("type[Any]", kind), value, picture)
    if issubclass(kind, StrEnum):
        return kind(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if type(value) is kind or (kind is float and type(value) is int):
        return value
    raise TypeError(f"{value!r} is no {kind}")


def _decoded_union(options: tuple[Any, ...], value: Any, picture: PictureIn) -> Any:
    if value is None and types.NoneType in options:
        return None
    kinds = [option for option in options if option is not types.NoneType]
    if len(kinds) > 1:
        kinds = [option for option in kinds if getattr(option, CODE, None) == value[CODE]]
    if not kinds:
        raise ValueError(f"nothing has the code {value[CODE]!r}")
    return _decoded(kinds[0], value, picture)


def _decoded_tuple(kinds: tuple[Any, ...], value: Any, picture: PictureIn) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    if kinds[1:] == (Ellipsis,):
        return tuple(_decoded(kinds[0], one, picture) for one in value)
    return tuple(_decoded(kind, one, picture) for kind, one in zip(kinds, value, strict=True))


def _blank(kind: Any, raw: Mapping[str, Any], picture: PictureIn) -> Any:
    """A ``kind`` with its defaults; the fields that have none come from ``raw``."""
    needed = [field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING]
    return kind(**{name: _decoded(_hints(kind)[name], raw[name], picture) for name in needed})


def _picture(text: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(base64.b64decode(text)), formats=("PNG",)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError("too large")
            return picture.copy()  # a plain image, equal to the one that was saved
    except (binascii.Error, UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("not a picture") from error
