"""The panel's styles: choose some, pass them to the prompts, save and delete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sdcolab.colab.panel_notes import Guarded, Note
from sdcolab.colab.panel_parts import button_row
from sdcolab.core.prompt import Style, apply_styles
from sdcolab.core.settings import Settings, SettingsFile
from sdcolab.core.words import panel as words

Prompts = tuple[str, str]
"""The prompt and the negative one."""


class StyleBox:
    """``prompts`` reads both prompts of the form and ``put`` writes them. ``box`` is what is shown."""

    def __init__(
        self,
        widgets: Any,
        settings: SettingsFile,
        prompts: Callable[[], Prompts],
        put: Callable[[Prompts], None],
        note: Note,
        guarded: Guarded,
    ) -> None:
        self._settings = settings
        self._prompts = prompts
        self._put = put
        self._note = note
        self._list = widgets.SelectMultiple(
            options=[],
            rows=3,
            description=words.STYLES,
            layout=widgets.Layout(width="98%"),
            style={"description_width": "130px"},
        )
        self.name = widgets.Text(placeholder=words.STYLE_NAME, layout=widgets.Layout(width="180px"))
        buttons = button_row(
            widgets,
            guarded,
            (words.STYLE_TO_PROMPT, self._apply),
            (words.STYLE_SAVE, self._save),
            (words.STYLE_DELETE, self._delete),
        )
        row = widgets.HBox([self.name, buttons], layout=widgets.Layout(flex_flow="row wrap"))
        self.box = widgets.VBox([self._list, row])

    @property
    def chosen(self) -> tuple[str, ...]:
        """The names of the styles that count."""
        return tuple(self._list.value)

    def watch(self, told: Callable[[], object]) -> None:
        """Call ``told`` whenever others are chosen."""
        self._list.observe(lambda _change: told(), names="value")

    def offer(self, settings: Settings, chosen: Sequence[str]) -> None:
        """The styles that there are, with those ``chosen`` that still exist."""
        names = [style.name for style in settings.styles]
        self._list.value = ()
        self._list.options = names
        self._list.value = [name for name in chosen if name in names]

    def _apply(self) -> None:
        styles = self._settings.load().chosen_styles(self._list.value)
        self._put(apply_styles(*self._prompts(), styles))
        self._list.value = ()

    def _save(self) -> None:
        name = self.name.value.strip()
        if not name:
            self._note(words.STYLE_WITHOUT_NAME)
            return
        style = Style(name, *self._prompts())
        self.offer(self._settings.change(lambda settings: settings.with_style(style)), self.chosen)
        self._note(words.STYLE_SAVED.format(name=name))

    def _delete(self) -> None:
        chosen = self.chosen
        self.offer(self._settings.change(lambda settings: settings.without_styles(chosen)), self.chosen)
        self._note(words.STYLES_DELETED.format(names=", ".join(chosen)))
