"""Where the panel's pictures can be sent: from the gallery, from PNG Info and from the rooms of the studio."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sdcolab.colab.panel_generation import GenerationForm
from sdcolab.colab.panel_notes import Notes
from sdcolab.colab.panel_tabs import Send, ToolTab
from sdcolab.core import infotext
from sdcolab.core.control import ControlType
from sdcolab.core.errors import InfotextUnreadable, PictureGone
from sdcolab.core.events import ImageSaved
from sdcolab.core.pictures import read_picture_file
from sdcolab.core.rooms import Room
from sdcolab.core.words import panel as words
from sdcolab.core.words.control import SEND_TO_CONTROL, SENT_POSE, SENT_TO_CONTROL, SHOWN_TO_CONTROL
from sdcolab.studio.generating import IMAGE_MODE, TEXT_MODE, shaped_size
from sdcolab.studio.layout import LAYOUT


class Sender:
    """``tool`` gives the tab of that name, and ``open_tab`` shows the one to which a picture went."""

    def __init__(
        self, form: GenerationForm, tool: Callable[[str], ToolTab], notes: Notes, open_tab: Callable[[str], None]
    ) -> None:
        self._form = form
        self._tool = tool
        self._notes = notes
        self.open_tab = open_tab

    def shown_actions(self) -> dict[str, Callable[[ImageSaved], None]]:
        """What can be done with the gallery's picture, by the words on the button."""
        actions: dict[str, Callable[[ImageSaved], None]] = {
            words.SHOWN_TO_IMAGE: lambda image: self._begin(image.path.read_bytes(), image.infotext, inpaint=False),
            words.SHOWN_TO_INPAINT: lambda image: self._begin(image.path.read_bytes(), image.infotext, inpaint=True),
            words.SHOWN_TO_EXTRAS: lambda image: self._enlarge(image.path.read_bytes()),
            SHOWN_TO_CONTROL: lambda image: self._control(image.path.read_bytes()),
            words.ENHANCE: lambda image: self._form.enhance(image.infotext),
            words.USE_SEED: lambda image: self._form.put_seed(image.seed),
            words.USE_DATA: lambda image: self._read(image.infotext),
        }
        return {text: self._guarded_with(act) for text, act in actions.items()}

    def file_actions(self) -> dict[str, Send]:
        """What can be done with the picture in PNG Info."""
        return {
            words.SEND_TEXT: lambda _picture, text: self._use(text),
            words.SEND_IMAGE: partial(self._begin, inpaint=False),
            words.SEND_INPAINT: partial(self._begin, inpaint=True),
            SEND_TO_CONTROL: lambda picture, _text: self._control(picture),
        }

    def grant(self, room: Room, said: Mapping[str, Any]) -> None:
        """Do what ``room`` wishes done with the form or one of its pictures. Raises ``PictureGone``."""
        if said.get("act") == "go":
            self._go(said.get("tab"), said.get("script"))
            return
        if said.get("act") == "fill":
            values = said.get("values")
            self._form.form.fill(self._form.desk.usable(values) if isinstance(values, dict) else {})
            if "shape" in said:
                self.open_tab(TEXT_MODE)
                self._put_shape(said["shape"])
            return
        if said.get("act") == "choose":
            chosen = {field: said.get("name") for field in ("checkpoint", "vae") if field == said.get("field")}
            self._form.form.fill(self._form.desk.usable(chosen))
            return
        found = room.file("picture", str(said.get("id")))
        if found is None or not isinstance(found.content, Path):
            raise PictureGone()
        picture = read_picture_file(found.content)
        match said.get("act"):
            case "img2img" | "inpaint" as act:
                self._begin(picture, text_in(picture), inpaint=act == "inpaint")
            case "extras":
                self._enlarge(picture)
            case "control":
                self._control(picture)
            case "pose":
                self._notes(SENT_POSE.format(unit=self._form.follow(picture, ControlType.OPENPOSE)))
                self.open_tab(self._form.mode)
            case _:
                self._use(infotext.read_bytes(picture, found.content.name))

    def _put_shape(self, shape: object) -> None:
        """Ask for pictures of the ``shape`` that a room draws."""
        form, desk = self._form.form, self._form.desk
        now = form.values
        size = shaped_size(shape, now["width"], now["height"], desk.native_size(now["checkpoint"]))
        form.fill(dict(zip(("width", "height"), size or (), strict=False)))

    def _go(self, tab: object, script: object) -> None:
        if tab in {one.id for one in LAYOUT.tabs}:
            self.open_tab(str(tab))
        if script in {one.id for one in LAYOUT.scripts}:
            self._form.scripts.choose(str(script))

    def _guarded_with(self, act: Callable[[ImageSaved], None]) -> Callable[[ImageSaved], None]:
        return lambda image: self._notes.guarded(lambda: act(image))(None)

    def _begin(self, picture: bytes, text: str, *, inpaint: bool) -> None:
        self._form.begin_from(picture, text, inpaint=inpaint)
        self.open_tab(IMAGE_MODE)

    def _enlarge(self, picture: bytes) -> None:
        self._tool("extras").form.fill({"pictures": [picture]})
        self.open_tab("extras")

    def _control(self, picture: bytes) -> None:
        self._notes(SENT_TO_CONTROL.format(unit=self._form.follow(picture)))
        self.open_tab(self._form.mode)

    def _use(self, text: str) -> None:
        self._read(text)
        self.open_tab(TEXT_MODE)

    def _read(self, text: str) -> None:
        for trouble in self._form.read(text).troubles:
            self._notes(f"⚠️ {trouble}")


def text_in(picture: bytes) -> str:
    """The infotext of a picture; nothing where it has none."""
    try:
        return infotext.read_bytes(picture, "imagen")
    except InfotextUnreadable:
        return ""
