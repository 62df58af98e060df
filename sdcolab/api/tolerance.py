"""What A1111 takes from its clients and a strict reading would refuse: told as a warning, and the picture is made.

Everything here works on the payload, before it is translated; values of a wrong type are left for the translation to
refuse.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from sdcolab.api.fields import BadField
from sdcolab.api.payload import NOTHING, Kind
from sdcolab.api.sampling import find_sampler, find_schedule
from sdcolab.core.errors import FieldFloored, FieldIgnored, FieldLimited, SamplerReplaced, SdcolabError, UnknownName
from sdcolab.core.fields import in_proportion, told_in_proportion
from sdcolab.core.names import SAMPLER_NAMES
from sdcolab.core.request import AUTOMATIC, FIELDS, SIZE_STEP

Warn = Callable[[SdcolabError], None]

_LIMITED = (
    *(("steps", "steps"), ("batch_size", "batch_size"), ("n_iter", "batch_count")),
    *(("width", "width"), ("height", "height"), ("hr_resize_x", "hires.width"), ("hr_resize_y", "hires.height")),
    *(("hr_second_pass_steps", "hires.steps"), ("hr_scale", "hires.scale"), ("hr_cfg", "hires.cfg_scale")),
    *(("cfg_scale", "cfg_scale"), ("image_cfg_scale", "init.image_cfg_scale")),
    ("denoising_strength", "init.strength"),
    ("inpaint_full_res_padding", "init.inpaint.padding"),
    *(("mask_blur", "init.inpaint.blur_x"), ("mask_blur_x", "init.inpaint.blur_x")),
    ("mask_blur_y", "init.inpaint.blur_y"),
)
"""Names in a payload and the fields whose limits are ours alone."""

_SIDES = frozenset({"width", "height"})

_OWN_SCRIPTS = frozenset(
    {"refiner", "seed", "sampler", "comments", "extra options", "hypertile", "soft inpainting", "api payload"}
)
"""Always-on scripts that come with A1111; what the first three and soft inpainting say has fields of its own."""


def tolerant(payload: Mapping[str, Any], kind: Kind, warn: Warn) -> dict[str, Any]:
    """``payload`` as this program can do it. ``warn`` hears of each difference."""
    changed = _without_own_scripts(dict(payload))
    for name in ("sampler_name", "sampler_index", "hr_sampler_name"):
        _replace_unknown(changed, name, find_sampler, SAMPLER_NAMES[0], warn)
    for name in ("scheduler", "hr_scheduler"):
        _replace_unknown(changed, name, find_schedule, AUTOMATIC, warn)
    _keep_shape(changed, warn)
    for name, path in _LIMITED:
        if name in changed:
            changed[name] = _within(path, changed[name], warn)
    if changed.get("hr_scale") == 0 and (changed.get("hr_resize_x") or changed.get("hr_resize_y")):
        del changed["hr_scale"]
    if kind == "txt2img" and changed.get("firstpass_image") and not changed.get("enable_hr"):
        del changed["firstpass_image"]
        warn(FieldIgnored(field="firstpass_image"))
    return changed


def _replace_unknown(
    payload: dict[str, Any], name: str, find: Callable[[str, str], object], used: str, warn: Warn
) -> None:
    """A1111 takes its first sampler, or its own choice of a schedule, for names that it does not know
    (hechos/a1111.md 3.1)."""
    written = payload.get(name)
    if not isinstance(written, str) or not written or written in NOTHING:
        return
    try:
        find(name, written)
    except BadField as bad:
        unknown = bad.error
        if not isinstance(unknown, UnknownName):
            raise
        payload[name] = used
        warn(SamplerReplaced(kind=unknown.kind, name=unknown.name, used=used, suggestions=unknown.suggestions))


def _keep_shape(payload: dict[str, Any], warn: Warn) -> None:
    """Both sides in the same proportion, where one is more than can be done."""
    values = {FIELDS[name]: payload.get(name) for name in sorted(_SIDES, reverse=True)}
    sides = {side: value for side, value in values.items() if isinstance(value, int) and value >= SIZE_STEP}
    for side, used in (in_proportion(sides) if len(sides) == len(_SIDES) else {}).items():
        warn(told_in_proportion(side, sides[side], used))
        payload[side.name] = used


def _within(path: str, value: Any, warn: Warn) -> Any:
    """A number inside the limits of the field at ``path``; sides are floored to ``SIZE_STEP``, as A1111 does."""
    field = FIELDS[path]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return value
    low = field.low if path in _SIDES and value > 0 else None  # nothing else is too small in a way that has a meaning
    if field.high is not None and value > field.high:
        warn(FieldLimited(field=path, value=value, used=field.high))
        return field.high
    if low is not None and value < low:
        warn(FieldLimited(field=path, value=value, used=low))
        return low
    if path in _SIDES and value == int(value) and int(value) % SIZE_STEP:
        used = int(value) // SIZE_STEP * SIZE_STEP
        warn(FieldFloored(field=path, value=int(value), used=used))
        return used
    return value


def _without_own_scripts(payload: dict[str, Any]) -> dict[str, Any]:
    """``payload`` with what A1111's own always-on scripts say in the fields that mean the same."""
    scripts = payload.get("alwayson_scripts")
    if not isinstance(scripts, dict):
        return payload
    own = {title.casefold(): given for title, given in scripts.items() if title.casefold() in _OWN_SCRIPTS}
    said: dict[str, Any] = {}
    readers = (("sampler", _sampler), ("seed", _seed), ("refiner", _refiner), ("soft inpainting", _soft))
    for title, read in readers:
        given = own.get(title)
        args = given.get("args") if isinstance(given, dict) else None
        if isinstance(args, list):
            said |= {name: value for name, value in read(args).items() if value is not None}
    others = {title: given for title, given in scripts.items() if title.casefold() not in own}
    return payload | said | {"alwayson_scripts": others}


def _soft(args: list[Any]) -> dict[str, Any]:
    names = ("inpainting", "bias", "preservation", "contrast", "influence", "threshold", "difference")
    return dict(zip((f"soft_{name}" for name in names), args, strict=False))


def _sampler(args: list[Any]) -> dict[str, Any]:
    return dict(zip(("steps", "sampler_name", "scheduler"), args, strict=False))


def _seed(args: list[Any]) -> dict[str, Any]:
    names = ("seed", "extras", "subseed", "subseed_strength", "seed_resize_from_w", "seed_resize_from_h")
    said = dict(zip(names, args, strict=False))
    return said if said.pop("extras", False) else {"seed": said.get("seed")}


def _refiner(args: list[Any]) -> dict[str, Any]:
    said = dict(zip(("on", "refiner_checkpoint", "refiner_switch_at"), args, strict=False))
    return said if said.pop("on", False) and said.get("refiner_checkpoint") else {}
