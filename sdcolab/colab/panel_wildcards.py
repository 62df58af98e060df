"""The panel's tab of wildcard lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sdcolab.core.words.scripts import LIST_DELETED, LIST_SAVED
from sdcolab.studio.wildcards import WildcardLists, mention

Guarded = Callable[[Callable[[], None]], Callable[[object], None]]


class WildcardTab:
    """Choose a list, edit it, save it. ``box`` is what is shown."""

    def __init__(self, widgets: Any, lists: WildcardLists, note: Callable[[str], None], guarded: Guarded) -> None:
        self._lists = lists
        self._note = note
        wide = widgets.Layout(width="98%")
        self._chosen = widgets.Dropdown(options=self._options(), description="Lista", layout=wide)
        self._name = widgets.Text(placeholder="ropa/sombreros.txt", description="Nombre", layout=wide)
        self._text = widgets.Textarea(rows=12, placeholder="Una opción por línea", layout=wide)
        self._mention = widgets.HTML()
        save = widgets.Button(description="Guardar lista", button_style="primary")
        delete = widgets.Button(description="Borrar lista")
        save.on_click(guarded(self._save))
        delete.on_click(guarded(self._delete))
        look = guarded(self._look)
        self._chosen.observe(look, names="value")
        row = widgets.HBox([save, delete], layout=widgets.Layout(flex_flow="row wrap"))
        self.box = widgets.VBox([self._chosen, self._mention, self._name, self._text, row])

    def _options(self) -> list[tuple[str, str]]:
        return [("Elige una lista", ""), *((name, name) for name in self._lists.tree())]

    def _look(self) -> None:
        name = self._chosen.value or ""
        if name:
            self._name.value, self._text.value = name, self._lists.text(name)
            self._mention.value = f"<p>Se escribe así en el prompt: <code>{mention(name)}</code></p>"

    def _save(self) -> None:
        saved = self._lists.save(self._name.value, self._text.value)
        self._offer(saved)
        self._note(f"💾 {LIST_SAVED.format(name=saved)}")

    def _delete(self) -> None:
        name = self._name.value
        self._lists.delete(name)
        self._text.value = self._lists.text(name)
        self._offer(name if self._text.value else "")
        self._note(f"🗑️ {LIST_DELETED.format(name=name)}")

    def _offer(self, name: str) -> None:
        self._chosen.options = self._options()
        self._chosen.value = name
