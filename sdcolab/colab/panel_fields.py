"""One field of a table as a widget of the notebook's panel. Works with ipywidgets 7.7 and 8."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sdcolab.colab.panel_canvas import canvas_widget
from sdcolab.core.fields import Field
from sdcolab.core.pictures import for_browsers
from sdcolab.core.words.axes import GENERAL, GROUP_MARK
from sdcolab.core.words.base import Words
from sdcolab.core.words.panel import PICTURES, TAKE_AWAY
from sdcolab.studio.form import Control, Lists, choices, control_of

DESCRIPTION_WIDTH = "130px"


class FieldWidget:
    """A field's widget. ``box`` is what is shown; ``value`` is what ``studio.form.Reader`` reads and ``shown``
    gives."""

    def __init__(self, field: Field, widget: Any) -> None:
        self.field = field
        self.box = widget

    @property
    def value(self) -> Any:
        """What the widget holds, without the noise of a slider that counts its steps (7.000000000000001)."""
        held = self.box.value
        return float(f"{held:.10g}") if isinstance(held, float) else held

    def put(self, value: Any) -> None:
        """Show ``value``; one that the widget does not offer is left alone."""
        options = getattr(self.box, "options", None)
        if options is not None:
            known = [option[1] if isinstance(option, tuple) else option for option in options]
            if isinstance(value, list):
                value = [one for one in value if one in known]
            elif value not in known:
                return
        if value is not None and self.box.value != value:
            self.box.value = value

    def offer(self, lists: Lists) -> None:
        """Look for what can be chosen again, and keep what was chosen."""
        if not (self.field.choices or (self.field.is_choice and self.field.many)):
            return
        chosen = self.box.value
        names = [*choices(self.field, lists)]
        self.box.options = [value for _, value in names] if all(text == value for text, value in names) else names
        self.put(list(chosen) if isinstance(chosen, tuple) else chosen)
        if self.box.value is None:
            choose_first(self.box)

    def watch(self, told: Callable[[], None]) -> None:
        """Call ``told`` whenever the value changes."""
        self.box.observe(lambda _change: told(), names="value")

    def narrow(self, offered: Sequence[tuple[str, str]], chosen: str) -> None:
        """Offer only what is ``offered``, (text to read, value), and show ``chosen``, which is one of it."""
        self.box.options = [*offered]
        self.box.value = chosen

    def reshape(self, label: str, low: float, high: float, step: float, value: float) -> None:
        """Another number on the same slider; hidden without ``label``."""
        self.box.layout.display = "flex" if label else "none"
        if label:
            self.box.description = self.box.description_tooltip = label
            self.box.min, self.box.max = min(low, self.box.min), max(high, self.box.max)
            self.box.value = value
            self.box.min, self.box.max, self.box.step = low, high, step


class GroupedWidget(FieldWidget):
    """A name of a long list: its group is chosen first, then the name."""

    def __init__(self, field: Field, widgets: Any, words: Words) -> None:
        common = _common(widgets, words)
        self._groups = widgets.Dropdown(options=[], **common)
        self._names = widgets.Dropdown(options=[], **(common | {"description": GROUP_MARK.strip()}))
        self._known: dict[str, list[tuple[str, str]]] = {}
        self._groups.observe(lambda change: self._show(change["new"]), names="value")
        super().__init__(field, widgets.VBox([self._groups, self._names]))

    @property
    def value(self) -> Any:
        """The name that is chosen."""
        return self._names.value

    def put(self, value: Any) -> None:
        """Show ``value`` and its group; one that is not offered is left alone."""
        group = next((title for title, names in self._known.items() if value in dict(names).values()), None)
        if group is not None and value != self._names.value:
            self._groups.value = group
            self._names.value = value

    def offer(self, lists: Lists) -> None:
        """Look for what can be chosen again, and keep what was chosen."""
        chosen = self._names.value
        self._known.clear()
        for text, name in choices(self.field, lists):
            group, _, title = text.rpartition(GROUP_MARK)
            self._known.setdefault(group or GENERAL, []).append((title, name))
        self._groups.options = [*self._known]
        choose_first(self._groups)
        self.put(chosen)

    def watch(self, told: Callable[[], None]) -> None:
        """Call ``told`` whenever another name is chosen."""
        self._names.observe(lambda _change: told(), names="value")

    def _show(self, group: str | None) -> None:
        self._names.options = self._known.get(group or GENERAL, [])
        choose_first(self._names)


class PictureWidget(FieldWidget):
    """A picture, or several: chosen from the browser's files, or put here by a button."""

    def __init__(self, field: Field, widgets: Any, words: Words, *, many: bool) -> None:
        self._pictures: list[bytes] = []
        self._told: list[Callable[[], None]] = []
        self._many = many
        self._upload = widgets.FileUpload(accept="image/*", multiple=many, description=words.label)
        self._upload.layout.width = "auto"
        self._upload.observe(lambda _change: self._take(), names="value")
        self._shown = widgets.Image(layout=widgets.Layout(max_width="100%", max_height="180px", display="none"))
        self._count = widgets.HTML()
        self._clear = widgets.Button(description=TAKE_AWAY, layout=widgets.Layout(width="auto", display="none"))
        self._clear.on_click(lambda _button: self.put([]))
        row = widgets.HBox([self._upload, self._clear, self._count], layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__(field, widgets.VBox([row, self._shown]))

    @property
    def value(self) -> Any:
        """The bytes of the pictures: a list of them, or one or None."""
        return self._pictures if self._many else next(iter(self._pictures), None)

    def put(self, value: Any) -> None:
        """Hold ``value`` (bytes, a list of them; None changes nothing)."""
        if value is None:
            return
        self._pictures = [one for one in (value if isinstance(value, list) else [value]) if one]
        self._shown.layout.display = "flex" if self._pictures else "none"
        self._clear.layout.display = "flex" if self._pictures else "none"
        if self._pictures:
            self._shown.value = for_browsers(self._pictures[0])
        self._count.value = PICTURES.format(count=len(self._pictures)) if len(self._pictures) > 1 else ""
        count_on(self._upload, len(self._pictures))
        for told in self._told:
            told()

    def offer(self, lists: Lists) -> None:
        """Nothing: it offers no names."""

    def watch(self, told: Callable[[], None]) -> None:
        """Call ``told`` whenever there is another picture."""
        self._told.append(told)

    def _take(self) -> None:
        if found := uploaded(self._upload.value):
            self.put(found if self._many else found[-1:])


def uploaded(value: Any) -> list[bytes]:
    """The contents that a ``FileUpload`` holds, in ipywidgets 7 (a dictionary by name) and 8 (a tuple)."""
    return [content for _, content in uploaded_files(value)]


def uploaded_files(value: Any) -> list[tuple[str, bytes]]:
    """The same with their names."""
    if isinstance(value, Mapping):
        files = [(name, bytes(file["content"])) for name, file in value.items()]
    else:
        files = [(file["name"], bytes(file["content"])) for file in value or ()]
    return [(name, content) for name, content in files if content]


def count_on(upload: Any, count: int) -> None:
    """Let the button of a ``FileUpload`` say ``count``: it writes how many files it holds, and pictures also come by
    other ways. Its places are empty, so that they are nobody's pictures."""
    if hasattr(upload, "_counter"):  # ipywidgets 7
        upload._counter = count
    elif len(upload.value) != count:
        now = datetime.datetime.now(datetime.UTC)
        empty = {"name": "", "type": "", "size": 0, "content": b"", "last_modified": now}
        upload.value = (empty,) * count


class CanvasWidget(FieldWidget):
    """A surface to paint on, below its name; it shows the picture of its part."""

    def __init__(self, field: Field, widgets: Any, words: Words, mode: str) -> None:
        self._canvas = canvas_widget(mode)
        super().__init__(field, widgets.VBox([widgets.HTML(words.label), self._canvas]))

    @property
    def value(self) -> Any:
        """What was painted, as ``studio/assets/canvas.js`` tells it."""
        return self._canvas.value or None

    def put(self, value: Any) -> None:
        """Nothing: what is painted belongs to its picture."""

    def offer(self, lists: Lists) -> None:
        """Nothing: it offers no names."""

    def watch(self, told: Callable[[], None]) -> None:
        """Call ``told`` whenever something is painted."""
        self._canvas.observe(lambda _change: told(), names="value")

    def show(self, picture: bytes | None) -> None:
        """Paint over ``picture`` from now on."""
        shown = for_browsers(picture or b"")
        if self._canvas.picture != shown:
            self._canvas.value = None
            self._canvas.picture = shown


def draw_field(widgets: Any, field: Field, words: Words, value: Any, lists: Lists) -> FieldWidget:
    """The widget of ``field``, holding ``value``."""
    control = control_of(field)
    if control in (Control.PICTURE, Control.PICTURES):
        pictures = PictureWidget(field, widgets, words, many=control is Control.PICTURES)
        pictures.put(value)
        return pictures
    if control in _CANVASES:
        return CanvasWidget(field, widgets, words, _CANVASES[control])
    grouped = control is Control.LIST and any(GROUP_MARK in text for text, _ in choices(field, lists))
    drawn = (
        GroupedWidget(field, widgets, words)
        if grouped
        else FieldWidget(field, _MAKERS[control](widgets, field, _common(widgets, words)))
    )
    drawn.offer(lists)
    drawn.put(value)
    return drawn


def choose_first(dropdown: Any) -> None:
    """Choose the first name where none is: ipywidgets leaves a list that was empty blank when names come into it."""
    if dropdown.index is None and dropdown.options:
        dropdown.index = 0


def _common(widgets: Any, words: Words) -> dict[str, Any]:
    return {
        "description": words.label,
        "description_tooltip": words.help or words.label,
        "layout": widgets.Layout(width="98%"),
        "style": {"description_width": DESCRIPTION_WIDTH},
    }


def _slider(widgets: Any, field: Field, common: dict[str, Any]) -> Any:
    kind = widgets.IntSlider if field.kind is int else widgets.FloatSlider
    low = field.low or 0
    extra = {} if field.kind is int else {"readout_format": ".6"}  # of d3: "7", "0.25", without zeros behind
    return kind(min=low, max=field.high, step=field.increment, value=low, **extra, **common)


def _number(widgets: Any, field: Field, common: dict[str, Any]) -> Any:
    if field.optional:
        return widgets.Text(**common)
    return (widgets.IntText if field.kind is int else widgets.FloatText)(step=field.increment, **common)


def _choice(widgets: Any, field: Field, common: dict[str, Any]) -> Any:
    return widgets.Dropdown(options=[*choices(field, lambda _name: ())], **common)


def _prompt(widgets: Any, common: dict[str, Any]) -> Any:
    """The class is how the module of the words that help knows it."""
    box = widgets.Textarea(rows=3, **common)
    box.add_class("sd-prompt-box")
    return box


_CANVASES: Mapping[Control, str] = {Control.MASK: "mask", Control.DRAW: "draw", Control.BOXES: "boxes"}

_MAKERS: Mapping[Control, Callable[[Any, Field, dict[str, Any]], Any]] = {
    Control.PROMPT: lambda widgets, _field, common: _prompt(widgets, common),
    Control.TEXT: lambda widgets, _field, common: widgets.Text(**common),
    Control.FOLDER: lambda widgets, _field, common: widgets.Text(**common),
    Control.LINES: lambda widgets, _field, common: widgets.Textarea(rows=3, **common),
    Control.SEED: lambda widgets, _field, common: widgets.Text(**common),
    Control.NUMBER: _number,
    Control.SLIDER: _slider,
    Control.CHECK: lambda widgets, _field, common: widgets.Checkbox(indent=False, **common),
    Control.CHOICE: _choice,
    Control.RADIO: _choice,
    Control.LIST: lambda widgets, _field, common: widgets.Dropdown(options=[], **common),
    Control.LISTS: lambda widgets, _field, common: widgets.SelectMultiple(options=[], rows=4, **common),
    Control.COLOUR: lambda widgets, _field, common: widgets.ColorPicker(value="#ffffff", **common),
}
