"""A1111's JSON payloads as requests (hechos/a1111.md 11, 3.1, 4 and 5). Pure: names of model files stay as they are
written, and ``api.names`` finds the files.

A field that is absent or null takes A1111's default; a setting that is absent takes ours. What ``override_settings``
says counts for this request alone, whatever ``override_settings_restore_afterwards``. What each field means stands in
``api.payload``; here is what does not fit in a table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sdcolab.api import control, fields, scripts
from sdcolab.api.fields import BadField, Reader
from sdcolab.api.payload import (
    FIELDS,
    KEPT_SETTINGS,
    PICTURES,
    Kind,
    Row,
    known_fields,
    plain_rows,
    rows,
    script_titles,
    settings,
    units_at,
)
from sdcolab.core import infotext
from sdcolab.core.errors import (
    FeatureMissing,
    FieldWrongType,
    InitImageMissing,
    RequestError,
    TooManyInitImages,
    UnknownName,
)
from sdcolab.core.fields import Part, parts_of, plain_path, table_of, value_at, with_value, with_values
from sdcolab.core.prompt import Style, apply_styles, extract_networks
from sdcolab.core.request import GenerationRequest
from sdcolab.core.samplers import SAMPLERS, SCHEDULES

__all__ = ["FIELDS", "KEPT_SETTINGS", "Context", "Kind", "changed", "echo", "request_from_payload"]


@dataclass(frozen=True, slots=True)
class Context:
    """What a payload leaves open: ``defaults`` are the settings (only those of its fields that are settings in A1111
    count; their class is the kind of request that is made), and ``styles`` those that the user saved.
    """

    defaults: GenerationRequest = field(default_factory=GenerationRequest)
    styles: tuple[Style, ...] = ()


_OLD_HIRES_SIZE = "use_old_hires_fix_width_height"
_MAX_SIDE = 65_536

_SIGMAS = (
    ("s_churn", "sigma_churn", 0.0),
    ("s_tmin", "sigma_tmin", 0.0),
    ("s_tmax", "sigma_tmax", 0.0),
    ("s_noise", "sigma_noise", 1.0),
)
"""Fields that count only while the setting of their name has its neutral value (hechos/a1111.md 3.1)."""


def request_from_payload(payload: Mapping[str, Any], kind: Kind, context: Context | None = None) -> GenerationRequest:
    """The request that ``payload`` means. Unknown fields are ignored, as A1111 does.

    Raises ``BadField`` naming the field, also for samplers and schedules that do not exist.
    """
    return _Translation(payload, kind, context or Context()).request()


def changed(request: GenerationRequest, settings: Mapping[str, Any]) -> GenerationRequest:
    """``request`` with the settings among ``KEPT_SETTINGS`` that A1111's ``settings`` name; the others are ignored.

    Raises ``BadField``.
    """
    values = _Values()
    for setting in KEPT_SETTINGS:
        if settings.get(setting.key) is not None:
            values.read(setting.path, setting.key, settings[setting.key], setting.read)
    return values.applied_to(request)


def echo(payload: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """The payload as A1111 repeats it: every field, without pictures unless ``include_init_images``."""
    known = known_fields(kind)
    repeated = {name: payload.get(name, default) for name, default in known.items()}
    if payload.get("include_init_images") is not True:
        repeated |= {name: None for name in PICTURES if name in known}
    return repeated


class _Values:
    """Values for fields of a request by dotted path ("hires.steps"), and how the payload calls each."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._names: dict[str, str] = {}

    def put(self, path: str, name: str, value: Any) -> None:
        self.values[path] = value
        self._names[path] = self._names[plain_path(path)] = name

    def read(self, path: str, name: str, raw: Any, reader: Reader) -> None:
        try:
            self.put(path, name, reader(path, raw))
        except RequestError as error:
            raise BadField(name, error) from error

    def drop(self, part: str) -> None:
        """Forget the values of a part that the request does not have."""
        self.values = {path: value for path, value in self.values.items() if not path.startswith(f"{part}.")}

    def applied_to(self, request: GenerationRequest) -> GenerationRequest:
        """``request`` with these values. Raises ``BadField`` for those that it does not accept."""
        try:
            return with_values(request, self.values)
        except RequestError as error:
            path = str(getattr(error, "field", ""))
            raise BadField(self._names.get(path, path), error) from error


class _Translation:
    """One payload on its way."""

    def __init__(self, payload: Mapping[str, Any], kind: Kind, context: Context) -> None:
        self._kind = kind
        self._context = context
        self._given = {name: value for name, value in payload.items() if value is not None}
        self._type: type = type(context.defaults)
        self._parts = parts_of(self._type)
        self._known = known_fields(kind, self._type)
        self._defaults = {name: value for name, value in self._known.items() if value is not None}
        self._all = self._defaults | self._given
        self._values = _Values()
        self._start = self._starting_point()

    def request(self) -> GenerationRequest:
        self._refuse_what_is_missing()
        overrides = self._take("override_settings", fields.mapping, {})
        known = settings(self._type)
        for key, raw in overrides.items():
            if key in known and raw is not None:
                setting = known[key]
                self._values.read(setting.path, f"override_settings.{key}", raw, setting.read)
        self._rows(self._plain(), self._given)
        self._sampler()
        for path, part in self._parts.items():
            if path == "hires":
                self._hires(overrides)
            elif path == "init":
                self._init()
            elif path == "regions":
                self._regions(path, part)
            elif part.many:
                self._units(path, part)
            elif part.optional and "." not in path:
                self._optional(path, part)
        return self._finished(self._values.applied_to(self._start))

    def _plain(self) -> tuple[Row, ...]:
        """The fields that are read as they stand; the sampler and its schedule need each other."""
        return tuple(row for row in plain_rows(self._type) if row.path not in ("sampler", "schedule"))

    def _starting_point(self) -> GenerationRequest:
        """A1111's defaults over our settings, and the field ``infotext`` over both."""
        ours = self._context.defaults
        values = _Values()
        for setting in settings(self._type).values():
            if setting.kept:
                values.put(setting.path, setting.key, value_at(ours, setting.path))
        values.put("sampler", "sampler_index", self._defaults["sampler_index"])
        for row in self._plain():
            if row.name in self._defaults and row.path not in values.values:
                values.read(row.path, row.name, self._defaults[row.name], row.read)
        start: GenerationRequest = values.applied_to(self._type())
        text = self._take("infotext", fields.text, "")
        if not text.strip():
            return start
        pasted = dict(infotext.to_request(infotext.parse(text), SCHEDULES, self._type).changes)
        pasted.pop("checkpoint", None)  # as A1111's setting disable_weights_auto_swap, which is on by default
        return replace(start, **pasted)

    def _take(self, name: str, reader: Reader, otherwise: Any) -> Any:
        """A field that is no field of a request."""
        if name not in self._given:
            return otherwise
        try:
            return reader(name, self._given[name])
        except RequestError as error:
            raise BadField(name, error) from error

    def _rows(self, known: Iterable[Row], source: Mapping[str, Any]) -> None:
        for row in known:
            if row.name in source:
                self._values.read(row.path, row.name, source[row.name], row.read)

    def _refuse_what_is_missing(self) -> None:
        if self._take("restore_faces", fields.flag, False):
            raise BadField("restore_faces", FeatureMissing(field="restore_faces"))
        for name in ("firstpass_image", "latent_mask"):
            if self._given.get(name) and name in self._known:
                raise BadField(name, FeatureMissing(field=name))
        known = set(script_titles(self._type))
        for title in self._take("alwayson_scripts", fields.mapping, {}):
            if title.casefold() not in known and not scripts.is_known(title):
                raise BadField(
                    "alwayson_scripts", UnknownName(kind="script", name=fields.text("alwayson_scripts", title))
                )

    # --- Sampler ------------------------------------------------------------------------------------------------------

    def _sampler(self) -> None:
        """The sampler, its schedule and its options."""
        name = next((name for name in ("sampler_name", "sampler_index") if self._given.get(name)), "sampler_index")
        sampler, schedule = self._start.sampler, None
        if self._given.get(name):
            sampler, schedule = self._find_sampler(name, self._take(name, fields.text, ""))
            self._values.put("sampler", name, sampler)
        written = self._take("scheduler", fields.text, "")
        if schedule or written:
            self._values.put("schedule", "scheduler", schedule or self._find_schedule("scheduler", written))
        if "eta" in self._given:
            path = "tuning.eta_ddim" if SAMPLERS[sampler].own_eta else "tuning.eta"
            self._values.read(path, "eta", self._given["eta"], fields.number)
        for name, option, neutral in _SIGMAS:
            path = f"tuning.{option}"
            setting = self._values.values.get(path, getattr(self._start.tuning, option))
            if name in self._given and setting == neutral:
                self._values.read(path, name, self._given[name], fields.number)

    def _find_sampler(self, name: str, written: str) -> tuple[str, str | None]:
        """The sampler's own name, and the schedule that stood at its end ("DPM++ 2M Karras"), which wins over others
        (hechos/a1111.md 3.1)."""
        try:
            try:
                return SAMPLERS.find(written).name, None
            except UnknownName:
                folded = written.strip().casefold()
                for schedule in SCHEDULES.values():
                    for label in (schedule.name, *schedule.aliases):
                        if folded.endswith(f" {label.casefold()}"):
                            return SAMPLERS.find(written.strip()[: -len(label)]).name, schedule.name
                raise
        except UnknownName as error:
            raise BadField(name, error) from error

    def _find_schedule(self, name: str, written: str) -> str:
        try:
            return SCHEDULES.find(written).name
        except UnknownName as error:
            raise BadField(name, error) from error

    # --- Parts --------------------------------------------------------------------------------------------------------

    def _hires(self, overrides: Mapping[str, Any]) -> None:
        if self._kind != "txt2img":
            self._start = replace(self._start, hires=None)  # an infotext may have brought one
            return
        if not self._take("enable_hr", fields.flag, self._start.hires is not None):
            self._start = replace(self._start, hires=None)
            return
        self._rows(rows("hires", self._type), self._given if self._start.hires else self._all)
        values = self._values.values
        sampler, schedule = values.get("hires.sampler"), values.get("hires.schedule")
        if sampler:
            found, suffix = self._find_sampler("hr_sampler_name", sampler)
            self._values.put("hires.sampler", "hr_sampler_name", found)
            schedule = suffix or schedule
        if schedule:
            self._values.put("hires.schedule", "hr_scheduler", self._find_schedule("hr_scheduler", schedule))
        self._first_pass_size(overrides)

    def _first_pass_size(self, overrides: Mapping[str, Any]) -> None:
        """Old ways to say that width and height are the final ones (hechos/a1111.md 4.2)."""
        values = self._values.values
        width, height = (int(values.get(name, getattr(self._start, name))) for name in ("width", "height"))
        first = [self._take(name, fields.side, 0) for name in ("firstphase_width", "firstphase_height")]
        try:
            old = fields.flag(_OLD_HIRES_SIZE, overrides.get(_OLD_HIRES_SIZE) or False)
        except FieldWrongType as error:
            raise BadField(f"override_settings.{_OLD_HIRES_SIZE}", error) from error
        if old and 0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE:
            scale = math.sqrt(512 * 512 / (width * height))
            first = [math.ceil(scale * side / 64) * 64 for side in (width, height)]
        if not all(first):
            return
        self._values.put("hires.width", "width", width)
        self._values.put("hires.height", "height", height)
        self._values.put("width", "firstphase_width", first[0])
        self._values.put("height", "firstphase_height", first[1])

    def _init(self) -> None:
        raw = self._given.get("init_images")
        if self._kind != "img2img":
            self._values.drop("init")
            self._start = replace(self._start, init=None)
            return
        if not raw:
            raise BadField("init_images", InitImageMissing())
        if not isinstance(raw, list):
            raise BadField("init_images", FieldWrongType(field="init.images", value=str(raw)[:60], expected="list"))
        try:
            images = tuple(fields.picture("init.images", one) for one in raw)
        except RequestError as error:
            raise BadField("init_images", error) from error
        self._values.put("init.images", "init_images", images)
        self._fit_batch(len(images))
        self._rows((row for row in rows("init", self._type) if row.name != "init_images"), self._all)
        if self._given.get("mask"):
            self._rows(rows("init.inpaint", self._type), self._all)
        else:
            self._values.drop("init.inpaint")

    def _fit_batch(self, count: int) -> None:
        """One image serves for all; with several, a batch has as many (hechos/a1111.md 5.1)."""
        batch_size = self._values.values.get("batch_size", self._start.batch_size)
        if count > batch_size:
            raise BadField("init_images", TooManyInitImages(count=count, batch_size=batch_size))
        if count > 1:
            self._values.put("batch_size", "batch_size", count)

    def _optional(self, path: str, part: Part) -> None:
        """A part that is there when its flag says so, or else when all that it needs is given."""
        known = rows(path, self._type)
        needed = {row.path: row for row in known if table_of(self._type)[row.path].required}
        was_on = getattr(self._start, path) is not None
        if part.api:
            turned_on = was_on = self._take(part.api[-1], fields.flag, was_on)
        else:
            given = [bool(self._take(row.name, row.read, "")) for row in needed.values()]
            turned_on = all(given) if needed else any(row.name in self._given for row in known)
        if turned_on or was_on:
            self._rows((row for row in known if turned_on or row.path not in needed), self._given)
        else:
            self._values.drop(path)
            self._start = with_value(self._start, path, None)

    def _units(self, path: str, part: Part) -> None:
        """A part that repeats, as the list where a script of A1111's has it."""
        name = part.api[0] if part.api else path
        raw = units_at(self._given, part) if part.api else None
        if raw is None:
            return
        if not isinstance(raw, list) or not all(isinstance(unit, dict) for unit in raw):
            raise BadField(name, FieldWrongType(field=path, value=str(raw)[:60], expected="list"))
        self._start = with_value(self._start, path, ())
        table = table_of(self._type)
        for place, unit in enumerate(raw):
            given = self._unit(path, name, place, unit)
            for row in rows(path, self._type):
                if row.name in given:
                    own = f"{path}.{place}.{table[row.path].name}"
                    self._values.read(own, f"{name}.{place}.{row.name}", given[row.name], row.read)
            for needed in (one for one in table.values() if one.parent == path and one.required):
                if f"{path}.{place}.{needed.name}" not in self._values.values:
                    error = FieldWrongType(field=needed.path, value="", expected="text")
                    raise BadField(f"{name}.{place}.{needed.api[-1]}", error)

    def _unit(self, path: str, name: str, place: int, unit: Mapping[str, Any]) -> dict[str, Any]:
        """What is given of one unit."""
        if path != "control":
            return {key: value for key, value in unit.items() if value is not None}
        try:
            return control.unit_payload(unit)
        except RequestError as error:
            raise BadField(f"{name}.{place}.module", error) from error

    def _regions(self, path: str, part: Part) -> None:
        """The positional arguments of a script."""
        raw = units_at(self._given, part)
        if raw is None:
            return
        try:
            self._values.put(path, part.api[0], control.regions(raw))
        except RequestError as error:
            raise BadField(part.api[0], error) from error

    def _finished(self, request: GenerationRequest) -> GenerationRequest:
        """``request`` with the styles in its prompts, and without networks where they are not wanted."""
        wanted = self._take("styles", fields.texts, ())
        styles = [style for name in wanted for style in self._context.styles if style.name == name]
        plain = self._take("disable_extra_networks", fields.flag, False)
        prompt, negative_prompt = apply_styles(request.prompt, request.negative_prompt, styles)
        hires = request.hires
        if hires is not None:
            hires_prompt, hires_negative = apply_styles(hires.prompt, hires.negative_prompt, styles)
            hires = replace(
                hires,
                prompt=_without_networks(hires_prompt, plain) if hires.prompt else "",
                negative_prompt=hires_negative if hires.negative_prompt else "",
            )
        return replace(request, prompt=_without_networks(prompt, plain), negative_prompt=negative_prompt, hires=hires)


def _without_networks(prompt: str, plain: bool) -> str:
    return extract_networks(prompt)[0] if plain else prompt
