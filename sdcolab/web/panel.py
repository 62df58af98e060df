"""The generation panel: prompts, parameters, the buttons and the results.

There is one for all ways to make a picture, below the tabs, which only choose what it shows (``assets/page.css``): what
belongs to one of them has the class ``sd-txt2img``, ``sd-img2img`` or ``sd-extras``, and what belongs to both kinds of
generation ``sd-generation``. So a prompt stays when its user goes from text to an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sdcolab.web import fragments
from sdcolab.web.controls import FORM, TUNING_GROUPS, Options
from sdcolab.web.header import Header
from sdcolab.web.tabs.extras import Extras, build_extras


@dataclass(frozen=True, slots=True)
class Results:
    """Where a job shows its progress and its images. The style sheet shows ``progress_bottom`` only on phones, in the
    bar with the buttons, and ``progress`` only elsewhere."""

    progress: gr.HTML
    progress_bottom: gr.HTML
    problems: gr.HTML
    preview: gr.HTML
    gallery: gr.Gallery
    infotext: gr.Textbox
    download: gr.DownloadButton
    to_img2img: gr.Button
    to_inpaint: gr.Button
    to_extras: gr.Button
    use: gr.Button


@dataclass(frozen=True, slots=True)
class Styles:
    """The controls of the saved styles."""

    chosen: gr.Dropdown
    name: gr.Textbox
    save: gr.Button
    delete: gr.Button
    apply: gr.Button


@dataclass(frozen=True, slots=True)
class Buttons:
    """The buttons of the form that are not fields."""

    generate: gr.Button
    interrupt: gr.Button
    empty_queue: gr.Button
    paste: gr.Button
    swap: gr.Button
    random_seed: gr.Button
    reuse_seed: gr.Button
    init_size: gr.Button
    reset_tuning: gr.Button
    put_defaults: gr.Button
    save_defaults: gr.Button


@dataclass(frozen=True, slots=True)
class Panel:
    """The panel's controls. ``fields`` has one control for each row of ``FORM``, the header's two among them."""

    fields: Mapping[str, Any]
    tokens: tuple[gr.HTML, gr.HTML]
    styles: Styles
    lora: gr.Dropdown
    buttons: Buttons
    message: gr.HTML
    results: Results
    extras: Extras | None

    @property
    def form(self) -> list[Any]:
        """Every control that a request is read from: the fields in the table's order, then the chosen styles."""
        return [*(self.fields[name] for name in FORM), self.styles.chosen]


def build_panel(options: Options, header: Header, *, extras: bool) -> Panel:
    """Draw the panel inside the current page; ``extras``: with what enlarges finished pictures."""
    return _Drawing(options, header).panel(extras=extras)


class _Drawing:
    """Draws the panel once and gathers its controls."""

    def __init__(self, options: Options, header: Header) -> None:
        self._options = options
        self._fields: dict[str, Any] = {"checkpoint": header.checkpoint, "vae": header.vae}

    def _control(self, path: str) -> Any:
        self._fields[path] = FORM[path].make(self._options)
        return self._fields[path]

    def _controls(self, *paths: str) -> None:
        for path in paths:
            self._control(path)

    def _row(self, *paths: str) -> None:
        with gr.Row():
            self._controls(*paths)

    def panel(self, *, extras: bool) -> Panel:
        self._control("init")
        with gr.Column(elem_id="sd-studio"):
            with gr.Row(elem_id="sd-top"):
                with gr.Column(scale=3, min_width=300, elem_classes="sd-generation"):
                    tokens = (self._prompt("prompt"), self._prompt("negative_prompt"))
                with gr.Column(scale=1, min_width=260, elem_id="sd-side"):
                    enlarge = self._actions()
                    with gr.Column(elem_classes="sd-generation"):
                        styles = self._styles()
                        lora = self._lora()
            with gr.Column(elem_classes="sd-generation"):
                style_buttons = self._style_editor()
            with gr.Row(elem_id="sd-body"):
                with gr.Column(elem_id="sd-source", elem_classes="sd-img2img"):
                    init_size = self._source()
                with gr.Column(elem_id="sd-extras", elem_classes="sd-extras"):
                    enlarging = build_extras(self._options, enlarge) if extras else None
                with gr.Column(elem_id="sd-results"):
                    results, reuse = self._results(extras=extras)
                with gr.Column(elem_id="sd-parameters", elem_classes="sd-generation"):
                    swap, random_seed, reset, put_defaults, save_defaults = self._parameters()
        return Panel(
            fields=self._fields,
            tokens=tokens,
            styles=Styles(styles, *style_buttons),
            lora=lora,
            buttons=Buttons(
                generate=self._generate,
                interrupt=self._interrupt,
                empty_queue=self._empty_queue,
                paste=self._paste,
                swap=swap,
                random_seed=random_seed,
                reuse_seed=reuse,
                init_size=init_size,
                reset_tuning=reset,
                put_defaults=put_defaults,
                save_defaults=save_defaults,
            ),
            message=self._message,
            results=results,
            extras=enlarging,
        )

    # --- The top: prompts and buttons ---

    def _prompt(self, name: str) -> gr.HTML:
        with gr.Column(elem_classes="sd-prompt"):
            self._control(name)
            if name == "prompt":
                self._paste = gr.Button("↙️", elem_id="sd-paste", elem_classes="sd-corner", size="sm", min_width=44)
            return gr.HTML(fragments.token_counter(0, 75), elem_id=f"sd-tokens-{name}", elem_classes="sd-token-corner")

    def _actions(self) -> gr.Button:
        """The buttons, what the form has to say and the progress; on a phone they stay at the bottom of the screen.
        Returns the button that enlarges."""
        with gr.Column(elem_id="sd-actions"):
            self._message = gr.HTML(elem_id="sd-form-message")
            self._progress_bottom = gr.HTML(elem_id="sd-progress-bottom")
            with gr.Row():
                self._generate = gr.Button(
                    "Generar",
                    variant="primary",
                    size="lg",
                    elem_id="sd-generate",
                    elem_classes="sd-generation",
                    scale=2,
                    min_width=120,
                )
                enlarge = gr.Button(
                    "Ampliar",
                    variant="primary",
                    size="lg",
                    elem_id="sd-enlarge",
                    elem_classes="sd-extras",
                    scale=2,
                    min_width=120,
                )
                self._interrupt = gr.Button(
                    "Interrumpir", variant="stop", elem_id="sd-interrupt", scale=1, min_width=120, interactive=False
                )
            self._empty_queue = gr.Button("Vaciar la cola", size="sm", elem_id="sd-empty-queue", visible=False)
        return enlarge

    def _styles(self) -> gr.Dropdown:
        return gr.Dropdown([], label="Estilos", multiselect=True, allow_custom_value=True, elem_id="sd-styles")

    def _lora(self) -> gr.Dropdown:
        return gr.Dropdown([], value=None, label="Añadir un LoRA al prompt", elem_id="sd-lora", allow_custom_value=True)

    def _style_editor(self) -> tuple[gr.Textbox, gr.Button, gr.Button, gr.Button]:
        with (
            gr.Accordion("Guardar y borrar estilos", open=False, elem_id="sd-style-editor"),
            gr.Row(equal_height=True, elem_id="sd-style-row"),
        ):
            name = gr.Textbox(label="Nombre del estilo", max_lines=1, elem_id="sd-style-name", scale=3, min_width=220)
            save = gr.Button("💾 Guardar", size="sm", min_width=100, elem_id="sd-style-save")
            delete = gr.Button("🗑️ Borrar", size="sm", min_width=100, elem_id="sd-style-delete")
            apply = gr.Button("📋 Pasar al prompt", size="sm", min_width=130, elem_id="sd-style-apply")
        return name, save, delete, apply

    # --- The picture to start from ---

    def _source(self) -> gr.Button:
        self._control("init.images")
        with gr.Row():
            size = gr.Button("📐 Usar el tamaño de la imagen", size="sm", elem_id="sd-init-size")
        self._controls("init.strength", "init.resize_mode")
        with self._part("init.inpaint"):
            self._controls("init.inpaint.mask", "init.inpaint.content")
            self._controls("init.inpaint.only_masked", "init.inpaint.padding")
            self._controls("init.inpaint.inverted")
            self._row("init.inpaint.blur_x", "init.inpaint.blur_y")
            with gr.Accordion("Más sobre la máscara", open=False):
                self._controls("init.inpaint.overlay", "init.inpaint.rounded", "init.inpaint.condition_weight")
        with gr.Accordion("Más sobre la imagen inicial", open=False, elem_id="sd-init-more"):
            self._controls("init.color_correction", "init.exact_steps")
            self._controls("init.upscaler", "init.noise_multiplier", "init.background")
        return size

    # --- Parameters ---

    def _parameters(self) -> tuple[gr.Button, ...]:
        self._row("sampler", "schedule")
        self._control("steps")
        with gr.Row(elem_id="sd-size", equal_height=True):
            with gr.Column(scale=1, min_width=200):
                self._controls("width", "height")
            swap = gr.Button("⇅", elem_id="sd-swap", elem_classes="sd-icon", size="sm", min_width=44, scale=0)
        self._control("cfg_scale")
        with gr.Row(elem_id="sd-batch"):
            self._controls("batch_count", "batch_size")
        with gr.Row(elem_id="sd-seed-row", equal_height=True):
            self._control("seed")
            random_seed = gr.Button("🎲 Al azar", elem_id="sd-seed-random", size="sm", min_width=96, scale=0)
        with gr.Column(elem_classes="sd-txt2img"), self._part("hires"):
            self._hires()
        with self._part("refiner"):
            self._controls("refiner.checkpoint", "refiner.switch_at", "refiner.passes", "refiner.by_steps")
        with gr.Accordion("Semilla: opciones", open=False, elem_id="sd-variation"):
            self._controls("variation.seed", "variation.strength")
            self._row("variation.resize_width", "variation.resize_height")
            self._control("noise_origin")
        reset = self._tuning()
        with gr.Accordion("Más opciones", open=False, elem_id="sd-more"):
            self._controls("clip_skip", "tiling")
            put_defaults = gr.Button("↺ Poner los valores predeterminados", size="sm", elem_id="sd-put-defaults")
            save_defaults = gr.Button("Guardar como valores predeterminados", size="sm", elem_id="sd-save-defaults")
        return swap, random_seed, reset, put_defaults, save_defaults

    def _hires(self) -> None:
        self._controls("hires.upscaler", "hires.scale", "hires.strength", "hires.steps")
        with gr.Accordion("Más opciones de Hires. fix", open=False, elem_id="sd-hires-more"):
            self._row("hires.width", "hires.height")
            self._row("hires.checkpoint", "hires.cfg_scale")
            self._row("hires.sampler", "hires.schedule")
            self._controls("hires.prompt", "hires.negative_prompt")

    def _tuning(self) -> gr.Button:
        with gr.Accordion("Ajustes finos", open=False, elem_id="sd-tuning"):
            for title, paths in TUNING_GROUPS.items():
                with gr.Accordion(title, open=False), gr.Row(elem_classes="sd-fine"):
                    self._controls(*paths)
            return gr.Button("↺ Restablecer los ajustes finos", size="sm", elem_id="sd-reset-tuning")

    @contextmanager
    def _part(self, path: str) -> Iterator[None]:
        """A part of the request with its switch: the style sheet hides what is inside while that is off."""
        with gr.Group(elem_classes="sd-part"):
            self._control(path)
            with gr.Column(elem_classes="sd-part-body"):
                yield

    # --- Results ---

    def _results(self, *, extras: bool) -> tuple[Results, gr.Button]:
        progress = gr.HTML(elem_id="sd-progress")
        problems = gr.HTML(elem_id="sd-problems")
        preview = gr.HTML(elem_id="sd-live-preview")
        gallery = gr.Gallery(
            label="Imágenes",
            columns=3,
            height="auto",
            object_fit="contain",
            preview=True,
            interactive=False,
            buttons=["download", "fullscreen"],
            elem_id="sd-gallery",
        )
        with gr.Row(elem_id="sd-send", elem_classes="sd-send"):
            to_img2img = gr.Button("🖼️ Enviar a img2img", size="sm", min_width=130, elem_id="sd-send-img2img")
            to_inpaint = gr.Button("🎨 Enviar a inpaint", size="sm", min_width=130, elem_id="sd-send-inpaint")
            to_extras = gr.Button(
                "🔍 Enviar a Ampliar", size="sm", min_width=130, elem_id="sd-send-extras", visible=extras
            )
            reuse = gr.Button("♻️ Reutilizar semilla", size="sm", min_width=130, elem_id="sd-seed-reuse")
            use = gr.Button("↙️ Usar sus parámetros", size="sm", min_width=130, elem_id="sd-use-infotext")
        with gr.Group():
            infotext = gr.Textbox(
                label="Datos de la imagen",
                placeholder="Aquí aparecen el prompt y los parámetros de la imagen elegida.",
                lines=3,
                max_lines=10,
                interactive=False,
                buttons=["copy"],
                elem_id="sd-infotext",
            )
            download = gr.DownloadButton("⬇️ Descargar imagen", interactive=False, size="sm", elem_id="sd-download")
        results = Results(
            progress=progress,
            progress_bottom=self._progress_bottom,
            problems=problems,
            preview=preview,
            gallery=gallery,
            infotext=infotext,
            download=download,
            to_img2img=to_img2img,
            to_inpaint=to_inpaint,
            to_extras=to_extras,
            use=use,
        )
        return results, reuse
