"""Requests as JSON values, for the settings file and for the program's other processes."""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from PIL import Image, UnidentifiedImageError

from sdcolab.core.errors import RequestError
from sdcolab.core.request import FIELDS, GenerationRequest

T = TypeVar("T")


def request_to_json(request: GenerationRequest) -> dict[str, Any]:
    """The fields of ``request`` as JSON values; pictures as ``{"png": base64}``."""
    return {field.name: _encoded(getattr(request, field.name)) for field in fields(request)}


def request_from_json(raw: Mapping[str, Any]) -> GenerationRequest:
    """A request from its saved fields. Fields that this version does not know are left out, missing ones keep their
    default, and one whose value is no longer accepted keeps its default too.
    """
    return _filled(GenerationRequest(), raw)


def field_paths() -> tuple[str, ...]:
    """Dotted paths of all fields of a request, those of its parts too ("hires.steps")."""
    return tuple(FIELDS)


def _encoded(value: object) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Image.Image):
        png = io.BytesIO()
        value.save(png, format="PNG")
        return {"png": base64.b64encode(png.getvalue()).decode("ascii")}
    if isinstance(value, tuple):
        return [_encoded(one) for one in value]
    if is_dataclass(value):
        return {field.name: _encoded(getattr(value, field.name)) for field in fields(value)}
    return value


def _filled(part: T, raw: Mapping[str, Any]) -> T:
    """``part`` with those fields of ``raw`` that it knows and accepts, one by one."""
    hints = typing.get_type_hints(type(part))
    for name, value in raw.items():
        if name in hints:
            with contextlib.suppress(RequestError, ValueError, TypeError, KeyError):
                change: dict[str, Any] = {name: _decoded(hints[name], value)}
                part = replace(part, **change)  # type: ignore[type-var]
    return part


def _decoded(kind: Any, value: Any) -> Any:
    """``value`` as a ``kind``. Raises ``ValueError`` or ``TypeError`` when it is none."""
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        kind = next(option for option in typing.get_args(kind) if option is not types.NoneType)
    if typing.get_origin(kind) is tuple:
        return tuple(_decoded(typing.get_args(kind)[0], one) for one in value)
    if kind is Image.Image:
        return _picture(value["png"])
    if is_dataclass(kind):
        return _filled(_blank(kind, value), value)
    if issubclass(kind, StrEnum):
        return kind(value)
    if type(value) is kind or (kind is float and type(value) is int):
        return value
    raise TypeError(f"{value!r} is no {kind}")


def _blank(kind: Any, raw: Mapping[str, Any]) -> Any:
    """A ``kind`` with its defaults; the fields that have none come from ``raw``."""
    hints = typing.get_type_hints(kind)
    needed = [field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING]
    return kind(**{name: _decoded(hints[name], raw[name]) for name in needed})


def _picture(text: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(base64.b64decode(text))).copy()  # a plain image, equal to the one that was saved
    except (binascii.Error, UnidentifiedImageError, OSError) as error:
        raise ValueError("not a picture") from error
