"""The table of fields: what each field of a frozen dataclass is, standing once beside its default.

A field declares its facts where it declares its default::

    steps: int = fact(20, low=1, high=150, label="Steps", codec="always", api=("steps",))
    mask: Image.Image = field(metadata=facts(control="mask"))           # a field that must be given

``table_of`` reads them into one ``Field`` each, by dotted path ("hires.steps"), also those of the parts inside: parts
that may be absent (``Hires | None``) and parts that repeat (``tuple[Unit, ...]``, whose fields are "units.weight" in
the table and "units.0.weight" in a value). Everything else interprets that table: infotexts, the HTTP API, JSON, the
page, the notebook's panel, the command, the range checks and the tests' strategies. It serves a request, an
enlargement, a script's settings, a training plan alike.

The Spanish name, help and group of a field stand in ``core.words`` under the same path.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeVar

from PIL import Image

from sdcolab.core.errors import FieldLimited, FieldNotMultiple, FieldOutOfRange, FieldShaped, TextTooLong
from sdcolab.core.untrusted import clean_text

T = TypeVar("T")
P = TypeVar("P")

_KEY: Final = "sdcolab"
"""Where the facts stand in a dataclass field's metadata."""

MAX_TEXT: Final = 100_000
"""Most characters of one text: a prompt of some 300 chunks of tokens."""

REQUIRED: Final = MISSING
"""Default of a field that must be given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a field is, beyond its type and default.

    ``low`` and ``high``: its range, both included; for a tuple, that of each value. ``multiple``: what it must be a
    multiple of. ``step``: how far a control moves it (``multiple`` where that is set).

    ``label``: its label in infotexts, "" when they do not record it; fields of one part with the same label share its
    value. ``codec``: how that value is written, one of ``core.infotext.codecs``; "" for the plain way, which leaves
    defaults out.

    ``api``: its names in the payloads of A1111's API, the most telling last (it wins). Of a part that may be absent:
    the flag that turns it on. Of one that repeats: where its list stands ("alwayson_scripts.controlnet.args").
    ``key``: its name among A1111's settings.

    ``choices``: for a text, the live list it is chosen from ("checkpoints", "vaes", "samplers", "schedules",
    "upscalers", "hires_upscalers", ...); enumerations need none. ``control``: how a face draws it where the type does
    not say ("slider", "number", "radio", "prompt", "seed", "picture", "mask", "colour", "files", "lines").
    """

    low: float | None = None
    high: float | None = None
    multiple: int = 0
    step: float | None = None
    label: str = ""
    codec: str = ""
    api: tuple[str, ...] = ()
    key: str = ""
    choices: str = ""
    control: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(Facts):
    """One field of a table. ``path``: dotted, without places in tuples. ``kind``: its type without ``None`` and without
    the tuple around it. ``optional``: ``None`` is a value. ``many``: a tuple of ``kind``. ``default``: ``REQUIRED``
    when there is none.
    """

    path: str
    kind: Any
    default: Any
    optional: bool = False
    many: bool = False

    @property
    def name(self) -> str:
        """The last word of the path: its name in its dataclass."""
        return self.path.rpartition(".")[2]

    @property
    def parent(self) -> str:
        """Path of the part that it belongs to, "" at the top."""
        return self.path.rpartition(".")[0]

    @property
    def required(self) -> bool:
        """Whether its part cannot be made without it."""
        return self.default is REQUIRED

    @property
    def is_choice(self) -> bool:
        """Whether it is one of the words of an enumeration."""
        return isinstance(self.kind, type) and issubclass(self.kind, StrEnum)

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers."""
        return self.kind in (int, float)

    @property
    def is_picture(self) -> bool:
        """Whether it holds pictures, which a command reads from files."""
        return self.kind is Image.Image

    @property
    def increment(self) -> float:
        """How far a control moves it."""
        return self.multiple or self.step or (1 if self.kind is int else 0.01)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Facts):
    """A field that is a dataclass of its own, ``kind``. ``optional``: it may be ``None``; ``many``: a tuple of them."""

    path: str
    kind: Any
    optional: bool = False
    many: bool = False

    @property
    def name(self) -> str:
        """The last word of the path."""
        return self.path.rpartition(".")[2]


def facts(**known: Any) -> Mapping[str, Any]:
    """``Facts`` as the metadata of a ``dataclasses.field``."""
    return {_KEY: Facts(**known)}


def fact(default: T, **known: Any) -> T:
    """A dataclass field with a default and its ``Facts``."""
    declared: T = dataclasses.field(default=default, metadata=facts(**known))
    return declared


# --- Tables -------------------------------------------------------------------------------------------------------


def table_of(kind: type, prefix: str = "") -> Mapping[str, Field]:
    """Every field of the dataclass ``kind`` and of the parts inside it, by dotted path below ``prefix``, in order."""
    return _tables(kind, prefix)[0]


def parts_of(kind: type, prefix: str = "") -> Mapping[str, Part]:
    """The parts inside the dataclass ``kind``, by dotted path, the outer ones first."""
    return _tables(kind, prefix)[1]


@functools.cache
def _tables(kind: type, prefix: str) -> tuple[Mapping[str, Field], Mapping[str, Part]]:
    entries = tuple(_walk(kind, prefix))
    return (
        MappingProxyType({entry.path: entry for entry in entries if isinstance(entry, Field)}),
        MappingProxyType({entry.path: entry for entry in entries if isinstance(entry, Part)}),
    )


def _walk(kind: type, prefix: str) -> Iterator[Field | Part]:
    hints = typing.get_type_hints(kind)
    for declared in dataclasses.fields(kind):
        path = f"{prefix}.{declared.name}" if prefix else declared.name
        inner, optional, many = _unwrapped(hints[declared.name])
        known = declared.metadata.get(_KEY, Facts())
        own = {fact.name: getattr(known, fact.name) for fact in dataclasses.fields(Facts)}
        if dataclasses.is_dataclass(inner):
            yield Part(path=path, kind=inner, optional=optional, many=many, **own)
            yield from _walk(typing.cast(type, inner), path)
        else:
            default = declared.default_factory() if declared.default_factory is not MISSING else declared.default
            yield Field(path=path, kind=inner, default=default, optional=optional, many=many, **own)


def _unwrapped(hint: Any) -> tuple[Any, bool, bool]:
    """(type inside, whether it may be None, whether it is a tuple of them)."""
    optional = isinstance(hint, types.UnionType) and types.NoneType in typing.get_args(hint)
    if optional:
        others = [option for option in typing.get_args(hint) if option is not types.NoneType]
        hint = functools.reduce(lambda one, other: one | other, others)
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return arguments[0], optional, True
    return hint, optional, False


# --- Checks -------------------------------------------------------------------------------------------------------


def check(part: Any, prefix: str = "") -> None:
    """Check the numbers of ``part`` itself (its inner parts check themselves) against their facts, and clean its texts
    (``core.untrusted``): no value can be made whose texts cannot be written. ``prefix`` is the path of the part, for
    the error. To be called in ``__post_init__``.

    Raises ``FieldOutOfRange``, ``FieldNotMultiple`` or ``TextTooLong`` naming the field.
    """
    kind: type = type(part)
    for path in _texts(kind):
        if isinstance(value := getattr(part, path), str):
            if len(value) > MAX_TEXT:
                raise TextTooLong(field=f"{prefix}.{path}" if prefix else path, limit=MAX_TEXT)
            if (cleaned := clean_text(value)) != value:
                object.__setattr__(part, path, cleaned)  # still inside the making of a frozen value
    for field in _bounded(kind):
        value = getattr(part, field.path)
        for one in value if field.many else (value,):
            if one is not None:
                check_value(field, one, f"{prefix}.{field.path}" if prefix else field.path)


def check_value(field: Field, value: float, name: str = "") -> None:
    """Raise ``FieldOutOfRange`` or ``FieldNotMultiple`` (naming ``name``, or the field's path) unless the table allows
    ``value``; NaN is refused too."""
    low = float("-inf") if field.low is None else field.low
    high = float("inf") if field.high is None else field.high
    if not low <= value <= high:
        raise FieldOutOfRange(field=name or field.path, value=value, low=low, high=high)
    if field.multiple and value % field.multiple:
        raise FieldNotMultiple(field=name or field.path, value=int(value), step=field.multiple)


@functools.cache
def _texts(kind: type) -> tuple[str, ...]:
    own = ((path, field) for path, field in table_of(kind).items() if "." not in path)
    return tuple(path for path, field in own if field.kind is str and not field.many)


@functools.cache
def _bounded(kind: type) -> tuple[Field, ...]:
    own = (field for path, field in table_of(kind).items() if "." not in path)
    return tuple(field for field in own if field.low is not None or field.high is not None or field.multiple)


# --- Walking values -----------------------------------------------------------------------------------------------


def plain_path(path: str) -> str:
    """``path`` as tables have it: without places in tuples ("units.0.weight" is "units.weight")."""
    return ".".join(word for word in path.split(".") if not word.isdigit())


def value_at(part: Any, path: str) -> Any:
    """The value at the dotted ``path`` of ``part``; None when a part on the way is absent.

    Raises ``AttributeError`` for a name that does not exist and ``IndexError`` for a place that does not.
    """
    value = part
    for word in path.split("."):
        if value is None:
            return None
        value = value[int(word)] if isinstance(value, tuple) and word.isdigit() else getattr(value, word)
    return value


def paths(part: Any, prefix: str = "") -> tuple[str, ...]:
    """The path of every field that ``part`` has now, with places in tuples; those of absent parts are left out."""
    found: list[str] = []
    kind: type = type(part)
    inner = {path for path in parts_of(kind) if "." not in path}
    for declared in dataclasses.fields(part):
        path, value = prefix + declared.name, getattr(part, declared.name)
        if declared.name not in inner:
            found.append(path)
        elif isinstance(value, tuple):
            for place, one in enumerate(value):
                found += paths(one, f"{path}.{place}.")
        elif value is not None:
            found += paths(value, f"{path}.")
    return tuple(found)


def with_value(part: P, path: str, value: Any) -> P:
    """``part`` with another value at the dotted ``path``; see ``with_values``."""
    return with_values(part, {path: value})


def with_values(part: P, values: Mapping[str, Any]) -> P:
    """``part`` with ``values`` by dotted path. Absent parts on the way are made with their defaults, and the place
    after the last one of a tuple appends.

    Raises what the parts' own checks raise, ``AttributeError`` for names that do not exist, and ``TypeError`` for a new
    part whose required fields are not all given.
    """
    result: P = _changed(part, type(part), values)
    return result


def _changed(part: Any, kind: Any, values: Mapping[str, Any]) -> Any:
    """``part``, or a new ``kind`` where it is None, with ``values``."""
    own: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        head, _, rest = path.partition(".")
        if rest:
            inner.setdefault(head, {})[rest] = value
        else:
            own[head] = value
    parts = parts_of(kind)
    for head, deeper in inner.items():
        if head not in parts:
            raise AttributeError(f"{kind.__name__} has no part {head!r}")
        now = own[head] if head in own else getattr(part, head, None)
        change = _changed_places if parts[head].many else _changed
        own[head] = change(now, parts[head].kind, deeper)
    unknown = own.keys() - {declared.name for declared in dataclasses.fields(kind)}
    if unknown:
        raise AttributeError(f"{kind.__name__} has no field {min(unknown)!r}")
    return kind(**own) if part is None else replace(part, **own)


def _changed_places(now: tuple[Any, ...] | None, kind: Any, values: Mapping[str, Any]) -> tuple[Any, ...]:
    """The tuple ``now`` with ``values`` by place ("0.weight") or whole ("0")."""
    units = list(now or ())
    places: dict[int, dict[str, Any]] = {}
    for path, value in values.items():
        head, _, rest = path.partition(".")
        places.setdefault(int(head), {})[rest] = value
    for place, deeper in sorted(places.items()):
        if place > len(units):
            raise IndexError(place)
        whole = deeper.pop("", None)
        if place == len(units):
            units.append(None)
        units[place] = units[place] if whole is None else whole
        units[place] = _changed(units[place], kind, deeper) if deeper or units[place] is None else units[place]
    return tuple(units)


def told_in_proportion(side: Field, value: int, used: int) -> FieldLimited | FieldShaped:
    """What is said of a side that ``in_proportion`` made smaller: it was too large itself, or its other one was."""
    beyond = side.high is not None and value > side.high
    return (FieldLimited if beyond else FieldShaped)(field=side.path, value=value, used=used)


def in_proportion(sides: Mapping[Field, int]) -> dict[Field, int]:
    """The sides of a picture made smaller together where one is more than its field allows, in whole multiples of what
    each moves by and none below its least; empty where all fit."""
    scale = min((side.high / value for side, value in sides.items() if side.high), default=1.0)
    if scale >= 1:
        return {}
    fitted = {side: int(value * scale) // side.multiple * side.multiple for side, value in sides.items()}
    least = {side: min(int(side.low or 0), value) for side, value in sides.items()}
    return {side: used for side, value in fitted.items() if (used := max(value, least[side])) != sides[side]}
