"""A sheet of pictures whose cells can be pressed (``studio/assets/cells.js``) in the notebook's panel, by anywidget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sdcolab.core.words.scripts import OPEN_CELL, SHEET
from sdcolab.studio.look import asset
from sdcolab.studio.sheets import Spot


@cache
def _sheet_class() -> type[Any]:
    """The widget's class; made when the first sheet is, since importing anywidget takes a while."""
    import anywidget
    import traitlets

    class SheetWidget(anywidget.AnyWidget):
        """Shows ``picture`` (the bytes of any image that browsers know) with a button over each of ``cells``."""

        _esm = asset("cells.js")
        label = traitlets.Unicode(SHEET).tag(sync=True)
        verb = traitlets.Unicode(OPEN_CELL).tag(sync=True)
        picture = traitlets.Bytes(b"").tag(sync=True)
        cells: Any = traitlets.List().tag(sync=True)

    return SheetWidget


def sheet_widget(opened: Callable[[str], None]) -> Any:
    """A sheet with nothing on it. ``opened`` hears the key of the cell that is pressed, in the kernel's main thread."""
    widget = _sheet_class()()

    def hear(_widget: Any, said: Any, _buffers: Any) -> None:
        if isinstance(said, dict):
            opened(str(said.get("key")))

    widget.on_msg(hear)
    return widget


def as_cells(spots: Sequence[Spot]) -> list[dict[str, Any]]:
    """``spots`` as the widget takes them."""
    return [{"key": spot.key, "name": spot.name, "box": [*spot.box]} for spot in spots]
