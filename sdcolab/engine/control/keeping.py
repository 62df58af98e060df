"""inpaint_only: what is not to be painted stays as it is in the unit's picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sdcolab.core.request import NoiseOrigin
from sdcolab.engine.calls import Step
from sdcolab.engine.noise import passing_noise
from sdcolab.engine.preprocessors.base import Pixels

_REACH = 7
"""Pixels over which the painted part and the kept one melt into each other (the extension's own number)."""


@dataclass(frozen=True, slots=True, eq=False)
class Keeping:
    """``latents`` [1, C, h, w] of a unit's picture; ``paint`` [1, 1, h, w] is 1 where they are made anew."""

    latents: Tensor
    paint: Tensor

    def __call__(self, image: Tensor, kept: Tensor) -> Tensor:
        """``image`` [B, C, h, w] with ``kept`` put back in the part that is not painted."""
        return image * self.paint + kept * (1 - self.paint)


class KeptParts:
    """What the units of a pass leave as it is. As Forge does it: the UNet sees it at each call's own noise level."""

    def __init__(self) -> None:
        self._parts: list[Keeping] = []
        self._noise: Callable[[], Tensor] | None = None

    def forget(self) -> None:
        """Another pass begins."""
        self._parts.clear()

    def add(self, part: Keeping) -> None:
        """One more."""
        self._parts.append(part)

    def begin(self, origin: NoiseOrigin, seeds: Sequence[int]) -> None:
        """The images with these ``seeds`` are made now."""
        if self._parts:
            self._noise = passing_noise(origin, seeds, self._parts[0].latents)
            self._noise()  # Forge encodes the picture with the first draw; we take the mean, 5e-6 apart

    def before(self, x: Tensor, step: Step) -> Tensor:
        """``x`` [B, C, h, w] with them put back at the step's level."""
        if self._noise is not None:
            for keep in self._parts:
                x = keep(x, keep.latents * step.signal + self._noise() * step.deviation)
        return x

    def after(self, image: Tensor) -> Tensor:
        """The predicted ``image`` [B, C, h, w] with them put back."""
        for keep in self._parts:
            image = keep(image, keep.latents)
        return image


@dataclass(frozen=True, slots=True, eq=False)
class PutBack:
    """``control`` [H, W, 4]: the unit's picture, and white in the fourth channel where it is made anew."""

    control: Pixels

    def __call__(self, picture: Image.Image) -> Image.Image:
        """``picture`` (RGB) with the kept pixels as they were; one of another size as it is."""
        height, width = self.control.shape[:2]
        if picture.size != (width, height):
            return picture
        painted = torch.from_numpy((self.control[None, :, :, 3] > 127).astype(np.float32))
        wider = functional.max_pool2d(painted, _REACH, stride=1, padding=_REACH // 2)
        around = functional.pad(wider, (_REACH // 2,) * 4, mode="reflect")
        share = functional.avg_pool2d(around, _REACH, stride=1).numpy().transpose(1, 2, 0).clip(0, 1)
        mixed = np.asarray(picture, np.float32) * share + self.control[:, :, :3] * (1 - share)
        return Image.fromarray(np.rint(mixed).astype(np.uint8))
