"""Units of ControlNet and regions as sd-webui-controlnet's and Latent Couple's clients send them (hechos/a1111.md 11;
hechos/extensiones.md 3 and 5), brought to the names that the table of fields has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sdcolab.api import fields
from sdcolab.core.control import UNSET, ControlMode, ControlPasses, ControlResize, ControlType
from sdcolab.core.errors import FieldWrongType
from sdcolab.core.preprocessors import PREPROCESSORS
from sdcolab.core.regions import Regions

_OLD_RESIZE = {
    "scale to fit (inner fit)": ControlResize.CROP,
    "inner fit (scale to fit)": ControlResize.CROP,
    "envelope (outer fit)": ControlResize.FILL,
    "outer fit (shrink to fit)": ControlResize.FILL,
    "resize": ControlResize.JUST,
    "inner_fit": ControlResize.CROP,
    "outer_fit": ControlResize.FILL,
}
"""Names that the resize modes had in older versions of the extension, and those of its enumeration."""

_MODES = {mode.name.casefold(): mode for mode in ControlMode}
"""Names of the modes in the extension's enumeration."""

_PASSES = {
    "both": ControlPasses.BOTH,
    "low_res_only": ControlPasses.LOW,
    "high_res_only": ControlPasses.HIGH,
}

_UNION_KINDS = {
    "openpose": ControlType.OPENPOSE,
    "depth": ControlType.DEPTH,
    "hed/pidi/scribble/ted": ControlType.SOFT_EDGE,
    "canny/lineart/anime_lineart/mlsd": ControlType.CANNY,
    "normal": ControlType.NORMAL,
    "segment": ControlType.SEGMENTATION,
    "tile": ControlType.TILE,
    "inpaint": ControlType.INPAINT,
    "unknown": ControlType.ALL,
}
"""What a map is of for a union model, in the extension's words."""

_OF_AN_ENUMERATION = re.compile(r"^(?:\w+Option|\w+Mode)\.", re.IGNORECASE)

_EMPTY: tuple[object, ...] = (None, "", [], {})


def unit_payload(raw: Mapping[str, Any]) -> dict[str, Any]:
    """One unit with one name for each thing: empty values are left out, pictures are a list, and numbers below 0 mean
    that the preprocessor chooses. Raises ``UnknownName`` for a preprocessor that does not exist.
    """
    unit = {key: value for key, value in raw.items() if value not in _EMPTY or value is False}
    pictures = unit.pop("image", unit.pop("input_image", None))
    masks = [unit.pop(name) for name in ("mask", "mask_image") if name in unit]
    images, drawn = _pictures(pictures)
    if images:
        unit["image"] = images
    if masks or drawn:
        unit["mask"] = (masks or drawn)[0]
    module = unit.get("module")
    if isinstance(module, str):
        unit["module"] = PREPROCESSORS.find(module).name
    if str(unit.get("model", "")).casefold() == "none":
        unit["model"] = ""
    for name in ("processor_res", "threshold_a", "threshold_b"):
        if isinstance(unit.get(name), int | float) and unit[name] < 0:
            unit[name] = UNSET
    if any(unit.pop(name, False) is True for name in ("guessmode", "guess_mode")):  # its name before the modes
        unit.setdefault("control_mode", ControlMode.CONTROL.value)
    unit |= _worded(unit, "resize_mode", _OLD_RESIZE) | _worded(unit, "hr_option", _PASSES)
    unit |= _worded(unit, "control_mode", _MODES)
    unit |= _worded(unit, "union_control_type", _UNION_KINDS)
    return unit


def _worded(unit: Mapping[str, Any], name: str, known: Mapping[str, str]) -> dict[str, str]:
    """The value of ``name`` where it is one of the ``known`` words, or a member of an enumeration that is called so
    ("ResizeMode.RESIZE")."""
    word = unit.get(name)
    found = known.get(_OF_AN_ENUMERATION.sub("", word.strip()).casefold()) if isinstance(word, str) else None
    return {name: str(found)} if found else {}


def _pictures(value: Any) -> tuple[list[Any], list[Any]]:
    """Pictures in base64 and the masks drawn on them: a text, ``{"image", "mask"}``, or several of these."""
    images: list[Any] = []
    masks: list[Any] = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict):
            images += [one["image"]] if one.get("image") else []
            masks += [one["mask"]] if one.get("mask") else []
        elif one:
            images.append(one)
    return images, masks


def regions(raw: Any) -> Regions | None:
    """The arguments of Latent Couple's script in their order: whether it is on, divisions, positions, weights and the
    last step; None when it is off. Raises ``RequestError`` and ``RegionsMalformed``.
    """
    if not isinstance(raw, list):
        raise FieldWrongType(field="regions", value=str(raw)[:60], expected="list")
    plain = Regions()
    given = [*raw, *(True, plain.divisions, plain.positions, plain.weights, plain.end)[len(raw) :]]
    if not fields.flag("regions", given[0]):
        return None
    divisions, positions, weights = (fields.text("regions", one) for one in given[1:4])
    return Regions(divisions, positions, weights, fields.whole("regions.end", given[4]))
