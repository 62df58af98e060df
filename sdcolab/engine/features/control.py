"""ControlNet, T2I-Adapter, ControlLLLite and IP-Adapter: pictures that guide a generation (hechos/extensiones.md 3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sdcolab.core.clip_vision import clip_need, clip_on_offer
from sdcolab.core.control import ControlPictures, ControlUnit, changes_nothing
from sdcolab.core.control_files import UNION_ORDER, ControlKind, check_fits, guided, union_type
from sdcolab.core.detect import ModelKind
from sdcolab.core.detecting import drawing_of
from sdcolab.core.errors import (
    ClipVisionMissing,
    ClipVisionUnknown,
    ControlImageMissing,
    ControlModelNotChosen,
    ControlTypeUnknown,
    ControlWithoutEffect,
    UnitFileMissing,
)
from sdcolab.core.events import MapMade
from sdcolab.core.hashes import old_hash
from sdcolab.core.infotext import EngineFacts
from sdcolab.core.library import ModelFile
from sdcolab.core.preprocessors import PREPROCESSORS
from sdcolab.core.request import InitImage
from sdcolab.core.resizing import CONTROL_MODES, flattened, laid_over, resize
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.bench import Bench
from sdcolab.engine.calls import Predictions, Round, Step, UNetCall
from sdcolab.engine.control.acting import Acting
from sdcolab.engine.control.clip_vision import ClipVision, find_clip_vision, load_clip_vision
from sdcolab.engine.control.colours import SHARPNESS_SCALE, ColourFix
from sdcolab.engine.control.ip_adapter import IpAdapter
from sdcolab.engine.control.keeping import Keeping, KeptParts, PutBack
from sdcolab.engine.control.loading import check_served, numbers, numbers_in
from sdcolab.engine.control.preparing import (
    Source,
    digest,
    grey,
    hint,
    number_of,
    painted,
    paints,
    shown,
)
from sdcolab.engine.control.reference import Referring, fidelity_of
from sdcolab.engine.control.shelf import Controls, ControlShelf
from sdcolab.engine.decode import to_pixels
from sdcolab.engine.feature import Active, Feature, Opening, Start
from sdcolab.engine.pictures.masks import Box, soft_mask
from sdcolab.engine.plan import Batch
from sdcolab.engine.preprocessors import check_files, finder
from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.weights import Weights, open_weights, stamp_of

COLOUR_FIXES = ("tile_colorfix", "tile_colorfix+sharp")
"""Preprocessors whose unit keeps the colours of its picture."""

KEEPS = "inpaint_only"
"""The preprocessor that leaves what is not to be painted as it is."""

MARKED = 4
"""Channels of a map that marks what is to be painted."""


@dataclass(frozen=True, slots=True, eq=False)
class _Unit:
    """A unit, its number from 1, and its model's file with how many numbers it has; None for one that works without.
    ``clip``: the encoder that its model reads pictures with, and its numbers.
    """

    number: int
    asked: ControlUnit
    file: ModelFile | None
    size: int = 0
    clip: Path | None = None
    clip_size: int = 0


class ControlNet(Feature):
    """Every unit of a request that has a control model."""

    def __init__(self, asked: ResolvedRequest, units: tuple[_Unit, ...]) -> None:
        self._asked = asked
        self._units = units
        self._acting: tuple[Acting | Referring, ...] = ()
        self._first = 0
        self._now: tuple[Acting | Referring, ...] = ()
        self._told: set[tuple[int, int, str]] = set()
        self._last: Image.Image | None = None
        self._kept = KeptParts()
        self._put_back: list[PutBack] = []
        self._fixes: list[tuple[ControlUnit, ColourFix]] = []
        self._x: Tensor | None = None

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        """Raises ``UnknownName``, ``UnknownFile``, ``ControlError`` and ``ModelError``."""
        on = [(number, unit) for number, unit in enumerate(asked.request.control, 1) if unit.enabled]
        without = tuple(number for number, unit in on if not unit.images and unit.drawing is None)
        if without and asked.request.init is None:
            raise ControlImageMissing(units=without)
        units = tuple(_checked(asked, number, unit) for number, unit in on)
        return cls(asked, units) if units else None

    @property
    def beside_unet(self) -> int:
        """Each model once."""
        return sum(self._networks.values())

    def to_come(self, active: Active) -> int:
        """The same of those that are not in memory."""
        controls = active.checkpoint.kept.of(Controls, Controls)
        clips = active.bench.kept.of(ControlShelf, ControlShelf).clip
        known = {path for path in self._networks if controls.has(path) or stamp_of(path) in clips}
        return sum(size for path, size in self._networks.items() if path not in known)

    @property
    def _networks(self) -> dict[Path, int]:
        """The files that the units work with, and how many numbers they have."""
        models = {unit.file.path: unit.size for unit in self._units if unit.file}
        return models | {unit.clip: unit.clip_size for unit in self._units if unit.clip}

    # --- A pass ---------------------------------------------------------------------------------------------------

    def start(self, start: Start, active: Active, batch: Batch) -> Start:
        """Opens the models and prepares the maps for this pass."""
        hires = active.one.number > 0
        if idle := tuple(unit.number for unit in self._units if _is_idle(unit.asked)):
            active.bench.warn(ControlWithoutEffect(idle))
        acting = (unit for unit in self._units if unit.asked.acts_in(hires=hires))
        self._first = batch.first
        self._kept.forget()
        self._put_back.clear()
        self._fixes.clear()
        self._acting = tuple(self._made(unit, active, batch, start.crops) for unit in acting)
        return start

    def begin(self, opening: Opening) -> Opening:
        """Those images of the batch that are made together now."""
        first, count = opening.round.batch.first - self._first, len(opening.round.batch.seeds)
        self._now = tuple(one.part(slice(first, first + count)) for one in self._acting)
        self._kept.begin(self._asked.request.noise_origin, opening.round.batch.seeds)
        return opening

    def before_model(self, x: Tensor, step: Step) -> Tensor:
        """With what a unit leaves as it is (``KEEPS``); held for what works on images where a sampler works on
        noises."""
        self._x = self._kept.before(x, step)
        return self._x

    def combine(self, predictions: Predictions) -> Predictions:
        """The colours of units that keep them."""
        for unit, fix in self._fixes:
            if self._x is not None and predictions.step.within(unit.start, unit.end):
                predictions = fix(predictions, self._x)
        return predictions

    def after_guidance(self, image: Tensor, step: Step) -> Tensor:
        """What a unit leaves as it is (``KEEPS``)."""
        del step
        return self._kept.after(image)

    def end(self, samples: Tensor, of: Round) -> Tensor:
        """The kept part as it was. What was computed for this size is of no use any more."""
        del of
        self._now = ()
        return self._kept.after(samples)

    def before_unet(self, call: UNetCall) -> UNetCall:
        """What each unit that acts in this step adds; nothing where the answer is there already."""
        if call.output is not None:
            return call
        for one in self._now:
            if call.step.within(one.unit.start, one.unit.end):
                call = one.act(call)
        return call

    def decoded(self, picture: Image.Image, index: int) -> Image.Image:
        """What units leave as it is."""
        del index
        for put_back in self._put_back:
            picture = put_back(picture)
        return picture

    def after_decode(self, picture: Image.Image, index: int) -> Image.Image:
        """Kept for units that take the last picture as their next."""
        del index
        self._last = picture
        return picture

    def facts(self, facts: EngineFacts, bench: Bench) -> EngineFacts:
        """The models' names, and the hashes that sd-webui-controlnet gives them."""
        del bench
        titles = dict(facts.titles)
        for unit in self._units:
            if unit.file is not None:
                titles[f"control.{unit.number - 1}.model"] = (unit.file.stem, old_hash(unit.file.path))
        return replace(facts, titles=titles)

    # --- Preparing ------------------------------------------------------------------------------------------------

    def _made(self, unit: _Unit, active: Active, batch: Batch, crops: tuple[Box | None, ...]) -> Acting | Referring:
        bench, shelf = active.bench, active.checkpoint.kept.of(Controls, Controls)
        asked, hires = unit.asked, active.one.number > 0
        sources = self._sources(unit, batch, crops)
        if unit.file is None:
            return _referring(asked, [self._map(unit, source, active, batch) for source in sources], active, batch)
        control = shelf.control(unit.file, active.checkpoint, bench.listener, wanted=len(self._units))
        region = None
        if asked.region is not None:
            size = active.one.size
            flat = flattened(asked.region, "#000000").convert("L").resize((size.width, size.height))
            region = torch.from_numpy(grey(flat, flat.size).astype("float32") / 255)[None, None]
        together = asked.pictures is ControlPictures.TOGETHER and len(asked.images) > 1 and not asked.loopback
        sets = [[source] for source in sources] if together else [sources]
        if isinstance(control.net, IpAdapter):
            tokens = _tokens(unit, control.net, sets, active)
            return Acting(asked, control, (), asked.weight / len(sets), hires, region, tokens)
        maps = [[self._map(unit, source, active, batch) for source in group] for group in sets]
        if asked.module == KEEPS and maps[0][0].shape[2] == MARKED:
            self._put_back.append(PutBack(maps[0][0]))
            if not hires:
                self._kept.add(_keeping(maps[0][0], active))
        if asked.module in COLOUR_FIXES:
            self._fixes.append((asked, _colour_fix(asked, maps[0], active)))
        hints = tuple(torch.cat([hint(one) for one in group]).to(active.checkpoint.model.device) for group in maps)
        return Acting(asked, control, hints, asked.weight / len(hints), hires, region)

    def _sources(self, of: _Unit, batch: Batch, crops: tuple[Box | None, ...]) -> list[Source]:
        """The pictures of a unit: all that act at once, or one for each image of the batch (one for all where they are
        the same)."""
        init, unit = self._asked.request.init, of.asked
        mask = unit.mask
        if unit.loopback and self._last is not None:
            return [Source(self._last, mask, unit.resize)]
        drawn = drawing_of(unit)
        if not unit.images and drawn is None:
            if init is None:
                raise ControlImageMissing(units=(of.number,))
            images = len(init.images)
            numbers = [(batch.first + offset) % images for offset in range(len(batch.seeds))] if images > 1 else [0]
            return [_of_init(init, number, crops[0] if crops else None, self._size) for number in numbers]
        if drawn is not None:
            chosen = [drawn]
        elif unit.pictures is ControlPictures.IN_TURN and len(unit.images) > 1:
            chosen = [unit.images[(batch.first + offset) % len(unit.images)] for offset in range(len(batch.seeds))]
        else:
            chosen = list(unit.images)
        box = crops[0] if crops and unit.crop_to_mask and init is not None else None
        if box is not None and init is not None:
            own = init.images[0].size
            chosen = [laid_over(picture, own, unit.resize).crop(box) for picture in chosen]
            mask = None if mask is None else laid_over(mask, own, unit.resize).crop(box)
        elif mask is None and paints(unit.module) and init is not None and init.inpaint is not None:
            mask = soft_mask(init.inpaint, init.images[0].size)
        return [Source(picture, mask, unit.resize) for picture in chosen]

    @property
    def _size(self) -> tuple[int, int]:
        request = self._asked.request
        return request.width or 0, request.height or 0

    def _map(self, unit: _Unit, source: Source, active: Active, batch: Batch) -> Pixels:
        """The map of one picture at the size of this pass; told once."""
        maps, one = active.bench.kept.of(ControlShelf, ControlShelf).maps, active.one
        request = active.bench.request
        first = (request.height or one.size.height, request.width or one.size.width)
        find = finder(active.bench.library.folders, PREPROCESSORS.find(unit.asked.module).name)
        device = str(active.checkpoint.model.device)
        found = maps.detected(unit.asked, source, first, batch.seeds[0], find, device)
        control = maps.fitted(found, one.size.height, one.size.width, source.resize)
        told = (unit.number, one.number, digest(control))
        if unit.asked.save_map and told not in self._told:
            self._told.add(told)
            for picture in shown(control):
                active.bench.listener(MapMade(unit.number, picture, unit.asked.title))
        return control


def _keeping(control: Pixels, active: Active) -> Keeping:
    """What is not to be painted, in latents."""
    device = active.checkpoint.model.device
    pixels = to_pixels(Image.fromarray(np.ascontiguousarray(control[:, :, :3])))
    return Keeping(active.bench.darkroom.encoded(active.vae, pixels), painted(control).to(device))


def _encoded(maps: list[Pixels], active: Active) -> Tensor:
    """The latents of maps [n, C, h, w], on the UNet's device."""
    pixels = (to_pixels(Image.fromarray(np.ascontiguousarray(one[:, :, :3]))) for one in maps)
    return torch.cat([active.bench.darkroom.encoded(active.vae, one) for one in pixels]).to(
        active.checkpoint.model.device
    )


def _referring(unit: ControlUnit, maps: list[Pixels], active: Active, batch: Batch) -> Referring:
    row = PREPROCESSORS.find(unit.module)
    fidelity = fidelity_of(unit.mode, number_of(unit.threshold_a, row.a))
    attends = row.name != "reference_adain"
    return Referring(unit, _encoded(maps, active), fidelity, attends, "adain" in row.name, batch.seeds[0])


def _colour_fix(unit: ControlUnit, maps: list[Pixels], active: Active) -> ColourFix:
    row = PREPROCESSORS.find(unit.module)
    spread = round(number_of(unit.threshold_a, row.a)) * (2 if active.one.number else 1)
    sharpness = number_of(unit.threshold_b, row.b) * SHARPNESS_SCALE if row.b else 0.0
    return ColourFix(_encoded(maps, active), spread, sharpness, min(1.0, unit.weight))


def _tokens(unit: _Unit, net: IpAdapter, sets: list[list[Source]], active: Active) -> tuple[tuple[Tensor, Tensor], ...]:
    """What an IP-Adapter reads of each set of a unit's pictures, and of no picture."""
    shelf, model = active.bench.kept.of(ControlShelf, ControlShelf), active.checkpoint.model
    if unit.clip is None:
        raise TypeError("an adapter that is opened has its encoder")
    stamp = stamp_of(unit.clip)
    if stamp not in shelf.clip:
        shelf.clip.clear()
        with torch.inference_mode(False):
            shelf.clip[stamp] = load_clip_vision(open_weights(unit.clip), model.device, model.dtype)
    clip = shelf.clip[stamp]
    groups = (torch.cat([clip.read(source.picture) for source in group]) for group in sets)
    return tuple(_read(net, clip, pictures.to(model.device, model.dtype)) for pictures in groups)


def _read(net: IpAdapter, clip: ClipVision, pictures: Tensor) -> tuple[Tensor, Tensor]:
    if net.patches:
        nothing = torch.zeros_like(pictures[:1])
        return net.projection(clip.patches(pictures)), net.projection(clip.patches(nothing))
    vectors = clip.pooled(pictures)
    return net.projection(vectors), net.projection(torch.zeros_like(vectors[:1]))


def _of_init(init: InitImage, number: int, box: Box | None, size: tuple[int, int]) -> Source:
    """An initial picture as a unit's: it takes the wanted size as img2img does."""
    picture = flattened(init.images[number], init.background)
    mask = None if init.inpaint is None else soft_mask(init.inpaint, picture.size)
    mode = next((own for own, other in CONTROL_MODES.items() if other is init.resize_mode), None)
    if box is not None:
        picture = picture.crop(box)
        mask = None if mask is None else mask.crop(box)
    unit_mode = mode or next(iter(CONTROL_MODES))
    return Source(
        resize(picture, *size, CONTROL_MODES[unit_mode]),
        mask and resize(mask, *size, CONTROL_MODES[unit_mode]),
        unit_mode,
    )


def _is_idle(unit: ControlUnit) -> bool:
    return changes_nothing(unit.module, unit.weight, unit.start, unit.end)


def _checked(asked: ResolvedRequest, number: int, unit: ControlUnit) -> _Unit:
    """What can be told before anything is loaded."""
    row = PREPROCESSORS.find(unit.module)
    if row.model_free:
        return _Unit(number, unit, None)
    if not unit.model:
        raise ControlModelNotChosen(unit=number)
    file = asked.library.find(ModelKind.CONTROLNET, unit.model)
    check_files(asked.library.folders, row.name, UnitFileMissing)
    weights = open_weights(file.path)
    info = check_served(weights)
    if info.kind is ControlKind.UNION and UNION_ORDER.index(union_type(row.name, unit.kind)) >= info.union_types:
        raise ControlTypeUnknown(path=file.path, types=info.union_types)
    base = open_weights(asked.checkpoint.path)
    check_fits(file.path, info, guided(base.header))
    clip = _clip(asked, file, weights) if info.kind is ControlKind.IP_ADAPTER else None
    size = numbers_in(weights, info, base)
    return _Unit(number, unit, file, size, clip.path, numbers(clip)) if clip else _Unit(number, unit, file, size)


def _clip(asked: ResolvedRequest, adapter: ModelFile, weights: Weights) -> Weights | None:
    """The encoder that the IP-Adapter in ``weights`` reads pictures with; None where it does not tell what it needs,
    which opening it does. Raises ``ClipVisionMissing``."""
    need = clip_need(weights.header)
    if need is None or (found := find_clip_vision(asked.library.folders, need)):
        return found if need else None
    if offer := clip_on_offer(need):
        raise ClipVisionMissing(path=adapter.path, file=offer.file, size=offer.size, links=offer.whole_link)
    raise ClipVisionUnknown(path=adapter.path, folder=asked.library.folders.clip_vision, width=need.width)
