"""A1111's JSON payloads as requests (hechos/a1111.md 11, 3.1, 4 and 5). Pure: names of model files stay as they are
written, and ``api.names`` finds the files.

A field that is absent or null takes A1111's default; a setting that is absent takes ours. What ``override_settings``
says counts for this request alone, whatever ``override_settings_restore_afterwards``. What each field means stands in
``api.payload``; here is what does not fit in a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sdcolab.api import fields, scripts
from sdcolab.api.draft import Context, Draft, Values
from sdcolab.api.fields import BadField
from sdcolab.api.parts import put_hires, put_init, put_optional, put_regions, put_units
from sdcolab.api.payload import (
    FIELDS,
    KEPT_SETTINGS,
    PICTURES,
    Kind,
    known_fields,
    script_titles,
    settings,
)
from sdcolab.api.sampling import put_sampler
from sdcolab.core.errors import (
    FeatureMissing,
    UnknownName,
)
from sdcolab.core.prompt import apply_styles, extract_networks
from sdcolab.core.request import GenerationRequest

__all__ = ["FIELDS", "KEPT_SETTINGS", "Context", "Kind", "changed", "echo", "request_from_payload"]


def request_from_payload(payload: Mapping[str, Any], kind: Kind, context: Context | None = None) -> GenerationRequest:
    """The request that ``payload`` means. Unknown fields are ignored, as A1111 does.

    Raises ``BadField`` naming the field, also for samplers and schedules that do not exist.
    """
    draft = Draft(payload, kind, context or Context())
    _refuse_what_is_missing(draft)
    overrides = draft.take("override_settings", fields.mapping, {})
    known = settings(draft.type)
    for key, raw in overrides.items():
        if key in known and raw is not None:
            setting = known[key]
            draft.values.read(setting.path, f"override_settings.{key}", raw, setting.read)
    draft.read_rows(draft.plain(), draft.given)
    put_sampler(draft)
    for path, part in draft.parts.items():
        if path == "hires":
            put_hires(draft, overrides)
        elif path == "init":
            put_init(draft)
        elif path == "regions":
            put_regions(draft, path, part)
        elif part.many:
            put_units(draft, path, part)
        elif part.optional and "." not in path:
            put_optional(draft, path, part)
    return _finished(draft, draft.values.applied_to(draft.start))


def changed(request: GenerationRequest, settings: Mapping[str, Any]) -> GenerationRequest:
    """``request`` with the settings among ``KEPT_SETTINGS`` that A1111's ``settings`` name; the others are ignored.

    Raises ``BadField``.
    """
    values = Values()
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


def _refuse_what_is_missing(draft: Draft) -> None:
    for name in ("firstpass_image", "latent_mask"):
        if draft.given.get(name) and name in draft.known:
            raise BadField(name, FeatureMissing(field=name))
    known = set(script_titles(draft.type))
    for title in draft.take("alwayson_scripts", fields.mapping, {}):
        if title.casefold() not in known and not scripts.is_known(title):
            raise BadField("alwayson_scripts", UnknownName(kind="script", name=fields.text("alwayson_scripts", title)))


def _finished(draft: Draft, request: GenerationRequest) -> GenerationRequest:
    """``request`` with the styles in its prompts, and without networks where they are not wanted."""
    wanted = draft.take("styles", fields.texts, ())
    styles = [style for name in wanted for style in draft.context.styles if style.name == name]
    plain = draft.take("disable_extra_networks", fields.flag, False)
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
