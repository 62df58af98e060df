"""How the values of a request's fields are written in infotexts and read: one row a way (hechos/a1111.md 7.2, 4.5 and
5.5).

A field names its codec in its facts (``core.fields``). The plain one, "", writes what is not the default and reads by
the field's type. Fields of one part that share a label are written and read together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sdcolab.core.faces import GFPGAN
from sdcolab.core.fields import Field
from sdcolab.core.infotext.dialects import size_of
from sdcolab.core.prompt import strip_comments
from sdcolab.core.regions import regions_from_text, regions_text
from sdcolab.core.request import INSIDE, SAME, GenerationRequest
from sdcolab.core.tuning import Emphasis, Fp8


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an infotext says beyond the request. Empty texts are left out.

    Models and ``vae`` are names for infotexts, the hashes 10 hexadecimal digits; without a name for the checkpoint of
    the hires pass or the refiner, the request's own is written. ``titles``: the same for the models of other fields, by
    their path ("units.0.model"): name and hash. ``schedule`` and ``hires_schedule`` are the labels of the schedules
    that were used. ``extra`` are further fields in order; one that repeats a label takes its place. ``uses_ensd``: the
    sampler draws noise that ENSD changes. ``inpainting``: the checkpoint reads a mask; ``editing``: it reads the
    picture that it edits (None: nobody knows); ``in_8_bits``: it is kept so where the request says so.
    """

    version: str
    schedule: str
    model: str = ""
    model_hash: str = ""
    vae: str = ""
    vae_hash: str = ""
    extra: tuple[tuple[str, str], ...] = ()
    hires_schedule: str = ""
    hires_model: str = ""
    hires_model_hash: str = ""
    refiner_model: str = ""
    refiner_model_hash: str = ""
    uses_ensd: bool = True
    inpainting: bool = False
    editing: bool | None = None
    in_8_bits: bool = True
    titles: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def title_of(self, path: str, name: str) -> str:
        """The model that the field at ``path`` calls ``name``, as A1111 titles it: ``name [hash]``."""
        known = {
            "hires.checkpoint": (self.hires_model, self.hires_model_hash),
            "refiner.checkpoint": (self.refiner_model, self.refiner_model_hash),
        }
        title, digest = self.titles.get(path) or known.get(path) or ("", "")
        return f"{title or name} [{digest}]" if digest else title or name


@dataclass(frozen=True, slots=True)
class Writing:
    """What is being written: image ``index`` of a resolved ``request``. ``path`` is where the part stands whose fields
    are written ("", "hires", "units.0")."""

    request: GenerationRequest
    facts: EngineFacts
    index: int = 0
    path: str = ""

    def place_of(self, field: Field) -> str:
        """The path of a field of that part."""
        return f"{self.path}.{field.name}" if self.path else field.name

    @property
    def texts(self) -> str:
        """All prompts of the request, without comments."""
        hires = self.request.hires if self.request.init is None else None
        every = [self.request.prompt, self.request.negative_prompt]
        every += [hires.prompt, hires.negative_prompt] if hires else []
        return "".join(map(strip_comments, every))


Fields = tuple[Field, ...]
Write = Callable[[Writing, Any, Fields], str]
"""(what is written, part, its fields with this label) -> text, "" to leave the label out."""

Read = Callable[[str, Fields], tuple[Any, ...]]
"""(text, fields) -> their values. Raises ``ValueError`` for what is no number, ``KeyError`` for an unknown word."""


# --- The plain way ------------------------------------------------------------------------------------------------


def shown(value: object) -> str:
    """As A1111's controls write it: ``7``, ``7.5``, ``True``, ``bh2``."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def _typed(field: Field, value: Any) -> Any:
    """A decimal field's value as a decimal, also where a whole number was given."""
    return float(value) if field.kind is float and value is not None else value


def _write_always(_writing: Writing, part: Any, fields: Fields) -> str:
    value = _typed(fields[0], getattr(part, fields[0].name))
    return "" if value is None else shown(value)


def _write_plain(writing: Writing, part: Any, fields: Fields) -> str:
    changed = getattr(part, fields[0].name) != fields[0].default
    return _write_always(writing, part, fields) if changed else ""


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = float(text)  # programs that keep every number as decimal write "20.0"
        if not number.is_integer():
            raise
        return int(number)


def _read_plain(text: str, fields: Fields) -> tuple[Any, ...]:
    kind = fields[0].kind
    if fields[0].is_choice:
        return ({word.value.casefold(): word for word in kind}[text.casefold()],)
    if kind is bool:
        return ({"true": True, "false": False}[text.casefold()],)
    if kind is int:
        return (_whole(text),)
    return (float(text.replace(",", ".")) if kind is float else text,)


# --- Sizes and masks ----------------------------------------------------------------------------------------------


def _write_size(_writing: Writing, part: Any, fields: Fields) -> str:
    width, height = (getattr(part, field.name) for field in fields)
    return f"{width}x{height}" if width or height else ""


def _write_whole_size(writing: Writing, part: Any, fields: Fields) -> str:
    return _write_size(writing, part, fields) if all(getattr(part, field.name) for field in fields) else ""


def _read_size(text: str, _fields: Fields) -> tuple[Any, ...]:
    size = size_of(text)
    if size is None:
        raise ValueError(text)
    return size


def _write_blur(_writing: Writing, part: Any, fields: Fields) -> str:
    """One number for both directions; nothing where they differ."""
    values = {getattr(part, field.name) for field in fields}
    return str(*values) if len(values) == 1 else ""


def _read_blur(text: str, fields: Fields) -> tuple[Any, ...]:
    return (_whole(text),) * len(fields)


def _one_of_two(on: str, off: str) -> tuple[Write, Read]:
    """A1111's words for a switch; only the first is written."""
    words = {on: True, off: False}
    return lambda _writing, part, fields: on if getattr(part, fields[0].name) else "", lambda text, _: (words[text],)


def _write_on(_writing: Writing, part: Any, fields: Fields) -> str:
    return "True" if getattr(part, fields[0].name) else ""


def _write_padding(writing: Writing, part: Any, fields: Fields) -> str:
    return _write_always(writing, part, fields) if part.only_masked else ""


def _write_soft(writing: Writing, part: Any, fields: Fields) -> str:
    return _write_always(writing, part, fields) if part.soft else ""


def _write_condition_weight(writing: Writing, part: Any, fields: Fields) -> str:
    written = _write_always(writing, part, fields)
    return written if writing.facts.inpainting else _write_plain(writing, part, fields)


def _write_image_cfg_scale(writing: Writing, part: Any, fields: Fields) -> str:
    """As A1111: of models that edit, always, and never of others."""
    editing = writing.facts.editing
    if editing is None:
        return _write_plain(writing, part, fields)
    return _write_always(writing, part, fields) if editing else ""


def _write_fp8(writing: Writing, part: Any, fields: Fields) -> str:
    """Both are said where weights are kept so, as A1111 does."""
    return _write_always(writing, part, fields) if _in_8_bits(writing, part) else ""


def _write_eight_bits(writing: Writing, part: Any, fields: Fields) -> str:
    """Said where it is another than A1111's."""
    return _write_plain(writing, part, fields) if _in_8_bits(writing, part) else ""


def _in_8_bits(writing: Writing, part: Any) -> bool:
    return part.fp8 is not Fp8.DISABLE and writing.facts.in_8_bits


# --- What the engine knows better ---------------------------------------------------------------------------------


def _write_seed(writing: Writing, _part: Any, _fields: Fields) -> str:
    return str(writing.request.seed_of(writing.index))


def _write_variation_seed(writing: Writing, part: Any, _fields: Fields) -> str:
    return str(writing.request.variation_seed_of(writing.index)) if part.strength else ""


_TITLE = re.compile(r"(.+) \[([0-9a-fA-F]{6,64})\]", re.DOTALL)
_SAME_AS_FIRST = frozenset({"use same checkpoint", "use same sampler", "use same scheduler"})


def split_title(text: str) -> tuple[str, str]:
    """A model's name and the hash that follows it, "" when there is none."""
    match = _TITLE.fullmatch(text)
    return (match[1], match[2]) if match else (text, "")


def _write_title(writing: Writing, part: Any, fields: Fields) -> str:
    name = getattr(part, fields[0].name)
    return writing.facts.title_of(writing.place_of(fields[0]), name) if name else ""


def _write_title_or_none(writing: Writing, part: Any, fields: Fields) -> str:
    return _write_title(writing, part, fields) or INSIDE


def _same(text: str) -> str:
    return SAME if text.casefold() in _SAME_AS_FIRST else text


def _read_title(text: str, _fields: Fields) -> tuple[Any, ...]:
    return (split_title("" if text == INSIDE else _same(text))[0],)


def _write_unlike_first(writing: Writing, part: Any, fields: Fields) -> str:
    """What a second pass has of its own: nothing where it is what the request's field of that name says."""
    name = fields[0].name
    own, first = getattr(part, name), getattr(writing.request, name)
    if fields[0].choices == "schedules":
        own, first = writing.facts.hires_schedule or own, writing.facts.schedule
    if fields[0].control == "prompt":
        own, first = strip_comments(own).strip(), strip_comments(first).strip()
    return "" if own == first else str(own)


def _write_unless_resized(writing: Writing, part: Any, fields: Fields) -> str:
    return "" if part.width or part.height else _write_always(writing, part, fields)


def _write_emphasis(writing: Writing, part: Any, fields: Fields) -> str:
    """How weights count, where there are any."""
    neutral = part.emphasis is Emphasis.ORIGINAL or not set("([") & set(writing.texts)
    return "" if neutral else _write_always(writing, part, fields)


def _write_ensd(writing: Writing, part: Any, _fields: Fields) -> str:
    return str(part.ensd) if part.ensd and part.eta and writing.facts.uses_ensd else ""


def _write_regions(_writing: Writing, part: Any, _fields: Fields) -> str:
    return regions_text(part)


def _read_regions(text: str, _fields: Fields) -> tuple[Any, ...]:
    return regions_from_text(text)


# --- The table ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Codec:
    """``unsaid``: a text without the label means the field's default, since that is not written. ``several``: it is for
    fields that share a label. ``absent``: what a text of a unit means that does not have the label, where that is not
    the default."""

    write: Write
    read: Read = _read_plain
    unsaid: bool = False
    several: bool = False
    absent: tuple[Any, ...] = ()


CODECS: Mapping[str, Codec] = {
    "": Codec(_write_plain, unsaid=True),
    "always": Codec(_write_always),
    "size": Codec(_write_size, _read_size, several=True),
    "whole_size": Codec(_write_whole_size, _read_size, several=True),
    "blur": Codec(_write_blur, _read_blur, several=True),
    "mask_mode": Codec(*_one_of_two("Inpaint not masked", "Inpaint masked")),
    "inpaint_area": Codec(*_one_of_two("Only masked", "Whole picture")),
    "faces": Codec(*_one_of_two(GFPGAN, "None"), unsaid=True),
    "on": Codec(_write_on, absent=(False,)),
    "padding": Codec(_write_padding),
    "soft": Codec(_write_soft),
    "condition_weight": Codec(_write_condition_weight),
    "image_cfg_scale": Codec(_write_image_cfg_scale),
    "seed": Codec(_write_seed),
    "variation_seed": Codec(_write_variation_seed),
    "schedule": Codec(lambda writing, _part, _fields: writing.facts.schedule),
    "model": Codec(lambda writing, _part, _fields: writing.facts.model),
    "vae": Codec(lambda writing, _part, _fields: writing.facts.vae, unsaid=True),
    "title": Codec(_write_title, _read_title),
    "title_or_none": Codec(_write_title_or_none, _read_title),
    "unlike_first": Codec(_write_unlike_first, lambda text, _fields: (_same(text),)),
    "unless_resized": Codec(_write_unless_resized),
    "regions": Codec(_write_regions, _read_regions, several=True),
    "fp8": Codec(_write_fp8, unsaid=True),
    "eight_bits": Codec(_write_eight_bits, unsaid=True),
    "emphasis": Codec(_write_emphasis),
    "ensd": Codec(_write_ensd),
}
"""By the name that a field's facts give it."""
