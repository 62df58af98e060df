"""What the generation form's controls do. Handlers return dictionaries of updates by control; they never raise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from sdcolab.core.errors import SdcolabError
from sdcolab.core.events import ImageSaved
from sdcolab.core.request import RANDOM_SEED, GenerationRequest
from sdcolab.core.settings import Settings
from sdcolab.core.tasks import Generate, Place
from sdcolab.core.tuning import Tuning
from sdcolab.core.words import page as words
from sdcolab.core.words.faces import NO_LORAS, NO_STYLES
from sdcolab.core.words.scripts import PLAN_CONTINUED, PLAN_LEFT
from sdcolab.studio.form import Reader, kept_paths, once, shown
from sdcolab.studio.generating import BROUGHT, Asked, GenerationDesk, brought, lora_names
from sdcolab.studio.jobs import JobQueue
from sdcolab.studio.layout import Layout
from sdcolab.studio.plans import LeftPlan, offered, sentence
from sdcolab.studio.scripting import (
    CHOSEN,
    comparison,
    every_script,
    filled_axis,
    forecast_sentence,
    script_left,
    values_to_add,
    with_value_added,
)
from sdcolab.studio.sheets import Sheets
from sdcolab.studio.strangers import strangers
from sdcolab.studio.studio import Studio
from sdcolab.web import fragments
from sdcolab.web.control_wires import renewed, units_lost
from sdcolab.web.edge import attempt
from sdcolab.web.parts import Parts
from sdcolab.web.uploads import chosen_picture

Selected = str | None
"""The key of the image that a page's user chose (``studio.sheets``)."""

Updates = dict[Any, Any]
"""New values, or ``gr.update``, by control."""

Data = Mapping[Any, Any]
"""What each control holds."""


class FormActions:
    """The handlers that read the form or show something in it."""

    def __init__(self, studio: Studio, parts: Parts) -> None:
        self._studio = studio
        self._parts = parts
        self._panel = parts.panel
        self._gadgets = parts.panel.gadgets
        self.reader = Reader(studio.lists, chosen_picture)
        self.desk = GenerationDesk(studio, parts.layout, self.reader)
        self.kept = (*kept_paths(GenerationRequest, parts.panel.fields), *self._gadgets.remembered)

    # --- Inputs -------------------------------------------------------------------------------------------------------

    @property
    def form(self) -> list[Any]:
        """Every control that a request is read from, each once: the fields first, in the layout's order."""
        gadgets, forms = self._gadgets, self._gadgets.script_forms.values()
        scripts = (control for form in forms for path, control in form.items() if path != "@box")
        return [*self._panel.fields.values(), gadgets.styles, self._panel.mode, gadgets.script, *scripts]

    def asked(self, data: Data) -> Asked:
        """The form as ``data`` has it."""
        script = data[self._gadgets.script] or ""
        drawn = self._gadgets.script_forms.get(script, {})
        return Asked(
            values={path: data[control] for path, control in self._panel.fields.items()},
            mode=data[self._panel.mode],
            styles=data[self._gadgets.styles] or (),
            script=script,
            script_values={path: data[control] for path, control in drawn.items() if path != "@box"},
        )

    # --- Work ---------------------------------------------------------------------------------------------------------

    def generate(self, data: Data) -> str:
        """Put the form's request in the queue. Returns the problem's box, or nothing."""
        return attempt(lambda: self.desk.submit(self.asked(data)), None)[1]

    def fill_axis(self, axis: str | None, now: str | None) -> str:
        """Every value of an axis of X/Y/Z plot."""
        return attempt(lambda: filled_axis(self._studio, axis or "", now or ""), now or "")[0]

    def offer_values(self, axis: str | None) -> tuple[Any, Any]:
        """What can be added to an axis, and the button that adds all of it: hidden where there is nothing to choose."""
        nothing: tuple[str, ...] = ()
        found, _ = attempt(lambda: values_to_add(self._studio, axis or ""), nothing)
        return gr.update(choices=[*found], value=None, visible=bool(found)), gr.update(visible=bool(found))

    def add_value(self, value: str | None, now: str | None) -> tuple[str, None]:
        """One more value of an axis, and nothing chosen any more."""
        return with_value_added(now or "", value) if value else now or "", None

    def offer_plan(self) -> tuple[Any, str, str]:
        """Whether there is a plan to go on with, what is told of it, and its name."""
        nothing: LeftPlan | None = None
        plan, _ = attempt(lambda: offered(self._studio.plans, self._studio.jobs), nothing)
        if plan is None:
            return gr.update(visible=False), "", ""
        return gr.update(visible=True), fragments.message(sentence(plan), fragments.Tone.CALM), plan.name

    def continue_plan(self, name: str) -> tuple[Any, str]:
        """Queue the rest of the plan. The box, and a message."""
        _, problem = attempt(lambda: self._studio.submit(self._studio.plans.continued(name)), None)
        return gr.update(visible=False), problem or fragments.message(PLAN_CONTINUED, fragments.Tone.GOOD)

    def leave_plan(self, name: str) -> tuple[Any, str]:
        """Offer the plan no more. The box, and a message."""
        _, problem = attempt(lambda: self._studio.plans.leave(name), None)
        return gr.update(visible=False), problem or fragments.message(PLAN_LEFT, fragments.Tone.GOOD)

    def compare_loras(self, lora: str | None) -> Updates:
        """The settings of X/Y/Z plot that compare the epochs of a LoRA, and a message."""
        plot = self._gadgets.script_forms["xyz"]
        nothing: Mapping[str, str] = {}
        settings, said = attempt(lambda: comparison(self._studio, lora or ""), nothing)
        return {plot[name]: value for name, value in settings.items()} | {self._panel.message: said}

    def forecast(self, data: Data) -> str:
        """How much the chosen script will be, or what is wrong with it."""
        told, problem = attempt(lambda: forecast_sentence(self._studio, self.desk, self.asked(data)), "")
        return problem or (fragments.message(told, fragments.Tone.CALM) if told else "")

    def enhance(self, selected: Selected) -> str:
        """The picture on show again, with a pass of hires. Returns the problem's box, or nothing."""
        image = shown_image(self._studio.jobs, selected)
        if image is None:
            return no_image()
        return attempt(lambda: self._studio.submit(Generate(self.desk.enhanced(image.infotext))), None)[1]

    def interrupt(self) -> None:
        """Cancel the job that runs or is next."""
        if job := self._studio.jobs.shown():
            self._studio.jobs.cancel(job)

    def pause(self) -> None:
        """Let the job that runs wait, or go on."""
        if job := self._studio.jobs.shown():
            job.pause(not job.cancel_token.held)

    def empty_queue(self) -> str:
        """Forget the jobs that wait. Returns a message."""
        dropped = self._studio.jobs.drop_waiting()
        return fragments.message(words.queue_emptied(dropped), fragments.Tone.GOOD)

    # --- Opening ------------------------------------------------------------------------------------------------------

    def open_form(self, kept: Any) -> tuple[list[Any], list[str], int, str]:
        """What a page shows when it opens: the form as it was before a reload (``kept``: values by path), else that of
        the last generation, else the saved defaults.

        Returns the values of ``kept`` controls as one list, which the page puts where nobody has typed yet, the styles
        chosen, the checkpoint's native size, and a message.
        """
        settings, said = attempt(self._studio.settings.load, Settings())
        opening, lost = attempt(lambda: self.desk.opening(settings), None)
        values, chosen = opening or self.desk.opening(settings, peek=True)
        queue = self._studio.jobs.take_trouble()
        said += lost + (fragments.problem(queue) if queue else "")
        if isinstance(kept, dict):
            values |= self.desk.usable(kept)
            said += units_lost(kept.get("@lost"))
            chosen = [name for name in kept.get("@styles") or [] if isinstance(name, str)]
        native = self.desk.native_size(values["checkpoint"])
        values |= opening_scripts(self._studio, self._parts.layout, self.reader, kept)
        return [values.get(path) for path in self.kept], chosen, native, said

    def fresh_lists(self) -> Updates:
        """What can be chosen now, for every list of the page."""
        settings, _ = attempt(self._studio.settings.load, Settings())
        loras = [*lora_names(self._studio.library)]
        return self._parts.fresh_lists(once(self._studio.lists)) | {
            self._gadgets.styles: choices_or([style.name for style in settings.styles], NO_STYLES),
            self._gadgets.lora: choices_or(loras, NO_LORAS),
            **_to_compare(self._gadgets.compared_lora, loras),
        }

    def refresh(self, checkpoint: str | None, vae: str | None, *units: Any) -> Updates:
        """The same, and what was chosen in the bar stays chosen while it exists. ``units``: type of control,
        preprocessor and model of each unit of ControlNet, whose type still says what it offers, and which may have got
        what it lacked."""
        updates = self.fresh_lists()
        updates[self._panel.fields["checkpoint"]]["value"] = self._studio.library.checkpoint_or_default(checkpoint)
        names = self._studio.lists("vaes")
        updates[self._panel.fields["vae"]]["value"] = vae if vae in names else next(iter(names), None)
        for place, unit in enumerate(self.desk.control.units[: len(units) // 3]):
            box = self._gadgets.weights[unit]
            drawn = (*self._panel.some(f"{unit}.module", f"{unit}.model"), box.told, box.download)
            found = renewed(self.desk.control, *units[3 * place : 3 * place + 3], checkpoint)
            updates |= zip(drawn, found, strict=True)
        return updates

    def put_defaults(self) -> Updates:
        """The saved defaults."""
        settings, said = attempt(self._studio.settings.load, Settings())
        values = self.desk.values(settings.defaults)
        return {self._panel.fields[path]: values[path] for path in self.kept if path in values} | {
            self._panel.message: said
        }

    def save_defaults(self, native: int, data: Data) -> str:
        """Save the form as what a page shows that has nothing to go on with. Returns a message."""

        def save() -> None:
            request = self.desk.defaults_from(self.asked(data), native)
            self._studio.settings.change(lambda settings: settings.with_defaults(request, native))

        said = attempt(save, None)[1]
        return said or fragments.message(
            words.DEFAULTS_SAVED,
            fragments.Tone.GOOD,
            words.BACK_TO_DEFAULTS,
        )

    def neutral_tuning(self) -> Updates:
        """The fine adjustments as they are when nothing is adjusted."""
        neutral = shown(GenerationRequest, GenerationRequest(tuning=Tuning()))
        return {control: neutral[path] for path, control in self._panel.fields.items() if path.startswith("tuning.")}

    def choose_checkpoint(self, checkpoint: Any, width: Any, height: Any, native: int) -> list[Any]:
        """New width, height and native size, and the controls of ``BROUGHT``: a size that nobody changed follows the
        checkpoint, and one of another family brings the defaults that were saved with it."""
        new = self.desk.native_size(checkpoint)
        if (width, height) == (native, native):
            width = height = new
        nothing: dict[str, Any] = {}
        found, _ = attempt(lambda: brought(self.desk, self._studio.settings.peek(), native, new), nothing)
        return [width, height, new, *(found.get(path, gr.skip()) for path in BROUGHT)]

    # --- The picture on show ------------------------------------------------------------------------------------------

    def reuse_seed(self, selected: Selected) -> Any:
        """The seed of the image on show, or of the last one made."""
        image = shown_image(self._studio.jobs, selected)
        return str(image.seed) if image else gr.skip()

    def select_image(self, event: gr.EventData) -> tuple[Any, Any, Any]:
        """The chosen image as ``Selected``, its infotext and its file."""
        selected = str(getattr(event, "key", "") or "") or None
        return (selected, *image_updates(shown_image(self._studio.jobs, selected)))


def opening_scripts(studio: Studio, layout: Layout, reader: Reader, kept: Any) -> dict[str, Any]:
    """What the list of scripts and their controls show when a page opens: as before a reload (``kept``), else
    the script of the last generation."""
    if not isinstance(kept, dict):
        return every_script(layout, reader, *script_left(studio, layout))
    chosen = str(kept.get(CHOSEN) or "")
    plain = {path: value for path, value in kept.items() if isinstance(value, str | int | float | list)}
    start = f"{CHOSEN}.{chosen}."
    mine = {path.removeprefix(start): value for path, value in plain.items() if path.startswith(start)}
    return every_script(layout, reader, chosen if chosen in {script.id for script in layout.scripts} else "", mine)


def tell_strangers(studio: Studio) -> str:
    """What to say of files among the models that no list offers."""
    nothing: tuple[SdcolabError, ...] = ()
    found, problem = attempt(lambda: strangers(studio.library.now()), nothing)
    return problem + "".join(fragments.problem(one, warning=True) for one in found)


def offer_upscaler(studio: Studio, name: Any) -> str:
    """What is said of an upscaler that was chosen and is not here; nothing of others."""
    size = studio.upscalers_on_offer.get(name) if isinstance(name, str) else None
    return "" if size is None or name in studio.lists("upscalers") else fragments.offer(name, size)


def _to_compare(control: Any, loras: list[str]) -> Updates:
    """What can be compared; nothing where the page has no scripts."""
    return {} if control is None else {control: gr.update(choices=loras)}


def choices_or(names: list[str], empty: str) -> Any:
    """A list, which says what to do while it has nothing."""
    return gr.update(choices=names, info="" if names else empty)  # gradio keeps the old words for None


def random_seed() -> str:
    """The seed that asks for a random one."""
    return str(RANDOM_SEED)


def shown_image(jobs: JobQueue, selected: Selected) -> ImageSaved | None:
    """The selected image, else the last image of the most recent job that made one."""
    if selected and (chosen := Sheets(jobs).picture(selected)):
        return chosen
    for job in reversed(jobs.jobs(Place.ENGINE)):
        if job.snapshot.images:
            return job.snapshot.images[-1]
    return None


def image_updates(image: ImageSaved | None) -> tuple[Any, Any]:
    """Infotext and download button for ``image``."""
    if image is None:
        return "", gr.update(value=None, interactive=False)
    return image.infotext, gr.update(value=str(image.path), interactive=True)


def no_image() -> str:
    """What is said where there is no picture to take."""
    return fragments.message(words.NO_PICTURE, fragments.Tone.ERROR, words.MAKE_OR_CHOOSE)
