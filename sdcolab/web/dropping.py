"""A picture dropped anywhere on the page: what to do with it is asked."""

from __future__ import annotations

import html
import json

import gradio as gr

from sdcolab.core.pictures import PICTURE_SUFFIXES
from sdcolab.core.words.faces import DROP_CHOICES, DROP_CLOSE, DROP_QUESTION, DROP_REFUSED


def drop_box() -> gr.HTML:
    """What takes the pictures that are dropped outside any box. Its value is ``{"path": ..., "action": ...}`` with one
    of ``DROP_CHOICES``; its ``input`` event tells of a new one."""
    buttons = "".join(
        f'<button type="submit" value="{name}">{html.escape(label)}</button>' for name, label in DROP_CHOICES.items()
    )
    kinds = ", ".join(suffix[1:].upper() for suffix in PICTURE_SUFFIXES if suffix not in _SAME)
    refused = html.escape(DROP_REFUSED.replace("{kinds}", kinds), quote=True)
    return gr.HTML(
        value={},
        html_template=(
            f'<dialog class="sd-drop" aria-label="{DROP_QUESTION}"><form method="dialog"><p>{DROP_QUESTION}</p>'
            f"{buttons}</form></dialog>"
            f'<dialog class="sd-drop" data-said="{refused}"><form method="dialog"><p></p>'
            f'<button type="submit" value="none">{DROP_CLOSE}</button></form></dialog>'
        ),
        js_on_load=_LISTEN.replace("KINDS", json.dumps(PICTURE_SUFFIXES)),
        apply_default_css=False,
        elem_id="sd-drop",
    )


_SAME = (".jpeg", ".tif")
"""Other spellings of kinds that have one already."""

_LISTEN = """
const [dialog, refusal] = element.querySelectorAll("dialog");
const kinds = KINDS;
let file = null;
const takes = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files")
  && !event.target.closest?.("input[type=file], .upload-container, .image-container, button.center, .sd-canvas");
document.addEventListener("dragover", (event) => { if (takes(event)) event.preventDefault() });
document.addEventListener("drop", (event) => {
  if (!takes(event)) return;
  event.preventDefault();
  const files = [...event.dataTransfer.files];
  file = files.find((one) => kinds.some((kind) => one.name.toLowerCase().endsWith(kind)));
  if (file) return dialog.showModal();
  if (!files.length) return;
  const said = refusal.dataset.said.replace("{name}", () => files[0].name);
  refusal.querySelector("p").textContent = said;
  refusal.setAttribute("aria-label", said);
  refusal.showModal();
});
dialog.addEventListener("close", async () => {
  const action = dialog.returnValue;
  dialog.returnValue = "";
  if (!action || action === "none" || !file) return;
  const { path } = await upload(file);
  props.value = { path, action };
  trigger("input");
});
"""
