"""The surface for pictures (``studio/assets/canvas.js``) as a widget of the notebook's panel, by anywidget."""

from __future__ import annotations

from functools import cache
from typing import Any

from sdcolab.core.words.canvas import CANVAS_WORDS
from sdcolab.studio.look import asset, shared_css


@cache
def _canvas_class() -> type[Any]:
    """The widget's class; made when the first surface is, since importing anywidget takes a while."""
    import anywidget
    import traitlets

    class Canvas(anywidget.AnyWidget):
        """A surface in ``mode``, over ``picture`` (the bytes of any image that browsers know). ``value`` is what the
        module tells of what was painted; ``second`` is what a comparison shows on the other side."""

        _esm = asset("canvas.js")
        _css = shared_css()
        mode = traitlets.Unicode("view").tag(sync=True)
        words = traitlets.Dict().tag(sync=True)
        size = traitlets.List([512, 512]).tag(sync=True)
        picture = traitlets.Bytes(b"").tag(sync=True)
        second = traitlets.Bytes(b"").tag(sync=True)
        value = traitlets.Any(None, allow_none=True).tag(sync=True)

    return Canvas


def canvas_widget(mode: str) -> Any:
    """A surface in ``mode``: "view", "mask", "draw", "boxes" or "compare"."""
    return _canvas_class()(mode=mode, words=dict(CANVAS_WORDS))
