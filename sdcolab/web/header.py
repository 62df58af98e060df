"""The bar above the tabs: which checkpoint and which VAE (the users' quicksettings), each with its refresh button."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from sdcolab.core.detect import ModelKind
from sdcolab.core.request import AUTOMATIC, SAME, GenerationRequest
from sdcolab.studio.studio import Studio
from sdcolab.web.controls import CONTROLS, Options, dropdown_choices, hires_upscalers, with_automatic
from sdcolab.web.edge import attempt
from sdcolab.web.networks import lora_names

FALLBACK_SIZE = 512
"""Side in pixels when no checkpoint can say its own."""


@dataclass(frozen=True, slots=True)
class Header:
    """The bar's controls."""

    checkpoint: gr.Dropdown
    vae: gr.Dropdown
    refresh_checkpoints: gr.Button
    refresh_vaes: gr.Button


def build_header(options: Options) -> Header:
    """Draw the bar inside the current page."""
    with gr.Row(elem_id="sd-header", equal_height=True):
        gr.HTML('<div class="sd-brand"><img src="favicon.ico" alt=""><h1>sdcolab</h1></div>', elem_id="sd-brand")
        with gr.Row(elem_classes="sd-pick"):
            checkpoint = CONTROLS["checkpoint"].make(options)
            refresh_checkpoints = _refresh_button("checkpoint")
        with gr.Row(elem_classes="sd-pick"):
            vae = CONTROLS["vae"].make(options)
            refresh_vaes = _refresh_button("vae")
    return Header(checkpoint, vae, refresh_checkpoints, refresh_vaes)


def _refresh_button(field: str) -> gr.Button:
    return gr.Button("🔃", elem_id=f"sd-refresh-{field}", elem_classes="sd-icon", size="sm", min_width=44, scale=0)


def options_now(studio: Studio) -> Options:
    """What can be chosen at this moment."""
    return Options(
        checkpoints=tuple(file.name for file in studio.library.files(ModelKind.CHECKPOINT)),
        vaes=(AUTOMATIC, *(file.name for file in studio.library.files(ModelKind.VAE))),
        samplers=tuple(studio.samplers),
        schedules=with_automatic(studio.schedules),
        upscalers=studio.lists("upscalers"),
    )


LISTED = ("checkpoint", "vae", "hires.checkpoint", "refiner.checkpoint", "hires.upscaler", "init.upscaler")
"""Fields that offer files, in the order of ``list_models``; the LoRAs come after them."""


def list_models(studio: Studio, options: Options) -> list[dict[str, Any]]:
    """Fresh lists for the dropdowns of ``LISTED``, of ``options``, and for the LoRAs."""
    same = (SAME, *options.checkpoints)
    lists = (options.checkpoints, options.vaes, same, options.checkpoints, hires_upscalers(options), options.upscalers)
    return [gr.update(choices=dropdown_choices(names)) for names in (*lists, lora_names(studio.library))]


def refresh_models(studio: Studio, checkpoint: str | None, vae: str | None) -> list[dict[str, Any]]:
    """The same, and what was chosen in the header stays chosen while it exists."""
    options = options_now(studio)
    lists = list_models(studio, options)
    first = options.checkpoints[0] if options.checkpoints else None
    lists[0]["value"] = checkpoint if checkpoint in options.checkpoints else first
    lists[1]["value"] = vae if vae in options.vaes else AUTOMATIC
    return lists


def chosen_checkpoint(studio: Studio, defaults: GenerationRequest) -> str | None:
    """The checkpoint of a fresh page: the one it was opened with, else the saved one, else the first, if any."""
    if chosen := studio.library.chosen(ModelKind.CHECKPOINT):
        return chosen.name
    names = [file.name for file in studio.library.files(ModelKind.CHECKPOINT)]
    return defaults.checkpoint if defaults.checkpoint in names else next(iter(names), None)


def native_size_of(studio: Studio, checkpoint: str | None) -> int:
    """Side in pixels that ``checkpoint`` was trained at. Raises ``SdcolabError`` when its file cannot tell."""
    if not checkpoint:
        return FALLBACK_SIZE
    return studio.native_size(studio.library.find(ModelKind.CHECKPOINT, checkpoint))


def native_size_or_fallback(studio: Studio, checkpoint: str | None) -> int:
    """The same, but ``FALLBACK_SIZE`` instead of an error: generating will explain what is wrong with the file."""
    return attempt(lambda: native_size_of(studio, checkpoint), FALLBACK_SIZE)[0]
