"""Between frozen dataclasses (a request, a task, a script's settings) and the plain values that the controls of a face
hold.

Both faces draw a field with the control that ``control_of`` says, fill it with what ``shown`` gives, and read it with
``Reader``. Limits are not checked here: dataclasses check themselves, so that a wrong number gets the same Spanish
sentence everywhere. A part that may be absent is read only when its switch is on; one that repeats ("control") has
numbered places, each with its switch ("control.0").
"""

from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

from PIL import Image

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    FieldEmpty,
    FieldNotNumber,
    FieldWrongType,
    InitImageMissing,
    MaskMissing,
    NameNotChosen,
    NotDownloaded,
    RequestError,
    UnknownName,
)
from sdcolab.core.fields import Field, Part, parts_of, plain_path, table_of
from sdcolab.core.infotext.labels import keeps_places
from sdcolab.core.names import split_name
from sdcolab.core.pictures import picture_from
from sdcolab.core.registry import closest
from sdcolab.core.words.fields import option_words
from sdcolab.core.words.layout import EMPTY_CHOICE, NAMES_TO_READ, SAME_CHOICE, TO_DOWNLOAD

Values = Mapping[str, Any]
"""Plain values by dotted path, and of each switch by the path of its part."""

Lists = Callable[[str], tuple[str, ...]]
"""The live list with a name, as ``Studio.lists``."""


ABSENT: Final = ":absent"
"""Behind the name of a live list: what it would also have if it were downloaded."""

TO_READ: Final = ":to_read"
"""The same: how its names are written for people, in its order; in groups where ``GROUP_MARK`` is in them."""


JOINED: Final = ":joined"
"""The same: names that say the value of this field and of the one beside it ("DPM++ 2M Karras")."""


def once(lists: Lists) -> Lists:
    """``lists`` that looks each one up at most once: on Drive, each look at a folder costs seconds."""
    return cache(lists)


class Control(StrEnum):
    """What a field is shown as."""

    PROMPT = "prompt"
    TEXT = "text"
    LINES = "lines"
    SEED = "seed"
    NUMBER = "number"
    SLIDER = "slider"
    CHECK = "check"
    CHOICE = "choice"
    RADIO = "radio"
    LIST = "list"
    LISTS = "lists"
    PICTURE = "picture"
    PICTURES = "pictures"
    MASK = "mask"
    DRAW = "draw"
    BOXES = "boxes"
    COLOUR = "colour"
    FOLDER = "folder"


_FIRST_WILL_DO: Final = frozenset({"detectors"})
"""Lists of which the first name is meant while nobody has chosen."""

_ENGINES_CHOICE: Final = "checkpoint"
"""The request's own checkpoint: empty it is the engine's choice, which a form never makes."""

_CONTROLS: Final = frozenset(control.value for control in Control)

PICTURES: Final = frozenset({Control.PICTURE, Control.PICTURES, Control.MASK, Control.DRAW})
"""Controls whose value is pixels: a form does not remember them."""

_KINDS: Final[Mapping[str, ModelKind | str]] = {
    "checkpoints": ModelKind.CHECKPOINT,
    "vaes": ModelKind.VAE,
    "upscalers": ModelKind.UPSCALER,
    "hires_upscalers": ModelKind.UPSCALER,
    "loras": ModelKind.LORA,
    "embeddings": ModelKind.EMBEDDING,
    "controlnets": ModelKind.CONTROLNET,
    "detectors": ModelKind.DETECTOR,
    "preprocessors": "preprocessor",
    "samplers": "sampler",
    "schedules": "schedule",
}
"""What the names of each live list are names of, for the sentence about an unknown one."""


def control_of(field: Field) -> Control:
    """The control of ``field``: what its facts say, else what its type does. A control that no face knows is drawn by
    the field's type too."""
    if field.control in _CONTROLS:
        return Control(field.control)
    if field.kind is Image.Image:
        return Control.PICTURES if field.many else Control.PICTURE
    if field.kind is bool:
        return Control.CHECK
    if field.is_choice:
        return Control.LISTS if field.many else Control.CHOICE
    if field.choices:
        return Control.LISTS if field.many else Control.LIST
    if field.is_number and not field.many:
        return Control.SLIDER if field.low is not None and field.high is not None else Control.NUMBER
    return Control.LINES if field.many else Control.TEXT


# --- Choices ------------------------------------------------------------------------------------------------------


def is_live(field: Field) -> bool:
    """Whether ``field`` is drawn as a list whose names are looked for again."""
    return bool(field.choices) and control_of(field) in (Control.LIST, Control.LISTS)


def choices(field: Field, lists: Lists) -> tuple[tuple[str, str], ...]:
    """What ``field`` offers: (text to read, value)."""
    if field.is_choice:
        return tuple((label, word.value) for word, label in option_words(field.kind).items())
    names, listed = names_for(field, lists), lists(field.choices)
    read = dict(zip(listed, lists(f"{field.choices}{TO_READ}"), strict=False))  # none for most lists
    here = tuple((read.get(name) or name_to_read(field, name), name) for name in names)
    joined = ((name, name) for name in (lists(f"{field.choices}{JOINED}") if field.choices else ()))
    return (*here, *joined, *((TO_DOWNLOAD.format(name=name), name) for name in absent_names(field, lists)))


def absent_names(field: Field, lists: Lists) -> tuple[str, ...]:
    """Names that ``field`` offers although their file has to be downloaded first."""
    return lists(f"{field.choices}{ABSENT}") if field.choices else ()


def names_for(field: Field, lists: Lists) -> tuple[str, ...]:
    """The names that ``field`` may hold now; its default comes first where the list does not have it."""
    names = lists(field.choices) if field.choices else ()
    default = field.default
    if isinstance(default, str) and default not in names and field.path != _ENGINES_CHOICE:
        return (default, *names)
    return names


def name_to_read(field: Field, name: str) -> str:
    """How a name of a list is written for people."""
    if name:
        return NAMES_TO_READ.get(name, name)
    return SAME_CHOICE if field.parent == "hires" else EMPTY_CHOICE


# --- From values to what controls show ------------------------------------------------------------------------------


def shown_value(field: Field, value: Any) -> Any:
    """``value`` as the control of ``field`` holds it; pictures are not shown again."""
    control = control_of(field)
    if value is dataclasses.MISSING:
        value = None
    if control in PICTURES:
        return None
    if control is Control.SEED:
        return str(-1 if value is None else value)
    if control is Control.LINES:
        return value if isinstance(value, str) else "\n".join(str(one) for one in value or ())
    if control in (Control.LISTS, Control.BOXES):
        return [one.value if isinstance(one, StrEnum) else one for one in value or ()]
    if control is Control.NUMBER and value is None:
        return ""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if control in (Control.TEXT, Control.PROMPT, Control.FOLDER, Control.LIST):
        return "" if value is None else str(value)
    return value


def shown(kind: type[Any], value: Any = None, places: Mapping[str, int] | None = None) -> dict[str, Any]:
    """What the controls and switches show for ``value``, or for the defaults of the dataclass ``kind``. Absent parts
    show their defaults; of a part that repeats as many places as ``places`` says by its path."""
    return _shown(kind, value, "", places or {})


def _shown(kind: Any, value: Any, prefix: str, places: Mapping[str, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    fields, parts = _own_fields(kind), _own_parts(kind)
    for declared in dataclasses.fields(kind):
        path = prefix + declared.name
        inner = None if value is None else getattr(value, declared.name)
        if declared.name in fields:
            field = fields[declared.name]
            found[path] = shown_value(field, field.default if value is None else inner)
            continue
        part = parts[declared.name]
        if not part.many:
            if part.optional:
                found[path] = inner is not None
            found |= _shown(part.kind, inner, f"{path}.", places)
            continue
        units = tuple(inner or ())
        for place in range(places.get(plain_path(path), len(units))):
            unit = units[place] if place < len(units) else None
            found[f"{path}.{place}"] = unit is not None and getattr(unit, "enabled", True)
            found |= _shown(part.kind, unit, f"{path}.{place}.", places)
            found.pop(f"{path}.{place}.enabled", None)  # the switch says it, and nothing else
    return found


@cache
def _own_fields(kind: type) -> Mapping[str, Field]:
    return {path: field for path, field in table_of(kind).items() if "." not in path}


@cache
def _own_parts(kind: type) -> Mapping[str, Part]:
    return {path: part for path, part in parts_of(kind).items() if "." not in path}


def picture_paths(kind: type[Any], paths: Iterable[str]) -> tuple[str, ...]:
    """Those of ``paths`` that hold pictures as files."""
    table = table_of(kind)
    files = (Control.PICTURE, Control.PICTURES)
    return tuple(path for path in paths if plain_path(path) in table and control_of(table[plain_path(path)]) in files)


def apart(values: Values, path: str, lists: Lists) -> dict[str, str]:
    """The values that the sampler at ``path`` stands for when its name says a schedule too, as A1111 wrote it before
    1.9; none otherwise."""
    typed, samplers = str(values.get(path) or "").strip(), lists("samplers")
    found = None if typed in samplers else split_name(typed, samplers, lists("schedules"))
    return {path: found[0], schedule_of(path): found[1]} if found else {}


def schedule_of(path: str) -> str:
    """Where the schedule of the sampler at ``path`` is."""
    return f"{path.removesuffix('sampler')}schedule"


# --- From values to dataclasses -------------------------------------------------------------------------------------

_MASK_URL: Final = "data:image/png;base64,"


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads what controls hold. ``picture`` opens what a picture's control of this face holds."""

    lists: Lists
    picture: Callable[[Any], Image.Image]

    def build(self, kind: Any, values: Values, prefix: str = "") -> Any:
        """The ``kind`` that ``values`` (by path, below ``prefix``) ask for; missing ones keep their default.

        Raises ``RequestError`` or ``PictureUnreadable``.
        """
        built: dict[str, Any] = {}
        if "sampler" in _own_fields(kind):
            values = {**values, **apart(values, f"{prefix}sampler", self.lists)}
        for name, field in _own_fields(kind).items():
            path = prefix + name
            if path in values or field.required:
                built[name] = self.read(field, values.get(path), path)
        for name, part in _own_parts(kind).items():
            path = prefix + name
            if part.many:
                built[name] = self._units(part, values, path)
            elif not part.optional or values.get(path):
                built[name] = self.build(part.kind, values, f"{path}.")
        return kind(**built)

    def _units(self, part: Part, values: Values, path: str) -> tuple[Any, ...]:
        """Those of a part that repeats that are on; where they are told by their numbers, one that is off keeps the
        place of those behind it."""
        places = _places(values, path)
        while places and not values.get(places[-1]):
            places.pop()
        return tuple(
            self.build(part.kind, values, f"{place}.") if values.get(place) else part.kind(enabled=False)
            for place in places
            if values.get(place) or keeps_places(part)
        )

    def read(self, field: Field, raw: Any, path: str = "") -> Any:
        """The value of ``field`` that its control holds as ``raw``. ``path``: its name in errors."""
        path = path or field.path
        field = field if field.path == path else replace(field, path=plain_path(path))
        control = control_of(field)
        if control is Control.MASK or control is Control.DRAW:
            return self._painted(field, raw)
        if control in PICTURES:
            return self._pictures(field, raw)
        if control is Control.CHECK:
            return raw is True
        if field.many:
            return self._many(field, raw, path)
        if field.is_choice:
            return _word(field, raw)
        if field.choices:
            return self._name(field, raw)
        if field.is_number:
            return _optional_number(field, raw, path)
        if control is Control.COLOUR:
            return _colour(raw)
        text = str(raw or "")
        return field.kind(text) if field.kind is Path else text

    def _name(self, field: Field, raw: Any) -> str:
        name, known = str(raw or ""), names_for(field, self.lists)
        if not name and known and field.choices in _FIRST_WILL_DO:
            return known[0]
        if name in known or (not name and not known):
            return name
        same = [one for one in known if name and one.casefold() == name.casefold()]
        if same:
            return same[0]
        if name in absent_names(field, self.lists):
            raise NotDownloaded(kind=_KINDS.get(field.choices, "option"), name=name)
        if not name.strip():
            raise NameNotChosen(kind=_KINDS.get(field.choices, "option"), name=name)
        raise UnknownName(kind=_KINDS.get(field.choices, "option"), name=name, suggestions=closest(name, known))

    def _many(self, field: Field, raw: Any, path: str) -> tuple[Any, ...]:
        words = (
            raw
            if isinstance(raw, list | tuple)
            else re.split(r"[\n;]" if field.kind is str else r"[\s,;]+", str(raw or ""))
        )
        given = [word for word in words if not isinstance(word, str) or word.strip()]
        if field.choices:
            return tuple(self._name(field, word) for word in given)
        if field.is_number:
            return tuple(number(path, word, whole=field.kind is int) for word in given)
        if field.is_choice:
            return tuple(_word(field, word) for word in given)
        return tuple(word.strip() if isinstance(word, str) else word for word in given)

    def _pictures(self, field: Field, raw: Any) -> Any:
        every = [one for one in (raw if isinstance(raw, list | tuple) else [raw]) if one]
        if not every:
            if field.required:
                raise InitImageMissing()
            return () if field.many else None
        opened = tuple(self.picture(one) for one in every)
        return opened if field.many else opened[0]

    def _painted(self, field: Field, raw: Any) -> Image.Image | None:
        """What the canvas gives: a PNG in a data URL."""
        try:
            if not isinstance(raw, str) or not raw.startswith(_MASK_URL):
                raise MaskMissing()
            painted = picture_from(base64.b64decode(raw.removeprefix(_MASK_URL)), Path("máscara")).convert("L")
            if not painted.getbbox():
                raise MaskMissing()
        except (ValueError, MaskMissing) as error:  # no base64, or not even ASCII
            if field.required:
                raise MaskMissing() from error
            return None
        return painted


def _places(values: Values, path: str) -> list[str]:
    """The paths of the units of a part that repeats, in order."""
    numbered = re.compile(re.escape(path) + r"\.(\d+)")
    found = {int(match[1]) for match in map(numbered.match, values) if match}
    return [f"{path}.{place}" for place in sorted(found)]


def _word(field: Field, raw: Any) -> StrEnum:
    try:
        word: StrEnum = field.kind(raw)
    except ValueError:
        raise UnknownName(kind="option", name=str(raw or "")) from None
    return word


def _colour(raw: Any) -> str:
    text = str(raw or "")
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return text
    raise UnknownName(kind="option", name=text)


def _optional_number(field: Field, raw: Any, path: str) -> float | None:
    if field.optional and (raw is None or not str(raw).strip()):
        return None
    return number(path, raw, whole=field.kind is int)


def number(path: str, raw: Any, *, whole: bool) -> float:
    """``raw`` as an int when ``whole``, else as a float; a decimal comma is understood.

    Raises ``FieldEmpty``, ``FieldNotNumber`` or ``FieldWrongType`` when it should be whole and is not.
    """
    text = str("" if raw is None else raw).strip().replace(",", ".")
    if not text:
        raise FieldEmpty(field=path)
    try:
        found = int(text) if whole and text.lstrip("+-").isdigit() else float(text)
    except ValueError as error:
        raise FieldNotNumber(field=path, value=text[:40]) from error
    if whole and isinstance(found, float) and not found.is_integer():
        raise FieldWrongType(field=path, value=text[:40], expected="whole")
    return int(found) if whole else found


def readable(kind: type[Any], values: Values, reader: Reader) -> dict[str, Any]:
    """Those of ``values`` that their control can read: switches, and fields of the table of ``kind``."""
    table = table_of(kind)
    good: dict[str, Any] = {}
    for path, value in values.items():
        field = table.get(plain_path(path))
        if field is None:
            good[path] = value
            continue
        try:
            if control_of(field) not in PICTURES:
                reader.read(field, value, path)
                good[path] = value
        except (RequestError, ValueError):
            continue
    return good


def kept_paths(kind: type[Any], paths: Iterable[str]) -> tuple[str, ...]:
    """Those of ``paths`` whose value is no picture: what a form remembers."""
    table = table_of(kind)
    return tuple(
        path for path in paths if plain_path(path) not in table or control_of(table[plain_path(path)]) not in PICTURES
    )
