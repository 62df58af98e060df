"""The tab of wildcard lists: choose one, edit it, save it; import many from a zip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from sdcolab.core.words import page as words
from sdcolab.core.words.scripts import LIST_IMPORT, LIST_SAVED
from sdcolab.studio.studio import Studio
from sdcolab.studio.wildcards import Deleted, branches, deleted, imported, mention
from sdcolab.web import fragments
from sdcolab.web.edge import attempt
from sdcolab.web.uploads import file_input


@dataclass(frozen=True, slots=True)
class Wildcards:
    """The tab's controls."""

    chosen: gr.Radio
    name: gr.Textbox
    text: gr.Textbox
    mention: gr.Textbox
    save: gr.Button
    delete: gr.Button
    archive: gr.File
    message: gr.HTML


def build_wildcards(studio: Studio) -> Wildcards:
    """Draw the tab inside the current page."""
    gr.HTML(f"<p>{words.LISTS_HINT}</p>", elem_classes="sd-hint")
    with gr.Row(elem_id="sd-wildcards"):
        with gr.Column(min_width=280):
            lines = branches(studio.wildcards.tree())
            chosen = gr.Radio(lines, value=None, label=words.LIST, elem_id="sd-wildcard")
            written = gr.Textbox(
                label=words.LIST_MENTION, interactive=False, buttons=["copy"], elem_id="sd-wildcard-mention"
            )
            archive = file_input(LIST_IMPORT, "sd-wildcard-zip", ".zip")
        with gr.Column(min_width=280, scale=2):
            name = gr.Textbox(label=words.LIST_NAME, placeholder=words.LIST_NAME_HINT, elem_id="sd-wildcard-name")
            text = gr.Textbox(label=words.LIST_TEXT, lines=14, max_lines=24, elem_id="sd-wildcard-text")
            message = gr.HTML(elem_id="sd-wildcard-message")
            with gr.Row():
                save = gr.Button(words.LIST_SAVE, variant="primary", elem_id="sd-wildcard-save")
                delete = gr.Button(words.LIST_DELETE, elem_id="sd-wildcard-delete")
    return Wildcards(chosen, name, text, written, save, delete, archive, message)


class WildcardActions:
    """What the tab's controls do."""

    def __init__(self, studio: Studio) -> None:
        self._lists = studio.wildcards

    def look(self, name: str | None) -> tuple[str, str, str, str]:
        """Name, text and mention of a list, and a problem's box."""
        if not name or name.endswith("/"):
            return "", "", "", ""
        (text, written), problem = attempt(lambda: (self._lists.text(name), mention(self._lists, name)), ("", ""))
        return name, text, written, problem

    def save(self, name: str | None, text: str | None) -> tuple[Any, str, str]:
        """Write a list: the choices, its mention and a message."""
        nothing: str | None = None
        saved, problem = attempt(lambda: self._lists.save(name or "", text or ""), nothing)
        if saved is None:
            return gr.skip(), "", problem
        return (
            self._choices(saved),
            mention(self._lists, saved),
            fragments.message(LIST_SAVED.format(name=saved), fragments.Tone.GOOD),
        )

    def delete(self, name: str | None) -> tuple[Any, str, str]:
        """Remove a list: the choices, the text that stands in its place (ours comes back) and a message."""
        nothing: Deleted | None = None
        done, problem = attempt(lambda: deleted(self._lists, name or ""), nothing)
        if done is None:
            return gr.skip(), gr.skip(), problem
        said = fragments.message(done.told, fragments.Tone.GOOD if done.gone else fragments.Tone.CALM)
        if not done.gone:
            return gr.skip(), gr.skip(), said
        return self._choices(None if done.text is None else name), gr.skip() if done.text is None else done.text, said

    def import_zip(self, archive: str | None) -> tuple[Any, str]:
        """Take in a zip: the choices and a message."""
        if not archive:
            return gr.skip(), ""
        nothing: tuple[str, ...] = ()
        names, problem = attempt(lambda: self._lists.import_zip(Path(archive)), nothing)
        return self._choices(None), problem or fragments.message(imported(names), fragments.Tone.GOOD)

    def fresh(self) -> Any:
        """The lists that there are now."""
        return gr.update(choices=branches(self._lists.tree()))

    def _choices(self, value: str | None) -> Any:
        return gr.update(choices=branches(self._lists.tree()), value=value)
