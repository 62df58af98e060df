"""From an infotext to the changes it means in a request (hechos/a1111.md 7.4, 7.5 and 15)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from PIL import Image

from sdcolab.core.details import MAX_UNITS, SWITCHES
from sdcolab.core.errors import (
    FieldFloored,
    FieldLimited,
    FieldNotMultiple,
    FieldNotNumber,
    FieldOutOfRange,
    InfotextFileMissing,
    InfotextForeign,
    OptionsTakenOut,
    RequestError,
)
from sdcolab.core.fields import Field, Part, in_proportion, parts_of, table_of, told_in_proportion
from sdcolab.core.infotext.codecs import CODECS, Fields, split_title
from sdcolab.core.infotext.dialects import OLD_KARRAS, json_of, modernised, size_of
from sdcolab.core.infotext.flags import MIDJOURNEY, without_options
from sdcolab.core.infotext.foreign import looks_like_json
from sdcolab.core.infotext.labels import MODEL_HASH, VAE_HASH, is_numbered, keeps_places, labelled, ordinal
from sdcolab.core.infotext.text import Infotext, parse_fields
from sdcolab.core.names import SCHEDULE_NAMES
from sdcolab.core.request import GenerationRequest, InitImage, Inpaint

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Pasted:
    """What an infotext changes in a request. ``changes`` maps fields of ``GenerationRequest`` to valid values, its
    parts whole; text without parameters changes only the prompts.

    ``init`` and ``inpaint`` are what the text says of ``InitImage`` and ``Inpaint``, whose pictures no text holds; see
    ``init_image``. Names of models are the infotext's, which the library may not have; ``hashes`` are those that go
    with them, by dotted path, and by ``lora:NAME`` (see ``with_files``, which fills in ``missing``). ``warnings`` are
    values that could not be used; ``unused`` are the fields that mean something this version does not do.
    """

    changes: Mapping[str, Any]
    init: Mapping[str, Any] = field(default_factory=dict)
    inpaint: Mapping[str, Any] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[InfotextFileMissing, ...] = ()
    warnings: tuple[RequestError, ...] = ()
    unused: tuple[tuple[str, str], ...] = ()

    @property
    def starts_from_picture(self) -> bool:
        """Whether the text belongs to img2img or inpainting."""
        return bool(self.init or self.inpaint)

    def without(self, *names: str) -> Pasted:
        """The same without what concerns these fields, which somebody else decides."""
        changes = {name: value for name, value in self.changes.items() if name not in names}
        hashes = {path: digest for path, digest in self.hashes.items() if path not in names}
        warnings = tuple(warning for warning in self.warnings if warning.facts().get("field") not in names)
        return replace(self, changes=changes, hashes=hashes, warnings=warnings)

    def init_image(self, image: Image.Image, mask: Image.Image | None = None) -> InitImage:
        """The initial image that the text means, with the pictures that it lacks."""
        inpaint = None if mask is None else Inpaint(mask=mask, **self.inpaint)
        return InitImage(images=(image,), inpaint=inpaint, **self.init)


def to_request(
    infotext: Infotext, schedules: Iterable[str] = SCHEDULE_NAMES, kind: type[GenerationRequest] = GenerationRequest
) -> Pasted:
    """Translate ``infotext`` for a ``kind`` of request. ``schedules`` are the known schedule names, to split "DPM++ 2M
    Karras".

    Absent fields have a definite meaning: Clip skip 1, RNG NV, VAE automatic, no hires pass, neutral adjustments, and
    the schedule as the program that wrote it understood it (hechos/a1111.md 3.1). Unlike A1111, "Denoising strength"
    alone belongs to an initial image and never to a hires pass.
    """
    infotext = modernised(infotext, schedules)
    changes: dict[str, Any] = {"prompt": infotext.prompt, "negative_prompt": infotext.negative_prompt}
    if not infotext.fields:
        foreign = looks_like_json(infotext.prompt)
        return Pasted({}, warnings=(InfotextForeign(),)) if foreign else _words_alone(infotext)
    reader = _Reader(infotext, kind)
    changes = reader.unsaid() | changes | reader.values("")
    changes |= reader.fitting(changes)
    changes = reader.valid(kind(), changes)
    for path, part in parts_of(kind).items():
        if "." in path or path == "init":
            continue
        if part.many:
            changes[path] = reader.units(part) if is_numbered(part) else reader.ordered(part)
        elif part.optional:
            changes[path] = reader.optional(part)
        else:
            changes[path] = reader.filled(part.kind(), reader.values(path))
    if infotext.get(OLD_KARRAS):
        changes["tuning"] = replace(changes["tuning"], old_karras_sigmas=True)
    init, inpaint = reader.init(with_strength=changes["hires"] is None)
    if init == {"strength": 0.0} and not inpaint:  # A1111's API wrote it for pictures from text too
        init = {}
    hashes = reader.hashes()
    return Pasted(
        changes, init=init, inpaint=inpaint, hashes=hashes, warnings=tuple(reader.warnings), unused=reader.unused()
    )


def _words_alone(infotext: Infotext) -> Pasted:
    """What a text without parameters changes: the prompts, and what Midjourney's options in them mean here."""
    changes: dict[str, Any] = {"prompt": infotext.prompt, "negative_prompt": infotext.negative_prompt}
    found = without_options(infotext.prompt)
    if found is None:
        return Pasted(changes)
    negatives = [text for text in (infotext.negative_prompt, found.negative_prompt) if text]
    changes |= {"prompt": found.prompt, "negative_prompt": ", ".join(negatives)}
    changes |= {"seed": found.seed} if found.seed is not None else {}
    changes |= dict(zip(("width", "height"), found.size, strict=True)) if found.size else {}
    return Pasted(changes, warnings=(OptionsTakenOut(options=found.options, program=MIDJOURNEY),))


# --- Values -------------------------------------------------------------------------------------------------------

_TURNS_ON: Mapping[str, tuple[str, ...]] = {
    "hires": ("hires.scale", "hires.width", "hires.upscaler", "hires.steps"),
}
"""The fields whose label says that an optional part is there; of others, those that it needs, or else any."""

_PIXEL = Image.new("L", (1, 1))
"""Stands in where only the numbers of a part with pictures are checked."""

_INFORMATION = frozenset(
    {
        *("model hash", "vae hash", "lora hashes", "ti hashes", "hashes", "version", "user", "created date"),
        *("batch size", "batch pos", "init image hash", "original size", "template", "negative template"),
        *("adetailer version", "civitai metadata", OLD_KARRAS),
        *("time taken", "low vram", "freeu_enabled", "freeu enabled", "app", "backend", "pipeline", "operations"),
        *("generator", "ml compute unit", "seed mode", "workflow", "engine", "quantity", "generation time"),
    }
)
"""Labels that change no picture by themselves."""

_NO_CHANGE = frozenset({("hires module 1", "use same choices"), ("hires module 1", "built-in"), ("script", "none")})
"""Values that say that nothing is different."""


class _Reader:
    """Takes fields out of an infotext and remembers which, and what was wrong with them."""

    def __init__(self, infotext: Infotext, kind: type, prefix: str = "") -> None:
        """``prefix``: where the part stands that ``infotext`` is all about ("units.0")."""
        self.infotext = infotext
        self.warnings: list[RequestError] = []
        self._kind = kind
        self._prefix = prefix
        self._hashes: dict[str, str] = {}
        self._taken = set(_INFORMATION)
        self._unused_inside: list[tuple[str, str]] = []

    def unused(self) -> tuple[tuple[str, str], ...]:
        """The fields that nobody took."""
        known = [
            (label, value)
            for label, value in self.infotext.fields
            if label.casefold() not in self._taken and (label.casefold(), value.casefold()) not in _NO_CHANGE
        ]
        return (*known, *self._unused_inside)

    def unsaid(self) -> dict[str, Any]:
        """The plain fields that a text says nothing of when they have their default, unless it says something that
        nobody understands."""
        found = {}
        for fields in labelled(self._kind):
            codec, text = CODECS[fields[0].codec], self.infotext.get(fields[0].label)
            if codec.unsaid and (not text or self._understands(fields, text)):
                found[fields[0].name] = fields[0].default
        return found

    def _understands(self, fields: Fields, text: str) -> bool:
        with contextlib.suppress(ValueError):
            try:
                CODECS[fields[0].codec].read(text, fields)
            except KeyError:
                return False
        return True

    def values(self, part: str, *, without: Collection[str] = ()) -> dict[str, Any]:
        """What the text says of the part at ``part`` ("" for the request itself), by name."""
        values: dict[str, Any] = {}
        for fields in labelled(self._kind, part):
            if fields[0].path not in without:
                values |= self.value(fields)
        return values

    def value(self, fields: Fields) -> dict[str, Any]:
        """``{name: value}`` of fields that share a label, or nothing when it is absent, empty or wrong."""
        label = fields[0].label
        text = self.infotext.get(label)
        found = self._read(fields, text) if text else {}
        if found is None:
            return {}  # left among the unused
        self._taken.add(label.casefold())
        return found

    def _read(self, fields: Fields, text: str) -> dict[str, Any] | None:
        """The values that ``text`` has for ``fields``; None for an unknown word."""
        path = f"{self._prefix}.{fields[0].name}" if self._prefix else fields[0].path
        try:
            values = CODECS[fields[0].codec].read(text, fields)
        except KeyError:
            return None
        except ValueError:
            self.warnings.append(FieldNotNumber(field=path, value=text))
            return {}
        if fields[0].codec in ("title", "title_or_none") and (digest := split_title(text)[1]):
            self._hashes[path] = digest
        return {field.name: value for field, value in zip(fields, values, strict=True)}

    def fitting(self, values: Mapping[str, Any]) -> dict[str, int]:
        """Width and height in the same proportion, where one is more than can be done."""
        sides = [table_of(self._kind)[name] for name in ("width", "height")]
        given = {side: values[side.name] for side in sides if values.get(side.name)}
        used = in_proportion(given) if len(given) == len(sides) else {}
        for side, value in used.items():
            self.warnings.append(told_in_proportion(side, given[side], value))
        return {side.name: value for side, value in used.items()}

    def valid(self, part: object, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those of ``values`` that ``part`` accepts, or the nearest that it does; their errors become warnings."""
        accepted: dict[str, Any] = {}
        for name, value in values.items():
            try:
                replace(part, **{name: value})  # type: ignore[type-var]
            except FieldNotMultiple as error:
                used = error.value // error.step * error.step
                self.warnings.append(FieldFloored(field=error.field, value=error.value, used=used))
                accepted |= self.valid(part, {name: used}) if used else {}
            except FieldOutOfRange as error:
                limit = _limit(table_of(type(part))[name], error)
                told = error if limit is None else FieldLimited(field=error.field, value=error.value, used=limit)
                self.warnings.append(told)
                accepted |= {} if limit is None else self.valid(part, {name: limit})
            except RequestError as error:
                self.warnings.append(error)
            else:
                accepted[name] = value
        return accepted

    def filled(self, part: P, values: Mapping[str, Any]) -> P:
        """``part`` with those of ``values`` that it accepts."""
        return replace(part, **self.valid(part, values))  # type: ignore[type-var]

    def optional(self, part: Part) -> Any:
        """A part that may be absent, if the text says so by a field that only it has."""
        table = table_of(self._kind)
        own = [field for field in table.values() if field.parent == part.path and field.label]
        needed = [field for field in own if field.required]
        signs = [table[path] for path in _TURNS_ON.get(part.path, ())] or needed or own
        said = [self._says(field) for field in signs]
        if not (all(said) if needed else any(said)):
            told = {field.path for field in (signs if part.path in _TURNS_ON else own)}
            self.values(part.path, without={field.path for field in own} - told)  # so that they are not unused
            return None
        values = self.values(part.path)
        return self.filled(part.kind(**{field.name: values.pop(field.name) for field in needed}), values)

    def _says(self, field: Field) -> bool:
        """Whether the text has a value for ``field`` that means something."""
        text = self.infotext.get(field.label) or ""
        if field.codec == "size":
            return any(size_of(text) or ())
        return text not in ("", "None")

    def units(self, part: Part) -> tuple[Any, ...]:
        """The parts of one that repeats, each at the place of its number; those that are missing are off."""
        pattern = re.compile(re.escape(part.label).replace(re.escape("{}"), r"(\d{1,2})"), re.IGNORECASE)
        found = {match: text for label, text in self.infotext.fields if (match := pattern.fullmatch(label))}
        units: list[Any] = []
        for match, text in sorted(found.items(), key=lambda one: int(one[0][1])):
            numbered = keeps_places(part) and int(match[1]) < MAX_UNITS
            place = max(len(units), int(match[1]) if numbered else 0)
            inner = _Reader(Infotext(fields=parse_fields(text)), self._kind, f"{part.path}.{place}")
            values = inner.values(part.path)
            needed = [field.name for field in table_of(part.kind).values() if field.required]
            if not all(values.get(name) for name in needed):
                continue  # left among the unused
            units += [part.kind(enabled=False) for _ in range(len(units), place)]
            units.append(inner.filled(part.kind(**{name: values.pop(name) for name in needed}), values))
            self.warnings += inner.warnings
            self._hashes |= inner._hashes
            self._taken.add(match[0].casefold())
            self._unused_inside += [(f"{match[0]} {label}", value) for label, value in inner.unused()]
        return tuple(units)

    def ordered(self, part: Part) -> tuple[Any, ...]:
        """The parts of one that repeats whose fields have labels of their own with an ordinal behind them; there is one
        where its first label is."""
        units: list[Any] = []
        known = labelled(self._kind, part.path)
        switches = {label for label, _ in SWITCHES.values()}
        for place in range(MAX_UNITS):
            labels = {label + ordinal(place): label for label in (*(fields[0].label for fields in known), *switches)}
            said = {labels[label]: text for label, text in self.infotext.fields if label in labels}
            if said.get(known[0][0].label, "None") == "None":
                continue
            inner = _Reader(Infotext(fields=tuple(said.items())), self._kind, f"{part.path}.{len(units)}")
            absent = {
                fields[0].name: CODECS[fields[0].codec].absent[0]
                for fields in known
                if CODECS[fields[0].codec].absent and fields[0].label not in said
            }
            values = inner.values(part.path) | absent
            needed = [one.name for one in table_of(part.kind).values() if one.required]
            if not all(values.get(name) for name in needed):
                continue  # left among the unused
            units.append(inner.filled(part.kind(**{name: values.pop(name) for name in needed}), values))
            self.warnings += inner.warnings
            self._hashes |= inner._hashes
            left = {label for label, _ in inner.unused()} - switches
            self._taken |= {label.casefold() for label, plain in labels.items() if plain not in left}
        return tuple(units)

    def init(self, *, with_strength: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the text says of an initial image and of its mask."""
        values = self.values("init", without=() if with_strength else ("init.strength",))
        inpaint = self.values("init.inpaint")
        only_weight = inpaint.keys() <= {"condition_weight"}  # also written for text to image with inpainting models
        return (
            self.valid(InitImage(images=(_PIXEL,)), values),
            {} if only_weight and not values else self.valid(Inpaint(mask=_PIXEL), inpaint),
        )

    def hashes(self) -> dict[str, str]:
        """Hashes by the path of the field they belong to, and those of LoRAs by ``lora:NAME``."""
        named = _json_hashes(self.infotext.get("Hashes") or "")
        for path, label, key in (("checkpoint", MODEL_HASH, "model"), ("vae", VAE_HASH, "vae")):
            if digest := self.infotext.get(label) or named.get(key):
                self._hashes[path] = digest
        self._hashes |= {name: digest for name, digest in named.items() if name.startswith("lora:")}
        for label, kind in (("Lora hashes", "lora"), ("TI hashes", "embed")):
            for entry in (self.infotext.get(label) or "").split(","):
                name, _, digest = entry.partition(":")  # names have no colons there
                if name.strip():
                    self._hashes[f"{kind}:{name.strip()}"] = digest.strip()
        return self._hashes


_BEYOND_ALL = 1e15
"""No value that somebody meant is as large as this."""


def _limit(field: Field, error: FieldOutOfRange) -> float | None:
    """What to use in place of a value that other programs go beyond: the most that is possible, or the least side. None
    where the nearest value would mean something else."""
    if field.control == "seed" or not abs(error.value) < _BEYOND_ALL:  # nor what is no number
        return None
    if error.value > error.high:
        return type(error.value)(error.high)
    return type(error.value)(error.low) if field.multiple and 0 < error.value < error.low else None


def _json_hashes(text: str) -> dict[str, str]:
    """civitai's ``Hashes: {"model": "...", "lora:name": "..."}``."""
    return {key: value for key, value in json_of(text, dict).items() if isinstance(value, str)}
