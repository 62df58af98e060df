"""Edges by a tiny network (TEED; Soria et al. 2023, arXiv:2308.06468), by the weights of 7_model.pth and MTEED.pth."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.preprocessors.nets.filling import as_named, filled, tensor

_WIDTHS = (16, 32, 48)
_INSIDE = 16
"""Channels on the way up."""
_PADDING = (0, 0, 1)
"""Of the convolutions that double the size, by how many there are."""
_SPREAD = 8


def _smish(image: Tensor) -> Tensor:
    """x tanh(ln(1 + sigmoid(x))) (Wang et al. 2022)."""
    return image * torch.tanh(torch.log(1 + torch.sigmoid(image)))


class _Smish(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return _smish(image)


class _Pair(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int, *, ends: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1)
        self._ends = ends

    def forward(self, image: Tensor) -> Tensor:
        made: Tensor = self.conv2(_smish(self.conv1(image)))
        return _smish(made) if self._ends else made


class _Single(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, 1, stride)

    def forward(self, image: Tensor) -> Tensor:
        made: Tensor = self.conv(image)
        return made


class _Dense(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=2)
        self.conv2 = nn.Conv2d(outside, outside, 3)

    def forward(self, image: Tensor, beside: Tensor) -> Tensor:
        return 0.5 * (self.conv2(_smish(self.conv1(_smish(image)))) + beside)


class _DenseBlock(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.denselayer1 = _Dense(inside, outside)


class _Up(nn.Module):
    """To one channel, ``doublings`` times as large in powers of two."""

    def __init__(self, inside: int, doublings: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for place in range(doublings):
            outside = 1 if place == doublings - 1 else _INSIDE
            side, padding = 2**doublings, _PADDING[doublings]
            layers += [
                nn.Conv2d(inside, outside, 1),
                _Smish(),
                nn.ConvTranspose2d(outside, outside, side, 2, padding),
            ]
            inside = outside
        self.features = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        made: Tensor = self.features(image)
        return made


class _Fusion(nn.Module):
    """The three answers as one."""

    def __init__(self, count: int) -> None:
        super().__init__()
        width = count * _SPREAD
        self.DWconv1 = nn.Conv2d(count, width, 3, padding=1, groups=count)
        self.DWconv2 = nn.Conv2d(width, width, 3, padding=1, groups=width)

    def forward(self, image: Tensor) -> Tensor:
        first = self.DWconv1(_smish(image))
        return _smish((self.DWconv2(_smish(first)) + first).sum(1, keepdim=True))


class TEED(nn.Module):
    """[1, 3, H, W] (0 to 255, RGB; multiples of 4) -> edges [H, W], 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = _WIDTHS
        self.block_1 = _Pair(3, first, 2, ends=True)
        self.block_2 = _Pair(first, second, 1, ends=False)
        self.dblock_3 = _DenseBlock(second, third)
        self.side_1 = _Single(first, second, 2)
        self.pre_dense_3 = _Single(second, third, 1)
        self.up_block_1, self.up_block_2, self.up_block_3 = _Up(first, 1), _Up(second, 1), _Up(third, 2)
        self.block_cat = _Fusion(len(_WIDTHS))

    def forward(self, image: Tensor) -> Tensor:
        first = self.block_1(image)
        second = self.block_2(first)
        halved = functional.max_pool2d(second, 3, 2, 1)
        third = self.dblock_3.denselayer1(halved + self.side_1(first), self.pre_dense_3(halved))
        found = torch.cat([self.up_block_1(first), self.up_block_2(second), self.up_block_3(third)], 1)
        return torch.sigmoid(torch.cat([found, self.block_cat(found)], 1).mean(1))[0]


@torch.no_grad()
def edges(picture: Pixels, path: Path, device: str) -> Tensor:
    """The edges [H, W] of a picture, 0 to 1, on the CPU. Raises what ``filled`` raises."""
    found: Tensor = filled(TEED(), path, as_named, device)(tensor(picture, device))
    return found.cpu()
