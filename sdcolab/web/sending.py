"""Sending: an image and what its text says, from a result or from a file, into the form and to another tab."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from sdcolab.core import infotext
from sdcolab.core.errors import (
    InfotextFieldUnused,
    InfotextNeedsPicture,
    SdcolabError,
    UnknownName,
)
from sdcolab.core.pictures import read_picture_file
from sdcolab.core.request import SIZE_STEP, GenerationRequest
from sdcolab.core.words import explain
from sdcolab.studio.studio import Studio
from sdcolab.web import fragments
from sdcolab.web.actions import Selected, shown_image
from sdcolab.web.controls import CONTROLS, FORM, SWITCHES, shown_values
from sdcolab.web.edge import attempt
from sdcolab.web.header import options_now
from sdcolab.web.uploads import chosen_picture

FILLED = tuple(name for name in FORM if name not in ("init", "init.images", "init.inpaint.mask"))
"""The rows of the form that an infotext can fill, in order."""

MAX_SIDE = 2048
MIN_SIDE = 64
"""What width and height may be, in pixels."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an infotext says to the form: ``values`` by path, and sentences about what could not be used."""

    values: Mapping[str, Any]
    troubles: tuple[str, ...]


def read_infotext(text: str, studio: Studio) -> Reading:
    """Translate an infotext into values of the form; what it does not concern is left as it is."""
    pasted = infotext.to_request(infotext.parse(text), studio.schedules)
    pasted = infotext.with_files(pasted, studio.library)
    shown = shown_values(dataclasses.replace(GenerationRequest(), **pasted.changes), native_size=0)
    values = {path: value for path, value in shown.items() if path.split(".")[0] in pasted.changes}
    if pasted.starts_from_picture:
        values |= {path: shown[path] for path in infotext.LABELS if path.startswith("init.")}
        for prefix, part in (("init.", pasted.init), ("init.inpaint.", pasted.inpaint)):
            values |= {prefix + name: CONTROLS[prefix + name].show(value) for name, value in part.items()}
        values["init.inpaint"] = bool(pasted.inpaint)
    good, unknown = _known_names({path: value for path, value in values.items() if path in FILLED}, studio)
    unused = (InfotextFieldUnused(label, value) for label, value in pasted.unused)
    picture = [InfotextNeedsPicture()] if pasted.starts_from_picture else []
    return Reading(good, tuple(map(_sentence, (*pasted.warnings, *pasted.missing, *unknown, *unused, *picture))))


def _known_names(values: Mapping[str, Any], studio: Studio) -> tuple[dict[str, Any], list[SdcolabError]]:
    """``values`` with names as this page writes them, and the errors of those that it does not know, which are left
    out."""
    options = options_now(studio)
    good = dict(values)
    unknown: list[SdcolabError] = []
    for path, value in values.items():
        if path in SWITCHES or _part_is_off(path, values):
            continue
        try:
            CONTROLS[path].read(value, options)
        except UnknownName as error:
            same = [name for name in error.suggestions if name.casefold() == error.name.casefold()]
            if same:
                good[path] = same[0]
            else:
                unknown.append(error)
                del good[path]
    return good, unknown


def _part_is_off(path: str, values: Mapping[str, Any]) -> bool:
    return any(path.startswith(f"{switch}.") and not values.get(switch) for switch in SWITCHES if switch != "init")


def _sentence(error: SdcolabError) -> str:
    return explain(error).text


class Sender:
    """The handlers of the buttons that send and paste. Each returns the values of ``FILLED``, then what is said."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def paste(self, prompt: str) -> tuple[Any, ...]:
        """Read the text in the prompt box, or that of the last generation when the box is empty."""
        image = None if (prompt or "").strip() else shown_image(self._studio.jobs, None)
        text = image.infotext if image else prompt or ""
        return self._fill(text, "Pega en el prompt los datos de una imagen y vuelve a pulsar ↙️.")

    def use(self, selected: Selected) -> tuple[Any, ...]:
        """Read the text of the image on show."""
        image = shown_image(self._studio.jobs, selected)
        return self._fill(image.infotext if image else "", "Genera antes una imagen.")

    def use_file(self, path: str | None) -> tuple[Any, ...]:
        """Read the text inside a file, and open the tab to generate from text. What is wrong with the file comes last,
        for the tab that the file is in."""
        if not path:
            return (*_nothing(), "", gr.skip(), _no_image())
        text, said = attempt(lambda: text_in(path), "")
        if said:
            return (*_nothing(), "", gr.skip(), said)
        return (*self._fill(text, ""), gr.Tabs(selected="txt2img"), "")

    def _fill(self, text: str, advice: str) -> tuple[Any, ...]:
        if not text.strip():
            said = fragments.message("No hay datos que leer.", fragments.Tone.ERROR, advice)
            return (*_nothing(), said)
        reading, said = attempt(lambda: read_infotext(text, self._studio), Reading({}, ()))
        return (*(reading.values.get(name, gr.skip()) for name in FILLED), said or _said(reading))

    def send(self, selected: Selected, *, inpaint: bool) -> tuple[Any, ...]:
        """The image on show as the one to start from. Returns image, inpaint switch, width, height, tab and message."""
        image = shown_image(self._studio.jobs, selected)
        if image is None:
            return (*(gr.skip(),) * 5, _no_image())
        return self.send_file(str(image.path), inpaint=inpaint)

    def send_file(self, path: str | None, *, inpaint: bool) -> tuple[Any, ...]:
        """The same for a file."""
        if not path:
            return (*(gr.skip(),) * 5, _no_image())
        picture, said = attempt(lambda: chosen_picture(path), None)
        if picture is None:
            return (*(gr.skip(),) * 5, said)
        return (path, inpaint, *fitting_size(*picture.size), gr.Tabs(selected="img2img"), "")

    def send_to_extras(self, selected: Selected) -> tuple[Any, Any, str]:
        """The image on show as the one to enlarge. Returns files, tab and message."""
        image = shown_image(self._studio.jobs, selected)
        if image is None:
            return gr.skip(), gr.skip(), _no_image()
        return [str(image.path)], gr.Tabs(selected="extras"), ""

    def size_of(self, path: str | None, width: Any, height: Any) -> tuple[Any, Any, str]:
        """Width and height of the chosen picture, and a message."""
        if not path:
            return width, height, _no_image()
        picture, said = attempt(lambda: chosen_picture(path), None)
        return (width, height, said) if picture is None else (*fitting_size(*picture.size), "")

    def look(self, path: str | None) -> tuple[str, str]:
        """The text inside a file, and a message, for the tab that shows it."""
        if not path:
            return "", ""
        return attempt(lambda: text_in(path), "")


def text_in(path: str | None) -> str:
    """The generation data in a picture. Raises ``InfotextUnreadable``, or as ``core.pictures.read_picture_file``."""
    file = Path(path or "")
    return infotext.read_bytes(read_picture_file(file), file.name)


def fitting_size(width: int, height: int) -> tuple[int, int]:
    """The size to ask for to get a picture of ``width`` by ``height``: multiples of 8, within what is allowed, in the
    same proportion."""
    scale = min(1.0, MAX_SIDE / max(width, height))
    scale = max(scale, MIN_SIDE / min(width, height)) if scale == 1.0 else scale
    first, second = (
        min(MAX_SIDE, max(MIN_SIDE, round(side * scale / SIZE_STEP) * SIZE_STEP)) for side in (width, height)
    )
    return first, second


def _said(reading: Reading) -> str:
    done = fragments.message("Los datos están en el formulario.", fragments.Tone.GOOD)
    return done if not reading.troubles else fragments.listed("No se ha podido usar:", reading.troubles)


def _nothing() -> tuple[Any, ...]:
    return (gr.skip(),) * len(FILLED)


def _no_image() -> str:
    return fragments.message("Todavía no hay ninguna imagen.", fragments.Tone.ERROR, "Genera o elige una antes.")
