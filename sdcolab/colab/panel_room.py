"""The rooms of the studio as widgets of the notebook's panel, by anywidget: the same modules as in the page."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sdcolab.core.errors import PictureGone, SdcolabError, Unexpected
from sdcolab.core.rooms import Room, ask
from sdcolab.core.untrusted import clean
from sdcolab.core.words import explain
from sdcolab.core.words.panel import PANEL_GONE
from sdcolab.studio.look import asset, canvas_part, cells_part, room_module

Wish = Callable[[Mapping[str, Any]], None]
"""What is done with what a room wants of the form."""

_RENDER = """
export default {
  render({ model, el: place }) {
    const host = document.createElement("div");
    host.className = "sd-room-host";
    place.append(host);
    mount(host, panelHouse(model));
  },
};
"""

_log = logging.getLogger(__name__)


@cache
def _room_class(name: str) -> type[Any]:
    """The widget's class; made when the first one is, since importing anywidget takes a while."""
    import anywidget

    module = room_module(name)
    parts = (canvas_part() if "house.canvas(" in module else "") + (cells_part() if "house.cells." in module else "")

    class RoomWidget(anywidget.AnyWidget):
        """Draws the module of a room, and carries its questions."""

        _esm = f"const GONE = {json.dumps(PANEL_GONE)};\n" + parts + asset("rooms/house.js") + module + _RENDER

    return RoomWidget


def room_widget(name: str, room: Room, wish: Wish) -> Any:
    """The widget of the room called ``name``. ``wish`` hears what it wants done, in the kernel's main thread."""
    widget = _room_class(name)()

    def hear(_widget: Any, said: Any, _buffers: Any) -> None:
        content, buffers = answer(name, room, wish, said)
        widget.send(content, buffers)

    widget.on_msg(hear)
    return widget


def answer(name: str, room: Room, wish: Wish, said: Any) -> tuple[dict[str, Any], list[bytes]]:
    """What is sent back for a message of the module, and the bytes that go along."""
    try:
        said = clean(said)
        said = said if isinstance(said, dict) else {}
    except ValueError:
        said = {}
    number = said.get("id")
    try:
        if isinstance(said.get("wish"), dict):
            wish(said["wish"])
            return {"id": number, "answer": None}, []
        if "kind" in said:
            file = room.file(str(said["kind"]), str(said.get("name")))
            if file is None:
                raise PictureGone()
            content = file.content
            return {"id": number, "media": file.media}, [content.read_bytes() if isinstance(content, Path) else content]
        return {"id": number, "answer": ask({name: room}, name, str(said.get("question")), said.get("said"))}, []
    except SdcolabError as error:
        return {"id": number, "error": str(explain(error))}, []
    except Exception as error:  # noqa: BLE001 - an edge: the module must hear that it did not work
        _log.exception("panel")
        return {"id": number, "error": str(explain(Unexpected(kind=type(error).__name__, detail=str(error))))}, []
