"""Lines as somebody would draw them ("informative drawings"; Chan et al. 2022, arXiv:2203.12691), by the weights of
sk_model.pth (fine) and sk_model2.pth (coarse): residual blocks between two scalings (Johnson et al. 2016)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.preprocessors.nets.filling import as_named, filled, tensor

_WIDTH, _BLOCKS = 64, 3


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        half = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
        other = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
        self.conv_block = nn.Sequential(*half, nn.ReLU(), *other)

    def forward(self, image: Tensor) -> Tensor:
        changed: Tensor = self.conv_block(image)
        return image + changed


def _scaling(inside: int, outside: int, grows: bool) -> list[nn.Module]:
    conv = (
        nn.ConvTranspose2d(inside, outside, 3, stride=2, padding=1, output_padding=1)
        if grows
        else nn.Conv2d(inside, outside, 3, stride=2, padding=1)
    )
    return [conv, nn.InstanceNorm2d(outside), nn.ReLU()]


class Drawing(nn.Module):
    """[1, 3, H, W] (0 to 1; multiples of 4) -> paper [1, 1, H, W]: 1 is white, 0 a line."""

    def __init__(self) -> None:
        super().__init__()
        w = _WIDTH
        self.model0 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(3, w, 7), nn.InstanceNorm2d(w), nn.ReLU())
        self.model1 = nn.Sequential(*_scaling(w, 2 * w, grows=False), *_scaling(2 * w, 4 * w, grows=False))
        self.model2 = nn.Sequential(*(_Residual(4 * w) for _ in range(_BLOCKS)))
        self.model3 = nn.Sequential(*_scaling(4 * w, 2 * w, grows=True), *_scaling(2 * w, w, grows=True))
        self.model4 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(w, 1, 7), nn.Sigmoid())

    def forward(self, image: Tensor) -> Tensor:
        for number in range(5):
            image = self.get_submodule(f"model{number}")(image)
        return image


@torch.no_grad()
def lines(picture: Pixels, path: Path, device: str) -> Tensor:
    """The lines [H, W] of a picture, 0 to 1, on the CPU. Raises what ``filled`` raises."""
    paper: Tensor = filled(Drawing(), path, as_named, device)(tensor(picture, device) / 255)
    return 1 - paper[0, 0].cpu()
