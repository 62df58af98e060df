"""A sheet of pictures whose cells can be pressed (``studio/assets/cells.js``) in the notebook's panel, by anywidget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sdcolab.core.words.faces import VIEWER_WORDS
from sdcolab.core.words.scripts import OPEN_CELL, SHEET
from sdcolab.studio.look import asset
from sdcolab.studio.sheets import Spot


@cache
def _sheet_class() -> type[Any]:
    """The widget's class; made when the first sheet is, since importing anywidget takes a while."""
    import anywidget
    import traitlets

    class SheetWidget(anywidget.AnyWidget):
        """Shows ``picture`` (the bytes of any image that browsers know) with a button over each of ``cells``; ``whole``
        is the same as large as it is, while somebody looks at it."""

        _esm = asset("cells.js")
        label = traitlets.Unicode(SHEET).tag(sync=True)
        verb = traitlets.Unicode(OPEN_CELL).tag(sync=True)
        larger = traitlets.Unicode(VIEWER_WORDS["zoom"]).tag(sync=True)
        smaller = traitlets.Unicode(VIEWER_WORDS["close"]).tag(sync=True)
        picture = traitlets.Bytes(b"").tag(sync=True)
        whole = traitlets.Bytes(b"").tag(sync=True)
        cells: Any = traitlets.List().tag(sync=True)

    return SheetWidget


def sheet_widget(opened: Callable[[str], None], whole: Callable[[], bytes | None] = lambda: None) -> Any:
    """A sheet with nothing on it. ``opened`` hears the key of the cell that is pressed, in the kernel's main thread;
    ``whole`` gives the sheet as large as it is, where there is more of it than is shown."""
    widget = _sheet_class()()

    def hear(_widget: Any, said: Any, _buffers: Any) -> None:
        if not isinstance(said, dict):
            return
        if "whole" in said:  # only while it is looked at: a phone has little memory
            widget.whole = (whole() or b"") if said["whole"] else b""
        else:
            opened(str(said.get("key")))

    widget.on_msg(hear)
    return widget


def as_cells(spots: Sequence[Spot]) -> list[dict[str, Any]]:
    """``spots`` as the widget takes them."""
    return [{"key": spot.key, "name": spot.name, "box": [*spot.box]} for spot in spots]
