"""A1111's JSON payloads as requests (hechos/a1111.md 11, 3.1, 4 and 5). Pure: names of model files stay as they are
written, and ``api.names`` finds the files.

A field that is absent or null takes A1111's default; a setting that is absent takes ours. What ``override_settings``
says counts for this request alone, whatever ``override_settings_restore_afterwards``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sdcolab.api import fields
from sdcolab.api.fields import BadField, Reader
from sdcolab.core import infotext
from sdcolab.core.errors import (
    FeatureMissing,
    FieldWrongType,
    InitImageMissing,
    RequestError,
    TooManyInitImages,
    UnknownName,
)
from sdcolab.core.names import SAMPLER_ALIASES, SCHEDULE_ALIASES, SCHEDULE_NAMES
from sdcolab.core.prompt import Style, apply_styles, extract_networks
from sdcolab.core.registry import Registry
from sdcolab.core.request import (
    AUTOMATIC,
    GenerationRequest,
    Hires,
    InitImage,
    Inpaint,
    MaskedContent,
    NoiseOrigin,
    Refiner,
    RefinerPasses,
    ResizeMode,
    Variation,
)
from sdcolab.core.request import (
    FIELDS as FIELDS_OF_REQUEST,
)
from sdcolab.core.tuning import Tuning

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

FIELDS: Mapping[Kind, Mapping[str, Any]] = {
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
        "image_cfg_scale": None,
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
"""Every field and its default. Forge's ``hr_cfg`` counts; its ``hr_additional_modules`` mean nothing here."""

_PICTURES = ("init_images", "mask", "latent_mask", "firstpass_image")


@dataclass(frozen=True, slots=True)
class Context:
    """What a payload leaves open: ``defaults`` are the settings (only those of its fields that are settings in A1111
    count), and ``styles`` those that the user saved.
    """

    defaults: GenerationRequest = field(default_factory=GenerationRequest)
    styles: tuple[Style, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of A1111's: its key, the request's field it is here, and how its value is read."""

    key: str
    path: str
    read: Reader


def _tuning_settings() -> Iterator[Setting]:
    plain: Mapping[Any, Reader] = {int: fields.whole, float: fields.number, bool: fields.flag}
    for path, row in FIELDS_OF_REQUEST.items():
        if path.startswith("tuning."):
            yield Setting(row.key, path, fields.choice(row.kind) if row.is_choice else plain[row.kind])


KEPT_SETTINGS: tuple[Setting, ...] = (
    Setting("sd_model_checkpoint", "checkpoint", fields.unless()),
    Setting("sd_vae", "vae", fields.unless(AUTOMATIC, otherwise=AUTOMATIC)),
    Setting("CLIP_stop_at_last_layers", "clip_skip", fields.whole),
    Setting("randn_source", "noise_origin", fields.choice(NoiseOrigin)),
    Setting("tiling", "tiling", fields.flag),
    *_tuning_settings(),
)
"""The settings that the program remembers; the others count only in ``override_settings``."""

_PASSING_SETTINGS: tuple[Setting, ...] = (
    Setting("img2img_fix_steps", "init.exact_steps", fields.flag),
    Setting("img2img_color_correction", "init.color_correction", fields.flag),
    Setting("img2img_background_color", "init.background", fields.colour),
    Setting("initial_noise_multiplier", "init.noise_multiplier", fields.number),
    Setting("upscaler_for_img2img", "init.upscaler", fields.unless(otherwise="None")),
    Setting("inpainting_mask_weight", "init.inpaint.condition_weight", fields.number),
    Setting("overlay_inpaint", "init.inpaint.overlay", fields.flag),
    Setting("refiner_switch_by_sample_steps", "refiner.by_steps", fields.flag),
    Setting("hires_fix_refiner_pass", "refiner.passes", fields.choice(RefinerPasses)),
)
_SETTINGS = {setting.key: setting for setting in (*KEPT_SETTINGS, *_PASSING_SETTINGS)}
_OLD_HIRES_SIZE = "use_old_hires_fix_width_height"
_MAX_SIDE = 65_536

_Rows = tuple[tuple[str, str, Reader], ...]

_PLAIN: _Rows = (
    ("prompt", "prompt", fields.text),
    ("negative_prompt", "negative_prompt", fields.text),
    ("seed", "seed", fields.seed),
    ("subseed", "variation.seed", fields.seed),
    ("subseed_strength", "variation.strength", fields.number),
    ("seed_resize_from_w", "variation.resize_width", fields.side),
    ("seed_resize_from_h", "variation.resize_height", fields.side),
    ("steps", "steps", fields.whole),
    ("cfg_scale", "cfg_scale", fields.number),
    ("width", "width", fields.whole),
    ("height", "height", fields.whole),
    ("batch_size", "batch_size", fields.whole),
    ("n_iter", "batch_count", fields.whole),
    ("tiling", "tiling", fields.flag),
    ("s_min_uncond", "tuning.ngms", fields.number),
)
_HIRES: _Rows = (
    ("hr_upscaler", "hires.upscaler", fields.unless(otherwise="Latent")),
    ("hr_second_pass_steps", "hires.steps", fields.whole),
    ("denoising_strength", "hires.strength", fields.number),
    ("hr_scale", "hires.scale", fields.number),
    ("hr_resize_x", "hires.width", fields.whole),
    ("hr_resize_y", "hires.height", fields.whole),
    ("hr_checkpoint_name", "hires.checkpoint", fields.unless("Use same checkpoint")),
    ("hr_sampler_name", "hires.sampler", fields.unless("Use same sampler")),
    ("hr_scheduler", "hires.schedule", fields.unless("Use same scheduler")),
    ("hr_prompt", "hires.prompt", fields.text),
    ("hr_negative_prompt", "hires.negative_prompt", fields.text),
    ("hr_cfg", "hires.cfg_scale", fields.number),
)
_INIT: _Rows = (
    ("denoising_strength", "init.strength", fields.number),
    ("resize_mode", "init.resize_mode", fields.place(ResizeMode)),
    ("initial_noise_multiplier", "init.noise_multiplier", fields.number),
)
_INPAINT: _Rows = (
    ("mask", "init.inpaint.mask", fields.picture),
    ("mask_blur_x", "init.inpaint.blur_x", fields.whole),
    ("mask_blur_y", "init.inpaint.blur_y", fields.whole),
    ("mask_blur", "init.inpaint.blur_x", fields.whole),
    ("mask_blur", "init.inpaint.blur_y", fields.whole),
    ("mask_round", "init.inpaint.rounded", fields.flag),
    ("inpainting_fill", "init.inpaint.content", fields.place(MaskedContent)),
    ("inpaint_full_res", "init.inpaint.only_masked", fields.flag),
    ("inpaint_full_res_padding", "init.inpaint.padding", fields.whole),
    ("inpainting_mask_invert", "init.inpaint.inverted", fields.flag),
)
_SIGMAS = (
    ("s_churn", "sigma_churn", 0.0),
    ("s_tmin", "sigma_tmin", 0.0),
    ("s_tmax", "sigma_tmax", 0.0),
    ("s_noise", "sigma_noise", 1.0),
)
"""Fields that count only while the setting of their name has its neutral value (hechos/a1111.md 3.1)."""

_PARTS: Mapping[str, type[Any]] = {
    "variation": Variation,
    "hires": Hires,
    "init": InitImage,
    "init.inpaint": Inpaint,
    "refiner": Refiner,
    "tuning": Tuning,
}


@dataclass(frozen=True, slots=True)
class _Name:
    name: str
    aliases: tuple[str, ...]


_SAMPLERS = Registry("sampler", (_Name(name, aliases) for name, aliases in SAMPLER_ALIASES.items()))
_SCHEDULES = Registry("schedule", (_Name(name, aliases) for name, aliases in SCHEDULE_ALIASES.items()))
_DDIM = ("DDIM", "DDIM CFG++")
"""Samplers whose eta is the setting ``eta_ddim``."""


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
    known = FIELDS[kind]
    repeated = {name: payload.get(name, default) for name, default in known.items()}
    if payload.get("include_init_images") is not True:
        repeated |= {name: None for name in _PICTURES if name in known}
    return repeated


class _Values:
    """Values for fields of a request by dotted path ("hires.steps"), and how the payload calls each."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._names: dict[str, str] = {}

    def put(self, path: str, name: str, value: Any) -> None:
        self.values[path] = value
        self._names[path] = name

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
            result: GenerationRequest = _with(request, GenerationRequest, self.values)
        except RequestError as error:
            path = str(getattr(error, "field", ""))
            raise BadField(self._names.get(path, path), error) from error
        return result


def _with(part: Any, kind: type[Any], values: Mapping[str, Any], prefix: str = "") -> Any:
    """``part`` (or a new ``kind`` when there is none) with ``values`` in it and in the parts inside it."""
    own: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        head, _, rest = path.partition(".")
        if rest:
            inner.setdefault(head, {})[rest] = value
        else:
            own[head] = value
    for head, deeper in inner.items():
        path = f"{prefix}{head}"
        own[head] = _with(getattr(part, head, None), _PARTS[path], deeper, f"{path}.")
    return kind(**own) if part is None else replace(part, **own)


class _Translation:
    """One payload on its way."""

    def __init__(self, payload: Mapping[str, Any], kind: Kind, context: Context) -> None:
        self._kind = kind
        self._context = context
        self._given = {name: value for name, value in payload.items() if value is not None}
        self._defaults = {name: value for name, value in FIELDS[kind].items() if value is not None}
        self._all = self._defaults | self._given
        self._values = _Values()
        self._start = self._starting_point()

    def request(self) -> GenerationRequest:
        self._refuse_what_is_missing()
        overrides = self._take("override_settings", fields.mapping, {})
        for key, raw in overrides.items():
            if key in _SETTINGS and raw is not None:
                setting = _SETTINGS[key]
                self._values.read(setting.path, f"override_settings.{key}", raw, setting.read)
        self._rows(_PLAIN, self._given)
        self._sampler()
        self._hires(overrides)
        self._init()
        self._refiner()
        return self._finished(self._values.applied_to(self._start))

    def _starting_point(self) -> GenerationRequest:
        """A1111's defaults over our settings, and the field ``infotext`` over both."""
        settings = self._context.defaults
        values = _Values()
        for name, path, reader in _PLAIN:
            if name in self._defaults:
                values.read(path, name, self._defaults[name], reader)
        start = values.applied_to(
            GenerationRequest(
                sampler=self._defaults["sampler_index"],
                clip_skip=settings.clip_skip,
                noise_origin=settings.noise_origin,
                checkpoint=settings.checkpoint,
                vae=settings.vae,
                tiling=settings.tiling,
                tuning=settings.tuning,
            )
        )
        text = self._take("infotext", fields.text, "")
        if not text.strip():
            return start
        pasted = dict(infotext.to_request(infotext.parse(text), SCHEDULE_NAMES).changes)
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

    def _rows(self, rows: _Rows, source: Mapping[str, Any]) -> None:
        for name, path, reader in rows:
            if name in source:
                self._values.read(path, name, source[name], reader)

    def _refuse_what_is_missing(self) -> None:
        if self._take("restore_faces", fields.flag, False):
            raise BadField("restore_faces", FeatureMissing(field="restore_faces"))
        for name in ("firstpass_image", "latent_mask"):
            if self._given.get(name) and name in FIELDS[self._kind]:
                raise BadField(name, FeatureMissing(field=name))
        script = self._take("script_name", fields.text, "")
        if script and script != "None":
            raise BadField("script_name", UnknownName(kind="script", name=script))
        for title in self._take("alwayson_scripts", fields.mapping, {}):
            raise BadField("alwayson_scripts", UnknownName(kind="script", name=fields.text("alwayson_scripts", title)))

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
            path = "tuning.eta_ddim" if sampler in _DDIM else "tuning.eta"
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
                return _SAMPLERS.find(written).name, None
            except UnknownName:
                folded = written.strip().casefold()
                for schedule in _SCHEDULES.values():
                    for label in (schedule.name, *schedule.aliases):
                        if folded.endswith(f" {label.casefold()}"):
                            return _SAMPLERS.find(written.strip()[: -len(label)]).name, schedule.name
                raise
        except UnknownName as error:
            raise BadField(name, error) from error

    def _find_schedule(self, name: str, written: str) -> str:
        try:
            return _SCHEDULES.find(written).name
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
        self._rows(_HIRES, self._given if self._start.hires else self._all)
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
        self._rows(_INIT, self._all)
        if self._given.get("mask"):
            self._rows(_INPAINT, self._all)
        else:
            self._values.drop("init.inpaint")

    def _fit_batch(self, count: int) -> None:
        """One image serves for all; with several, a batch has as many (hechos/a1111.md 5.1)."""
        batch_size = self._values.values.get("batch_size", self._start.batch_size)
        if count > batch_size:
            raise BadField("init_images", TooManyInitImages(count=count, batch_size=batch_size))
        if count > 1:
            self._values.put("batch_size", "batch_size", count)

    def _refiner(self) -> None:
        name = self._take("refiner_checkpoint", fields.unless("None"), "")
        if name:
            self._values.put("refiner.checkpoint", "refiner_checkpoint", name)
            self._rows((("refiner_switch_at", "refiner.switch_at", fields.number),), self._given)
        elif self._start.refiner is None:
            self._values.drop("refiner")

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
