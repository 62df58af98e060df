"""Soft edges at five scales (HED; Xie and Tu 2015, arXiv:1504.06375), by the weights of ControlNetHED.pth."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.preprocessors.nets.filling import as_named, filled, tensor

_BLOCKS = ((3, 64, 2), (64, 128, 2), (128, 256, 3), (256, 512, 3), (512, 512, 3))
"""Channels that come, channels that go, convolutions: VGG-16's."""


class _Block(nn.Module):
    def __init__(self, inside: int, outside: int, count: int) -> None:
        super().__init__()
        widths = [inside] + [outside] * count
        self.convs = nn.Sequential(*(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths)))
        self.projection = nn.Conv2d(outside, 1, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        for conv in self.convs:
            image = functional.relu(conv(image))
        return image, self.projection(image)


class HED(nn.Module):
    """[1, 3, H, W] (0 to 255, RGB) -> edges [H, W], 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.Parameter(torch.zeros(1, 3, 1, 1))
        for number, widths in enumerate(_BLOCKS, 1):
            self.add_module(f"block{number}", _Block(*widths))

    def forward(self, image: Tensor) -> Tensor:
        size = image.shape[2:]
        image = image - self.norm
        total = torch.zeros(1, 1, *size, device=image.device)
        for number in range(1, len(_BLOCKS) + 1):
            if number > 1:
                image = functional.max_pool2d(image, 2)
            image, seen = self.get_submodule(f"block{number}")(image)
            total = total + functional.interpolate(seen, size, mode="bilinear", align_corners=False)
        return torch.sigmoid(total / len(_BLOCKS))[0, 0]


@torch.no_grad()
def edges(picture: Pixels, path: Path, device: str) -> Tensor:
    """The edges [H, W] of a picture, 0 to 1, on the CPU. Raises what ``filled`` raises."""
    found: Tensor = filled(HED(), path, as_named, device)(tensor(picture, device))
    return found.cpu()
