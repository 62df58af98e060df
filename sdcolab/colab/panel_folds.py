"""What of a form in the panel is only seen when it is opened or switched on, and only made then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sdcolab.core.words.faces import FOLD_UNIT

OPEN, SHUT = "▾", "▸"


def folded(widgets: Any, title: str, inside: Callable[[], list[Any]]) -> Any:
    """A title that shows what is below it, made at the first opening."""
    head = widgets.Button(description=f"{SHUT} {title}", layout=widgets.Layout(width="98%"))
    body = widgets.VBox([], layout=widgets.Layout(display="none"))
    head.add_class("sd-fold")

    def turn(_button: object) -> None:
        shut = body.layout.display == "none"
        if shut and not body.children:
            body.children = tuple(inside())
        body.layout.display = "flex" if shut else "none"
        head.description = f"{OPEN if shut else SHUT}{head.description[1:]}"

    head.on_click(turn)
    return widgets.VBox([head, body])


class Switched:
    """``box`` has a ``switch`` and what is ``inside`` while that is on, and, where it ``folds``, unfolded. ``changed``
    is called after each change."""

    def __init__(
        self, widgets: Any, label: str, inside: Callable[[], list[Any]], changed: Callable[[], None], *, folds: bool
    ) -> None:
        self._inside = inside
        self._changed = changed
        self.switch = widgets.Checkbox(
            value=False, description=label, indent=False, layout=widgets.Layout(width="98%", flex="1 1 auto")
        )
        self.switch.add_class("sd-switch")
        self._fold = (
            widgets.ToggleButton(value=True, tooltip=FOLD_UNIT, layout=widgets.Layout(width="44px")) if folds else None
        )
        self._body = widgets.VBox([], layout=widgets.Layout(display="none"))
        for one in self._heads:
            one.observe(lambda _change: self._follow(), names="value")
        head = widgets.HBox(self._heads, layout=widgets.Layout(width="98%")) if folds else self.switch
        self.box = widgets.VBox([head, self._body])
        self._show()

    @property
    def _heads(self) -> list[Any]:
        return [self.switch, *([self._fold] if self._fold else [])]

    def _follow(self) -> None:
        if self.switch.value and not self._body.children:
            self._body.children = tuple(self._inside())
        self._show()
        self._changed()

    def _show(self) -> None:
        unfolded = self._fold is None or self._fold.value
        self._body.layout.display = "flex" if self.switch.value and unfolded else "none"
        if self._fold:
            self._fold.description = OPEN if unfolded else SHUT
            self._fold.layout.display = "" if self.switch.value else "none"
