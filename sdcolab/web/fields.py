"""One field of a table as a control of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from sdcolab.core.fields import Field
from sdcolab.core.words.base import Words
from sdcolab.core.words.fields import words_of
from sdcolab.studio.form import Control, Lists, choices, control_of
from sdcolab.web.canvas import canvas_box
from sdcolab.web.reading import read_by
from sdcolab.web.uploads import picture_input, pictures_input

_PLAIN_TYPING = gr.InputHTMLAttributes(spellcheck=False, autocapitalize="off", autocomplete="off")
_LINES: Mapping[str, int] = {"sd-prompt": 4, "sd-negative_prompt": 2}


def element_id(path: str, name: str = "") -> str:
    """The HTML id of a field's control, in the form called ``name``."""
    return "-".join(("sd", *([name] if name else []), *path.split(".")))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A field about to be drawn: what it holds, its id, its words, and the live lists."""

    field: Field
    value: Any
    id: str
    words: Words
    lists: Lists

    @property
    def common(self) -> dict[str, Any]:
        """What nearly every control is made with."""
        return {"label": self.words.label, "info": self.words.help or None, "elem_id": self.id}

    @property
    def choices(self) -> list[tuple[str, str]]:
        """What it offers."""
        return [*choices(self.field, self.lists)]


def draw_field(field: Field, path: str, value: Any, lists: Lists, *, name: str = "", prefix: str = "") -> Any:
    """The control of ``field`` at ``path`` (with places), holding ``value`` as ``studio.form.shown`` gives it.

    ``name``: of its form, for the id. ``prefix`` stands before the path in the words.
    """
    words = words_of(path, prefix)
    return bare(_MAKERS[control_of(field)](_Drawn(field, value, element_id(path, name), words, lists)))


def bare(control: Any) -> Any:
    """``control`` without the frame that gradio would put around it and its neighbours: what a page costs to open grows
    with all that stands in it."""
    control.get_expected_parent = lambda: None
    return control


def _prompt(it: _Drawn) -> gr.Textbox:
    return gr.Textbox(
        it.value or "",
        label=it.words.label,
        placeholder=it.words.help,
        lines=_LINES.get(it.id, 2),
        max_lines=14,
        elem_id=it.id,
        elem_classes="sd-prompt-box",
        html_attributes=_PLAIN_TYPING,
    )


def _text(it: _Drawn) -> gr.Textbox:
    return gr.Textbox(it.value or "", max_lines=1, html_attributes=_PLAIN_TYPING, **it.common)


def _lines(it: _Drawn) -> gr.Textbox:
    return gr.Textbox(it.value or "", lines=3, max_lines=12, html_attributes=_PLAIN_TYPING, **it.common)


def _seed(it: _Drawn) -> gr.Textbox:
    """A text box: number boxes round whole numbers above 2**53."""
    return gr.Textbox(str(it.value), max_lines=1, html_attributes=_PLAIN_TYPING, elem_classes="sd-short", **it.common)


def _slider(it: _Drawn) -> gr.Slider:
    slider = gr.Slider(
        it.field.low or 0,
        it.field.high or 0,
        it.field.low if it.value is None else it.value,
        step=it.field.increment,
        elem_classes="sd-row",
        **it.common,
    )
    return unchecked(slider)


def _number(it: _Drawn) -> Any:
    if it.field.optional:
        return _text(replace(it, value=str(it.value)))
    box = gr.Number(it.value, step=it.field.increment, elem_classes="sd-short", min_width=130, **it.common)
    return unchecked(box)


def unchecked(control: Any) -> Any:
    """gradio refuses numbers beyond the ends and words that it does not offer in English; ours explain themselves."""
    return read_by(control, _as_typed)


def offered(control: gr.Dropdown) -> gr.Dropdown:
    """The same for a list whose first choice means none: so does what it does not offer."""
    return read_by(control, _offered)


def _as_typed(_control: Any, payload: Any) -> Any:
    return payload


def _offered(control: gr.Dropdown, payload: Any) -> Any:
    known = [value for _, value in control.choices]
    return payload if payload in known else known[0]


def _check(it: _Drawn) -> gr.Checkbox:
    return gr.Checkbox(bool(it.value), elem_classes="sd-check", **it.common)


def _choice(it: _Drawn) -> Any:
    return unchecked(gr.Dropdown(it.choices, value=it.value, min_width=150, elem_classes="sd-pick", **it.common))


def _radio(it: _Drawn) -> Any:
    return unchecked(gr.Radio(it.choices, value=it.value, **it.common))


def _list(it: _Drawn) -> gr.Dropdown:
    """A dropdown that leaves checking to us: gradio's refusals are in English and know only their own page's list."""
    return gr.Dropdown(
        it.choices,
        value=it.value or None if not it.field.parent else it.value,
        allow_custom_value=True,
        min_width=150,
        elem_classes="sd-pick",
        **it.common,
    )


def _lists(it: _Drawn) -> gr.Dropdown:
    return gr.Dropdown(it.choices, value=it.value, multiselect=True, allow_custom_value=True, **it.common)


def _picture(it: _Drawn) -> gr.Image:
    return picture_input(it.words.label, it.id, 200)


def _pictures(it: _Drawn) -> gr.File:
    return pictures_input(it.words.label, it.id)


def _canvas(mode: str) -> Callable[[_Drawn], gr.HTML]:
    return lambda it: canvas_box(it.id, mode, it.words.label)


def _colour(it: _Drawn) -> gr.ColorPicker:
    return gr.ColorPicker(it.value, min_width=130, **it.common)


_MAKERS: Mapping[Control, Callable[[_Drawn], Any]] = {
    Control.PROMPT: _prompt,
    Control.TEXT: _text,
    Control.FOLDER: _text,
    Control.LINES: _lines,
    Control.SEED: _seed,
    Control.NUMBER: _number,
    Control.SLIDER: _slider,
    Control.CHECK: _check,
    Control.CHOICE: _choice,
    Control.RADIO: _radio,
    Control.LIST: _list,
    Control.LISTS: _lists,
    Control.PICTURE: _picture,
    Control.PICTURES: _pictures,
    Control.MASK: _canvas("mask"),
    Control.DRAW: _canvas("draw"),
    Control.BOXES: _canvas("boxes"),
    Control.COLOUR: _colour,
}
