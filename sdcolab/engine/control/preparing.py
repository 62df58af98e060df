"""From a unit's picture to the map that its model reads, at the size of a pass (hechos/extensiones.md 3)."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sdcolab.core.control import NO_PREPROCESSOR, UNSET, ControlResize, ControlUnit, pixel_perfect_resolution
from sdcolab.core.detecting import Detect
from sdcolab.core.folders import Folders
from sdcolab.core.preprocessors import PREPROCESSORS, Slider
from sdcolab.core.request import SIZE_STEP
from sdcolab.core.resizing import flattened
from sdcolab.engine.preprocessors import finder, part, run
from sdcolab.engine.preprocessors.base import Asked, Find, Pixels

DEFAULT_RESOLUTION, LEAST_RESOLUTION = 512, 64
REMEMBERED_MAPS = 24
MASKED = -1.0
"""What inpaint models read where they are to paint (and 0..1 elsewhere)."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What a map is made of: a picture, the ``mask`` (white is to be painted) that inpaint preprocessors read, and how
    they take the pass's size.
    """

    picture: Image.Image
    mask: Image.Image | None
    resize: ControlResize


def detected(task: Detect, picture: Image.Image, folders: Folders) -> tuple[Image.Image, ...]:
    """The map of one picture of ``task``, at its own size, and then what is to be painted, as a generation shows them.
    Raises ``ControlError`` or ``UnknownName``."""
    row = PREPROCESSORS.find(task.module)
    a, b = number_of(task.threshold_a, row.a), number_of(task.threshold_b, row.b)
    mask = None if task.mask is None else grey(task.mask, picture.size)
    found = run(row.name, Asked(pixels(picture), task.resolution, a, b, mask, find=finder(folders, row.name)))
    return shown(_marked(found, mask, row.name))


class Maps:
    """Makes maps and remembers the last ones, so that a second image with the same map prepares nothing."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[object, ...], Pixels] = OrderedDict()

    def detected(
        self, unit: ControlUnit, source: Source, size: tuple[int, int], seed: int, find: Find, device: str = "cpu"
    ) -> Pixels:
        """What the preprocessor of ``unit`` finds in a picture, for a first pass of ``size`` (height, width): uint8
        [H, W, 3 or 4], not yet of that size. The fourth channel is what is to be painted. Networks run on ``device``.
        """
        row = PREPROCESSORS.find(unit.module)
        picture = pixels(source.picture)
        resolution = DEFAULT_RESOLUTION if unit.resolution == UNSET else max(LEAST_RESOLUTION, unit.resolution)
        if unit.pixel_perfect:
            resolution = pixel_perfect_resolution(picture.shape[0], picture.shape[1], *size, source.resize)
        a, b = number_of(unit.threshold_a, row.a), number_of(unit.threshold_b, row.b)
        mask = None if source.mask is None else grey(source.mask, source.picture.size)
        chance = seed if row.name == "shuffle" else 0
        key = (row.name, resolution, a, b, chance, digest(picture), None if mask is None else digest(mask))

        def make() -> Pixels:
            return _marked(run(row.name, Asked(picture, resolution, a, b, mask, chance, find, device)), mask, row.name)

        return self._remembered(key, make)

    def fitted(self, control: Pixels, height: int, width: int, mode: ControlResize) -> Pixels:
        """A map at the size of a pass."""
        key = (digest(control), height, width, mode)
        return self._remembered(key, lambda: part("resizing", NO_PREPROCESSOR).fitted(control, height, width, mode))

    def _remembered(self, key: tuple[object, ...], make: Callable[[], Pixels]) -> Pixels:
        if key not in self._known:
            self._known[key] = make()
            while len(self._known) > REMEMBERED_MAPS:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]


def number_of(given: float, slider: Slider | None) -> float:
    """What a preprocessor is told: what was given where it makes sense to it, else its own number."""
    if slider is None:
        return given
    return given if given != UNSET and slider.low <= given <= slider.high else slider.default


def _marked(found: Pixels, mask: Pixels | None, module: str) -> Pixels:
    """A map with what is to be painted as its fourth channel, if its preprocessor marks that."""
    return found if mask is None or not paints(module) else np.dstack([found, mask])


def paints(module: str) -> bool:
    """Whether a preprocessor marks what is to be painted."""
    return module.startswith("inpaint")


def digest(picture: Pixels) -> str:
    """Tells a picture from others."""
    return f"{picture.shape} {hashlib.blake2b(picture.tobytes(), digest_size=16).hexdigest()}"


def pixels(picture: Image.Image) -> Pixels:
    """uint8 RGB [H, W, 3]; what is transparent lies on white."""
    return np.array(flattened(picture), np.uint8)


def grey(mask: Image.Image, size: tuple[int, int]) -> Pixels:
    """A mask as uint8 [H, W] for a picture of ``size`` (width, height)."""
    flat = flattened(mask, "#000000").convert("L")
    return np.array(flat if flat.size == size else flat.resize(size, Image.Resampling.NEAREST), np.uint8)


def hint(control: Pixels) -> Tensor:
    """A map [H, W, 3 or 4] as models read it: float32 [1, 3, H, W] in 0..1, ``MASKED`` where it is to be painted."""
    values = torch.from_numpy(control[:, :, :3].astype(np.float32) / 255).permute(2, 0, 1)[None]
    if control.shape[2] == 4:
        painted = torch.from_numpy(control[:, :, 3] > 127)[None, None]
        values = torch.where(painted, torch.tensor(MASKED), values)
    return values


def shown(control: Pixels) -> tuple[Image.Image, ...]:
    """A map as users see it, and then what is to be painted, if anything is marked."""
    picture = Image.fromarray(np.ascontiguousarray(control[:, :, :3]))
    return (picture,) if control.shape[2] == 3 else (picture, Image.fromarray(control[:, :, 3]).convert("RGB"))


def painted(control: Pixels) -> Tensor:
    """What is to be painted of a map with four channels, in latents: 1 where any pixel of a block of 8 is, else 0;
    float32 [1, 1, H/8, W/8]."""
    mask = torch.from_numpy((control[:, :, 3] > 127).astype(np.float32))[None, None]
    return functional.max_pool2d(mask, SIZE_STEP)
