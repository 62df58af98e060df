"""Scripts in A1111's words: ``script_name`` with its ``script_args`` by position, and the lists of what there is
(hechos/a1111.md 9 and 11; hechos/extensiones.md 4 and 6).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdcolab.api import fields
from sdcolab.api.fields import BadField
from sdcolab.core.errors import GridError, RequestError, ScriptNeedsPicture, UnknownName
from sdcolab.core.fields import Field, table_of
from sdcolab.core.registry import closest
from sdcolab.core.scripts import (
    NEED_PICTURE,
    NOTHING,
    Alternative,
    DynamicPrompts,
    Loopback,
    Outpainting,
    PoorMansOutpainting,
    PromptLines,
    PromptMatrix,
    Script,
    SdUpscale,
    Ultimate,
    XyzPlot,
)
from sdcolab.core.words import label_of, option_words

ARGS = "script_args"
DYNAMIC = "dynamic prompts"
"""How titles of the extension begin; its version follows."""

Lists = Callable[[str], Sequence[str]]
"""What a live list offers now."""

_PLACES: Mapping[type[Any], tuple[str, ...]] = {
    XyzPlot: (
        *("x_axis", "x_values", "x_dropdown", "y_axis", "y_values", "y_dropdown", "z_axis", "z_values", "z_dropdown"),
        *("legend", "sub_images", "sub_grids", "keep_random", "vary_seeds_x", "vary_seeds_y", "vary_seeds_z"),
        *("margin", "csv_mode"),
    ),
    PromptMatrix: ("at_start", "different_seeds", "which", "delimiter", "margin"),
    PromptLines: ("iterate_seed", "same_random_seed", "insert", "text", "combined"),
    Loopback: ("loops", "final_strength", "curve", ""),
    Alternative: (
        *("", "override_sampler", "override_prompt", "prompt", "negative_prompt", "override_steps", "steps"),
        *("override_strength", "cfg_scale", "randomness", "sigma_adjustment"),
    ),
    SdUpscale: ("", "overlap", "upscaler", "scale"),
    Ultimate: (
        *("", "tile_width", "tile_height", "mask_blur", "padding", "seams_width", "seams_strength", "seams_padding"),
        *("upscaler", "save_upscaled", "redraw", "", "seams_mask_blur", "seams_fix", "target"),
        *("width", "height", "scale"),
    ),
    Outpainting: ("", "pixels", "mask_blur", "directions", "falloff", "colour_variation"),
    PoorMansOutpainting: ("pixels", "mask_blur", "content", "directions"),
    DynamicPrompts: (
        *("enabled", "combinatorial", "rounds", "", "", "", "", "", "", "", "same_seed", "unlinked", "only_positive"),
        *("jinja", "", "limit"),
    ),
}
"""The fields of each script in the order of its arguments; those without a name mean nothing here."""

BY_TITLE: Mapping[str, type[Any]] = {script.title.casefold(): script for script in _PLACES}


@dataclass(frozen=True, slots=True)
class Scripts:
    """What a payload asks for beyond its request."""

    script: Script | None = None
    dynamic: DynamicPrompts | None = None

    @property
    def any(self) -> bool:
        """Whether it asks for anything."""
        return self.script is not None or self.dynamic is not None


def scripts_of(payload: Mapping[str, Any], *, img2img: bool, lists: Lists) -> Scripts:
    """The script and the dynamic prompts that ``payload`` names. Raises ``BadField``."""
    return Scripts(_selected(payload, img2img, lists), _dynamic(payload, lists))


def is_known(title: str) -> bool:
    """Whether ``title`` is that of an always-on script that is read here."""
    return title.casefold().startswith(DYNAMIC)


def _selected(payload: Mapping[str, Any], img2img: bool, lists: Lists) -> Script | None:
    name = _taken("script_name", payload.get("script_name") or "", fields.text)
    if not name or name == "None":
        return None
    kind = BY_TITLE.get(name.casefold())
    if kind is None or kind is DynamicPrompts:
        near = closest(name, [script.title for script in _PLACES])
        raise BadField("script_name", UnknownName(kind="script", name=name, suggestions=near))
    if kind in NEED_PICTURE and not img2img:
        raise BadField("script_name", ScriptNeedsPicture(script=kind.title))
    args = payload.get(ARGS) or []
    script: Script = _read(kind, _listed(ARGS, args), lists, img2img=img2img)
    return script


def _dynamic(payload: Mapping[str, Any], lists: Lists) -> DynamicPrompts | None:
    always = _taken("alwayson_scripts", payload.get("alwayson_scripts") or {}, fields.mapping)
    for title, given in always.items():
        if is_known(str(title)):
            field = f"alwayson_scripts.{title}"
            args = _listed(field, _taken(field, given, fields.mapping).get("args") or [])
            if not args or _taken(field, args[0], fields.flag):
                settings: DynamicPrompts = _read(DynamicPrompts, args, lists, img2img=False)
                return settings
    return None


def _listed(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise BadField(name, fields.wrong(name, value, "list"))
    return value


def _taken(name: str, value: Any, read: fields.Reader) -> Any:
    try:
        return read(name, value)
    except RequestError as error:
        raise BadField(name, error) from error


def _read(kind: type[Any], args: Sequence[Any], lists: Lists, *, img2img: bool) -> Any:
    """The settings that ``args`` mean. Arguments that are missing or null keep their default."""
    given = {name: value for name, value in zip(_PLACES[kind], args, strict=False) if name and value is not None}
    if kind is XyzPlot:
        given = _axes(given, lists("axes_img2img" if img2img else "axes_txt2img"))
    table = table_of(kind)
    values: dict[str, Any] = {}
    for place, name in enumerate(_PLACES[kind]):
        if name in given and name in table:
            values[name] = _taken(f"{ARGS}[{place}]", given[name], _reader(table[name], kind, lists))
    try:
        return kind(**values)
    except (RequestError, GridError) as error:
        raise BadField(ARGS, error) from error


def _axes(given: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """Axes by their labels, and values from the lists where texts are not used."""
    found = dict(given)
    csv_mode = bool(given.get("csv_mode", True))
    for letter in "xyz":
        axis, chosen = found.get(f"{letter}_axis"), found.get(f"{letter}_dropdown")
        place = _place(axis)
        if place is not None:
            if not 0 <= place < len(labels):
                raise BadField(ARGS, UnknownName(kind="axis", name=str(place)))
            found[f"{letter}_axis"] = labels[place]
        values = found.get(f"{letter}_values")
        if _is_value(values):
            found[f"{letter}_values"] = _as_csv([str(values)])
        elif isinstance(values, list) and all(isinstance(one, str) or _is_value(one) for one in values):
            found[f"{letter}_values"] = _as_csv([str(value) for value in values])
        if isinstance(chosen, list) and chosen and (not csv_mode or not values):
            found[f"{letter}_values"] = _as_csv([str(value) for value in chosen])
        if not found.get(f"{letter}_axis"):
            found[f"{letter}_axis"] = NOTHING
    return found


def _is_value(value: Any) -> bool:
    """Whether it is a single value that a client did not write as text: 20 for "20"."""
    return isinstance(value, int | float)  # a switch too: "True"


def _place(value: Any) -> int | None:
    """A number in a list, also as 4.0 or "4", which is what some clients write for 4; None for what is no whole
    number."""
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"\s*[0-9]{1,4}\s*", value) else None
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return int(value) if whole and not isinstance(value, bool) else None


def _as_csv(values: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def _reader(field: Field, kind: type[Any], lists: Lists) -> fields.Reader:
    """How an argument for ``field`` is read."""
    if field.many:
        one = fields.place_or_choice(field.kind)
        return lambda name, value: tuple(one(name, each) for each in _listed(name, value))
    if field.is_choice:
        return fields.place_or_choice(field.kind)
    if field.kind is bool:
        return fields.flag
    if field.kind is int:
        return fields.whole
    if field.kind is float:
        return fields.number
    if field.choices == "upscalers" and kind is not XyzPlot:
        return lambda name, value: _upscaler(name, value, lists("upscalers"))
    return fields.text


def _upscaler(name: str, value: Any, known: Sequence[str]) -> str:
    place = _place(value)
    if place is not None and 0 <= place < len(known):
        return known[place]
    wanted = fields.text(name, value)
    by_fold = {one.casefold(): one for one in known}
    if wanted.casefold() not in by_fold:
        raise BadField(name, UnknownName(kind="upscaler", name=wanted, suggestions=closest(wanted, known)))
    return by_fold[wanted.casefold()]


# --- What there is --------------------------------------------------------------------------------------------------


def titles() -> dict[str, list[str]]:
    """The answer of ``scripts``: titles in lower case."""
    everywhere = [title for title, kind in BY_TITLE.items() if kind not in NEED_PICTURE]
    return {"txt2img": everywhere, "img2img": list(BY_TITLE)}


def script_info(lists: Lists) -> list[dict[str, Any]]:
    """The answer of ``script-info``: each script for each tab, with its arguments."""
    return [
        {
            "name": title,
            "is_alwayson": kind is DynamicPrompts,
            "is_img2img": img2img,
            "args": [_argument(kind, name, lists, img2img) for name in _PLACES[kind]],
        }
        for img2img in (False, True)
        for title, kind in BY_TITLE.items()
        if img2img or kind not in NEED_PICTURE
    ]


def _argument(kind: type[Any], name: str, lists: Lists, img2img: bool) -> dict[str, Any]:
    blank = {"label": name or None, "value": None, "minimum": None, "maximum": None, "step": None, "choices": None}
    field = table_of(kind).get(name)
    if field is None:
        return blank
    told = blank | {"label": label_of(f"{kind.code}.{name}"), "value": _plain(field.default)}
    if field.is_number:
        told |= {"minimum": field.low, "maximum": field.high, "step": field.increment}
    if field.is_choice:
        told["choices"] = [word.value for word in option_words(field.kind)]
    elif field.choices:
        tab = "img2img" if img2img else "txt2img"
        listed = f"axes_{tab}" if field.choices == "axes" else field.choices
        told["choices"] = list(lists(listed))
    return told


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
