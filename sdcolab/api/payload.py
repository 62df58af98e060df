"""What a payload of A1111's may hold: its fields and settings, and how each is read into which field of a request.

A1111's own fields stand here with its defaults, which are not ours. What each means, and every field and setting that
A1111 does not have, stands in the table of fields (``core.fields``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image

from sdcolab.api import fields
from sdcolab.api.fields import Reader
from sdcolab.core.codec import to_json
from sdcolab.core.fields import Field, Part, parts_of, table_of
from sdcolab.core.request import RANDOM_SEED, GenerationRequest

Kind = Literal["txt2img", "img2img"]

_COMMON: Mapping[str, Any] = {
    "prompt": "",
    "negative_prompt": "",
    "styles": None,
    "seed": -1,
    "subseed": -1,
    "subseed_strength": 0,
    "seed_resize_from_h": -1,
    "seed_resize_from_w": -1,
    "sampler_name": None,
    "scheduler": None,
    "batch_size": 1,
    "n_iter": 1,
    "steps": 50,
    "cfg_scale": 7.0,
    "width": 512,
    "height": 512,
    "restore_faces": None,
    "tiling": None,
    "do_not_save_samples": False,
    "do_not_save_grid": False,
    "eta": None,
    "denoising_strength": 0.75,
    "s_min_uncond": None,
    "s_churn": None,
    "s_tmax": None,
    "s_tmin": None,
    "s_noise": None,
    "override_settings": None,
    "override_settings_restore_afterwards": True,
    "refiner_checkpoint": None,
    "refiner_switch_at": None,
    "disable_extra_networks": False,
    "firstpass_image": None,
    "comments": None,
    "force_task_id": None,
    "sampler_index": "Euler",
    "script_name": None,
    "script_args": [],
    "send_images": True,
    "save_images": False,
    "alwayson_scripts": {},
    "infotext": None,
}

_KNOWN: Mapping[Kind, Mapping[str, Any]] = {
    "txt2img": {
        **_COMMON,
        "enable_hr": False,
        "firstphase_width": 0,
        "firstphase_height": 0,
        "hr_scale": 2.0,
        "hr_upscaler": None,
        "hr_second_pass_steps": 0,
        "hr_resize_x": 0,
        "hr_resize_y": 0,
        "hr_checkpoint_name": None,
        "hr_sampler_name": None,
        "hr_scheduler": None,
        "hr_prompt": "",
        "hr_negative_prompt": "",
        "hr_cfg": None,
        "hr_additional_modules": None,
    },
    "img2img": {
        **_COMMON,
        "init_images": None,
        "resize_mode": 0,
        "image_cfg_scale": 1.0,  # A1111 says None, which pulls as 1 does
        "mask": None,
        "mask_blur_x": 4,
        "mask_blur_y": 4,
        "mask_blur": None,
        "mask_round": True,
        "inpainting_fill": 0,
        "inpaint_full_res": True,
        "inpaint_full_res_padding": 0,
        "inpainting_mask_invert": 0,
        "initial_noise_multiplier": None,
        "latent_mask": None,
        "include_init_images": False,
    },
}
"""A1111's fields and its defaults. Forge's ``hr_cfg`` counts; its ``hr_additional_modules`` mean nothing here."""


PICTURES = ("init_images", "mask", "latent_mask", "firstpass_image")

_ONLY_IN: Mapping[str, Kind] = {"hires": "txt2img", "init": "img2img"}
"""Parts that only one kind of payload has."""

SCRIPTS = "alwayson_scripts."
"""Before the place of a list that a script of A1111's brings."""


@dataclass(frozen=True, slots=True)
class Row:
    """A name in a payload, the path of the field that it means, and how its value is read."""

    name: str
    path: str
    read: Reader


def known_fields(kind: Kind, request: type = GenerationRequest) -> Mapping[str, Any]:
    """Every field of a payload and its default: A1111's, and those that only the table has."""
    own: dict[str, Any] = {}
    entries: Mapping[str, Field | Part] = {**table_of(request), **parts_of(request)}
    for path, field in entries.items():
        if _ONLY_IN.get(path.partition(".")[0], kind) == kind and not _is_inside_units(request, path):
            default = to_json(field.default) if isinstance(field, Field) and not field.required else None
            own |= {name: default for name in field.api if "." not in name}
    return {**_KNOWN[kind], **{name: default for name, default in own.items() if name not in _KNOWN[kind]}}


def rows(part: str, request: type = GenerationRequest) -> tuple[Row, ...]:
    """The names of the fields of one part, by its path ("" for the request itself)."""
    found = [field for field in table_of(request).values() if field.parent == part]
    return tuple(Row(name, field.path, reader_of(field)) for field in found for name in field.api)


def plain_rows(request: type = GenerationRequest) -> tuple[Row, ...]:
    """The names of all fields that every payload may have, in parts that are always there."""
    parts = [path for path, part in parts_of(request).items() if not (part.optional or part.many)]
    always = [path for path in parts if not _optional_around(request, path)]
    return tuple(row for part in ("", *always) for row in rows(part, request))


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of A1111's: its key, the request's field it is here, and how its value is read. ``kept``: the program
    remembers it; the others count only in ``override_settings``."""

    key: str
    path: str
    read: Reader
    kept: bool


def settings(request: type = GenerationRequest) -> Mapping[str, Setting]:
    """Every setting that means something here, by its key."""
    return {
        field.key: Setting(field.key, path, reader_of(field, setting=True), not _optional_around(request, path))
        for path, field in table_of(request).items()
        if field.key
    }


def own_name(field: Field) -> str:
    """What a payload calls the field, for errors."""
    return field.api[-1] if field.api else f"override_settings.{field.key}"


def units_at(payload: Mapping[str, Any], part: Part) -> Any:
    """The list of a part that repeats, where its name says ("alwayson_scripts.controlnet.args"); None when it is not
    there. Names of scripts count whatever their case. Raises ``BadField`` for what can hold no list."""
    value: Any = payload
    words = part.api[0].split(".")
    for place, word in enumerate(words):
        if not value:
            return None
        if not isinstance(value, dict):
            where = ".".join(words[:place])
            raise fields.BadField(where, fields.wrong(where, value, "object"))
        value = next((inner for name, inner in value.items() if str(name).casefold() == word), None)
    return value


def script_titles(request: type) -> Iterator[str]:
    """The scripts of ``alwayson_scripts`` that the table knows, in lower case."""
    for part in parts_of(request).values():
        for name in part.api:
            if name.startswith(SCRIPTS):
                yield name.split(".")[1]


def reader_of(field: Field, *, setting: bool = False) -> Reader:
    """How the value of ``field`` is read. A1111's payloads give the place of a choice, its settings give the word."""
    one = _one_reader(field, setting=setting)
    return fields.several(one) if field.many else one


def _one_reader(field: Field, *, setting: bool) -> Reader:
    if field.is_choice:
        return fields.choice(field.kind) if setting else fields.place_or_choice(field.kind)
    if field.kind is Image.Image:
        return fields.picture
    if field.kind is str and field.choices:
        default = "" if field.required else str(field.default)
        return fields.unless(*((default,) if default else NOTHING), otherwise=default)
    if field.control == "colour":
        return fields.colour
    if field.control == "seed" and field.low == RANDOM_SEED:
        return fields.seed
    if field.codec == "whole_size":
        return fields.side
    return _READERS[field.kind]


_READERS: Mapping[type, Reader] = {int: fields.whole, float: fields.number, bool: fields.flag, str: fields.text}

NOTHING = ("None", "Use same checkpoint", "Use same sampler", "Use same scheduler")
"""A1111's words for nothing special."""


def _optional_around(request: type, path: str) -> bool:
    """Whether the field at ``path`` is in a part that may be absent, or repeat."""
    parts = parts_of(request)
    above = [path[:at] for at, letter in enumerate(path) if letter == "."]
    return any(parts[one].optional or parts[one].many for one in above)


def _is_inside_units(request: type, path: str) -> bool:
    parts = parts_of(request)
    return any(parts[path[:at]].many for at, letter in enumerate(path) if letter == ".")


FIELDS: Mapping[Kind, Mapping[str, Any]] = {"txt2img": known_fields("txt2img"), "img2img": known_fields("img2img")}
"""Every field of a payload and its default."""

KEPT_SETTINGS: tuple[Setting, ...] = tuple(setting for setting in settings().values() if setting.kept)
"""The settings that the program remembers."""
