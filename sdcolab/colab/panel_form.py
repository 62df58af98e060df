"""The panel's form: what to generate, as widgets. Works with ipywidgets 7.7 and 8."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import FieldNotNumber, SdcolabError, UnknownName
from sdcolab.core.infotext import parse, to_request
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.names import SAMPLER_NAMES, SCHEDULE_NAMES
from sdcolab.core.request import AUTOMATIC, RANDOM_SEED, SIZE_STEP, GenerationRequest
from sdcolab.core.words import FIELD_LABELS

FALLBACK_SIZE = 512


class Form:
    """Widgets for the fields of a request. Fields without a widget keep the values of the request it was filled with.

    Its buttons act in the kernel's main thread; ``refresh_models`` may be called from any.
    """

    def __init__(
        self, widgets: Any, library: Library, native_size: Callable[[ModelFile], int], start: GenerationRequest
    ) -> None:
        self._library = library
        self._native_size = native_size
        self._base = start
        self._native = FALLBACK_SIZE
        self._fields = _make_fields(widgets)
        self.refresh_button = widgets.Button(description="🔃 Actualizar lista", layout=widgets.Layout(width="auto"))
        self.refresh_button.on_click(lambda _button: self.refresh_models())
        self.box = _arrange(widgets, self._fields, self.refresh_button)
        self.refresh_models()
        self.fill(start)
        self._fields["checkpoint"].observe(lambda _change: self._follow_model(), names="value")

    def request(self) -> GenerationRequest:
        """What the form asks for. Raises ``RequestError``."""
        values = {name: field.value for name, field in self._fields.items()}
        values["prompt"] = values["prompt"].strip()
        values["negative_prompt"] = values["negative_prompt"].strip()
        values["checkpoint"] = values["checkpoint"] or ""
        values["seed"] = _whole("seed", values["seed"])
        return replace(self._base, **values)

    def fill(self, request: GenerationRequest) -> None:
        """Show ``request``. Names that are not there are left alone; open sizes become the model's own."""
        self._base = request
        for name in ("checkpoint", "vae", "sampler", "schedule"):
            self._choose(name, getattr(request, name))
        self._native = self._size_of_model()
        for name in ("prompt", "negative_prompt", "steps", "cfg_scale", "batch_size", "batch_count", "clip_skip"):
            self._fields[name].value = getattr(request, name)
        self._fields["seed"].value = str(request.seed)
        self._fields["width"].value = request.width or self._native
        self._fields["height"].value = request.height or self._native

    def fill_from_infotext(self, infotext: str) -> None:
        """Show the request that made a picture."""
        changes: dict[str, Any] = dict(to_request(parse(infotext), SCHEDULE_NAMES).changes)
        for field, kind in _NAMED.items():
            name = str(changes.pop(field, ""))
            with contextlib.suppress(UnknownName):  # a model that is no longer here: the one chosen stays
                changes[field] = name if name == AUTOMATIC else self._library.find(kind, name).name
        self.fill(replace(self._base, **changes))

    def refresh_models(self, prefer: str = "") -> None:
        """Look for models again and keep the choice; ``prefer`` is chosen when it is there."""
        for field, kind in _NAMED.items():
            names = [file.name for file in self._library.files(kind)]
            widget = self._fields[field]
            chosen = prefer if field == "checkpoint" and prefer in names else widget.value
            widget.options = names if field == "checkpoint" else [AUTOMATIC, *names]
            self._choose(field, chosen)

    def _choose(self, field: str, name: str | None) -> None:
        widget = self._fields[field]
        if name in widget.options:
            widget.value = name
        elif widget.value not in widget.options and widget.options:
            widget.value = widget.options[0]

    def _follow_model(self) -> None:
        """A new model: sizes that were the old one's own become the new one's."""
        width, height = self._fields["width"], self._fields["height"]
        former, self._native = self._native, self._size_of_model()
        if width.value == height.value == former:
            width.value = height.value = self._native

    def _size_of_model(self) -> int:
        try:
            return self._native_size(self._library.find(ModelKind.CHECKPOINT, self._fields["checkpoint"].value or ""))
        except SdcolabError:  # a damaged file: generating explains it
            return FALLBACK_SIZE


_NAMED: Mapping[str, ModelKind] = {"checkpoint": ModelKind.CHECKPOINT, "vae": ModelKind.VAE}


def _whole(field: str, text: str) -> int:
    try:
        return int(text.strip() or RANDOM_SEED)
    except ValueError:
        raise FieldNotNumber(field=field, value=text) from None


def _make_fields(widgets: Any) -> dict[str, Any]:
    """One widget for each field, by the field's name."""
    wide = {"layout": widgets.Layout(width="98%"), "style": {"description_width": "110px"}}
    half = {"layout": widgets.Layout(width="340px", max_width="98%"), "style": {"description_width": "110px"}}

    def label(name: str) -> dict[str, str]:
        return {"description": FIELD_LABELS[name]}

    def whole(name: str, low: int, high: int, step: int = 1) -> Any:
        return widgets.IntSlider(min=low, max=high, step=step, value=low, **label(name), **half)

    return {
        "checkpoint": widgets.Dropdown(options=[], **label("checkpoint"), **wide),
        "prompt": widgets.Textarea(rows=4, placeholder="Lo que quieres ver, en inglés", **label("prompt"), **wide),
        "negative_prompt": widgets.Textarea(
            rows=2, placeholder="Lo que no quieres ver", **label("negative_prompt"), **wide
        ),
        "sampler": widgets.Dropdown(options=list(SAMPLER_NAMES), **label("sampler"), **half),
        "schedule": widgets.Dropdown(options=list(SCHEDULE_NAMES), **label("schedule"), **half),
        "steps": whole("steps", 1, 150),
        "cfg_scale": widgets.FloatSlider(min=0, max=30, step=0.5, value=7, **label("cfg_scale"), **half),
        "width": whole("width", 64, 2048, SIZE_STEP),
        "height": whole("height", 64, 2048, SIZE_STEP),
        "batch_count": whole("batch_count", 1, 100),
        "batch_size": whole("batch_size", 1, 8),
        "seed": widgets.Text(value=str(RANDOM_SEED), placeholder="-1: al azar", **label("seed"), **half),
        "clip_skip": whole("clip_skip", 1, 12),
        "vae": widgets.Dropdown(options=[AUTOMATIC], **label("vae"), **half),
    }


def _arrange(widgets: Any, fields: Mapping[str, Any], refresh: Any) -> Any:
    model = widgets.HBox([fields["checkpoint"], refresh])
    rest = [field for name, field in fields.items() if name not in ("checkpoint", "prompt", "negative_prompt")]
    options = widgets.Box(rest, layout=widgets.Layout(flex_flow="row wrap"))
    return widgets.VBox([model, fields["prompt"], fields["negative_prompt"], options])
