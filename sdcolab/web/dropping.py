"""A picture dropped anywhere on the page: what to do with it is asked."""

from __future__ import annotations

import html

import gradio as gr

from sdcolab.core.words.faces import DROP_CHOICES, DROP_QUESTION


def drop_box() -> gr.HTML:
    """What takes the pictures that are dropped outside any box. Its value is ``{"path": ..., "action": ...}`` with one
    of ``DROP_CHOICES``; its ``input`` event tells of a new one."""
    buttons = "".join(
        f'<button type="submit" value="{name}">{html.escape(label)}</button>' for name, label in DROP_CHOICES.items()
    )
    return gr.HTML(
        value={},
        html_template=(
            f'<dialog class="sd-drop" aria-label="{DROP_QUESTION}"><form method="dialog"><p>{DROP_QUESTION}</p>'
            f"{buttons}</form></dialog>"
        ),
        js_on_load=_LISTEN,
        apply_default_css=False,
        elem_id="sd-drop",
    )


_LISTEN = """
const dialog = element.querySelector("dialog");
let file = null;
const takes = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files")
  && !event.target.closest?.("input[type=file], .upload-container, .image-container, button.center, .sd-canvas");
document.addEventListener("dragover", (event) => { if (takes(event)) event.preventDefault() });
document.addEventListener("drop", (event) => {
  if (!takes(event)) return;
  event.preventDefault();
  file = [...event.dataTransfer.files].find((one) => one.type.startsWith("image/"));
  if (file) dialog.showModal();
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
