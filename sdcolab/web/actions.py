"""What the generation panel's buttons do. Handlers take raw control values and return updates; they never raise."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from sdcolab.core.errors import RequestError
from sdcolab.core.events import ImageSaved
from sdcolab.core.prompt import Style, apply_styles
from sdcolab.core.request import RANDOM_SEED, GenerationRequest
from sdcolab.core.settings import Settings
from sdcolab.core.tasks import Generate
from sdcolab.core.tuning import Tuning
from sdcolab.studio.jobs import JobQueue
from sdcolab.studio.last_form import FilledForm
from sdcolab.studio.studio import Studio
from sdcolab.web import fragments
from sdcolab.web.bridge import Watch
from sdcolab.web.controls import FORM, NOT_KEPT, TUNING_GROUPS, Options, request_from, shown_values
from sdcolab.web.edge import attempt
from sdcolab.web.header import chosen_checkpoint, list_models, native_size_of, native_size_or_fallback, options_now
from sdcolab.web.networks import lora_text

Selected = tuple[int, int] | None
"""The image a page's user chose: (job, index from 0)."""

KEPT = tuple(name for name in FORM if name not in NOT_KEPT)
"""The rows of the form that a page remembers, in order."""


class PanelActions:
    """The handlers that read the form or show something in it."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def generate(self, *values: Any) -> str:
        """Put the form's request in the queue. Returns the problem's box, or nothing."""
        return attempt(lambda: self._submit(values), None)[1]

    def _submit(self, values: tuple[Any, ...]) -> None:
        request = self._request(values)
        chosen = self._studio.settings.load().chosen_styles(values[-1] or ())
        prompt, negative = apply_styles(request.prompt, request.negative_prompt, chosen)
        self._studio.submit(Generate(replace(request, prompt=prompt, negative_prompt=negative)))
        self._studio.last_form.save(request, [style.name for style in chosen])

    def _request(self, values: tuple[Any, ...]) -> GenerationRequest:
        form = dict(zip(FORM, values, strict=False))
        if form["init"]:
            form["hires"] = False
        return request_from(form, options_now(self._studio))

    def interrupt(self) -> None:
        """Cancel the job that runs or is next."""
        job = self._studio.jobs.current()
        if job:
            job.cancel()

    def empty_queue(self) -> str:
        """Forget the jobs that wait. Returns a message."""
        dropped = self._studio.jobs.drop_waiting()
        said = "1 trabajo quitado" if dropped == 1 else f"{dropped} trabajos quitados"
        return fragments.message(f"Cola vacía: {said}.", fragments.Tone.GOOD)

    # --- Opening ---

    def open_form(self, kept: Any) -> tuple[Any, ...]:
        """What a page shows when it opens: the form as it was before a reload (``kept``), else that of the last
        generation, in this session or in another, else the saved defaults.

        Returns the values of ``KEPT`` as one list, which the page puts where nobody has typed yet, then the styles, the
        checkpoint's native size, a message, and the lists of model files.
        """
        settings, said = attempt(self._studio.settings.load, Settings())
        options = options_now(self._studio)
        last, told = attempt(self._studio.last_form.load, None)
        form = last or FilledForm(settings.defaults)
        values, chosen = self._values(form.request, options), list(form.styles)
        if isinstance(kept, list) and len(kept) == len(KEPT) + 1:
            pairs = zip(KEPT, kept, strict=False)
            plain = {name: value for name, value in pairs if isinstance(value, str | int | float)}
            values |= _readable(plain, options)
            chosen = [name for name in kept[-1] or [] if isinstance(name, str)]
        native = native_size_or_fallback(self._studio, values["checkpoint"])
        return (
            [values[name] for name in KEPT],
            _styles_update(settings, chosen),
            native,
            said + told,
            *list_models(self._studio, options),
        )

    def put_defaults(self) -> tuple[Any, ...]:
        """The saved defaults: values of ``KEPT``, and a message."""
        settings, said = attempt(self._studio.settings.load, Settings())
        values = self._values(settings.defaults, options_now(self._studio))
        return (*(values[name] for name in KEPT), said)

    def drawn_values(self) -> dict[str, Any]:
        """What each control is drawn with: what a page that opens now would show."""
        settings = self._studio.settings.peek()
        request = (self._studio.last_form.peek() or FilledForm(settings.defaults)).request
        values = self._values(request, options_now(self._studio))
        return {name: values[name] for name in KEPT}

    def _values(self, request: GenerationRequest, options: Options) -> dict[str, Any]:
        """What the controls show for ``request``, which may come from another machine: where it names a file that is
        not here, they show what they do in a new installation.
        """
        checkpoint = chosen_checkpoint(self._studio, request)
        native = native_size_or_fallback(self._studio, checkpoint)
        new = shown_values(Settings().defaults, native)
        return new | _readable(shown_values(request, native), options) | {"checkpoint": checkpoint}

    def choose_checkpoint(self, checkpoint: Any, width: Any, height: Any, native: int) -> tuple[Any, Any, int, str]:
        """New width, height and native size: a size that nobody changed follows the checkpoint."""
        new, said = attempt(lambda: native_size_of(self._studio, checkpoint), native)
        if (width, height) == (native, native):
            return new, new, new, said
        return width, height, new, said  # as they are: sliders take plain values only (see controls)

    # --- Prompts and styles ---

    def count_tokens(self, prompt: str, negative: str, chosen: list[str] | None) -> tuple[str, str]:
        """Both token counters, with the chosen styles counted in."""

        def count() -> tuple[str, str]:
            styles = self._studio.settings.load().chosen_styles(chosen or ())
            whole = apply_styles(prompt or "", negative or "", styles)
            first, second = (fragments.token_counter(*self._studio.count_tokens(text)) for text in whole)
            return first, second

        return attempt(count, (gr.skip(), gr.skip()))[0]

    def add_lora(self, name: str | None, prompt: str) -> tuple[Any, Any, str]:
        """Write a LoRA's tag and its activation words into the prompt. Returns prompt, list and a message."""
        if not name:
            return gr.skip(), gr.skip(), ""
        text, said = attempt(lambda: lora_text(self._studio.library, name), None)
        if text is None:
            return gr.skip(), None, said
        parts = [(prompt or "").rstrip().rstrip(","), text]
        return ", ".join(part for part in parts if part), None, ""

    def save_style(self, name: str, prompt: str, negative: str, chosen: list[str] | None) -> tuple[Any, str]:
        """Save both prompts as a style. Returns the style list and a message."""
        name = (name or "").strip()
        if not name:
            return gr.skip(), fragments.message(
                "Falta el nombre del estilo.", fragments.Tone.ERROR, "Escríbelo en su casilla."
            )

        def save() -> Any:
            style = Style(name, prompt or "", negative or "")
            settings = self._studio.settings.change(lambda settings: settings.with_style(style))
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
            settings = self._studio.settings.change(lambda settings: settings.without_styles(chosen))
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

    # --- Values ---

    def save_defaults(self, native: int, *values: Any) -> str:
        """Save the form as what a page shows that has nothing to go on with. Returns a message."""

        def save() -> None:
            request = request_from(dict(zip(FORM, values, strict=False)) | {"init": False}, options_now(self._studio))
            if (request.width, request.height) == (native, native):
                request = replace(request, width=None, height=None)
            self._studio.settings.change(lambda settings: replace(settings, defaults=request))

        said = attempt(save, None)[1]
        return said or fragments.message(
            "Valores predeterminados guardados.",
            fragments.Tone.GOOD,
            "Vuelves a ellos con «Poner los valores predeterminados».",
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


TUNING_PATHS = tuple(path for paths in TUNING_GROUPS.values() for path in paths)
"""The fine adjustments, in the order of the form."""


def neutral_tuning() -> list[Any]:
    """What the controls of ``TUNING_PATHS`` show when nothing is adjusted."""
    shown = shown_values(GenerationRequest(tuning=Tuning()), 0)
    return [shown[path] for path in TUNING_PATHS]


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


def _readable(values: Mapping[str, Any], options: Options) -> dict[str, Any]:
    """Those of ``values`` that their control can read."""
    good: dict[str, Any] = {}
    for name, value in values.items():
        with contextlib.suppress(RequestError, ValueError):
            FORM[name].read(value, options)
            good[name] = value
    return good
