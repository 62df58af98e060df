"""What both faces do with the units of ControlNet in the form, without any drawing: what each type of control offers,
the numbers of each preprocessor, and the weights that are missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from PIL import Image

from sdcolab.core.control import (
    NO_PREPROCESSOR,
    UNSET,
    ControlType,
    ControlUnit,
    best_model,
    models_for,
    pixel_perfect_resolution,
    type_in_name,
)
from sdcolab.core.detecting import Detect, drawing_of
from sdcolab.core.errors import ControlImageMissing, UnitWeightsComing, UnitWeightsMissing
from sdcolab.core.fields import table_of
from sdcolab.core.preprocessors import (
    PREPROCESSORS,
    Slider,
    default_preprocessor,
    missing_weights,
    model_for,
    preprocessors_for,
)
from sdcolab.core.request import FIELDS
from sdcolab.core.tasks import Download, Origin
from sdcolab.core.words import human_bytes
from sdcolab.core.words.control import (
    CLIP_MISSING,
    CONTROL_TYPE_LABELS,
    MODEL_MISSING,
    MODEL_NONE,
    OTHER_TYPES,
    SLIDER_LABELS,
    WEIGHTS_COMING,
    WEIGHTS_DID_NOT_COME,
    WEIGHTS_MISSING,
)
from sdcolab.core.words.fields import part_label, unit_title
from sdcolab.studio.control_models import ControlModels
from sdcolab.studio.form import Reader, name_to_read
from sdcolab.studio.job import Job
from sdcolab.studio.studio import Studio

DRAWN = ControlType.SCRIBBLE
"""What somebody draws who has chosen nothing."""


@dataclass(frozen=True, slots=True)
class UnitOffer:
    """What a unit lets choose, and what is chosen: the preprocessors and models that serve its type of control, those
    models first that go with the checkpoint. ``marks``: how those are written that do not.
    """

    modules: tuple[str, ...]
    module: str
    models: tuple[str, ...]
    model: str
    marks: Mapping[str, str]

    @property
    def module_choices(self) -> tuple[tuple[str, str], ...]:
        """What the list of preprocessors offers: (text to read, value)."""
        return self._choices("control.module", (*self.modules, self.module))

    @property
    def model_choices(self) -> tuple[tuple[str, str], ...]:
        """The same of the list of models."""
        return self._choices("control.model", ("", *self.models, self.model))

    def _choices(self, path: str, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        field = FIELDS[path]
        return tuple((self.marks.get(name) or name_to_read(field, name), name) for name in dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class UnitNumber:
    """One of a preprocessor's numbers as a control shows it; ``label`` is empty where it has no such number."""

    label: str = ""
    low: float = UNSET
    high: float = 255
    step: float = 1
    value: float = UNSET


@dataclass(frozen=True, slots=True)
class UnitLacks:
    """What a unit cannot work without: a sentence about it ("" when all is there), and the links that bring it (none
    while they are ``coming``)."""

    told: str = ""
    links: tuple[str, ...] = ()
    coming: bool = False


class ControlDesk:
    """The units' behaviour. ``units`` are their paths in the form; ``native_size`` gives the side in pixels that a
    checkpoint was trained at. ``by`` says which face asks."""

    def __init__(
        self,
        studio: Studio,
        units: tuple[str, ...],
        native_size: Callable[[str | None], int],
        by: Origin,
        reader: Reader,
    ) -> None:
        self.units = units
        self._studio = studio
        self._models = ControlModels(studio, native_size)
        self._by = by
        self._reader = reader

    def offer(self, kind: str, module: str, model: str, checkpoint: str | None) -> UnitOffer:
        """What a unit of the type ``kind`` offers. A preprocessor or model of another type gives way to the best one
        that is there, of the family of ``checkpoint``."""
        wanted, offered = _type_called(kind), self.offered(kind, module, model, checkpoint)
        chosen = module if module in offered.modules else default_preprocessor(wanted).name
        if wanted is not ControlType.ALL and not _of_type(module, wanted):
            chosen = default_preprocessor(wanted).name
        return replace(offered, module=chosen, model=self._model(wanted, chosen, model, checkpoint))

    def drawn(self, kind: str, module: str, model: str, checkpoint: str | None) -> UnitOffer | None:
        """What a unit offers once something was drawn for it: it is a scribble (``DRAWN``), unless something else was
        chosen; None then."""
        untouched = _type_called(kind) is ControlType.ALL and module == NO_PREPROCESSOR and not model
        return self.offer(DRAWN.value, module, model, checkpoint) if untouched else None

    def title(self, unit: str, own: str = "") -> str:
        """What ``unit`` is called, with its user's ``own`` name."""
        return unit_title(part_label("control"), self.units.index(unit) + 1, own)

    def modules(self, kind: str) -> tuple[str, ...]:
        """The preprocessors that a unit of the type ``kind`` offers."""
        return tuple(row.name for row in preprocessors_for(_type_called(kind)))

    def offered(self, kind: str, module: str, model: str, checkpoint: str | None) -> UnitOffer:
        """What a unit of the type ``kind`` offers now; what is chosen stays, whatever it is."""
        models = models_for(_type_called(kind), self._studio.lists("controlnets"))
        marks = self._models.marks((*models, model), checkpoint)
        return UnitOffer(self.modules(kind), module, tuple(sorted(models, key=marks.__contains__)), model, marks)

    def renewed(self, kind: str, module: str, model: str, checkpoint: str | None) -> UnitOffer:
        """The same once files may have come: a unit that had no model and needs one gets the best."""
        offered, row = self.offered(kind, module, model, checkpoint), PREPROCESSORS.get(module)
        if model or row is None or row.model_free:
            return offered
        return replace(offered, model=self._model(_type_called(kind), module, model, checkpoint))

    def model(self, kind: str, module: str, model: str, checkpoint: str | None) -> str:
        """The control model to show beside the preprocessor ``module``: ``model`` if it goes with it, else the best one
        that is there, of the family of ``checkpoint``."""
        return self.offer(kind, module, model, checkpoint).model if module in PREPROCESSORS else model

    def _model(self, kind: ControlType, module: str, model: str, checkpoint: str | None) -> str:
        row = PREPROCESSORS.get(module)
        if kind is ControlType.ALL and row and row.types[0] is ControlType.ALL:
            return model
        models = self._models
        chosen, family = model if models.may_guide(model, checkpoint) else "", models.family(checkpoint)
        return models.fitting(checkpoint, lambda names: model_for(module, chosen, names, family, kind)) or ""

    def numbers(self, module: str, a: float = UNSET, b: float = UNSET) -> tuple[UnitNumber, UnitNumber]:
        """The two numbers of the preprocessor ``module``, at ``a`` and ``b`` where these make sense to it, else at its
        own. One that the user has just chosen begins at its own, as in A1111, whatever the sliders said."""
        row = PREPROCESSORS.get(module)
        return _number(row.a if row else None, a), _number(row.b if row else None, b)

    def has_resolution(self, module: str) -> bool:
        """Whether the preprocessor ``module`` looks at a picture at a resolution of its own."""
        return module not in PREPROCESSORS or PREPROCESSORS[module].resolution

    def lacks(self, kind: str, module: str, model: str, checkpoint: str | None) -> UnitLacks:
        """The weights that the preprocessor ``module`` lacks, and the control model, where ``model`` is none and
        nothing that is here serves its type; of an IP-Adapter what it reads pictures with."""
        jobs = [(job, job.snapshot) for job in self._studio.jobs.jobs()]  # before files are looked for: they may come
        weights = self._weights_lacked(module)
        wanted = _type_called(kind)
        control = self._clip_lacked(model, checkpoint) if model else self._model_lacked(wanted, module, checkpoint)
        links = (*weights.links, *control.links)
        asked = [now for job, now in jobs if _downloads(job, links)]
        if any(not now.ended for now in asked):
            return UnitLacks(WEIGHTS_COMING, coming=True)
        why = (WEIGHTS_DID_NOT_COME, *asked[-1].notes) if asked else ()
        return UnitLacks(" ".join(filter(None, (weights.told, control.told, *why))), links)

    def _weights_lacked(self, module: str) -> UnitLacks:
        files = missing_weights(self._studio.folders, module)
        if not files:
            return UnitLacks()
        names, size = ", ".join(one.file for one in files), human_bytes(sum(one.size for one in files))
        return UnitLacks(
            WEIGHTS_MISSING.format(module=module, files=names, size=size), tuple(one.link for one in files)
        )

    def _clip_lacked(self, model: str, checkpoint: str | None) -> UnitLacks:
        if (clip := self._models.clip_lacked(model, checkpoint)) is None:
            return UnitLacks()
        told = CLIP_MISSING.format(model=model, file=clip.file, size=human_bytes(clip.size), licence=clip.licence)
        return UnitLacks(told, (clip.whole_link,))

    def _model_lacked(self, asked: ControlType, module: str, checkpoint: str | None) -> UnitLacks:
        row = PREPROCESSORS.get(module)
        kind = row.types[0] if asked is ControlType.ALL and row else asked
        family = self._models.family(checkpoint)
        if kind is ControlType.ALL or (row and row.model_free) or self._models.best(kind, checkpoint):
            return UnitLacks()
        offers = {one.name: one for one in self._studio.controls_on_offer if one.family is family}
        if best := best_model(kind, offers, family):
            size = f" ({human_bytes(offers[best].size)})" if offers[best].size else ""
            told = MODEL_MISSING.format(kind=CONTROL_TYPE_LABELS[kind], file=best, size=size)
            return UnitLacks(told, (offers[best].link,))
        others = [CONTROL_TYPE_LABELS[one] for one in ControlType if self._models.best(one, checkpoint)]
        advice = OTHER_TYPES.format(types=", ".join(others)) if others else ""
        return UnitLacks(MODEL_NONE.format(kind=CONTROL_TYPE_LABELS[kind]) + advice)

    def download(self, lacked: UnitLacks) -> Job | None:
        """Queue the download of what ``lacks`` told. Raises ``QueueFull``."""
        return self._studio.submit(Download(", ".join(lacked.links)), self._by) if lacked.links else None

    def map_paths(self, unit: str) -> tuple[str, ...]:
        """The values of the form that ``show_maps`` of ``unit`` looks at."""
        return (*(f"{unit}.{name}" for name in _OF_A_MAP), "init.images", "width", "height")

    def show_maps(self, unit: str, values: Mapping[str, Any], *, from_picture: bool) -> tuple[Job, ...]:
        """Queue the maps of the pictures of ``unit`` as the form asks for them, and nothing else: a job for those that
        are looked at alike. ``from_picture``: a unit without a picture follows the initial one.

        Raises ``RequestError``, ``PictureUnreadable``, ``ControlError`` or ``QueueFull``.
        """
        own = {path: value for path, value in values.items() if path.startswith(f"{unit}.")}
        asked: ControlUnit = self._reader.build(ControlUnit, own, f"{unit}.")
        drawn = drawing_of(asked)
        pictures = asked.images if drawn is None else (drawn,)
        if not pictures and from_picture and values.get("init.images"):
            pictures = self._reader.read(FIELDS["init.images"], values["init.images"])[:1]
        if not pictures:
            raise ControlImageMissing(units=(self.units.index(unit) + 1,))
        self._check_weights(asked.module)
        height, width = (int(self._reader.read(FIELDS[side], values[side]) or 0) for side in ("height", "width"))
        numbers = asked.threshold_a, asked.threshold_b
        return tuple(
            self._studio.submit(Detect(tuple(alike), asked.module, resolution, *numbers, mask=asked.mask), self._by)
            for resolution, alike in groupby(pictures, lambda one: _map_resolution(asked, one, height, width))
        )

    def _check_weights(self, module: str) -> None:
        """Raises ``UnitWeightsMissing`` or ``UnitWeightsComing``."""
        lacked = missing_weights(self._studio.folders, module)
        if lacked and self._coming(tuple(one.link for one in lacked)):
            raise UnitWeightsComing(module)
        if lacked:
            raise UnitWeightsMissing(module, ", ".join(one.file for one in lacked), sum(one.size for one in lacked))

    def _coming(self, links: tuple[str, ...]) -> bool:
        return any(_downloads(job, links) and not job.snapshot.ended for job in self._studio.jobs.jobs())

    def put(self, picture: Any, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values that make ``picture`` the sample of the first unit that is off; of the first one when all are on."""
        unit = next((one for one in self.units if not values.get(one)), self.units[0])
        return {unit: True, f"{unit}.images": [picture]}

    def put_map(self, picture: Any, values: Mapping[str, Any], kind: ControlType) -> dict[str, Any]:
        """Values that make ``picture``, a map of ``kind`` that is ready, what a unit follows with the best model that
        is there."""
        put = self.put(picture, values)
        unit = next(iter(put))
        checkpoint = values.get("checkpoint")
        model = self._model(kind, NO_PREPROCESSOR, "", checkpoint if isinstance(checkpoint, str) else None)
        chosen = {"kind": kind.value, "module": NO_PREPROCESSOR, "model": model}
        return put | {f"{unit}.{name}": value for name, value in chosen.items()}


def followed(desk: ControlDesk, picture: Any, values: Mapping[str, Any], kind: ControlType) -> dict[str, Any]:
    """Values that make a unit follow ``picture``, as it is where it is a map of ``kind``; the unit's own is first."""
    return desk.put(picture, values) if kind is ControlType.ALL else desk.put_map(picture, values, kind)


_OF_A_MAP = (
    *("images", "drawing", "mask", "module", "resolution", "threshold_a", "threshold_b"),
    *("pixel_perfect", "resize"),
)
"""What of a unit says how its map is made."""


def _map_resolution(unit: ControlUnit, picture: Image.Image, height: int, width: int) -> int:
    """At which the map of ``picture`` is made for a result of this size."""
    asked = unit.resolution
    if unit.pixel_perfect and height and width:
        asked = pixel_perfect_resolution(picture.height, picture.width, height, width, unit.resize)
    field = table_of(Detect)["resolution"]
    return field.default if asked == UNSET else round(min(field.high or asked, max(field.low or asked, asked)))


def is_unit(path: str) -> bool:
    """Whether the switch of a unit is at ``path``."""
    return re.fullmatch(r"control\.\d+", path) is not None


def units_told(values: Mapping[str, Any]) -> dict[str, Any]:
    """What ``values``, read from a text, say of units: one that the text lacks is only turned off and keeps what it
    has, and one that it has is of the type of its preprocessor, else of its model, which no text tells."""
    told = dict(values)
    for switch in filter(is_unit, values):
        if not values[switch]:
            told = {path: value for path, value in told.items() if not path.startswith(f"{switch}.")}
            continue
        module, model = values.get(f"{switch}.module"), values.get(f"{switch}.model")
        row = PREPROCESSORS.get(str(module or ""))
        known = row.types[0] if row and module != NO_PREPROCESSOR else type_in_name(str(model or ""))
        told[f"{switch}.kind"] = (known or ControlType.ALL).value
    return told


def _downloads(job: Job, links: tuple[str, ...]) -> bool:
    """Whether ``job`` is to bring all of ``links``, which are some."""
    return bool(links) and isinstance(job.task, Download) and all(link in job.task.links for link in links)


def _type_called(kind: str) -> ControlType:
    return ControlType(kind) if kind in {one.value for one in ControlType} else ControlType.ALL


def _of_type(module: str, kind: ControlType) -> bool:
    return module in PREPROCESSORS and PREPROCESSORS[module].types[0] is kind


def _number(slider: Slider | None, now: float) -> UnitNumber:
    if slider is None:
        return UnitNumber()
    value = now if slider.low <= now <= slider.high else slider.default
    return UnitNumber(SLIDER_LABELS[slider.label], slider.low, slider.high, slider.step, value)


def as_number(value: Any) -> float:
    """What a control holds, as a number; ``UNSET`` when it is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float(UNSET)


def as_names(*values: Any) -> Sequence[str]:
    """What lists hold, as names; empty where they hold none."""
    return [value if isinstance(value, str) else "" for value in values]
