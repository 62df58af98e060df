"""The txt2img tab: prompts, parameters, the buttons and the results."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from sdcolab.core.errors import RequestError
from sdcolab.core.events import ImageSaved
from sdcolab.core.jobs import JobQueue
from sdcolab.core.prompt import Style, apply_styles
from sdcolab.core.request import RANDOM_SEED, GenerationRequest
from sdcolab.core.settings import Settings
from sdcolab.web import fragments
from sdcolab.web.bridge import Watch
from sdcolab.web.controls import CONTROLS, Options, dropdown_choices, request_from, shown_values
from sdcolab.web.edge import attempt
from sdcolab.web.header import Header, chosen_checkpoint, native_size_of, native_size_or_fallback, options_now
from sdcolab.web.studio import Studio

Selected = tuple[int, int] | None
"""The image a page's user chose: (job, index from 0)."""


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


@dataclass(frozen=True, slots=True)
class Styles:
    """The controls of the saved styles."""

    chosen: gr.Dropdown
    name: gr.Textbox
    save: gr.Button
    delete: gr.Button
    apply: gr.Button


@dataclass(frozen=True, slots=True)
class Txt2Img:
    """The tab's controls. ``fields`` has one control for each field of the request, the header's two among them."""

    fields: Mapping[str, Any]
    tokens: tuple[gr.HTML, gr.HTML]
    styles: Styles
    generate: gr.Button
    interrupt: gr.Button
    message: gr.HTML
    swap: gr.Button
    random_seed: gr.Button
    reuse_seed: gr.Button
    save_defaults: gr.Button
    results: Results

    @property
    def form(self) -> list[Any]:
        """Every control that a request is read from: the fields in the table's order, then the chosen styles."""
        return [*(self.fields[name] for name in CONTROLS), self.styles.chosen]


# --- Drawing ------------------------------------------------------------------------------------------------------


def build_txt2img(options: Options, header: Header) -> Txt2Img:
    """Draw the tab inside the current page."""
    fields: dict[str, Any] = {"checkpoint": header.checkpoint, "vae": header.vae}

    def control(name: str) -> Any:
        fields[name] = CONTROLS[name].make(options)
        return fields[name]

    with gr.Row(elem_id="sd-top"):
        with gr.Column(scale=3, min_width=300):
            tokens = (_prompt(control, "prompt"), _prompt(control, "negative_prompt"))
        with gr.Column(scale=1, min_width=260):
            generate, interrupt, message, progress_bottom = _actions()
            styles = _styles()
    with gr.Row(elem_id="sd-body"):
        with gr.Column(scale=1, min_width=300, elem_id="sd-results"):
            results = _results(progress_bottom)
        with gr.Column(scale=1, min_width=300, elem_id="sd-parameters"):
            swap, random_seed, reuse_seed, save_defaults = _parameters(control)
    return Txt2Img(
        fields=fields,
        tokens=tokens,
        styles=styles,
        generate=generate,
        interrupt=interrupt,
        message=message,
        swap=swap,
        random_seed=random_seed,
        reuse_seed=reuse_seed,
        save_defaults=save_defaults,
        results=results,
    )


def _prompt(control: Any, name: str) -> gr.HTML:
    with gr.Column(elem_classes="sd-prompt"):
        control(name)
        return gr.HTML(fragments.token_counter(0, 75), elem_id=f"sd-tokens-{name}", elem_classes="sd-token-corner")


def _actions() -> tuple[gr.Button, gr.Button, gr.HTML, gr.HTML]:
    """Both buttons, what the form has to say and the progress; on a phone they stay at the bottom of the screen."""
    with gr.Column(elem_id="sd-actions"):
        message = gr.HTML(elem_id="sd-form-message")
        progress_bottom = gr.HTML(elem_id="sd-progress-bottom")
        with gr.Row():
            generate = gr.Button("Generar", variant="primary", size="lg", elem_id="sd-generate", scale=2, min_width=120)
            interrupt = gr.Button(
                "Interrumpir", variant="stop", elem_id="sd-interrupt", scale=1, min_width=120, interactive=False
            )
    return generate, interrupt, message, progress_bottom


def _styles() -> Styles:
    chosen = gr.Dropdown(
        [],
        label="Estilos",
        multiselect=True,
        allow_custom_value=True,
        elem_id="sd-styles",
    )
    with gr.Accordion("Guardar y borrar estilos", open=False, elem_id="sd-style-editor"):
        name = gr.Textbox(label="Nombre del estilo", max_lines=1, elem_id="sd-style-name")
        with gr.Row():
            save = gr.Button("💾 Guardar", size="sm", min_width=90, elem_id="sd-style-save")
            delete = gr.Button("🗑️ Borrar", size="sm", min_width=90, elem_id="sd-style-delete")
            apply = gr.Button("📋 Pasar al prompt", size="sm", min_width=120, elem_id="sd-style-apply")
    return Styles(chosen, name, save, delete, apply)


def _parameters(control: Any) -> tuple[gr.Button, gr.Button, gr.Button, gr.Button]:
    with gr.Row():
        control("sampler")
        control("schedule")
    control("steps")
    with gr.Row(elem_id="sd-size", equal_height=True):
        with gr.Column(scale=1, min_width=200):
            control("width")
            control("height")
        swap = gr.Button("⇅", elem_id="sd-swap", elem_classes="sd-icon", size="sm", min_width=44, scale=0)
    control("cfg_scale")
    with gr.Row(elem_id="sd-batch"):
        control("batch_count")
        control("batch_size")
    with gr.Row(elem_id="sd-seed-row", equal_height=True):
        control("seed")
        random_seed = gr.Button("🎲 Al azar", elem_id="sd-seed-random", size="sm", min_width=96, scale=0)
        reuse_seed = gr.Button("♻️ Reusar", elem_id="sd-seed-reuse", size="sm", min_width=96, scale=0)
    with gr.Accordion("Más opciones", open=False, elem_id="sd-more"):
        control("clip_skip")
        control("noise_origin")
        save_defaults = gr.Button("Guardar como valores predeterminados", size="sm", elem_id="sd-save-defaults")
    return swap, random_seed, reuse_seed, save_defaults


def _results(progress_bottom: gr.HTML) -> Results:
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
    return Results(progress, progress_bottom, problems, preview, gallery, infotext, download)


# --- Doing --------------------------------------------------------------------------------------------------------


class Txt2ImgActions:
    """What the tab's buttons do. Handlers take raw control values and return updates; they never raise."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def generate(self, *values: Any) -> str:
        """Put the form's request in the queue. Returns the problem's box, or nothing."""
        return attempt(lambda: self._submit(values), None)[1]

    def _submit(self, values: tuple[Any, ...]) -> None:
        request = self._request(values)
        chosen = self._studio.settings.load().chosen_styles(values[-1] or ())
        prompt, negative = apply_styles(request.prompt, request.negative_prompt, chosen)
        self._studio.jobs.submit(replace(request, prompt=prompt, negative_prompt=negative))

    def _request(self, values: tuple[Any, ...]) -> GenerationRequest:
        return request_from(dict(zip(CONTROLS, values, strict=False)), options_now(self._studio))

    def interrupt(self) -> None:
        """Cancel the job that runs or is next."""
        job = self._studio.jobs.current()
        if job:
            job.cancel()

    def open_form(self, kept: Any) -> tuple[Any, ...]:
        """What a page shows when it opens: the form as it was before a reload (``kept``), else the saved defaults.

        Returns the values of ``CONTROLS`` as one list, which the page puts where nobody has typed yet, then the choices
        of checkpoints and VAEs, the styles, the checkpoint's native size and a message.
        """
        settings, said = attempt(self._studio.settings.load, Settings())
        options = options_now(self._studio)
        values = self._values(settings.defaults)
        chosen: list[str] = []
        if isinstance(kept, list) and len(kept) == len(CONTROLS) + 1:
            values |= _acceptable(dict(zip(CONTROLS, kept, strict=False)), options)
            chosen = [name for name in kept[-1] or [] if isinstance(name, str)]
        native = native_size_or_fallback(self._studio, values["checkpoint"])
        return (
            [values[name] for name in CONTROLS],
            gr.update(choices=dropdown_choices(options.checkpoints)),
            gr.update(choices=dropdown_choices(options.vaes)),
            _styles_update(settings, chosen),
            native,
            said,
        )

    def default_values(self) -> dict[str, Any]:
        """What each control of ``CONTROLS`` shows on a fresh page."""
        return self._values(attempt(self._studio.settings.load, Settings())[0].defaults)

    def _values(self, defaults: GenerationRequest) -> dict[str, Any]:
        checkpoint = chosen_checkpoint(self._studio, defaults)
        values = shown_values(defaults, native_size_or_fallback(self._studio, checkpoint))
        return values | {"checkpoint": checkpoint}

    def choose_checkpoint(self, checkpoint: Any, width: Any, height: Any, native: int) -> tuple[Any, Any, int, str]:
        """New width, height and native size: a size that nobody changed follows the checkpoint."""
        new, said = attempt(lambda: native_size_of(self._studio, checkpoint), native)
        if (width, height) == (native, native):
            return new, new, new, said
        return width, height, new, said  # as they are: sliders take plain values only (see controls)

    def count_tokens(self, prompt: str, negative: str, chosen: list[str] | None) -> tuple[str, str]:
        """Both token counters, with the chosen styles counted in."""

        def count() -> tuple[str, str]:
            styles = self._studio.settings.load().chosen_styles(chosen or ())
            whole = apply_styles(prompt or "", negative or "", styles)
            first, second = (fragments.token_counter(*self._studio.count_tokens(text)) for text in whole)
            return first, second

        return attempt(count, (gr.skip(), gr.skip()))[0]

    def save_style(self, name: str, prompt: str, negative: str, chosen: list[str] | None) -> tuple[Any, str]:
        """Save both prompts as a style. Returns the style list and a message."""
        name = (name or "").strip()
        if not name:
            return gr.skip(), fragments.message(
                "Falta el nombre del estilo.", fragments.Tone.ERROR, "Escríbelo en su casilla."
            )

        def save() -> Any:
            settings = self._studio.settings.load().with_style(Style(name, prompt or "", negative or ""))
            self._studio.settings.save(settings)
            return _styles_update(settings, chosen or [])

        update, said = attempt(save, gr.skip())
        return update, said or fragments.message(f"Estilo «{name}» guardado.", fragments.Tone.GOOD)

    def delete_styles(self, chosen: list[str] | None) -> tuple[Any, str]:
        """Delete the chosen styles. Returns the style list and a message."""
        if not chosen:
            return gr.skip(), fragments.message(
                "No hay ningún estilo elegido.", fragments.Tone.ERROR, "Elige en «Estilos» los que quieras borrar."
            )

        def delete() -> Any:
            settings = self._studio.settings.load()
            for name in chosen:
                settings = settings.without_style(name)
            self._studio.settings.save(settings)
            return _styles_update(settings, [])

        update, said = attempt(delete, gr.skip())
        return update, said or fragments.message("Estilos borrados: " + ", ".join(chosen) + ".", fragments.Tone.GOOD)

    def apply_styles(self, prompt: str, negative: str, chosen: list[str] | None) -> tuple[Any, Any, Any, str]:
        """Write the chosen styles into both prompts and leave none chosen."""

        def apply() -> tuple[Any, Any, Any]:
            styles = self._studio.settings.load().chosen_styles(chosen or ())
            return (*apply_styles(prompt or "", negative or "", styles), [])

        updates, said = attempt(apply, (gr.skip(), gr.skip(), gr.skip()))
        return (*updates, said)

    def save_defaults(self, native: int, *values: Any) -> str:
        """Save the form as what a fresh page shows. Returns a message."""

        def save() -> None:
            request = self._request(values)
            if (request.width, request.height) == (native, native):
                request = replace(request, width=None, height=None)
            settings = self._studio.settings.load()
            self._studio.settings.save(replace(settings, defaults=request))

        said = attempt(save, None)[1]
        return said or fragments.message(
            "Valores predeterminados guardados.", fragments.Tone.GOOD, "La página se abrirá con ellos."
        )

    def reuse_seed(self, selected: Selected) -> Any:
        """The seed of the image on show, or of the last one made."""
        image = shown_image(self._studio.jobs, selected)
        return str(image.seed) if image else gr.skip()

    def select_image(self, watch: Watch, event: gr.SelectData) -> tuple[Any, Any, Any]:
        """The chosen image as ``Selected``, its infotext and its file."""
        index = event.index
        if not isinstance(index, int):
            return gr.skip(), gr.skip(), gr.skip()
        return ((watch.job, index), *image_updates(shown_image(self._studio.jobs, (watch.job, index))))


def random_seed() -> str:
    """The seed that asks for a random one."""
    return str(RANDOM_SEED)


def shown_image(jobs: JobQueue, selected: Selected) -> ImageSaved | None:
    """The selected image, else the last image of the most recent job that made one."""
    if selected:
        job = jobs.get(selected[0])
        if job and 0 <= selected[1] < len(job.snapshot.images):
            return job.snapshot.images[selected[1]]
    for job in reversed(jobs.jobs()):
        if job.snapshot.images:
            return job.snapshot.images[-1]
    return None


def image_updates(image: ImageSaved | None) -> tuple[Any, Any]:
    """Infotext and download button for ``image``."""
    if image is None:
        return "", gr.update(value=None, interactive=False)
    return image.infotext, gr.update(value=str(image.path), interactive=True)


def _styles_update(settings: Settings, chosen: list[str]) -> Any:
    names = [style.name for style in settings.styles]
    return gr.update(choices=names, value=[name for name in chosen if name in names])


def _acceptable(values: Mapping[str, Any], options: Options) -> dict[str, Any]:
    """Those of ``values`` that their control can read."""
    good: dict[str, Any] = {}
    for name, value in values.items():
        with contextlib.suppress(RequestError, ValueError):
            CONTROLS[name].read(value, options)
            if isinstance(value, str | int | float):
                good[name] = value
    return good
