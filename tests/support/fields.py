"""Values for any field by its row in the table, and what each interpreter of the table makes of them: each function
names the fields that an interpreter loses. They take the kind of request, so that tests can try fields that do not
exist.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from sdcolab.api.translate import Context, request_from_payload
from sdcolab.core.codec import from_json, to_json
from sdcolab.core.fields import Field, parts_of, table_of, value_at, with_values
from sdcolab.core.infotext import EngineFacts, parse, to_request, write
from sdcolab.core.request import GenerationRequest
from sdcolab.core.tuning import Fp8
from sdcolab.core.words import FIELD_WORDS, PART_LABELS

PACKAGE = Path(__file__).parents[2] / "sdcolab"
PICTURE = Image.new("RGB", (8, 8), "red")

NAMES: Mapping[str, str] = {
    "samplers": "DDIM",
    "preprocessors": "canny",
    "schedules": "Karras",
    "upscalers": "Lanczos",
    "hires_upscalers": "Lanczos",
}
"""One of each live list; of the others a name of a file."""


VALUES: Mapping[str, Any] = {
    "regions.divisions": "2:2,1:2,1:2",
    "regions.positions": "0:1,0:0,0:1-2",
    "regions.weights": "0.3,0.7,0.7",
}
"""Texts with a grammar of their own."""


def another(field: Field) -> Any:
    """A value that is accepted and is not the default."""
    value = VALUES[field.path] if field.path in VALUES else _another(field)
    return (value,) if field.many else value


def _another(field: Field) -> Any:
    if field.is_choice:
        return next(word for word in field.kind if word != field.default)
    if field.kind is bool:
        return not field.default
    if field.is_number:
        step, low = field.multiple or 1, -1 if field.low is None else field.low
        high = low + 100 if field.high is None else field.high
        tries = (low + step, low + 2 * step) if field.kind is int else (low + (high - low) / 4, low + (high - low) / 2)
        return next(field.kind(value) for value in tries if value not in (field.default, 0))
    if field.kind is Image.Image:
        return PICTURE
    if field.control == "colour":
        return "#102030"
    return NAMES.get(field.choices, "otro.safetensors") if field.choices else "otro texto"


def concrete(kind: type, path: str) -> str:
    """``path`` with a place, the first, in every part that repeats."""
    parts, words = parts_of(kind), path.split(".")
    marked = [f"{word}.0" if _many(parts, ".".join(words[: at + 1])) else word for at, word in enumerate(words)]
    return ".".join(marked)


def _many(parts: Mapping[str, Any], path: str) -> bool:
    return path in parts and parts[path].many


COMPANIONS: Mapping[str, Mapping[str, Any]] = {
    "variation.seed": {"variation.strength": 0.5},
    "variation.resize_width": {"variation.resize_height": 64},
    "variation.resize_height": {"variation.resize_width": 64},
    "init.inpaint.padding": {"init.inpaint.only_masked": True},
    "init.inpaint.blur_x": {"init.inpaint.blur_y": 1},
    "init.inpaint.blur_y": {"init.inpaint.blur_x": 1},
    "tuning.ensd": {"tuning.eta": 0.5},
    **{
        f"init.inpaint.soft_{name}": {"init.inpaint.soft": True}
        for name in ("bias", "preservation", "contrast", "influence", "threshold", "difference")
    },
    "tuning.cache_fp16": {"tuning.fp8": Fp8.ENABLE},
    "tuning.eight_bits": {"tuning.fp8": Fp8.ENABLE},
}
"""What a field needs beside it to mean anything."""


def asked(kind: type[GenerationRequest], path: str) -> tuple[GenerationRequest, Any]:
    """A settled request whose field at ``path`` is not its default, with the parts around it, and that value."""
    table = table_of(kind)
    value = another(table[path])
    around = [path[:at] for at, letter in enumerate(path) if letter == "."]
    needed = {
        concrete(kind, field.path): another(field)
        for field in table.values()
        if field.required and field.parent in around
    }
    values = {"prompt": "a (cat)", "seed": 5, "width": 512, "height": 512} | needed | dict(COMPANIONS.get(path, {}))
    return with_values(kind(), values | {concrete(kind, path): value}), value


# --- What each interpreter loses ----------------------------------------------------------------------------------


def lost_in_infotexts(kind: type[GenerationRequest]) -> list[str]:
    """Recorded fields whose value does not come back from the infotext that holds it."""
    return [path for path, field in table_of(kind).items() if field.label and not _comes_back(kind, path)]


def _comes_back(kind: type[GenerationRequest], path: str) -> bool:
    request, value = asked(kind, path)
    facts = EngineFacts("0.1.0", request.schedule, model=request.checkpoint, vae=request.vae)
    pasted = to_request(parse(write(request, facts)), kind=kind)
    if pasted.warnings or pasted.unused:
        return False
    back = kind(**pasted.changes)
    if request.init:
        mask = request.init.inpaint and request.init.inpaint.mask
        back = with_values(back, {"init": pasted.init_image(PICTURE, mask)})
    with contextlib.suppress(IndexError):
        return bool(value_at(back, concrete(kind, path)) == value)
    return False


def lost_in_json(kind: type[GenerationRequest]) -> list[str]:
    """Fields whose value does not come back from JSON."""
    lost = []
    for path in table_of(kind):
        request, _ = asked(kind, path)
        if from_json(kind, json.loads(json.dumps(to_json(request)))) != request:
            lost.append(path)
    return lost


def raw(field: Field, value: Any, *, setting: bool = False) -> Any:
    """``value`` as a client of A1111's API sends it."""
    if field.many:
        return [raw_one(field, one, setting) for one in value]
    return raw_one(field, value, setting)


def raw_one(field: Field, value: Any, setting: bool) -> Any:
    if isinstance(value, Image.Image):
        png = io.BytesIO()
        value.save(png, "PNG")
        return base64.b64encode(png.getvalue()).decode()
    if field.is_choice and not setting:
        return list(field.kind).index(value)
    return value


def payload_for(kind: type[GenerationRequest], path: str) -> dict[str, Any]:
    """A payload in which the field at ``path`` would count, without it."""
    table = table_of(kind)
    payload: dict[str, Any] = {}
    for part, entry in parts_of(kind).items():
        if path.startswith(f"{part}.") and not entry.many:
            payload |= dict.fromkeys(entry.api, True)
            payload |= {
                field.api[-1]: raw(field, another(field))
                for field in table.values()
                if field.parent == part and field.required and field.path != path
            }
    return payload


def ignored_by_the_api(kind: type[GenerationRequest]) -> Iterator[str]:
    """Names of payloads and settings that do not change the field that they stand for."""
    table, parts = table_of(kind), parts_of(kind)
    for path, field in table.items():
        value = another(field)
        unit = parts.get(field.parent) if field.parent in parts and parts[field.parent].many else None
        for name in field.api:
            sent = {name: raw(field, value)}
            if unit is not None:
                needed = {
                    one.api[-1]: another(one) for one in table.values() if one.parent == field.parent and one.required
                }
                sent = _nested(unit.api[0], [needed | sent])
            if not _arrives(kind, path, payload_for(kind, path) | sent, value):
                yield name
        if field.key:
            sent = {"override_settings": {field.key: raw(field, value, setting=True)}}
            if not _arrives(kind, path, payload_for(kind, path) | sent, value):
                yield f"override_settings.{field.key}"


def _nested(place: str, value: Any) -> dict[str, Any]:
    head, _, rest = place.partition(".")
    return {head: _nested(rest, value) if rest else value}


def _arrives(kind: type[GenerationRequest], path: str, payload: dict[str, Any], value: Any) -> bool:
    image_kind = "img2img" if path.startswith("init.") else "txt2img"
    context = Context(defaults=kind())
    return bool(value_at(request_from_payload(payload, image_kind, context), concrete(kind, path)) == value)


def without_words(kind: type) -> list[str]:
    """Fields and parts that have no Spanish name."""
    return [*(path for path in table_of(kind) if path not in FIELD_WORDS),
            *(path for path in parts_of(kind) if path not in PART_LABELS)]  # fmt: skip


def unread_by_the_engine(kind: type) -> list[str]:
    """Fields that nothing in the engine, where it is put together, or in what a request says of itself ever reads."""
    read = {
        node.attr
        for pattern in ("engine/**/*.py", "wiring/*.py", "core/request.py", "core/regions.py", "core/control.py")
        for file in PACKAGE.glob(pattern)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    return [path for path, field in table_of(kind).items() if field.name not in read]
