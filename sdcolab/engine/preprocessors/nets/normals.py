"""Which way surfaces look (Bae et al. 2021, arXiv:2109.09881), by the weights of scannet.pt: EfficientNet-B5 (Tan and
Le 2019, arXiv:1905.11946) and a decoder that refines its answer from an eighth of the size up to the whole one.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.preprocessors.nets.filling import as_named, filled, normalised

_STAGES = (
    # count, side of the convolution, stride, how much wider inside, channels
    (3, 3, 1, 1, 24),
    (5, 3, 2, 6, 40),
    (5, 5, 2, 6, 64),
    (7, 3, 2, 6, 128),
    (7, 5, 1, 6, 176),
    (9, 5, 2, 6, 304),
    (3, 3, 1, 6, 512),
)
_STEM, _HEAD = 48, 2048
_EPSILON = 1e-3
"""Of batch norms trained by TensorFlow."""
_SQUEEZE = 4
_SEEN_AFTER = (0, 1, 2, 4)
"""Stages whose output the decoder reads: at a half, a quarter, an eighth and a sixteenth."""
_WIDTHS = (1024, 512, 256, 128)
_FOUND = 4
"""Channels of an answer: x, y, z and how sure it is."""
_REFINED = 128
_LEAST_SURE = 0.01
_NOTHING = 1e-10


class _SameConv(nn.Conv2d):
    """A convolution that pads as TensorFlow does: the odd pixel on the right and below."""

    def forward(self, image: Tensor) -> Tensor:
        padding: list[int] = []
        for size, side, stride in zip(image.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            missing = max(((size + stride - 1) // stride - 1) * stride + side - size, 0)
            padding += [missing // 2, missing - missing // 2]
        return super().forward(functional.pad(image, padding))


def _conv(inside: int, outside: int, side: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return _SameConv(inside, outside, side, stride, groups=groups, bias=False)


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=_EPSILON)


class _Squeeze(nn.Module):
    """Squeeze and excitation: each channel by what the whole picture says."""

    def __init__(self, width: int, reduced: int) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(width, reduced, 1)
        self.conv_expand = nn.Conv2d(reduced, width, 1)

    def forward(self, image: Tensor) -> Tensor:
        said = functional.silu(self.conv_reduce(image.mean((2, 3), keepdim=True)))
        return image * torch.sigmoid(self.conv_expand(said))


class _Separable(nn.Module):
    """A block that is not wider inside."""

    def __init__(self, inside: int, outside: int, side: int, stride: int) -> None:
        super().__init__()
        self.conv_dw, self.bn1 = _conv(inside, inside, side, stride, inside), _norm(inside)
        self.se = _Squeeze(inside, inside // _SQUEEZE)
        self.conv_pw, self.bn2 = _conv(inside, outside), _norm(outside)
        self._adds = stride == 1 and inside == outside

    def forward(self, image: Tensor) -> Tensor:
        made: Tensor = self.bn2(self.conv_pw(self.se(functional.silu(self.bn1(self.conv_dw(image))))))
        return made + image if self._adds else made


class _Inverted(nn.Module):
    """A block ``wider`` times as wide inside."""

    def __init__(self, inside: int, outside: int, side: int, stride: int, wider: int) -> None:
        super().__init__()
        width = inside * wider
        self.conv_pw, self.bn1 = _conv(inside, width), _norm(width)
        self.conv_dw, self.bn2 = _conv(width, width, side, stride, width), _norm(width)
        self.se = _Squeeze(width, inside // _SQUEEZE)
        self.conv_pwl, self.bn3 = _conv(width, outside), _norm(outside)
        self._adds = stride == 1 and inside == outside

    def forward(self, image: Tensor) -> Tensor:
        made = functional.silu(self.bn1(self.conv_pw(image)))
        made = self.se(functional.silu(self.bn2(self.conv_dw(made))))
        made = self.bn3(self.conv_pwl(made))
        return made + image if self._adds else made


class _EfficientNet(nn.Module):
    """[1, 3, H, W] -> what is seen after ``_SEEN_AFTER``, and the last [1, 2048, H/32, W/32]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem, self.bn1 = _conv(3, _STEM, 3, 2), _norm(_STEM)
        stages, width = [], _STEM
        for count, side, stride, wider, outside in _STAGES:
            blocks: list[nn.Module] = []
            for place in range(count):
                step = stride if place == 0 else 1
                blocks.append(
                    _Separable(width, outside, side, step)
                    if wider == 1
                    else _Inverted(width, outside, side, step, wider)
                )
                width = outside
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.ModuleList(stages)
        self.conv_head = _conv(width, _HEAD)

    def forward(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        image = functional.silu(self.bn1(self.conv_stem(image)))
        seen = []
        for number, stage in enumerate(self.blocks):
            image = stage(image)
            if number in _SEEN_AFTER:
                seen.append(image)
        return seen, self.conv_head(image)


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.original_model = _EfficientNet()


class _Up(nn.Module):
    """Larger, beside what the encoder saw at that size."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in (inside, outside):
            layers += [nn.Conv2d(width, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.LeakyReLU()]
        self._net = nn.Sequential(*layers)

    def forward(self, image: Tensor, beside: Tensor) -> Tensor:
        image = functional.interpolate(image, beside.shape[2:], mode="bilinear", align_corners=True)
        made: Tensor = self._net(torch.cat([image, beside], 1))
        return made


def _refiner(inside: int) -> nn.Sequential:
    """A small network for each pixel by itself."""
    layers: list[nn.Module] = []
    for width in (inside + _FOUND, _REFINED, _REFINED):
        layers += [nn.Conv1d(width, _REFINED, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv1d(_REFINED, _FOUND, 1))


class _Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv2 = nn.Conv2d(_HEAD, _HEAD, 1)
        seen = [_STAGES[number][-1] for number in reversed(_SEEN_AFTER)]
        for place, (inside, beside, outside) in enumerate(zip((_HEAD, *_WIDTHS), seen, _WIDTHS, strict=False), 1):
            self.add_module(f"up{place}", _Up(inside + beside, outside))
        self.out_conv_res8 = nn.Conv2d(_WIDTHS[1], _FOUND, 3, padding=1)
        for size, width in zip((4, 2, 1), _WIDTHS[1:], strict=True):
            self.add_module(f"out_conv_res{size}", _refiner(width))

    def forward(self, seen: list[Tensor], last: Tensor) -> Tensor:
        image = self.conv2(last)
        levels = []
        for place, beside in enumerate(reversed(seen), 1):
            image = self.get_submodule(f"up{place}")(image, beside)
            levels.append(image)
        found = _unit(self.out_conv_res8(levels[1]))
        for size, level in zip((4, 2, 1), levels[1:], strict=True):
            both = functional.interpolate(
                torch.cat([level, found], 1), scale_factor=2, mode="bilinear", align_corners=True
            )
            refined = self.get_submodule(f"out_conv_res{size}")(both.flatten(2))
            found = _unit(refined.unflatten(2, both.shape[2:]))
        return found


def _unit(found: Tensor) -> Tensor:
    """A direction of length 1 and a positive certainty."""
    length = found[:, :3].norm(dim=1, keepdim=True) + _NOTHING
    return torch.cat([found[:, :3] / length, functional.elu(found[:, 3:]) + 1 + _LEAST_SURE], 1)


class Normals(nn.Module):
    """[1, 3, H, W] (ImageNet's mean and deviation; multiples of 32) -> [3, H, W]: x, y and z, -1 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = _Encoder(), _Decoder()

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = self.decoder(*self.encoder.original_model(image))
        return found[0, :3]


@torch.no_grad()
def normals(picture: Pixels, path: Path, device: str) -> Tensor:
    """x, y and z [3, H, W] of every pixel's surface, -1 to 1, on the CPU. Raises what ``filled`` raises."""
    found: Tensor = filled(Normals(), path, as_named, device)(normalised(picture, device))
    return found.cpu()
