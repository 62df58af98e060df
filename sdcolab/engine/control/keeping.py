"""inpaint_only: what is not to be painted stays as it is in the unit's picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sdcolab.engine.calls import Step
from sdcolab.engine.preprocessors.base import Pixels

_REACH = 7
"""Pixels over which the painted part and the kept one melt into each other (the extension's own number)."""


@dataclass(frozen=True, slots=True, eq=False)
class Keeping:
    """``latents`` [1, C, h, w] of the unit's picture; ``paint`` [1, 1, h, w] is 1 where they are made anew. As Forge
    does it: the UNet sees the kept part at each call's own noise level."""

    latents: Tensor
    paint: Tensor

    def __call__(self, image: Tensor) -> Tensor:
        """``image`` [B, C, h, w] with the kept part put back."""
        return image * self.paint + self.latents * (1 - self.paint)

    def noised(self, x: Tensor, step: Step, noise: Tensor) -> Tensor:
        """``x`` [B, C, h, w] with the kept part put back at the step's level, by unit ``noise`` of the same shape."""
        return x * self.paint + (self.latents * step.signal + noise * step.deviation) * (1 - self.paint)


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
