"""How near each place is (LeReS; Yin et al. 2021, arXiv:2012.09365), by the weights of res101.pth: ResNeXt-101 32x8d
(Xie et al. 2017, arXiv:1611.05431) and a decoder that merges its four sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.preprocessors.nets.filling import filled, normalised

_BLOCKS, _WIDTHS = (3, 4, 23, 3), (64, 128, 256, 512)
_GROUPS, _GROUP_WIDTH, _WIDER = 32, 8, 4
_MIDDLE = 256
_DEEP = 512
_PREFIX = "depth_model."
"""Of the names in the file, where PyTorch's wrapper for several cards may follow."""


class _Bottleneck(nn.Module):
    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        within, outside = width * _GROUPS * _GROUP_WIDTH // 64, width * _WIDER
        self.conv1, self.bn1 = nn.Conv2d(inside, within, 1, bias=False), nn.BatchNorm2d(within)
        self.conv2 = nn.Conv2d(within, within, 3, stride, 1, groups=_GROUPS, bias=False)
        self.bn2 = nn.BatchNorm2d(within)
        self.conv3, self.bn3 = nn.Conv2d(within, outside, 1, bias=False), nn.BatchNorm2d(outside)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or inside != outside:
            self.downsample = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, image: Tensor) -> Tensor:
        made = functional.relu(self.bn1(self.conv1(image)))
        made = functional.relu(self.bn2(self.conv2(made)))
        return functional.relu(self.bn3(self.conv3(made)) + self.downsample(image))


class _ResNeXt(nn.Module):
    """[1, 3, H, W] -> features at a quarter, an eighth, a sixteenth and a 32nd."""

    def __init__(self) -> None:
        super().__init__()
        inside = _WIDTHS[0]
        self.conv1, self.bn1 = nn.Conv2d(3, inside, 7, 2, 3, bias=False), nn.BatchNorm2d(inside)
        for number, (count, width) in enumerate(zip(_BLOCKS, _WIDTHS, strict=True), 1):
            layers = []
            for place in range(count):
                layers.append(_Bottleneck(inside, width, 2 if place == 0 and number > 1 else 1))
                inside = width * _WIDER
            self.add_module(f"layer{number}", nn.Sequential(*layers))

    def forward(self, image: Tensor) -> list[Tensor]:
        image = functional.max_pool2d(functional.relu(self.bn1(self.conv1(image))), 3, 2, 1)
        seen = []
        for number in range(1, len(_BLOCKS) + 1):
            image = self.get_submodule(f"layer{number}")(image)
            seen.append(image)
        return seen


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = _ResNeXt()


def _conv(inside: int, outside: int) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, 3, padding=1)


def _twice(image: Tensor) -> Tensor:
    return functional.interpolate(image, scale_factor=2, mode="bilinear", align_corners=True)


class _Transfer(nn.Module):
    """To ``outside`` channels, and what a second look adds."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv1 = _conv(inside, outside)
        self.conv_branch = nn.Sequential(
            nn.ReLU(), _conv(outside, outside), nn.BatchNorm2d(outside), nn.ReLU(), _conv(outside, outside)
        )

    def forward(self, image: Tensor) -> Tensor:
        image = self.conv1(image)
        # The first activation of the branch works in place in the original, so that both terms see it.
        image = functional.relu(image)
        return functional.relu(image + self.conv_branch(image))


class _Merge(nn.Module):
    """Features of one size with those of the size below, twice as large."""

    def __init__(self, inside: int) -> None:
        super().__init__()
        self.ftb1, self.ftb2 = _Transfer(inside, _MIDDLE), _Transfer(_MIDDLE, _MIDDLE)

    def forward(self, seen: Tensor, below: Tensor) -> Tensor:
        return _twice(self.ftb2(self.ftb1(seen) + below))


class _Answer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        half = _MIDDLE // 2
        self.adapt_conv = nn.Sequential(_conv(_MIDDLE, half), nn.BatchNorm2d(half), nn.ReLU(), _conv(half, 1))

    def forward(self, image: Tensor) -> Tensor:
        return _twice(self.adapt_conv(image))


class _Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = [width * _WIDER for width in _WIDTHS]
        self.conv, self.conv1 = _Transfer(widths[3], _DEEP), _conv(_DEEP, _MIDDLE)
        self.ffm2, self.ffm1, self.ffm0 = _Merge(widths[2]), _Merge(widths[1]), _Merge(widths[0])
        self.outconv = _Answer()

    def forward(self, seen: list[Tensor]) -> Tensor:
        image = _twice(self.conv1(self.conv(seen[3])))
        image = self.ffm0(seen[0], self.ffm1(seen[1], self.ffm2(seen[2], image)))
        made: Tensor = self.outconv(image)
        return made


class LeReS(nn.Module):
    """[1, 3, H, W] (ImageNet's mean and deviation; multiples of 32) -> [H, W]: larger is farther, without a unit."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder_modules, self.decoder_modules = _Encoder(), _Decoder()

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = self.decoder_modules(self.encoder_modules.encoder(image))
        return found[0, 0]


def _named(given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    return {name.removeprefix(_PREFIX).removeprefix("module."): weight for name, weight in given.items()}


@torch.no_grad()
def distance(picture: Pixels, path: Path, device: str) -> Tensor:
    """How far each place is [H, W], on the CPU, without a unit. Raises what ``filled`` raises."""
    found: Tensor = filled(LeReS(), path, _named, device)(normalised(picture, device))
    return found.cpu()
