"""Sending: an image and what its text says, from a result or from a file, into the form and to another tab. Handlers
return updates by control."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from sdcolab.core import infotext
from sdcolab.core.control import ControlType
from sdcolab.core.pictures import read_picture_file
from sdcolab.core.words import page as words
from sdcolab.core.words.control import SENT_POSE, SENT_TO_CONTROL
from sdcolab.studio.control_desk import followed
from sdcolab.studio.generating import (
    IMAGE_MODE,
    TEXT_MODE,
    GenerationDesk,
    Reading,
    fitting_size,
    of_a_beginning,
    shaped_size,
)
from sdcolab.studio.studio import Studio
from sdcolab.web import fragments
from sdcolab.web.actions import Selected, Updates, no_image, shown_image
from sdcolab.web.edge import attempt
from sdcolab.web.fields import element_id
from sdcolab.web.parts import Parts
from sdcolab.web.rooms import wish
from sdcolab.web.uploads import chosen_picture

CHOSEN_BY_CARD = ("checkpoint", "vae")


class Sender:
    """The handlers of the buttons that send and paste."""

    def __init__(self, studio: Studio, parts: Parts, desk: GenerationDesk) -> None:
        self._studio = studio
        self._parts = parts
        self._panel = parts.panel
        self._desk = desk

    # --- Infotexts ----------------------------------------------------------------------------------------------------

    def paste(self, prompt: str) -> Updates:
        """Read the text in the prompt box, or that of the last generation when the box is empty."""
        image = None if (prompt or "").strip() else shown_image(self._studio.jobs, None)
        text = image.infotext if image else prompt or ""
        return self._fill(text, words.PASTE_FIRST)

    def use(self, selected: Selected) -> Updates:
        """Read the text of the image on show."""
        image = shown_image(self._studio.jobs, selected)
        return self._fill(image.infotext if image else "", words.GENERATE_FIRST)

    def use_file(self, path: str | None, *, shown: bool = True) -> Updates:
        """Read the text inside a file, and open the tab to generate from text. What is wrong with it is told in the tab
        PNG Info where it is ``shown`` there, else in the form."""
        text, said = attempt(lambda: text_in(path), "") if path else ("", no_image())
        beside = self._parts.pnginfo.message
        if said and shown:
            return {beside: said}
        read = {self._panel.message: said} if said else self._fill(text, "") | {beside: ""}
        return read | {self._parts.tabs: gr.Tabs(selected=TEXT_MODE)}

    def _fill(self, text: str, advice: str) -> Updates:
        if not text.strip():
            return {self._panel.message: fragments.message(words.NOTHING_TO_READ, fragments.Tone.ERROR, advice)}
        reading, said = attempt(lambda: self._desk.read(text), Reading({}, ()))
        fields = self._panel.fields
        values = {fields[path]: value for path, value in reading.values.items() if path in fields}
        return values | self._script(reading) | {self._panel.message: said or said_of(reading)}

    def _script(self, reading: Reading) -> Updates:
        """The script of a sheet with its settings; none where the text is of a single picture."""
        if reading.script is None:
            return {}
        gadgets = self._panel.gadgets
        drawn = gadgets.script_forms.get(reading.script, {})
        values = {drawn[path]: value for path, value in reading.script_values.items() if path in drawn}
        return values | {gadgets.script: reading.script}

    # --- Pictures -----------------------------------------------------------------------------------------------------

    def send(self, selected: Selected, mode: str, sizes: Any, *, inpaint: bool) -> Updates:
        """The image on show as the one to start from, with its data."""
        image = shown_image(self._studio.jobs, selected)
        if image is None:
            return {self._panel.message: no_image()}
        return self.send_file(str(image.path), mode, sizes, inpaint=inpaint, text=image.infotext)

    def send_file(self, path: str | None, mode: str, sizes: Any, *, inpaint: bool, text: str | None = None) -> Updates:
        """The same for a file: its own data too, where it has any."""
        if not path:
            return {self._panel.message: no_image()}
        picture, said = attempt(lambda: chosen_picture(path), None)
        if picture is None:
            return {self._panel.message: said}
        own = attempt(lambda: text_in(path), "")[0] if text is None else text
        updates = self._without_size(self._fill(own, "")) if own.strip() else {}
        fields = self._panel.fields
        updates |= {
            fields["init.images"]: path,
            fields["init.inpaint"]: inpaint,
            self._parts.tabs: gr.Tabs(selected=IMAGE_MODE),
        }
        where = "inpaint" if inpaint else "img2img"
        updates[self._panel.message] = fragments.message(words.SENT_TO.format(place=where), fragments.Tone.GOOD)
        return updates | self._size(fitting_size(*picture.size), mode, sizes)

    def _without_size(self, updates: Updates) -> Updates:
        """What an infotext says of a picture that is now the beginning: not its size, nor how it was begun, nor the
        script that may be chosen already."""
        fields, gadgets = self._panel.fields, self._panel.gadgets
        told = {path: updates[control] for path, control in fields.items() if control in updates}
        left = {fields[path] for path in told.keys() - of_a_beginning(told).keys()}
        left |= {gadgets.script, *gadgets.recorded}
        return {control: value for control, value in updates.items() if control not in left}

    def _size(self, size: tuple[int, int], mode: str, sizes: Any) -> Updates:
        """The size for img2img, which the tab takes up when it opens; at once where it is open."""
        fields = self._panel.fields
        if mode == IMAGE_MODE:
            return {fields["width"]: size[0], fields["height"]: size[1]}
        return {self._panel.sizes: {**(sizes if isinstance(sizes, dict) else {}), IMAGE_MODE: list(size)}}

    def grant(self, room: str, value: Any, mode: str, sizes: Any, *form: Any) -> Updates:
        """What a room wants done with the form or one of its own pictures (``web.rooms.wish``). ``form``: checkpoint,
        width and height, and which units are on."""
        (checkpoint, width, height), switches = form[:3], form[3:]
        said = wish(value)
        if said.get("act") == "script":
            known = [script.id for script in self._parts.layout.scripts]
            return {self._panel.gadgets.script: said["script"]} if said.get("script") in known else {}
        if said.get("act") == "fill":
            wide, high = (width, height) if mode == TEXT_MODE else (None, None)
            size = shaped_size(said.get("shape"), wide, high, self._desk.native_size(checkpoint))
            return self._filled(said.get("values"), size)
        if said.get("act") == "choose":
            return self._chosen(said.get("field"), said.get("name"))
        found, trouble = attempt(lambda: self._studio.rooms[room].file("picture", str(said.get("id"))), None)
        if found is None or not isinstance(found.content, Path):
            return {self._panel.message: trouble or no_image()}
        path = str(found.content)
        match said.get("act"):
            case "img2img" | "inpaint" as act:
                return self.send_file(path, mode, sizes, inpaint=act == "inpaint")
            case "extras":
                return self._to_extras(path)
            case "control":
                return self.send_file_to_control(path, *switches)
            case "pose":
                return self._follow(path, switches, ControlType.OPENPOSE, SENT_POSE)
            case _:
                return self.use_file(path, shown=False)

    def _filled(self, values: Any, size: tuple[int, int] | None) -> Updates:
        """Values of the form that a room made, and the size that it wants."""
        usable = self._desk.usable(values) if isinstance(values, dict) else {}
        usable |= dict(zip(("width", "height"), size or (), strict=False))
        return {self._panel.fields[path]: value for path, value in usable.items() if path in self._panel.fields}

    def _chosen(self, field: Any, name: Any) -> Updates:
        """A model or a VAE from its card; a model brings its own size."""
        if field not in CHOSEN_BY_CARD or name not in self._studio.lists(f"{field}s"):
            return {}
        fields = self._panel.fields
        updates: Updates = {fields[field]: name, self._panel.message: ""}
        if field == "checkpoint":
            updates |= dict.fromkeys((fields["width"], fields["height"]), self._desk.native_size(name))
        return updates

    def send_to_extras(self, selected: Selected) -> Updates:
        """The image on show as the one to enlarge."""
        image = shown_image(self._studio.jobs, selected)
        return self._to_extras(str(image.path)) if image else {self._panel.message: no_image()}

    def _to_extras(self, path: str) -> Updates:
        pictures = self._parts.tools["extras"].controls["pictures"]
        said = fragments.message(words.SENT_TO_EXTRAS, fragments.Tone.GOOD)
        return {pictures: [path], self._parts.tabs: gr.Tabs(selected="extras"), self._panel.message: said}

    def send_to_control(self, selected: Selected, *switches: Any) -> Updates:
        """The image on show as what a unit of ControlNet follows. ``switches``: which units are on."""
        image = shown_image(self._studio.jobs, selected)
        return self.send_file_to_control(str(image.path) if image else None, *switches)

    def send_file_to_control(self, path: str | None, *switches: Any) -> Updates:
        """The same for a file."""
        if not path:
            return {self._panel.message: no_image()}
        return self._follow(path, switches, ControlType.ALL, SENT_TO_CONTROL)

    def _follow(self, path: str, switches: Sequence[Any], kind: ControlType, told: str) -> Updates:
        control = self._desk.control
        values = followed(control, path, dict(zip(control.units, switches, strict=False)), kind)
        unit = next(iter(values))
        text = told.format(unit=control.title(unit))
        said = fragments.message(text, fragments.Tone.GOOD, shown=element_id(unit))
        return {self._panel.fields[name]: value for name, value in values.items()} | {self._panel.message: said}

    def dropped(self, value: Any, mode: str, sizes: Any, *switches: Any) -> Updates:
        """A picture dropped on the page (``web/dropping.py``), and what its owner wants with it. ``switches``: which
        units are on."""
        path, action = (value.get("path"), value.get("action")) if isinstance(value, dict) else (None, None)
        if not isinstance(path, str):
            return {self._panel.message: no_image()}
        if action == "use":
            return self.use_file(path, shown=False)
        if action == "extras":
            return self._to_extras(path)
        if action == "control":
            return self.send_file_to_control(path, *switches)
        return self.send_file(path, mode, sizes, inpaint=action == "inpaint")

    def size_of(self, path: str | None) -> Updates:
        """Width and height of the chosen picture."""
        if not path:
            return {self._panel.message: no_image()}
        picture, said = attempt(lambda: chosen_picture(path), None)
        if picture is None:
            return {self._panel.message: said}
        width, height = fitting_size(*picture.size)
        return {self._panel.fields["width"]: width, self._panel.fields["height"]: height}

    def look(self, path: str | None) -> tuple[str, str]:
        """The text inside a file, and a message, for the tab that shows it."""
        if not path:
            return "", ""
        return attempt(lambda: text_in(path), "")


def text_in(path: str | None) -> str:
    """The generation data in a picture. Raises ``InfotextUnreadable``, or as ``core.pictures.read_picture_file``."""
    file = Path(path or "")
    return infotext.read_bytes(read_picture_file(file), file.name)


def said_of(reading: Reading) -> str:
    """What is said once an infotext is in the form."""
    if not reading.troubles and reading.is_prompt:
        return fragments.message(words.NO_PARAMETERS, fragments.Tone.CALM)
    if not reading.troubles:
        return fragments.message(words.DATA_READ, fragments.Tone.GOOD)
    return fragments.listed(words.DATA_READ_EXCEPT if reading.values else words.NOTHING_CHANGED, reading.troubles)
