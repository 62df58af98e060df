"""The parts of a request that a payload may have, each as A1111 writes it (hechos/a1111.md 4 and 5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sdcolab.api import control, details, fields
from sdcolab.api.draft import Draft
from sdcolab.api.fields import BadField
from sdcolab.api.payload import rows, units_at
from sdcolab.api.sampling import find_sampler, find_schedule
from sdcolab.core.errors import FieldWrongType, InitImageMissing, RequestError, TooManyInitImages
from sdcolab.core.fields import Part, table_of, with_value

_OLD_HIRES_SIZE = "use_old_hires_fix_width_height"
_MAX_SIDE = 65_536


def put_hires(draft: Draft, overrides: Mapping[str, Any]) -> None:
    """The second pass, which only images from text have."""
    if draft.kind != "txt2img":
        draft.start = replace(draft.start, hires=None)  # an infotext may have brought one
        return
    if not draft.take("enable_hr", fields.flag, draft.start.hires is not None):
        draft.start = replace(draft.start, hires=None)
        return
    draft.read_rows(rows("hires", draft.type), draft.given if draft.start.hires else draft.all)
    values = draft.values.values
    sampler, schedule = values.get("hires.sampler"), values.get("hires.schedule")
    if sampler:
        found, suffix = find_sampler("hr_sampler_name", sampler)
        draft.values.put("hires.sampler", "hr_sampler_name", found)
        schedule = suffix or schedule
    if schedule:
        draft.values.put("hires.schedule", "hr_scheduler", find_schedule("hr_scheduler", schedule))
    _first_pass_size(draft, overrides)


def _first_pass_size(draft: Draft, overrides: Mapping[str, Any]) -> None:
    """Old ways to say that width and height are the final ones (hechos/a1111.md 4.2)."""
    values = draft.values.values
    width, height = (int(values.get(name, getattr(draft.start, name))) for name in ("width", "height"))
    first = [draft.take(name, fields.side, 0) for name in ("firstphase_width", "firstphase_height")]
    try:
        old = fields.flag(_OLD_HIRES_SIZE, overrides.get(_OLD_HIRES_SIZE) or False)
    except FieldWrongType as error:
        raise BadField(f"override_settings.{_OLD_HIRES_SIZE}", error) from error
    if old and 0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE:
        scale = math.sqrt(512 * 512 / (width * height))
        first = [math.ceil(scale * side / 64) * 64 for side in (width, height)]
    if not all(first):
        return
    draft.values.put("hires.width", "width", width)
    draft.values.put("hires.height", "height", height)
    draft.values.put("width", "firstphase_width", first[0])
    draft.values.put("height", "firstphase_height", first[1])


def put_init(draft: Draft) -> None:
    """The pictures to start from, which img2img must have."""
    raw = draft.given.get("init_images")
    if draft.kind != "img2img":
        draft.values.drop("init")
        draft.start = replace(draft.start, init=None)
        return
    if not raw:
        raise BadField("init_images", InitImageMissing())
    if not isinstance(raw, list):
        raise BadField("init_images", FieldWrongType(field="init.images", value=str(raw)[:60], expected="list"))
    try:
        images = tuple(fields.picture("init.images", one) for one in raw)
    except RequestError as error:
        raise BadField("init_images", error) from error
    draft.values.put("init.images", "init_images", images)
    _fit_batch(draft, len(images))
    draft.read_rows((row for row in rows("init", draft.type) if row.name != "init_images"), draft.all)
    if draft.given.get("mask"):
        draft.read_rows(rows("init.inpaint", draft.type), draft.all)
    else:
        draft.values.drop("init.inpaint")


def _fit_batch(draft: Draft, count: int) -> None:
    """One image serves for all; with several, a batch has as many (hechos/a1111.md 5.1)."""
    batch_size = draft.values.values.get("batch_size", draft.start.batch_size)
    if count > batch_size:
        raise BadField("init_images", TooManyInitImages(count=count, batch_size=batch_size))
    if count > 1:
        draft.values.put("batch_size", "batch_size", count)


def put_optional(draft: Draft, path: str, part: Part) -> None:
    """A part that is there when its flag says so, or else when all that it needs is given."""
    known = rows(path, draft.type)
    needed = {row.path: row for row in known if table_of(draft.type)[row.path].required}
    was_on = getattr(draft.start, path) is not None
    if part.api:
        turned_on = was_on = draft.take(part.api[-1], fields.flag, was_on)
    else:
        given = [bool(draft.take(row.name, row.read, "")) for row in needed.values()]
        turned_on = all(given) if needed else any(row.name in draft.given for row in known)
    if turned_on or was_on:
        draft.read_rows((row for row in known if turned_on or row.path not in needed), draft.given)
    else:
        draft.values.drop(path)
        draft.start = with_value(draft.start, path, None)


def put_units(draft: Draft, path: str, part: Part) -> None:
    """A part that repeats, as the list where a script of A1111's has it."""
    name = part.api[0] if part.api else path
    raw = units_at(draft.given, part) if part.api else None
    if raw is None:
        return
    if isinstance(raw, dict):  # one alone
        raw = [raw]
    if isinstance(raw, list) and path == "details":
        raw = details.units(raw)
    if not isinstance(raw, list):
        raise BadField(name, FieldWrongType(field=path, value=str(raw)[:60], expected="list"))
    for place, unit in enumerate(raw):
        if not isinstance(unit, dict):
            raise BadField(f"{name}.{place}", FieldWrongType(field=path, value=str(unit)[:60], expected="object"))
    draft.start = with_value(draft.start, path, ())
    table = table_of(draft.type)
    for place, unit in enumerate(raw):
        given = _unit(path, name, place, unit)
        for row in rows(path, draft.type):
            if row.name in given:
                own = f"{path}.{place}.{table[row.path].name}"
                draft.values.read(own, f"{name}.{place}.{row.name}", given[row.name], row.read)
        for needed in (one for one in table.values() if one.parent == path and one.required):
            if f"{path}.{place}.{needed.name}" not in draft.values.values:
                error = FieldWrongType(field=needed.path, value="", expected="text")
                raise BadField(f"{name}.{place}.{needed.api[-1]}", error)


def _unit(path: str, name: str, place: int, unit: Mapping[str, Any]) -> dict[str, Any]:
    """What is given of one unit."""
    if path == "details":
        return details.unit_payload(unit)
    if path != "control":
        return {key: value for key, value in unit.items() if value is not None}
    try:
        return control.unit_payload(unit)
    except RequestError as error:
        raise BadField(f"{name}.{place}.module", error) from error


def put_regions(draft: Draft, path: str, part: Part) -> None:
    """The positional arguments of a script."""
    raw = units_at(draft.given, part)
    if raw is None:
        return
    try:
        draft.values.put(path, part.api[0], control.regions(raw))
    except RequestError as error:
        raise BadField(part.api[0], error) from error
