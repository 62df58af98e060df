"""Soft edges by pixel differences (PiDiNet; Su et al. 2021, arXiv:2108.07009), by the weights of table5_pidinet.pth.

A convolution of differences is a plain one with rearranged weights (the paper's section 3.1 and figure 4): central (C)
sees each neighbour less the middle, angular (A) each neighbour less the next one around, radial (R) an outer ring less
the inner one. So the file's weights are rearranged once and all that runs is convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.preprocessors.nets.filling import filled, tensor

_WIDTH, _DILATED = 60, 24
_KINDS = "CARV"
"""Of the layers, over and over: central, angular, radial, plain (the paper's "carv4")."""
_STAGES = (("block1", 3, 1), ("block2", 4, 2), ("block3", 4, 4), ("block4", 4, 4))
"""Name, blocks, width in ``_WIDTH``s. The first layer of all is not in a block."""
_AROUND = (3, 0, 1, 6, 4, 2, 7, 8, 5)
"""For each place of a 3 x 3 kernel, read by rows, the place before it clockwise."""
_OUTER = (0, 2, 4, 10, 14, 20, 22, 24)
_INNER = (6, 7, 8, 11, 13, 16, 17, 18)
"""Places of a 5 x 5 kernel, read by rows: the ends of the eight radii and their beginnings."""


def plain(kind: str, weight: Tensor) -> Tensor:
    """The weights [O, I, 3, 3] of a ``kind`` of difference as those of a plain convolution, [O, I, 3 or 5, 3 or 5]."""
    flat = weight.flatten(2)
    if kind == "C":
        plain_one = flat.clone()
        plain_one[:, :, 4] -= flat.sum(2)
        return plain_one.view_as(weight)
    if kind == "A":
        return (flat - flat[:, :, _AROUND]).view_as(weight)
    if kind == "R":
        wide = flat.new_zeros(*flat.shape[:2], 25)
        wide[:, :, _OUTER] = flat[:, :, 1:]
        wide[:, :, _INNER] = -flat[:, :, 1:]
        return wide.view(*flat.shape[:2], 5, 5)
    return weight


def _layers() -> list[str]:
    """Names of the convolutions of differences, in order."""
    return ["init_block"] + [f"{name}_{place}.conv1" for name, count, _ in _STAGES for place in range(1, count + 1)]


def _as_plain(given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    kinds = {f"{layer}.weight": _KINDS[place % len(_KINDS)] for place, layer in enumerate(_layers())}
    return {name: plain(kinds[name], weight) if name in kinds else weight for name, weight in given.items()}


def _conv(kind: str, inside: int, outside: int, groups: int) -> nn.Conv2d:
    side = 5 if kind == "R" else 3
    return nn.Conv2d(inside, outside, side, padding=side // 2, groups=groups, bias=False)


class _Block(nn.Module):
    def __init__(self, kind: str, inside: int, outside: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        if halves:
            self.shortcut = nn.Conv2d(inside, outside, 1)
        self.conv1 = _conv(kind, inside, inside, inside)
        self.conv2 = nn.Conv2d(inside, outside, 1, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        if self.halves:
            image = functional.max_pool2d(image, 2)
        changed = self.conv2(functional.relu(self.conv1(image)))
        return changed + (self.shortcut(image) if self.halves else image)


class _Dilated(nn.Module):
    """Compact dilated convolutions: the sum of four of different reach."""

    def __init__(self, inside: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, _DILATED, 1)
        for place, reach in enumerate((5, 7, 9, 11), 1):
            conv = nn.Conv2d(_DILATED, _DILATED, 3, dilation=reach, padding=reach, bias=False)
            self.add_module(f"conv2_{place}", conv)

    def forward(self, image: Tensor) -> Tensor:
        image = self.conv1(functional.relu(image))
        return torch.stack([self.get_submodule(f"conv2_{place}")(image) for place in range(1, 5)]).sum(0)


class _Attention(nn.Module):
    """Compact spatial attention."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(_DILATED, 4, 1)
        self.conv2 = nn.Conv2d(4, 1, 3, padding=1, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        return image * torch.sigmoid(self.conv2(self.conv1(functional.relu(image))))


class _Reduced(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(_DILATED, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        reduced: Tensor = self.conv(image)
        return reduced


class PiDiNet(nn.Module):
    """[1, 3, H, W] (0 to 1, BGR) -> edges [H, W], 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        kinds = iter(_KINDS * 4)
        self.init_block = _conv(next(kinds), 3, _WIDTH, 1)
        width = _WIDTH
        for number, (name, count, wide) in enumerate(_STAGES):
            for place in range(1, count + 1):
                halves = number > 0 and place == 1
                self.add_module(f"{name}_{place}", _Block(next(kinds), width, wide * _WIDTH, halves))
                width = wide * _WIDTH
        self.dilations = nn.ModuleList(_Dilated(wide * _WIDTH) for _, _, wide in _STAGES)
        self.attentions = nn.ModuleList(_Attention() for _ in _STAGES)
        self.conv_reduces = nn.ModuleList(_Reduced() for _ in _STAGES)
        self.classifier = nn.Conv2d(len(_STAGES), 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        size = image.shape[2:]
        image = self.init_block(image)
        seen = []
        for number, (name, count, _) in enumerate(_STAGES):
            for place in range(1, count + 1):
                image = self.get_submodule(f"{name}_{place}")(image)
            part = self.conv_reduces[number](self.attentions[number](self.dilations[number](image)))
            seen.append(functional.interpolate(part, size, mode="bilinear", align_corners=False))
        return torch.sigmoid(self.classifier(torch.cat(seen, 1)))[0, 0]


@torch.no_grad()
def edges(picture: Pixels, path: Path, device: str) -> Tensor:
    """The edges [H, W] of a picture, 0 to 1, on the CPU. Raises what ``filled`` raises."""
    net = filled(PiDiNet(), path, _as_plain, device)
    found: Tensor = net(tensor(picture[:, :, ::-1], device) / 255)
    return found.cpu()
