"""Straight line segments (M-LSD; Gu et al. 2022, arXiv:2106.00186), by the weights of mlsd_large_512_fp32.pth.

A MobileNetV2 (Sandler et al. 2018) whose five scales are merged step by step; at half the picture's size each place
says how likely it is the middle of a segment, and where the segment's two ends lie from it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.preprocessors.nets.filling import as_named, filled

_SIDE = 512
"""The net looks at squares of this size."""
_MOST = 200
"""Segments at most."""
_EXPANSIONS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1))
"""MobileNetV2's table 2: expansion, channels, blocks, stride of the first."""
_SCALES = (1, 3, 6, 10, 13)
"""The last block of each row."""
_CENTRE, _ENDS = 0, slice(1, 5)
_UNUSED = 7
"""Channels before those that are read: the net's other heads, which only its training needed."""


def _conv(inside: int, outside: int, side: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Conv, norm and ReLU6. One that halves is padded only at the right and below, as TensorFlow does."""
    padding = 0 if stride == 2 else side // 2
    conv = nn.Conv2d(inside, outside, side, stride, padding, groups=groups, bias=False)
    return (
        _Halving(conv, nn.BatchNorm2d(outside), nn.ReLU6())
        if stride == 2
        else nn.Sequential(conv, nn.BatchNorm2d(outside), nn.ReLU6())
    )


class _Halving(nn.Sequential):
    def forward(self, image: Tensor) -> Tensor:
        made: Tensor = super().forward(functional.pad(image, (0, 1, 0, 1)))
        return made


class _Inverted(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inside * expansion
        first = [] if expansion == 1 else [_conv(inside, hidden, side=1)]
        last = [nn.Conv2d(hidden, outside, 1, bias=False), nn.BatchNorm2d(outside)]
        self.conv = nn.Sequential(*first, _conv(hidden, hidden, stride=stride, groups=hidden), *last)
        self._residual = stride == 1 and inside == outside

    def forward(self, image: Tensor) -> Tensor:
        made: Tensor = self.conv(image)
        return image + made if self._residual else made


class _Backbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        parts: list[nn.Module] = [_conv(4, 32, stride=2)]
        width = 32
        for expansion, outside, count, stride in _EXPANSIONS:
            for number in range(count):
                parts.append(_Inverted(width, outside, stride if number == 0 else 1, expansion))
                width = outside
        self.features = nn.Sequential(*parts)

    def forward(self, image: Tensor) -> list[Tensor]:
        scales = []
        for number, part in enumerate(self.features):
            image = part(image)
            if number in _SCALES:
                scales.append(image)
        return scales


def _plain(inside: int, outside: int, side: int, dilation: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inside, outside, side, padding=side // 2 * dilation, dilation=dilation)
    return nn.Sequential(conv, nn.BatchNorm2d(outside), nn.ReLU())


class _Merge(nn.Module):
    """A finer scale and the coarser one that came so far."""

    def __init__(self, fine: int, coarse: int, grows: bool = True) -> None:
        super().__init__()
        self.conv1 = _plain(coarse, 64, 1)
        self.conv2 = _plain(fine, 64, 1)
        self._grows = grows

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        coarse = self.conv1(coarse)
        if self._grows:
            coarse = functional.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=True)
        return torch.cat([self.conv2(fine), coarse], 1)


class _Refine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = _plain(128, 128, 3), _plain(128, 64, 3)

    def forward(self, image: Tensor) -> Tensor:
        refined: Tensor = self.conv2(self.conv1(image) + image)
        return refined


class _Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = _plain(64, 64, 3, dilation=5), _plain(64, 64, 3)
        self.conv3 = nn.Conv2d(64, 16, 1)

    def forward(self, image: Tensor) -> Tensor:
        made: Tensor = self.conv3(self.conv2(self.conv1(image)))
        return made


class Segments(nn.Module):
    """[1, 4, 512, 512] (-1 to 1; RGB and a constant) -> [1, 9, 256, 256]: middles' logits, ends, and unread ones."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = _Backbone()
        self.block15, self.block16 = _Merge(64, 96, grows=False), _Refine()
        self.block17, self.block18 = _Merge(32, 64), _Refine()
        self.block19, self.block20 = _Merge(24, 64), _Refine()
        self.block21, self.block22 = _Merge(16, 64), _Refine()
        self.block23 = _Head()

    def forward(self, image: Tensor) -> Tensor:
        *finer, image = self.backbone(image)
        for number, scale in zip((15, 17, 19, 21), reversed(finer), strict=True):
            image = self.get_submodule(f"block{number}")(scale, image)
            image = self.get_submodule(f"block{number + 1}")(image)
        made: Tensor = self.block23(image)
        return made[:, _UNUSED:]


@torch.no_grad()
def segments(picture: Pixels, path: Path, device: str, value: float, distance: float) -> NDArray[np.float32]:
    """Segments [N, 4] (x, y of both ends, in pixels of the picture) that are likelier than ``value`` (0 to 1) and
    longer than ``distance`` (in places of the net's output). Raises what ``filled`` raises.
    """
    height, width = picture.shape[:2]
    small = np.asarray(cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.float32)
    planes = np.concatenate([small, np.ones((_SIDE, _SIDE, 1), np.float32)], axis=2) / 127.5 - 1
    image = torch.from_numpy(np.ascontiguousarray(planes.transpose(2, 0, 1)))[None].to(device)
    found = filled(Segments(), path, as_named, device)(image)[0].cpu()
    lines = decoded(found, value, distance)
    return (lines * 2 * np.array([width, height, width, height]) / _SIDE).astype(np.float32)


def decoded(found: Tensor, value: float, distance: float) -> NDArray[np.float32]:
    """Segments [N, 4] in places of ``found`` [>= 5, H, W]: the likeliest maxima of 3 x 3 places."""
    likely = torch.sigmoid(found[_CENTRE])
    peaks = likely * (functional.max_pool2d(likely[None], 3, stride=1, padding=1)[0] == likely)
    scores, places = peaks.flatten().topk(min(_MOST, peaks.numel()))
    y, x = places // found.shape[2], places % found.shape[2]
    ends = found[_ENDS][:, y, x].T
    length = (ends[:, :2] - ends[:, 2:]).norm(dim=1)
    lines = ends + torch.stack([x, y, x, y], 1)
    return np.asarray(lines[(scores > value) & (length > distance)].numpy(), np.float32).reshape(-1, 4)
