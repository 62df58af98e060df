"""Lines of drawn pictures, by the weights of lllyasviel's netG.pth: a U-Net of eight halvings (pix2pix; Isola et al.
2017, arXiv:1611.07004) without weights in its norms."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.preprocessors.nets.filling import as_named, filled, tensor

_WIDTHS = (64, 128, 256, 512, 512, 512, 512, 512)
_PAD_TO = 256
"""The eighth halving needs it."""


class _Level(nn.Module):
    """One halving, what is below it, and the way back; all but the outermost hand on what came, too."""

    def __init__(self, place: int) -> None:
        super().__init__()
        outermost, innermost = place == 0, place == len(_WIDTHS) - 1
        outside, inside = (3 if outermost else _WIDTHS[place - 1]), _WIDTHS[place]
        down: list[nn.Module] = [nn.Conv2d(outside, inside, 4, stride=2, padding=1)]
        if not outermost:
            down.insert(0, nn.LeakyReLU(0.2))
        below: list[nn.Module] = [] if innermost else [_Level(place + 1)]
        if not (outermost or innermost):
            down.append(nn.InstanceNorm2d(inside))
        back = 1 if outermost else outside
        up: list[nn.Module] = [
            nn.ReLU(),
            nn.ConvTranspose2d(inside if innermost else 2 * inside, back, 4, stride=2, padding=1),
            nn.Tanh() if outermost else nn.InstanceNorm2d(back),
        ]
        self.model = nn.Sequential(*down, *below, *up)
        self._outermost = outermost

    def forward(self, image: Tensor) -> Tensor:
        made: Tensor = self.model(image)
        return made if self._outermost else torch.cat([image, made], 1)


class AnimeLines(nn.Module):
    """[1, 3, H, W] (-1 to 1; multiples of 256) -> paper [1, 1, H, W], -1 to 1: 1 is white."""

    def __init__(self) -> None:
        super().__init__()
        self.model = _Level(0)

    def forward(self, image: Tensor) -> Tensor:
        paper: Tensor = self.model(image)
        return paper


@torch.no_grad()
def lines(picture: Pixels, path: Path, device: str) -> Tensor:
    """The lines [H, W] of a picture, 0 to 1, on the CPU. Raises what ``filled`` raises."""
    height, width = picture.shape[:2]
    size = (width + -width % _PAD_TO, height + -height % _PAD_TO)
    scaled = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    paper = filled(AnimeLines(), path, as_named, device)(tensor(scaled, device) / 127.5 - 1)
    paper = functional.interpolate(paper, (height, width), mode="bicubic", align_corners=False)
    return (1 - (paper[0, 0] + 1) / 2).clamp(0, 1).cpu()
