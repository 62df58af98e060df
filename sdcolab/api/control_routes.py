"""The routes of sd-webui-controlnet (hechos/a1111.md 11)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdcolab.api import fields
from sdcolab.api.fields import BadField
from sdcolab.core.control import UNSET, ControlType, best_model, models_for
from sdcolab.core.detecting import Detect
from sdcolab.core.errors import FieldOutOfRange, InitImageMissing, RequestError
from sdcolab.core.preferences import PreferencesFile
from sdcolab.core.preprocessors import PREPROCESSORS, Preprocessor, Slider, default_preprocessor, preprocessors_for

VERSION = 2


def settings(config: Path) -> dict[str, int]:
    """How many units the faces show, by the preferences in the folder ``config``."""
    return {"control_net_unit_count": PreferencesFile(config).peek().control_units}


def module_list() -> dict[str, Any]:
    """Names of the preprocessors and their sliders."""
    return {
        "module_list": list(PREPROCESSORS),
        "module_detail": {row.name: _detail(row) for row in PREPROCESSORS.values()},
    }


def _detail(row: Preprocessor) -> dict[str, Any]:
    resolution = [{"name": "Preprocessor Resolution", "value": 512, "min": 64, "max": 2048, "step": 8}]
    sliders = [_slider(one) for one in (row.a, row.b) if one]
    return {"model_free": row.model_free, "sliders": (resolution if row.resolution else [None]) + sliders}


def _slider(slider: Slider) -> dict[str, Any]:
    return {
        "name": slider.label,
        "value": slider.default,
        "min": slider.low,
        "max": slider.high,
        "step": slider.step,
    }


def control_types(models: Mapping[str, str]) -> dict[str, Any]:
    """What each control type offers of the preprocessors and of ``models``, which are what to call each by its name
    alone."""
    return {"control_types": {kind.value: _type(kind, models) for kind in ControlType}}


def _type(kind: ControlType, models: Mapping[str, str]) -> dict[str, Any]:
    return {
        "module_list": [row.name for row in preprocessors_for(kind)],
        "model_list": ["None", *(models[name] for name in models_for(kind, models))],
        "default_option": default_preprocessor(kind).name,
        "default_model": models.get(best_model(kind, models) or "", "None"),
    }


_NUMBERS = {
    "resolution": "controlnet_processor_res",
    "threshold_a": "controlnet_threshold_a",
    "threshold_b": "controlnet_threshold_b",
}
"""What ``Detect`` calls what, in the route's words."""


def detection(payload: Mapping[str, Any]) -> Detect:
    """What ``/controlnet/detect`` asks for. Raises ``BadField``."""

    def read(name: str, reader: fields.Reader, otherwise: Any) -> Any:
        try:
            return otherwise if payload.get(name) is None else reader(name, payload[name])
        except RequestError as error:
            raise BadField(name, error) from error

    name = "controlnet_input_images" if payload.get("controlnet_input_images") else "controlnet_images"
    pictures = read(name, fields.several(fields.picture), ())
    if not pictures:
        raise BadField("controlnet_input_images", InitImageMissing())
    try:
        module = PREPROCESSORS.find(read("controlnet_module", fields.text, "none")).name
        return Detect(
            pictures,
            module,
            max(64, read("controlnet_processor_res", fields.whole, 512)),
            max(UNSET, read("controlnet_threshold_a", fields.number, UNSET)),
            max(UNSET, read("controlnet_threshold_b", fields.number, UNSET)),
            save=False,
        )
    except RequestError as error:
        path = error.field if isinstance(error, FieldOutOfRange) else ""
        raise BadField(_NUMBERS.get(path.rpartition(".")[2], "controlnet_module"), error) from error
