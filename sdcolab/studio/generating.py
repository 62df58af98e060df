"""What both faces do with the generation form, without any drawing: what it opens with, what its values ask for, what
an infotext puts in it, and the sizes and names that go with it."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sdcolab.core import infotext
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    InfotextFieldUnused,
    InfotextNeedsPicture,
    PreprocessorUnserved,
    SdcolabError,
    UnitsBeyondForm,
    UnknownName,
)
from sdcolab.core.fields import Field, plain_path, table_of
from sdcolab.core.library import Library, activation_words
from sdcolab.core.preprocessors import UNSERVED
from sdcolab.core.prompt import apply_styles
from sdcolab.core.request import FIELDS, SIZE_STEP, GenerationRequest
from sdcolab.core.scripts import ContinuePlan, Forecast, Grid
from sdcolab.core.settings import Settings
from sdcolab.core.tasks import Generate, Origin, Task
from sdcolab.core.words import explain
from sdcolab.studio.control_desk import ControlDesk, is_unit, units_told
from sdcolab.studio.form import PICTURES, Reader, control_of, once, readable, shown
from sdcolab.studio.job import Job
from sdcolab.studio.last_form import FilledForm, without_pictures
from sdcolab.studio.layout import Layout, Script, every_section
from sdcolab.studio.studio import Studio
from sdcolab.studio.tags import bare

FALLBACK_SIZE = 512
"""Side in pixels when no checkpoint can say its own."""

MAX_SIDE = 2048
MIN_SIDE = 64
"""What width and height may be, in pixels."""

BROUGHT = ("sampler", "schedule", "steps", "cfg_scale", "clip_skip")
"""Defaults that a model of another family brings with it."""

TEXT_MODE, IMAGE_MODE = "txt2img", "img2img"

NOT_OF_A_BEGINNING = frozenset({"width", "height", "hires", "init.inpaint"})
"""What the infotext of a picture says of how it was made and not of what begins with it. The rest goes along, the seed
too, as in A1111."""


def of_a_beginning(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``values``, read from the text of a picture, that count where it is the one to start from: not its size,
    nor how it was begun, and units of ControlNet that it had not stay as they are."""
    return {
        path: value
        for path, value in values.items()
        if path not in NOT_OF_A_BEGINNING and not (value is False and is_unit(path))
    }


@dataclass(frozen=True, slots=True)
class Reading:
    """What an infotext says to the form: ``values`` by path, and what could not be used, with its advice. ``script``:
    the one whose sheet it describes, with its own values, "" for none; None: the text does not know."""

    values: Mapping[str, Any]
    troubles: tuple[str, ...]
    script: str | None = None
    script_values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_prompt(self) -> bool:
        """Whether the text is nothing but a prompt, which may have been meant for more."""
        return self.script is None and not any(value for path, value in self.values.items() if path != "prompt")


@dataclass(frozen=True, slots=True)
class Asked:
    """The form when its button is pressed: its plain ``values`` by path, the tab of generation (``mode``), the names of
    the styles chosen, and the script with its own values, if there is one."""

    values: Mapping[str, Any]
    mode: str = TEXT_MODE
    styles: Sequence[str] = ()
    script: str = ""
    script_values: Mapping[str, Any] | None = None


def chosen_script(layout: Layout, asked: Asked, reader: Reader) -> tuple[Script, Any] | None:
    """The script that the form asks for and its settings; None without one. Raises ``RequestError``."""
    script = next((script for script in layout.scripts if script.id == asked.script), None)
    return None if script is None else (script, reader.build(script.settings, asked.script_values or {}))


class GenerationDesk:
    """The form's behaviour. ``by`` says which face asks; ``control`` is that of ControlNet's units."""

    def __init__(self, studio: Studio, layout: Layout, reader: Reader, by: Origin = Origin.PAGE) -> None:
        self._studio = studio
        self._layout = layout
        self._picture = reader.picture
        self._by = by
        self._places = {section.part: section.most for section in every_section(layout.generation) if section.most > 1}
        units = tuple(f"control.{place}" for place in range(self._places.get("control", 0)))
        self.control = ControlDesk(studio, units, self.native_size, by, reader)

    @property
    def _reader(self) -> Reader:
        """For one use: it looks each list up once."""
        return Reader(once(self._studio.lists), self._picture)

    # --- Asking -------------------------------------------------------------------------------------------------------

    def request(self, asked: Asked) -> GenerationRequest:
        """What the form asks for, without the styles. Raises ``RequestError``."""
        values = dict(asked.values)
        values["init"] = asked.mode == IMAGE_MODE
        if values["init"]:
            values["hires"] = False
        built: GenerationRequest = self._reader.build(GenerationRequest, values)
        return built

    def submit(self, asked: Asked) -> Job:
        """Queue it, through its script if it has one, and remember the form.

        Raises ``RequestError``, ``QueueFull`` or what reading the settings raises.
        """
        request = self.request(asked)
        chosen = self._studio.settings.load().chosen_styles(asked.styles)
        spoken = self._studio.translations.of(request)
        prompt, negative = apply_styles(spoken.prompt, spoken.negative_prompt, chosen)
        whole = replace(spoken, prompt=prompt, negative_prompt=negative)
        script = chosen_script(self._layout, asked, self._reader)
        job = self._studio.submit(self._task(whole, script), self._by)
        self._studio.last_form.save(request, [style.name for style in chosen], script and script[1])
        return job

    def _task(self, request: GenerationRequest, script: tuple[Script, Any] | None) -> Task:
        if script is None:
            return Generate(request)
        task = script[0].task(request, script[1])
        if isinstance(task, Grid):
            self._studio.forecast(task)  # what is wrong with it is told now, and not by the job
        return task

    def tokens(self, prompt: str, negative: str, styles: Sequence[str]) -> tuple[tuple[int, int], tuple[int, int]]:
        """How many tokens both prompts have and how many fit, with the chosen styles counted in."""
        chosen = self._studio.settings.load().chosen_styles(styles)
        first, second = (self._studio.count_tokens(text) for text in apply_styles(prompt, negative, chosen))
        return first, second

    def forecast(self, asked: Asked) -> Forecast | None:
        """How much the form's script would be; None without one. Raises what ``submit`` raises."""
        if not asked.script or asked.script == ContinuePlan.code:
            return None
        task = self._task(self.request(asked), chosen_script(self._layout, asked, self._reader))
        return self._studio.forecast(task) if isinstance(task, Grid) else None

    def enhanced(self, text: str) -> GenerationRequest:
        """The picture with the infotext ``text`` again, with a pass of hires: "Mejorar esta imagen".

        Raises ``RequestError`` for what it asks for and is not here.
        """
        values = shown(GenerationRequest) | dict(self.read(text).values) | {"hires": True, "init": False}
        if not self.read(text).values.get("hires"):
            values |= {"hires.strength": 0.4}
        request: GenerationRequest = self._reader.build(GenerationRequest, values)
        return request

    # --- Opening ------------------------------------------------------------------------------------------------------

    def opening(self, settings: Settings, *, peek: bool = False) -> tuple[dict[str, Any], list[str]]:
        """What a face shows when it opens, by path, and the styles chosen: the form of the last generation, in this
        session or in another, else the saved defaults, with the VAE that the program was opened with. With ``peek`` a
        damaged form is passed over.

        Raises what loading the last form raises.
        """
        last = self._studio.last_form
        form = (last.peek() if peek else last.load()) or FilledForm(settings.defaults)
        values = self.values(without_pictures(form.request))
        if vae := self._studio.library.chosen(ModelKind.VAE):
            values["vae"] = vae.name
        if self._from_another_day():  # twenty pictures at once are seldom wanted again the next morning
            values["batch_count"] = settings.defaults.batch_count
        return values, list(form.styles)

    def _from_another_day(self) -> bool:
        try:
            written = datetime.date.fromtimestamp(self._studio.last_form.path.stat().st_mtime)
        except OSError:
            return False
        return written != datetime.date.today()

    def values(self, request: GenerationRequest) -> dict[str, Any]:
        """What the controls show for ``request``, which may come from another machine: where it names a file that is
        not here, they show what they do in a new installation.
        """
        checkpoint = self.chosen_checkpoint(request)
        native = self.native_size(checkpoint)
        new = self._shown(Settings().defaults, native)
        return (
            new | readable(GenerationRequest, self._shown(request, native), self._reader) | {"checkpoint": checkpoint}
        )

    def usable(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those of ``values``, which come from outside, that the form can show."""
        known = self._shown(GenerationRequest(), FALLBACK_SIZE)
        plain = {
            path: value
            for path, value in values.items()
            if path in known and isinstance(value, str | int | float | list)
        }
        return readable(GenerationRequest, plain, self._reader)

    def _shown(self, request: GenerationRequest, native: int) -> dict[str, Any]:
        """Every control's value; open sizes show ``native``."""
        found = shown(GenerationRequest, request, self._places)
        found.pop("init", None)
        return found | {"width": request.width or native, "height": request.height or native}

    def defaults_from(self, asked: Asked, native: int) -> GenerationRequest:
        """The form as defaults to save: a size like the model's own stays open. Raises ``RequestError``."""
        request = without_pictures(self.request(replace(asked, mode=TEXT_MODE)))
        return replace(request, width=None, height=None) if request.width == request.height == native else request

    def chosen_checkpoint(self, request: GenerationRequest) -> str | None:
        """The checkpoint of a fresh form: the one the program was opened with, else the saved one, else the first that
        can run; None when there is none."""
        chosen = self._studio.library.chosen(ModelKind.CHECKPOINT)
        return chosen.name if chosen else self._studio.library.checkpoint_or_default(request.checkpoint)

    def native_size(self, checkpoint: str | None) -> int:
        """Side in pixels that ``checkpoint`` was trained at; a fallback when its file cannot tell: generating will
        explain what is wrong with it."""
        if not checkpoint:
            return FALLBACK_SIZE
        with contextlib.suppress(SdcolabError):
            return self._studio.native_size(self._studio.library.find(ModelKind.CHECKPOINT, checkpoint))
        return FALLBACK_SIZE

    # --- Infotexts ----------------------------------------------------------------------------------------------------

    def read(self, text: str) -> Reading:
        """Translate an infotext into values of the form; what it does not concern is left as it is."""
        parsed = infotext.parse(text)
        pasted = infotext.to_request(parsed, self._studio.schedules)
        pasted = infotext.with_files(pasted, self._studio.library)
        whole = replace(GenerationRequest(), **pasted.changes)
        every = self._shown(whole, 0)
        values = {path: value for path, value in every.items() if path.split(".")[0] in pasted.changes}
        if pasted.starts_from_picture:
            values |= {path: every[path] for path in infotext.LABELS if path.startswith("init.")}
            initial = {**{f"init.{name}": value for name, value in pasted.init.items()}}
            initial |= {f"init.inpaint.{name}": value for name, value in pasted.inpaint.items()}
            values |= {path: _plain(FIELDS[path], value) for path, value in initial.items() if path in FIELDS}
            values["init.inpaint"] = bool(pasted.inpaint)
        drawn = {path: value for path, value in units_told(values).items() if not _is_picture(path)}
        good, unknown = self._known_names(drawn, FIELDS)
        script = infotext.script_of(parsed)
        settings = next((one.settings for one in self._layout.scripts if one.id == script.code), None)
        script_values, wrong = self._known_names(script.values, table_of(settings) if settings else {})
        unused = (InfotextFieldUnused(label, value) for label, value in pasted.unused if label not in script.labels)
        picture = [InfotextNeedsPicture()] if pasted.starts_from_picture else []
        told = (*pasted.warnings, *pasted.missing, *unknown, *wrong, *unused, *picture, *self._left_out(whole))
        return Reading(good, sentences(told), script.code if parsed.fields else None, script_values)

    def _left_out(self, request: GenerationRequest) -> Iterator[SdcolabError]:
        for part, most in self._places.items():
            if (count := sum(unit.enabled for unit in getattr(request, part)[most:])) > 0:
                yield UnitsBeyondForm(part, count)

    def _known_names(
        self, values: Mapping[str, Any], table: Mapping[str, Field]
    ) -> tuple[dict[str, Any], list[SdcolabError]]:
        """``values`` with names as this program writes them, and the errors of those that it does not know, which are
        left out."""
        good, reader = dict(values), self._reader
        unknown: list[SdcolabError] = []
        for path, value in values.items():
            known = table.get(plain_path(path))
            if known is None or not known.choices or _is_off(path, values):
                continue
            try:
                good[path] = reader.read(known, value, path)
            except UnknownName as error:
                unknown.append(_told_better(known, error))
                del good[path]
        return good, unknown


def _told_better(field: Field, error: UnknownName) -> SdcolabError:
    """A preprocessor that other programs have is known by its name, and what is most like it."""
    instead = UNSERVED.get(error.name.strip().casefold()) if field.choices == "preprocessors" else None
    return PreprocessorUnserved(error.name, instead) if instead else error


def brought(desk: GenerationDesk, settings: Settings, former: int, native: int) -> dict[str, Any]:
    """What the form shows of the defaults saved with models of the size ``native``, when one takes the place of a model
    of the size ``former``."""
    saved = settings.by_size.get(native) if native != former else None
    if saved is None:
        return {}
    values = desk.values(replace(saved, checkpoint=""))
    return {path: values[path] for path in BROUGHT if path in values}


def _plain(field: Field, value: Any) -> Any:
    from sdcolab.studio.form import shown_value

    return shown_value(field, value)


def _is_picture(path: str) -> bool:
    field = FIELDS.get(plain_path(path))
    return field is not None and control_of(field) in PICTURES


def _is_off(path: str, values: Mapping[str, Any]) -> bool:
    """Whether ``path`` lies in a part whose switch is off."""
    words = path.split(".")
    return any(values.get(".".join(words[:count])) is False for count in range(1, len(words)))


def sentences(errors: Sequence[SdcolabError]) -> tuple[str, ...]:
    """What to say of each, with its advice; of several in a row with the same advice, only the last gives it."""
    explained = [explain(error) for error in errors]
    following = [*(one.advice for one in explained[1:]), ""]
    pairs = zip(explained, following, strict=False)  # of nothing, nothing follows
    return tuple(one.text if one.advice == later else str(one) for one, later in pairs)


def fitting_size(width: int, height: int) -> tuple[int, int]:
    """The size to ask for to get a picture of ``width`` by ``height``: multiples of 8, within what is allowed, in the
    same proportion."""
    scale = min(1.0, MAX_SIDE / max(width, height))
    scale = max(scale, MIN_SIDE / min(width, height)) if scale == 1.0 else scale
    first, second = (
        min(MAX_SIDE, max(MIN_SIDE, round(side * scale / SIZE_STEP) * SIZE_STEP)) for side in (width, height)
    )
    return first, second


SHAPES = ("square", "portrait", "landscape")
"""The chips of ``core.words.faces.SIZES`` that only look at the model's own size."""


def chip_size(name: str, width: int, height: int, native: int) -> tuple[int, int]:
    """The size that a chip of ``core.words.faces.SIZES`` gives, from the size now and the model's own."""
    side = max(MIN_SIDE, native or FALLBACK_SIZE)
    sizes = {
        "square": (side, side),
        "portrait": (side, side * 3 / 2),
        "landscape": (side * 3 / 2, side),
        "grow": (width * 1.5, height * 1.5),
        "double": (width * 2, height * 2),
        "swap": (height, width),
    }
    wide, high = sizes[name]
    return fitting_size(round(wide), round(high))


def shaped_size(shape: object, width: Any, height: Any, native: int) -> tuple[int, int] | None:
    """The size of the ``shape`` that a room draws ("portrait"); None where the size now has that shape already, or
    there is no such shape."""
    if shape not in SHAPES:
        return None
    size = chip_size(str(shape), 0, 0, native)
    there = isinstance(width, int | float) and isinstance(height, int | float)
    return None if there and round(width * size[1]) == round(height * size[0]) else size


def lora_names(library: Library) -> tuple[str, ...]:
    """Names to choose from: paths below the folder of LoRAs, without extension."""
    return tuple(dict.fromkeys(file.name.rsplit(".", 1)[0] for file in library.files(ModelKind.LORA)))


def with_lora(library: Library, name: str, prompt: str) -> str:
    """``prompt`` with ``<lora:name:1>`` and the words that wake it up; a part of a name is enough where only one has
    it. Raises ``UnknownFile``.
    """
    alike = [known for known in lora_names(library) if bare(name) in bare(known)]
    file = library.find(ModelKind.LORA, alike[0] if len(alike) == 1 else name)
    text = ", ".join((f"<lora:{file.path.stem}:1>", *activation_words(file.path)))
    return ", ".join(part for part in (prompt.rstrip().rstrip(","), text) if part)
