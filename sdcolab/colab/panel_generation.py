"""The panel's generation form: the sections of the layout and the gadgets between them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from sdcolab.colab.panel_control import UnitWidgets
from sdcolab.colab.panel_fields import choose_first
from sdcolab.colab.panel_form import FormBox, Gadgets
from sdcolab.colab.panel_notes import Note, Notes
from sdcolab.colab.panel_parts import button_row
from sdcolab.colab.panel_remarks import RemarkBox
from sdcolab.colab.panel_scripts import ScriptBox
from sdcolab.colab.panel_styles import StyleBox
from sdcolab.core.control import ControlType
from sdcolab.core.errors import PromptSyntaxError, SdcolabError
from sdcolab.core.few_steps import few_steps_for
from sdcolab.core.library import Library
from sdcolab.core.pictures import picture_from
from sdcolab.core.request import RANDOM_SEED, GenerationRequest
from sdcolab.core.settings import Settings
from sdcolab.core.tasks import Generate, Origin
from sdcolab.core.tuning import Tuning
from sdcolab.core.words import panel as words
from sdcolab.core.words.faces import SIZES
from sdcolab.core.words.layout import offer_download
from sdcolab.core.words.speed import FEW_STEPS, NO_FEW_STEPS, NO_FEW_STEPS_ADVICE, few_steps_put
from sdcolab.studio.control_desk import followed
from sdcolab.studio.form import Reader, once, shown
from sdcolab.studio.generating import (
    IMAGE_MODE,
    TEXT_MODE,
    Asked,
    GenerationDesk,
    Reading,
    brought,
    chip_size,
    fitting_size,
    lora_names,
    of_a_beginning,
    sentences,
    with_lora,
)
from sdcolab.studio.layout import Layout, Section
from sdcolab.studio.scripting import forecast_sentence, script_left
from sdcolab.studio.strangers import strangers
from sdcolab.studio.studio import Studio


def picture_of(raw: Any) -> Image.Image:
    """The picture that a widget holds as bytes. Raises ``PictureUnreadable``."""
    return picture_from(bytes(raw), Path("imagen"))


def put_few_steps(form: FormBox, library: Library) -> str:
    """Put the settings of a model of few steps that is chosen or in the prompt; what to say of it."""
    values = form.values
    found = few_steps_for(library, values["checkpoint"] or "", values["prompt"])
    if found is None:
        return f"ℹ️ {NO_FEW_STEPS} {NO_FEW_STEPS_ADVICE}"
    form.fill(dict(found.values))
    return f"⚡ {few_steps_put(found)}"


def offer_upscaler(studio: Studio, form: FormBox, path: str, notes: Notes) -> None:
    """Offer an upscaler that was chosen and is not here."""
    name = form.values.get(path)
    size = studio.upscalers_on_offer.get(name or "")
    if size is not None and name not in studio.lists("upscalers"):
        notes(f"⬇️ {offer_download(str(name), size)}")
        notes.offer(str(name))


def look_again(refresh: Callable[[], None], library: Library, note: Note) -> None:
    """Look for files, and say which of those among the models no list offers."""
    refresh()
    if told := sentences(strangers(library.now())):
        note(f"⚠️ {' '.join(told)}")


def settings_or_new(studio: Studio, notes: Notes) -> Settings:
    """The saved settings; new ones where they cannot be read, which is told."""
    try:
        return studio.settings.load()
    except SdcolabError as error:
        notes.trouble(error, "⚠️")
        return Settings()


class GenerationForm:
    """The form with its styles, LoRA, seeds and sizes. ``mode`` is the tab of generation that is open; each has a size
    of its own."""

    def __init__(self, widgets: Any, studio: Studio, layout: Layout, notes: Notes) -> None:
        self._new = widgets
        self._studio = studio
        self._layout = layout
        self._note, guarded = notes, notes.guarded
        self._guarded = guarded
        self.desk = GenerationDesk(studio, layout, Reader(studio.lists, picture_of), Origin.PANEL)
        self._sizes: dict[str, tuple[int, int]] = {}
        self.mode = TEXT_MODE
        settings = settings_or_new(studio, notes)
        values, chosen = self._opening(settings)
        self._native = self.desk.native_size(values["checkpoint"])
        self.styles = StyleBox(widgets, studio.settings, self._prompts, self._put_prompts, notes, guarded)
        self.styles.offer(settings, chosen)
        forecast = partial(forecast_sentence, studio, self.desk)
        self.scripts = ScriptBox(widgets, studio, layout.scripts, lambda: forecast(self.asked), guarded)
        self.scripts.choose(*script_left(studio, layout))
        wide = {"layout": widgets.Layout(width="98%"), "style": {"description_width": "130px"}}
        self._lora = widgets.Dropdown(description="LoRA", **wide)
        self._tokens = widgets.HTML(value=words.tokens((0, 75), (0, 75)))
        self._remarks = RemarkBox(widgets, studio, lambda: self.asked, guarded)
        self._offer_loras()
        self._lora.observe(lambda change: self._add_lora(change["new"]), names="value")
        self._units = UnitWidgets(widgets, self.desk.control, guarded, lambda: self.mode)
        bar = Section("bar", items=(*layout.bar, "@refresh"))
        self.form = FormBox(
            widgets, GenerationRequest, (bar, *layout.generation), values, once(studio.lists), gadgets=self._gadgets()
        )
        self.form.show_mode(self.mode)
        self.form.watch("checkpoint", self._follow_model)
        self._units.connect(self.form)
        for path in ("hires.upscaler", "init.upscaler"):
            self.form.watch(path, partial(offer_upscaler, studio, self.form, path, notes))
        count = partial(guarded(self._count_tokens), None)
        for path in ("prompt", "negative_prompt"):
            self.form.watch(path, count)
        self.styles.watch(count)
        count()
        self._remarks.watch(self.form, self.desk.control, self.styles.watch, self.scripts.watch)
        self.box = self.form.box

    def _opening(self, settings: Settings) -> tuple[dict[str, Any], list[str]]:
        try:
            return self.desk.opening(settings)
        except SdcolabError as error:
            self._note.trouble(error, "⚠️")
            return self.desk.opening(settings, peek=True)

    # --- Asking -------------------------------------------------------------------------------------------------------

    @property
    def asked(self) -> Asked:
        """The form as it stands."""
        return Asked(self.form.values, self.mode, self.styles.chosen, self.scripts.chosen, self.scripts.values)

    def generate(self) -> None:
        """Queue what the form asks for. Raises ``RequestError`` or ``QueueFull``."""
        self.desk.submit(self.asked)

    def enhance(self, infotext: str) -> None:
        """The picture with this infotext again, with a pass of hires."""
        self._studio.submit(Generate(self.desk.enhanced(infotext)), Origin.PANEL)

    # --- Filling ------------------------------------------------------------------------------------------------------

    def open_mode(self, mode: str) -> None:
        """Show what belongs to the tab ``mode``, with its own size."""
        if mode != self.mode:
            values = self.form.values
            self._sizes[self.mode] = (values["width"], values["height"])
            self.mode = mode
            self._put_size(self._sizes.get(mode))
        self.form.show_mode(mode)
        self._remarks.look()

    def _put_size(self, size: tuple[int, int] | None) -> None:
        if size:
            self.form.fill({"width": size[0], "height": size[1]})

    def read(self, infotext: str) -> Reading:
        """Put what an infotext says into the form."""
        reading = self.desk.read(infotext)
        self.form.fill(reading.values)
        self.scripts.choose(reading.script, reading.script_values)
        return reading

    def begin_from(self, picture: bytes, infotext: str, *, inpaint: bool) -> None:
        """``picture`` as the one to start from, with what its text says."""
        size = fitting_size(*picture_of(picture).size)
        if infotext.strip():
            self.form.fill(of_a_beginning(self.desk.read(infotext).values))
        self.open_mode(IMAGE_MODE)
        self.form.fill({"init.images": picture, "init.inpaint": inpaint})
        self._put_size(size)

    def follow(self, picture: bytes, kind: ControlType = ControlType.ALL) -> str:
        """``picture`` as what a unit of ControlNet follows, whose title is given; a map of ``kind`` as it is."""
        self.form.fill(put := followed(self.desk.control, picture, self.form.values, kind))
        return self.desk.control.title(next(iter(put)))

    def put_seed(self, seed: int) -> None:
        """Ask for ``seed``."""
        self.form.fill({"seed": str(seed)})

    def refresh(self) -> None:
        """Look for files again."""
        lists = once(self._studio.lists)
        self.form.offer(lists)
        self._units.narrow()
        self.scripts.offer(lists)
        self._offer_loras()

    def _follow_model(self) -> None:
        """A new model: sizes that were the old one's own become the new one's."""
        values = self.form.values
        former, self._native = self._native, self.desk.native_size(values["checkpoint"])
        if values["width"] == values["height"] == former:
            self._put_size((self._native, self._native))
        self.form.fill(brought(self.desk, self._studio.settings.peek(), former, self._native))

    # --- Gadgets ------------------------------------------------------------------------------------------------------

    def _gadgets(self) -> Gadgets:
        def row(*buttons: tuple[str, Callable[[], None]]) -> Callable[[], Any]:
            return lambda: button_row(self._new, self._guarded, *buttons)

        return {
            "@refresh": row((words.REFRESH, partial(look_again, self.refresh, self._studio.library, self._note))),
            "@paste": self._prompt_tools,
            "@remarks": lambda: self._remarks.box,
            "@styles": lambda: self.styles.box,
            "@loras": lambda: self._lora,
            "@size_chips": row(*((chip.label, partial(self._put_chip, name)) for name, chip in SIZES.items())),
            "@few_steps": row((f"⚡ {FEW_STEPS}", lambda: self._note(put_few_steps(self.form, self._studio.library)))),
            "@seed": row((words.RANDOM, lambda: self.put_seed(RANDOM_SEED))),
            "@init_size": row((words.SIZE_OF_PICTURE, self._size_of_picture)),
            "@reset_tuning": row((words.RESET_TUNING, self._reset_tuning)),
            "@defaults": row((words.PUT_DEFAULTS, self._put_defaults), (words.SAVE_DEFAULTS, self._save_defaults)),
            "@scripts": lambda: self.scripts.box,
            "@control_files": self._units.weights_row,
        }

    def _prompt_tools(self) -> Any:
        read = button_row(self._new, self._guarded, (words.READ_DATA, self._paste))
        return self._new.HBox([read, self._tokens], layout=self._new.Layout(flex_flow="row wrap"))

    def _count_tokens(self) -> None:
        with suppress(PromptSyntaxError):  # which the remarks tell
            first, second = self.desk.tokens(*self._prompts(), self.styles.chosen)
            self._tokens.value = words.tokens(first, second)

    def _put_chip(self, name: str) -> None:
        values = self.form.values
        self._put_size(chip_size(name, values["width"], values["height"], self._native))

    def _prompts(self) -> tuple[str, str]:
        values = self.form.values
        return values["prompt"], values["negative_prompt"]

    def _put_prompts(self, prompts: tuple[str, str]) -> None:
        self.form.fill({"prompt": prompts[0], "negative_prompt": prompts[1]})

    def _offer_loras(self) -> None:
        names = lora_names(self._studio.library)
        self._lora.options = [(words.ADD_LORA, ""), *((name, name) for name in names)]
        choose_first(self._lora)

    def _add_lora(self, name: str) -> None:
        if name:
            self._guarded(lambda: self._put_lora(name))(None)

    def _put_lora(self, name: str) -> None:
        self.form.fill({"prompt": with_lora(self._studio.library, name, self._prompts()[0])})
        self._lora.value = ""

    def _paste(self) -> None:
        reading = self.read(self._prompts()[0])
        read = words.NO_PARAMETERS if reading.is_prompt else words.DATA_READ
        for line in (*[read] * bool(reading.values), *(f"⚠️ {trouble}" for trouble in reading.troubles)):
            self._note(line)

    def _size_of_picture(self) -> None:
        if picture := self.form.values.get("init.images"):
            self._put_size(fitting_size(*picture_of(picture).size))

    def _reset_tuning(self) -> None:
        neutral = shown(GenerationRequest, GenerationRequest(tuning=Tuning()))
        self.form.fill({path: value for path, value in neutral.items() if path.startswith("tuning.")})

    def _put_defaults(self) -> None:
        self.form.fill(self.desk.values(self._studio.settings.load().defaults))

    def _save_defaults(self) -> None:
        request = self.desk.defaults_from(self.asked, self._native)
        self._studio.settings.change(lambda settings: settings.with_defaults(request, self._native))
        self._note(words.DEFAULTS_SAVED)
