"""The detail pass: what detectors find in a finished picture is drawn again by inpainting (as ADetailer does it)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from PIL import Image

from sdcolab.core.control import ControlUnit
from sdcolab.core.details import DetailUnit, find_detector, prompts
from sdcolab.core.detect import ModelKind
from sdcolab.core.events import Event, Note, Phase, PhaseStarted, StepDone, Warned
from sdcolab.core.library import ModelFile
from sdcolab.core.request import AUTOMATIC, SIZE_STEP, GenerationRequest, InitImage, Inpaint
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.core.words.details import NOTHING_FOUND
from sdcolab.engine.bench import Bench
from sdcolab.engine.details.masks import chosen, masks_for
from sdcolab.engine.details.networks import NetworkShelf
from sdcolab.engine.details.yolo import find
from sdcolab.engine.feature import Feature
from sdcolab.engine.plan import GenerationPlan
from sdcolab.engine.samplers import resolve_sampler

_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class _Unit:
    """A unit and its detector."""

    asked: DetailUnit
    detector: ModelFile


class DetailPass(Feature):
    """Draws parts of each finished picture again, unit by unit."""

    retouches = True

    def __init__(self, units: tuple[_Unit, ...]) -> None:
        self._units = units

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        """Raises ``DetectorMissing``, ``UnknownFile`` for a ControlNet that is not here, and ``UnknownName`` for a
        sampler."""
        units = []
        for unit in asked.request.details:
            detector = find_detector(unit.model, asked.library)
            if unit.control_model:
                asked.library.find(ModelKind.CONTROLNET, unit.control_model)
            resolve_sampler(unit.sampler or asked.request.sampler, unit.schedule or asked.request.schedule)
            units.append(_Unit(replace(unit, model=detector.name), detector))
        return cls(tuple(units)) if units else None

    def passes(self, plan: GenerationPlan) -> GenerationPlan:
        """No other passes; detectors by the names that they have here."""
        units = tuple(unit.asked for unit in self._units)
        request, *pictures = (replace(one, details=units) for one in (plan.request, *plan.pictures))
        return replace(plan, request=request, pictures=tuple(pictures))

    def retouch(self, picture: Image.Image, index: int, bench: Bench) -> Image.Image:
        """``picture`` with what the units found drawn again. Raises ``SdcolabError``."""
        shelf, pictures = bench.kept.of(NetworkShelf, NetworkShelf), bench.asked.pictures
        own, number_of_own = (pictures[index], 0) if pictures else (bench.request, index)
        for unit in self._units:
            bench.cancel.raise_if_cancelled()
            bench.listener(PhaseStarted(Phase.DETAILING, unit.detector.stem))
            asked = unit.asked
            found = find(picture, shelf.open(unit.detector.path), asked.confidence, asked.classes)
            masks = masks_for(chosen(found, asked, picture.size), asked, picture.size)
            if not masks:
                bench.listener(Note(NOTHING_FOUND.format(model=unit.detector.stem, number=index + 1)))
            requests = list(part_requests(own, asked, masks, number_of_own))
            for number, request in enumerate(requests, 1):
                told = f"{unit.detector.stem} ({number}/{len(requests)})"
                bench.listener(PhaseStarted(Phase.DETAILING, told))
                picture = self._again(bench, request, picture)
        return picture

    @staticmethod
    def _again(bench: Bench, request: GenerationRequest, picture: Image.Image) -> Image.Image:
        """``picture`` as ``request`` changes it."""
        assert request.init is not None  # part_requests made it
        size = picture.size

        def tell(event: Event) -> None:
            if isinstance(event, StepDone | Warned):
                bench.listener(event)

        made = bench.again(replace(request, init=replace(request.init, images=(picture,))), tell)
        if made is None:
            return picture
        return made if made.size == size else made.resize(size, Image.Resampling.LANCZOS)


def part_requests(
    request: GenerationRequest, unit: DetailUnit, masks: list[Image.Image], index: int
) -> Iterator[GenerationRequest]:
    """How each of ``masks`` is drawn again in image ``index`` of a resolved ``request``: with the image's seed plus its
    own number, and the picture still to be put in."""
    texts = prompts(unit.prompt, request.prompt, len(masks))
    negatives = prompts(unit.negative_prompt, request.negative_prompt, len(masks))
    for number, (mask, text, negative) in enumerate(zip(masks, texts, negatives, strict=True)):
        if text is None:
            continue
        inpaint = Inpaint(
            mask=mask, blur_x=unit.blur, blur_y=unit.blur, only_masked=unit.only_masked, padding=unit.padding
        )
        width, height = _working_size(request, unit, mask.size)
        yield replace(
            request,
            prompt=text,
            negative_prompt=negative or "",
            seed=request.seed_of(index) + number,
            variation=replace(request.variation, seed=request.variation_seed_of(index) + number),
            sampler=unit.sampler or request.sampler,
            schedule=unit.schedule or (AUTOMATIC if unit.sampler else request.schedule),
            steps=unit.steps or request.steps,
            cfg_scale=request.cfg_scale if unit.cfg_scale is None else unit.cfg_scale,
            width=width,
            height=height,
            batch_size=1,
            batch_count=1,
            tiling=False,
            hires=None,
            refiner=None,
            regions=None,
            inversion=None,
            details=(),
            restore_faces=unit.restore_faces,
            control=_control(unit),
            init=InitImage(images=(mask,), strength=unit.strength, inpaint=inpaint),
        )


def _working_size(request: GenerationRequest, unit: DetailUnit, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height at which a part is drawn: the unit's, else the first pass's; the whole picture's when all of it
    is worked on."""
    if unit.width and unit.height:
        return unit.width, unit.height
    if unit.only_masked and request.width and request.height:
        return request.width, request.height
    scale = min(1.0, _LONGEST / max(size))
    width, height = (max(64, int(side * scale) // SIZE_STEP * SIZE_STEP) for side in size)
    return width, height


def _control(unit: DetailUnit) -> tuple[ControlUnit, ...]:
    if not unit.control_model:
        return ()
    return (
        ControlUnit(
            module=unit.control_module,
            model=unit.control_model,
            weight=unit.control_weight,
            start=unit.control_start,
            end=unit.control_end,
            pixel_perfect=True,
            save_map=False,
        ),
    )
