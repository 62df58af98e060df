"""The tab that reads what is written inside a picture (A1111's PNG Info)."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from sdcolab.core.words import page as words
from sdcolab.core.words.control import SEND_TO_CONTROL
from sdcolab.web.uploads import picture_input


@dataclass(frozen=True, slots=True)
class PngInfo:
    """The tab's controls."""

    picture: gr.Image
    text: gr.Textbox
    message: gr.HTML
    to_txt2img: gr.Button
    to_img2img: gr.Button
    to_inpaint: gr.Button
    to_control: gr.Button


def _send(label: str, name: str, icon: str) -> gr.Button:
    return gr.Button(
        label, size="sm", min_width=130, elem_id=f"sd-pnginfo-{name}", elem_classes=f"sd-action sd-icon-{icon}"
    )


def build_pnginfo() -> PngInfo:
    """Draw the tab inside the current page."""
    with gr.Row(elem_id="sd-pnginfo"):
        with gr.Column(min_width=300):
            picture = picture_input(words.PICTURE_WITH_DATA, "sd-pnginfo-picture", 420)
        with gr.Column(min_width=300):
            message = gr.HTML(elem_id="sd-pnginfo-message")
            text = gr.Textbox(
                label=words.PICTURE_DATA,
                placeholder=words.NO_PICTURE_YET,
                lines=8,
                max_lines=16,
                interactive=False,
                buttons=["copy"],
                elem_id="sd-pnginfo-text",
            )
            with gr.Row(elem_classes="sd-send"):
                to_txt2img = _send(words.SEND_TEXT, "txt2img", "sparkles")
                to_img2img = _send(words.SEND_IMAGE, "img2img", "image")
                to_inpaint = _send(words.SEND_INPAINT, "inpaint", "paintbrush")
                to_control = _send(SEND_TO_CONTROL, "control", "scan")
    return PngInfo(picture, text, message, to_txt2img, to_img2img, to_inpaint, to_control)
