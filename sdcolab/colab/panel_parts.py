"""Small parts that the panel's forms are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sdcolab.colab.panel_notes import Guarded


def button_row(widgets: Any, guarded: Guarded, *buttons: tuple[str, Callable[[], None]]) -> Any:
    """Buttons side by side, by their words and what they do."""
    made = []
    for text, action in buttons:
        button = widgets.Button(description=text, layout=widgets.Layout(width="auto"))
        button.on_click(guarded(action))
        made.append(button)
    return widgets.HBox(made, layout=widgets.Layout(flex_flow="row wrap"))


def put_away(widget: Any) -> None:
    """Close a widget with all that it is made of: ipywidgets leaves that in the kernel and in the browser."""
    looks = (getattr(widget, name, None) for name in ("layout", "style"))
    parts = (*getattr(widget, "children", ()), *filter(None, looks))
    widget.close()
    for part in parts:
        put_away(part)
