"""A1111's ``config.json`` and ``ui-config.json`` as our preferences and our form's defaults (hechos/a1111.md 8.5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sdcolab.core.codec import request_from_json, request_to_json
from sdcolab.core.fields import Field, table_of
from sdcolab.core.preferences import Preferences
from sdcolab.core.request import FIELDS, GenerationRequest

UI_LABELS: Mapping[str, str] = {
    "txt2img/Prompt/value": "prompt",
    "txt2img/Negative prompt/value": "negative_prompt",
    "txt2img/Sampling steps/value": "steps",
    "txt2img/Width/value": "width",
    "txt2img/Height/value": "height",
    "txt2img/CFG Scale/value": "cfg_scale",
    "txt2img/Batch count/value": "batch_count",
    "txt2img/Batch size/value": "batch_size",
    "txt2img/Sampling method/value": "sampler",
    "customscript/sampler.py/txt2img/Sampling steps/value": "steps",
    "customscript/sampler.py/txt2img/Sampling method/value": "sampler",
    "customscript/sampler.py/txt2img/Schedule type/value": "schedule",
    "customscript/seed.py/txt2img/Seed/value": "seed",
}

QUICKSETTINGS: Mapping[str, str] = {field.key: path for path, field in FIELDS.items() if field.key}

SHOWN_OTHERWISE = ("sd_checkpoint_hash", "disabled_extensions", "disable_all_extensions", "restore_config_state_file")
"""Keys that every ``config.json`` holds and that are no wish of anybody."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file of A1111's means here. ``used``: how many of its settings; ``left``: keys that have no place."""

    preferences: Preferences
    defaults: GenerationRequest
    used: int
    left: tuple[str, ...]


def imported(raw: Mapping[str, Any], preferences: Preferences, defaults: GenerationRequest) -> Imported:
    """Put what is in ``raw``, one of the two files, over ``preferences`` and ``defaults``. Values that cannot be are
    left."""
    used, left = 0, []
    keys = {field.key: name for name, field in table_of(Preferences).items() if field.key}
    for key, value in raw.items():
        if key in keys:
            try:
                preferences = preferences.with_value(keys[key], _ours(keys[key], value))
                used += 1
            except ValueError:
                left.append(key)
        elif key in UI_LABELS or key in QUICKSETTINGS:
            changed = _with_field(defaults, FIELDS[UI_LABELS.get(key) or QUICKSETTINGS[key]], value)
            used, defaults = (used + 1, changed) if changed else (used, defaults)
            left += [] if changed else [key]
        elif "/" not in key and key not in SHOWN_OTHERWISE:
            left.append(key)
    return Imported(preferences, defaults, used, tuple(left))


def _ours(name: str, value: Any) -> Any:
    if name == "bar":
        return [*_bar(value)]
    return {"jpeg": "jpg"}.get(value, value) if isinstance(value, str) else value


def _bar(value: Any) -> Iterator[str]:
    names = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    for name in names:
        if isinstance(name, str) and name.strip() in QUICKSETTINGS:
            yield QUICKSETTINGS[name.strip()]


def _with_field(request: GenerationRequest, field: Field, value: Any) -> GenerationRequest | None:
    """``request`` with ``value`` in ``field``; None when it cannot be there."""
    raw = request_to_json(request)
    *parents, name = field.path.split(".")
    inner: Any = raw
    for parent in parents:
        inner = inner.get(parent)
        if not isinstance(inner, dict):
            return None
    if field.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if field.kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    inner[name] = value
    made = request_from_json(raw)
    return made if request_to_json(made) == raw else None
