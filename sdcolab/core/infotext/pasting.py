"""From an infotext to the changes it means in a request (hechos/a1111.md 7.4, 7.5 and 15)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar

from PIL import Image

from sdcolab.core.errors import FieldNotNumber, InfotextFileMissing, RequestError
from sdcolab.core.infotext.dialects import OLD_KARRAS, json_of, modernised, size_of
from sdcolab.core.infotext.labels import LABELS, NOT_MASKED, ONLY_MASKED
from sdcolab.core.infotext.text import Infotext
from sdcolab.core.names import SCHEDULE_NAMES
from sdcolab.core.request import (
    AUTOMATIC,
    FIELDS,
    SAME,
    GenerationRequest,
    Hires,
    InitImage,
    Inpaint,
    MaskedContent,
    NoiseOrigin,
    Refiner,
    RefinerPasses,
    Variation,
)
from sdcolab.core.tuning import Tuning

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


def to_request(infotext: Infotext, schedules: Iterable[str] = SCHEDULE_NAMES) -> Pasted:
    """Translate ``infotext`` for a request. ``schedules`` are the known schedule names, to split "DPM++ 2M Karras".

    Absent fields have a definite meaning: Clip skip 1, RNG NV, VAE automatic, no hires pass, neutral adjustments, and
    the schedule as the program that wrote it understood it (hechos/a1111.md 3.1). Unlike A1111, "Denoising strength"
    alone belongs to an initial image and never to a hires pass.
    """
    infotext = modernised(infotext, schedules)
    changes: dict[str, Any] = {"prompt": infotext.prompt, "negative_prompt": infotext.negative_prompt}
    if not infotext.fields:
        return Pasted(changes)
    reader = _Reader(infotext)
    for path, convert in _PLAIN.items():
        changes |= reader.value(path, convert)
    changes |= reader.size("width", "height")
    changes = {"clip_skip": 1, "vae": AUTOMATIC, "noise_origin": NoiseOrigin.NV, "tiling": False} | changes
    if reader.unknown("noise_origin"):
        del changes["noise_origin"]
    changes = reader.valid(GenerationRequest(), changes)
    hires = reader.hires()
    init, inpaint = reader.init(with_strength=hires is None)
    changes |= {
        "variation": reader.variation(),
        "hires": hires,
        "refiner": reader.refiner(),
        "tuning": reader.tuning(),
    }
    hashes = reader.hashes()
    return Pasted(
        changes, init=init, inpaint=inpaint, hashes=hashes, warnings=tuple(reader.warnings), unused=reader.unused()
    )


# --- Values -------------------------------------------------------------------------------------------------------

Convert = Callable[[str], object]
"""Reads a value. Raises ``ValueError`` for what is no number, ``KeyError`` for an unknown word."""


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = float(text)  # programs that keep every number as decimal write "20.0"
        if not number.is_integer():
            raise
        return int(number)


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text.casefold()]


def _word(words: type[StrEnum]) -> Convert:
    return lambda text: {word.value.casefold(): word for word in words}[text.casefold()]


def _name(text: str) -> str:
    return SAME if text.casefold() in _SAME_AS_FIRST else text


_SAME_AS_FIRST = frozenset({"use same checkpoint", "use same sampler", "use same scheduler"})

_PLAIN: Mapping[str, Convert] = {
    "sampler": str,
    "schedule": str,
    "steps": _whole,
    "cfg_scale": float,
    "seed": _whole,
    "clip_skip": _whole,
    "noise_origin": _word(NoiseOrigin),
    "checkpoint": str,
    "vae": str,
    "tiling": _flag,
}
_VARIATION: Mapping[str, Convert] = {"variation.seed": _whole, "variation.strength": float}
_HIRES: Mapping[str, Convert] = {
    "hires.scale": float,
    "hires.steps": _whole,
    "hires.upscaler": str,
    "hires.sampler": _name,
    "hires.schedule": _name,
    "hires.prompt": str,
    "hires.negative_prompt": str,
    "hires.cfg_scale": float,
}
_INPAINT: Mapping[str, Convert] = {
    "init.inpaint.condition_weight": float,
    "init.inpaint.inverted": lambda text: {NOT_MASKED: True, "Inpaint masked": False}[text],
    "init.inpaint.only_masked": lambda text: {ONLY_MASKED: True, "Whole picture": False}[text],
    "init.inpaint.padding": _whole,
    "init.inpaint.content": _word(MaskedContent),
}
_REFINER: Mapping[str, Convert] = {
    "refiner.switch_at": float,
    "refiner.by_steps": _flag,
    "refiner.passes": _word(RefinerPasses),
}


def _tuning_converter(neutral: object) -> Convert:
    if isinstance(neutral, StrEnum):
        return _word(type(neutral))
    if isinstance(neutral, bool):
        return _flag
    return _whole if isinstance(neutral, int) else float


_TUNING: Mapping[str, Convert] = {
    path: _tuning_converter(FIELDS[path].default) for path in LABELS if path.startswith("tuning.")
}

_TURNS_HIRES_ON = ("hires.scale", "hires.width", "hires.upscaler", "hires.steps")
_TITLE = re.compile(r"(.+) \[([0-9a-fA-F]{6,64})\]", re.DOTALL)
"""A model as A1111 titles it: ``name [hash]``."""

_PIXEL = Image.new("L", (1, 1))
"""Stands in where only the numbers of a part with pictures are checked."""

_INFORMATION = frozenset(
    {
        *("model hash", "vae hash", "lora hashes", "ti hashes", "hashes", "version", "user", "created date"),
        *("batch size", "batch pos", "init image hash", "original size", "template", "negative template"),
        *("civitai metadata", "cache fp16 weight for lora", OLD_KARRAS),
    }
)
"""Labels that change no picture by themselves."""

_NO_CHANGE = frozenset({("hires module 1", "use same choices"), ("hires module 1", "built-in"), ("script", "none")})
"""Values that say that nothing is different."""


class _Reader:
    """Takes fields out of an infotext and remembers which, and what was wrong with them."""

    def __init__(self, infotext: Infotext) -> None:
        self.infotext = infotext
        self.warnings: list[RequestError] = []
        self._hashes: dict[str, str] = {}
        self._taken = set(_INFORMATION)

    def unused(self) -> tuple[tuple[str, str], ...]:
        """The fields that nobody took."""
        return tuple(
            (label, value)
            for label, value in self.infotext.fields
            if label.casefold() not in self._taken and (label.casefold(), value.casefold()) not in _NO_CHANGE
        )

    def unknown(self, path: str) -> bool:
        """Whether the text has a value for ``path`` that nobody understood."""
        label = LABELS[path]
        return self.infotext.get(label) is not None and label.casefold() not in self._taken

    def value(self, path: str, convert: Convert) -> dict[str, Any]:
        """``{field: value}`` of the field at ``path``, or nothing when it is absent, empty or wrong."""
        label = LABELS[path]
        text = self.infotext.get(label)
        if not text:
            self._taken.add(label.casefold())
            return {}
        try:
            value = convert(text)
        except KeyError:
            return {}  # left among the unused
        except ValueError:
            self.warnings.append(FieldNotNumber(field=path, value=text))
            value = None
        self._taken.add(label.casefold())
        return {} if value is None else {path.rpartition(".")[2]: value}

    def size(self, width: str, height: str) -> dict[str, Any]:
        """Both sides of the size whose fields are at the paths ``width`` and ``height``."""
        text = self._take(LABELS[width])
        size = size_of(text) if text else None
        if size is None:
            if text:
                self.warnings.append(FieldNotNumber(field=width, value=text))
            return {}
        return {width.rpartition(".")[2]: size[0], height.rpartition(".")[2]: size[1]}

    def title(self, path: str) -> str:
        """A model's name without the hash that follows it, which is kept; "" when there is none."""
        text = _name(self._take(LABELS[path]) or "")
        match = _TITLE.fullmatch(text)
        if match is None:
            return text
        self._hashes[path] = match[2]
        return match[1]

    def valid(self, part: object, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those of ``values`` that ``part`` accepts; the errors of the others become warnings."""
        accepted: dict[str, Any] = {}
        for name, value in values.items():
            try:
                replace(part, **{name: value})  # type: ignore[type-var]
            except RequestError as error:
                self.warnings.append(error)
            else:
                accepted[name] = value
        return accepted

    def variation(self) -> Variation:
        values = self._values(_VARIATION) | self.size("variation.resize_width", "variation.resize_height")
        return self._filled(Variation(), values)

    def hires(self) -> Hires | None:
        """The second pass, if one of the fields that only it has says so."""
        size = self.size("hires.width", "hires.height")
        present = {path for path in _TURNS_HIRES_ON if self.infotext.get(LABELS[path])}
        if not (present - {"hires.width"} or any(size.values())):
            return None
        values = self._values(_HIRES) | size | self.value("hires.strength", float)
        return self._filled(Hires(checkpoint=self.title("hires.checkpoint")), values)

    def init(self, *, with_strength: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the text says of an initial image and of its mask."""
        values = self.value("init.noise_multiplier", float)
        if with_strength:
            values |= self.value("init.strength", float)
        inpaint = self._values(_INPAINT)
        blur = self.value("init.inpaint.blur_x", _whole)
        if blur:
            inpaint |= blur | {"blur_y": blur["blur_x"]}
        only_weight = inpaint.keys() <= {"condition_weight"}  # also written for text to image with inpainting models
        return (
            self.valid(InitImage(images=(_PIXEL,)), values),
            {} if only_weight and not values else self.valid(Inpaint(mask=_PIXEL), inpaint),
        )

    def refiner(self) -> Refiner | None:
        name = self.title("refiner.checkpoint")
        values = self._values(_REFINER)
        return self._filled(Refiner(checkpoint=name), values) if name and name != "None" else None

    def tuning(self) -> Tuning:
        values = self._values(_TUNING)
        if self.infotext.get(OLD_KARRAS):
            values["old_karras_sigmas"] = True
        return self._filled(Tuning(), values)

    def hashes(self) -> dict[str, str]:
        """Hashes by the path of the field they belong to, and those of LoRAs by ``lora:NAME``."""
        named = _json_hashes(self.infotext.get("Hashes") or "")
        for path, label, key in (("checkpoint", "Model hash", "model"), ("vae", "VAE hash", "vae")):
            if digest := self.infotext.get(label) or named.get(key):
                self._hashes[path] = digest
        self._hashes |= {name: digest for name, digest in named.items() if name.startswith("lora:")}
        for entry in (self.infotext.get("Lora hashes") or "").split(","):
            name, _, digest = entry.partition(":")  # names have no colons there
            if name.strip():
                self._hashes[f"lora:{name.strip()}"] = digest.strip()
        return self._hashes

    def _take(self, label: str) -> str | None:
        self._taken.add(label.casefold())
        return self.infotext.get(label)

    def _values(self, converters: Mapping[str, Convert]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for path, convert in converters.items():
            values |= self.value(path, convert)
        return values

    def _filled(self, part: P, values: Mapping[str, Any]) -> P:
        return replace(part, **self.valid(part, values))  # type: ignore[type-var]


def _json_hashes(text: str) -> dict[str, str]:
    """civitai's ``Hashes: {"model": "...", "lora:name": "..."}``."""
    return {key: value for key, value in json_of(text, dict).items() if isinstance(value, str)}
