"""The panel's tab of wildcard lists."""

from __future__ import annotations

import html
import tempfile
from pathlib import Path
from typing import Any

from sdcolab.colab.panel_fields import uploaded
from sdcolab.colab.panel_notes import Guarded, Note
from sdcolab.core.words import panel as words
from sdcolab.core.words.scripts import LIST_IMPORT, LIST_SAVED
from sdcolab.studio.wildcards import WildcardLists, branches, deleted, imported, mention


class WildcardTab:
    """Choose a list of the tree, edit it, save it; import many from a zip. ``box`` is what is shown."""

    def __init__(self, widgets: Any, lists: WildcardLists, note: Note, guarded: Guarded) -> None:
        self._lists = lists
        self._note = note
        wide = widgets.Layout(width="98%")
        self._chosen = widgets.Select(options=self._options(), value="", rows=9, description=words.LIST, layout=wide)
        self._name = widgets.Text(placeholder=words.LIST_NAME_HINT, description=words.LIST_NAME, layout=wide)
        self._text = widgets.Textarea(rows=12, placeholder=words.LIST_HINT, layout=wide)
        self._mention = widgets.HTML()
        save = widgets.Button(description=words.LIST_SAVE, button_style="primary")
        delete = widgets.Button(description=words.LIST_DELETE)
        save.on_click(guarded(self._save))
        delete.on_click(guarded(self._delete))
        look = guarded(self._look)
        self._chosen.observe(look, names="value")
        self._upload = widgets.FileUpload(accept=".zip", multiple=False, description=LIST_IMPORT)
        self._upload.layout.width = "auto"
        take = guarded(self._import)
        self._upload.observe(lambda change: take(change) if uploaded(change["new"]) else None, names="value")
        row = widgets.HBox([save, delete, self._upload], layout=widgets.Layout(flex_flow="row wrap"))
        self.box = widgets.VBox([self._chosen, self._mention, self._name, self._text, row])

    def _options(self) -> list[tuple[str, str]]:
        return [(words.LIST_CHOOSE, ""), *branches(self._lists.tree())]

    def _look(self) -> None:
        name = self._chosen.value or ""
        if name and not name.endswith("/"):
            self._name.value, self._text.value = name, self._lists.text(name)
            written = html.escape(mention(self._lists, name))
            self._mention.value = f"<p>{words.LIST_MENTION.format(mention=written)}</p>" if written else ""

    def _save(self) -> None:
        saved = self._lists.save(self._name.value, self._text.value)
        self._offer(saved)
        self._note(f"💾 {LIST_SAVED.format(name=saved)}")

    def _delete(self) -> None:
        name = self._name.value
        done = deleted(self._lists, name)
        if done.gone:
            self._offer("" if done.text is None else name)
        if done.text is not None:
            self._text.value = done.text
        self._note(f"{'🗑️' if done.gone else 'ℹ️'} {done.told}")

    def _import(self) -> None:
        (content,) = uploaded(self._upload.value)
        with tempfile.TemporaryDirectory(prefix="sdcolab-") as folder:
            archive = Path(folder) / "listas.zip"
            archive.write_bytes(content)
            names = self._lists.import_zip(archive)
        self._offer("")
        self._note(f"📚 {imported(names)}")

    def _offer(self, name: str) -> None:
        self._chosen.options = self._options()
        self._chosen.value = name
