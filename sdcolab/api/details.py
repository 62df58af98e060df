"""Units of the detail pass as ADetailer's clients send them, brought to the names that the table of fields has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sdcolab.core.details import SWITCHES, DetailUnit
from sdcolab.core.fields import table_of

_MODEL = "ad_model"
_NONE = ("", "none")
_NOTHING = ("", "none", "use same sampler", "use same scheduler")
"""Words for nothing special, in lower case."""

_EMPTY_WORDS = ("ad_sampler", "ad_scheduler", "ad_controlnet_model")


def units(args: Sequence[Any]) -> list[Any]:
    """The units of the script's arguments, after its switches (whether it is on, and whether img2img is left out):
    none when it is off, and without those that name no model."""
    switches = [one for one in args if isinstance(one, bool)]
    if switches and not switches[0]:
        return []
    rest = [one for one in args if not isinstance(one, bool)]
    return [one for one in rest if not isinstance(one, Mapping) or _word(one.get(_MODEL)) not in _NONE]


def unit_payload(raw: Mapping[str, Any]) -> dict[str, Any]:
    """One unit without empty values, and without those that a switch of its own turns off."""
    unit = {key: value for key, value in raw.items() if value is not None}
    for name, (_label, switch) in SWITCHES.items():
        if unit.get(switch) is False:
            for known in table_of(DetailUnit)[name].api:
                unit.pop(known, None)
    return {key: value for key, value in unit.items() if key not in _EMPTY_WORDS or _word(value) not in _NOTHING}


def _word(value: Any) -> str:
    return "" if value is None else str(value).strip().casefold()
