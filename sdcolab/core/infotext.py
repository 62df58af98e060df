"""Generation parameters as text, in AUTOMATIC1111's layout: writing, reading, and pasting them into a request.

::

    a cat, (masterpiece:1.2)
    Negative prompt: blurry
    Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 1, Size: 512x512, Model: sd15

Source: hechos/a1111.md 7. The layout has no escapes for prompts, so a reader loses blanks around their lines and takes
a line that begins with "Negative prompt:" for the beginning of the negative prompt.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from PIL import ExifTags, Image

from sdcolab.core.errors import FieldNotNumber, InfotextUnreadable, RequestError
from sdcolab.core.prompt import strip_comments
from sdcolab.core.request import AUTOMATIC, GenerationRequest, NoiseOrigin

NEGATIVE_MARK = "Negative prompt:"
UNIFORM = "Uniform"
"""The schedule of samplers whose name said nothing else, before A1111 1.9."""

_FIRST_VERSION_WITH_SCHEDULE = (1, 9, 0)
_MIN_FIELDS = 3
"""A line with fewer fields than this is taken for prompt."""

_LABEL = r"\w[\w \-/]{1,99}"
_FIELD = re.compile(rf'({_LABEL}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|\Z)')
_EXTRA_LINE = re.compile(rf"({_LABEL}): *(.*)")
_SIZE = re.compile(r"(\d{1,9})\s*[xX]\s*(\d{1,9})")
_VERSION = re.compile(r"(?:f[\d.]+)?v?(\d+)\.(\d+)\.(\d+)")
"""A1111's tags (``v1.10.1``) and Forge's, which carry A1111's (``f2.0.1v1.10.1-previous``)."""


@dataclass(frozen=True, slots=True)
class Infotext:
    """What a text says. ``fields`` are (label, value) in order, each label once, all values as text."""

    prompt: str = ""
    negative_prompt: str = ""
    fields: tuple[tuple[str, str], ...] = ()

    def get(self, label: str) -> str | None:
        """Value of the field called ``label`` (case does not matter), or None."""
        wanted = label.casefold()
        return next((value for name, value in self.fields if name.casefold() == wanted), None)


# --- Writing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an infotext says beyond the request. Empty texts are left out.

    ``model`` and ``vae`` are names for infotexts, the hashes 10 hexadecimal digits. ``schedule`` is the label of the
    schedule that was used. ``extra`` are further fields in order; one that repeats a label above takes its place.
    """

    version: str
    schedule: str
    model: str = ""
    model_hash: str = ""
    vae: str = ""
    vae_hash: str = ""
    extra: tuple[tuple[str, str], ...] = ()


def describe(request: GenerationRequest, facts: EngineFacts, index: int = 0) -> Infotext:
    """What is written into image ``index`` of a resolved request (hechos/a1111.md 7.2).

    Missing ``RNG`` means NVIDIA's noise, A1111's default, which our ``NV`` equals. The version carries the program's
    name ("sdcolab 0.1.0") so that A1111 does not take it for one of its own and apply its compatibility rules.

    Raises ``ValueError`` when the request is not resolved.
    """
    if request.width is None or request.height is None:
        raise ValueError("the request is not resolved")
    fields = {
        "Steps": str(request.steps),
        "Sampler": request.sampler,
        "Schedule type": facts.schedule,
        "CFG scale": _number(float(request.cfg_scale)),
        "Seed": str(request.seed_of(index)),
        "Size": f"{request.width}x{request.height}",
        "Model hash": facts.model_hash,
        "Model": facts.model,
        "VAE hash": facts.vae_hash,
        "VAE": facts.vae,
        "Clip skip": str(request.clip_skip) if request.clip_skip > 1 else "",
        "RNG": "" if request.noise_origin is NoiseOrigin.NV else request.noise_origin.value,
        **dict(facts.extra),
        "Version": f"sdcolab {facts.version}",
    }
    return Infotext(
        prompt=strip_comments(request.prompt),
        negative_prompt=strip_comments(request.negative_prompt),
        fields=tuple((label, value) for label, value in fields.items() if value),
    )


def render(infotext: Infotext) -> str:
    """The text itself. Characters that UTF-8 cannot hold (halves of surrogate pairs) become ``?``."""
    parts = [infotext.prompt]
    if infotext.negative_prompt:
        parts.append(f"{NEGATIVE_MARK} {infotext.negative_prompt}")
    parts.append(", ".join(f"{label}: {_quoted(value)}" for label, value in infotext.fields))
    return "\n".join(parts).strip().encode("utf-8", "replace").decode("utf-8")


def write(request: GenerationRequest, facts: EngineFacts, index: int = 0) -> str:
    """The infotext of image ``index`` of a resolved request."""
    return render(describe(request, facts, index))


def _number(value: float) -> str:
    """As A1111's sliders write it: ``7``, ``7.5``."""
    return str(int(value)) if value.is_integer() else repr(value)


def _quoted(value: str) -> str:
    """JSON when the bare value would be read as something else (A1111: when it has a comma, newline or colon)."""
    bare = value and value == value.strip() and value[0] != '"' and not set(value) & set(",\n:")
    return value if bare else json.dumps(value, ensure_ascii=False)


# --- Reading ------------------------------------------------------------------------------------------------------


def parse(text: str) -> Infotext:
    """Read any text; what has no parameter line is all prompt (hechos/a1111.md 7.4).

    The parameter line is the last one. Dynamic Prompts adds lines after it (``Template: ...``): then it is the last one
    that begins with "Steps:", and what follows are fields too.
    """
    lines = [line.strip() for line in text.strip().split("\n")]
    at = _parameter_line(lines)
    fields = _merged([*_fields(lines[at]), *_extra_lines(lines[at + 1 :])]) if at is not None else ()
    prompt, negative_prompt = _prompts(lines[:at])
    return Infotext(prompt=prompt, negative_prompt=negative_prompt, fields=fields)


def _parameter_line(lines: list[str]) -> int | None:
    """Index of the parameter line."""
    last = len(lines) - 1
    candidates = [last, *(index for index in range(last - 1, -1, -1) if lines[index].startswith("Steps:"))]
    return next((index for index in candidates if len(_FIELD.findall(lines[index])) >= _MIN_FIELDS), None)


def _fields(line: str) -> Iterator[tuple[str, str]]:
    for match in _FIELD.finditer(line):
        yield match[1].strip(), _unquoted(match[2].strip())


def _extra_lines(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        match = _EXTRA_LINE.fullmatch(line)
        if match:
            yield match[1].strip(), match[2]


def _merged(fields: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Each label once: the last value in the first place."""
    return tuple(dict(fields).items())


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _prompts(lines: Iterable[str]) -> tuple[str, str]:
    positive: list[str] = []
    negative: list[str] = []
    current = positive
    for line in lines:
        if line.startswith(NEGATIVE_MARK):
            current = negative
            line = line[len(NEGATIVE_MARK) :].strip()
        if line or current:  # lines before the first text do not count
            current.append(line)
    return "\n".join(positive), "\n".join(negative)


def read_image(image: Image.Image, source: str) -> str:
    """The infotext inside a picture: PNG text, the EXIF comment of JPEG and WebP, or NovelAI's own format.

    ``source`` names the picture in the error. Raises ``InfotextUnreadable`` when there is none.
    """
    info = image.info
    if info.get("Software") == "NovelAI":
        text = _novelai(info)
    else:
        text = _user_comment(image) or _as_text(info.get("parameters")) or _as_text(info.get("comment"))
    if not text.strip():
        raise InfotextUnreadable(source=source)
    return text


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "ignore")
    return value if isinstance(value, str) else ""


def _user_comment(image: Image.Image) -> str:
    """EXIF UserComment: an 8-byte name of the encoding, then the text (Exif 2.3, table 9)."""
    try:
        raw = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    except (SyntaxError, ValueError, KeyError, TypeError, OSError, struct.error):  # damaged EXIF: Pillow lets these out
        return ""
    if not isinstance(raw, bytes):
        return _as_text(raw)
    encoding, body = raw[:8], raw[8:]
    if encoding == b"UNICODE\0":
        return body.decode(_utf16_order(body), "ignore").lstrip("\ufeff")
    if encoding == b"JIS\0\0\0\0\0":
        return body.decode("shift_jis", "ignore")
    return (body if encoding in (b"ASCII\0\0\0", b"\0" * 8) else raw).decode("utf-8", "ignore")


def _utf16_order(body: bytes) -> str:
    """A1111 writes big-endian, other programs the file's order: Latin text has its zero bytes first or second."""
    return "utf-16-le" if body[1::2].count(0) > body[::2].count(0) else "utf-16-be"


def _novelai(info: Mapping[str | tuple[int, int], object]) -> str:
    """NovelAI's ``Description`` and JSON ``Comment`` in A1111's layout (hechos/a1111.md 7.3)."""
    try:
        comment = json.loads(_as_text(info.get("Comment")))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(comment, dict):
        return ""
    named = {"Steps": "steps", "Sampler": "sampler", "CFG scale": "scale", "Seed": "seed"}
    fields = {label: str(comment[key]) for label, key in named.items() if key in comment}
    if "width" in comment and "height" in comment:
        fields["Size"] = f"{comment['width']}x{comment['height']}"
    fields |= {"Clip skip": "2", "ENSD": "31337"}
    prompt, negative_prompt = _as_text(info.get("Description")), _as_text(comment.get("uc"))
    return render(Infotext(prompt, negative_prompt, tuple(fields.items())))


# --- Pasting ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pasted:
    """What an infotext changes in a request. ``changes`` maps fields of ``GenerationRequest`` to valid values.

    ``checkpoint`` and ``vae`` are the infotext's names, which the library may not have. ``warnings`` are values that
    could not be used; ``unused`` are the fields that mean something this version does not do.
    """

    changes: Mapping[str, object]
    warnings: tuple[RequestError, ...] = ()
    unused: tuple[tuple[str, str], ...] = ()


_INFORMATION = frozenset({"model hash", "vae hash", "lora hashes", "ti hashes", "version"})
"""Labels that change no picture by themselves."""


def to_request(infotext: Infotext, schedules: Iterable[str]) -> Pasted:
    """Translate ``infotext`` for a request. ``schedules`` are the known schedule names, to split "DPM++ 2M Karras".

    Absent fields with a definite meaning are filled in: Clip skip 1, RNG NV, VAE automatic, and the schedule as the
    program that wrote it understood it (hechos/a1111.md 3.1). Text without parameters changes only the prompts.
    """
    changes: dict[str, object] = {"prompt": infotext.prompt, "negative_prompt": infotext.negative_prompt}
    if not infotext.fields:
        return Pasted(changes)
    reader = _FieldReader(infotext)
    changes |= _sampler_changes(reader, tuple(schedules))
    changes |= reader.number("steps", "Steps", int)
    changes |= reader.number("cfg_scale", "CFG scale", float)
    changes |= reader.number("seed", "Seed", int)
    changes |= reader.number("clip_skip", "Clip skip", int) or {"clip_skip": 1}
    changes |= reader.size()
    changes |= reader.noise_origin()
    changes |= reader.name("checkpoint", "Model")
    changes |= reader.name("vae", "VAE") or {"vae": AUTOMATIC}
    valid, out_of_range = _checked(changes)
    return Pasted(changes=valid, warnings=(*reader.warnings, *out_of_range), unused=reader.unused())


class _FieldReader:
    """Takes fields out of an infotext and remembers which, and what was wrong with them."""

    def __init__(self, infotext: Infotext) -> None:
        self.infotext = infotext
        self.warnings: list[RequestError] = []
        self._taken = set(_INFORMATION)

    def take(self, label: str) -> str | None:
        """The value of a field that is now used."""
        self._taken.add(label.casefold())
        return self.infotext.get(label)

    def name(self, field: str, label: str) -> dict[str, object]:
        value = self.take(label)
        return {field: value} if value else {}

    def number(self, field: str, label: str, convert: Callable[[str], float]) -> dict[str, object]:
        value = self.take(label)
        if value is None:
            return {}
        try:
            return {field: convert(value)}
        except ValueError:
            self.warnings.append(FieldNotNumber(field=field, value=value))
            return {}

    def size(self) -> dict[str, object]:
        value = self.take("Size")
        if value is None:
            return {}
        match = _SIZE.fullmatch(value)
        if match is None:
            self.warnings.append(FieldNotNumber(field="width", value=value))
            return {}
        return {"width": int(match[1]), "height": int(match[2])}

    def noise_origin(self) -> dict[str, object]:
        value = self.infotext.get("RNG") or NoiseOrigin.NV
        if value not in tuple(NoiseOrigin):
            return {}
        self.take("RNG")
        return {"noise_origin": NoiseOrigin(value)}

    def unused(self) -> tuple[tuple[str, str], ...]:
        """The fields that nobody took."""
        return tuple(pair for pair in self.infotext.fields if pair[0].casefold() not in self._taken)


def _sampler_changes(reader: _FieldReader, schedules: tuple[str, ...]) -> dict[str, object]:
    """Sampler and schedule. Before A1111 1.9 the sampler's name held the schedule, and one that held none was uniform;
    every later version writes the schedule."""
    changes = reader.name("schedule", "Schedule type")
    name = reader.take("Sampler")
    if not name:
        return changes
    sampler, suffix = _split_sampler(name, schedules)
    fallback = suffix or (AUTOMATIC if _writes_schedule(reader.infotext.get("Version")) else UNIFORM)
    return {"sampler": sampler, "schedule": fallback} | changes


def _split_sampler(name: str, schedules: Iterable[str]) -> tuple[str, str]:
    """("DPM++ 2M", "Karras") from "DPM++ 2M Karras"; an empty schedule when the name holds none."""
    for schedule in sorted(schedules, key=len, reverse=True):
        if name.casefold().endswith(f" {schedule.casefold()}"):
            return name[: -len(schedule)].rstrip(), schedule
    return name, ""


def _writes_schedule(version: str | None) -> bool:
    """Whether the program that calls itself ``version`` writes "Schedule type". Those without a version did not."""
    match = _VERSION.match(version or "")
    if match is None:
        return version is not None
    return tuple(int(number) for number in match.groups()) >= _FIRST_VERSION_WITH_SCHEDULE


def _checked(changes: Mapping[str, object]) -> tuple[dict[str, object], list[RequestError]]:
    """The changes that a request accepts, and the errors of the others."""
    valid: dict[str, object] = {}
    errors: list[RequestError] = []
    for field, value in changes.items():
        try:
            GenerationRequest(**{field: value})  # type: ignore[arg-type]
        except RequestError as error:
            errors.append(error)
        else:
            valid[field] = value
    return valid, errors
