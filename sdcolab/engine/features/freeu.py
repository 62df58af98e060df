"""FreeU (Si et al. 2023, arXiv:2309.11497): the decoder's features weigh more, and the skips bring fewer low tones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from sdcolab.core.freeu import FreeU
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.feature import Active, Feature

RADIUS = 1
"""Frequencies nearer than this to the middle of the shifted spectrum, in both directions, are low (section 3.2)."""


@dataclass(frozen=True, slots=True, eq=False)
class FreeLunch(Feature):
    """The whole generation with FreeU."""

    freeu: FreeU

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        return cls(asked.request.freeu) if asked.request.freeu else None

    @contextmanager
    def patch(self, active: Active) -> Iterator[None]:
        """Every residual block of the decoder whose features have the widest or the next width."""
        unet = active.checkpoint.model.unet
        base = unet.config.block_out_channels[0]
        scales = {4 * base: (self.freeu.b1, self.freeu.s1), 2 * base: (self.freeu.b2, self.freeu.s2)}
        hooks = [
            block.register_forward_pre_hook(_scaling(width, *scales[width]))
            for block, width in joints(unet)
            if width in scales
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def joints(unet: UNet2DConditionModel) -> Iterator[tuple[nn.Module, int]]:
    """The blocks of the decoder that read features and a skip side by side, and how many channels are features."""
    width = unet.config.block_out_channels[-1]  # what comes out of the middle
    for level in unet.up_blocks:
        for block in level.resnets:
            yield block, width
            width = block.out_channels


def strengthened(features: Tensor, scale: float) -> Tensor:
    """``features`` [B, C, h, w] with the first half of the channels times 1 + (scale - 1) * m, where m is the mean over
    all channels brought to 0..1 in each picture (equations 3 and 4): structure grows, flat parts stay.
    """
    mean = features.float().mean(dim=1, keepdim=True)
    low, high = mean.amin(dim=(2, 3), keepdim=True), mean.amax(dim=(2, 3), keepdim=True)
    factor = 1 + (scale - 1) * (mean - low) / (high - low).clamp_min(1e-6)
    half = features.shape[1] // 2
    return torch.cat([features[:, :half] * factor.to(features.dtype), features[:, half:]], dim=1)


def without_low_tones(skip: Tensor, scale: float) -> Tensor:
    """``skip`` [B, C, h, w] with its lowest frequencies times ``scale`` (equations 5 to 7)."""
    spectrum = torch.fft.fftshift(torch.fft.fftn(skip.float(), dim=(-2, -1)), dim=(-2, -1))
    rows, columns = (slice(side // 2 - RADIUS, side // 2 + RADIUS) for side in skip.shape[-2:])
    spectrum[..., rows, columns] *= scale
    return torch.fft.ifftn(torch.fft.ifftshift(spectrum, dim=(-2, -1)), dim=(-2, -1)).real.to(skip.dtype)


def _scaling(width: int, features_scale: float, skip_scale: float) -> Any:
    def scaled(_block: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        joined, *others = inputs
        features, skip = joined[:, :width], joined[:, width:]
        changed = (strengthened(features, features_scale), without_low_tones(skip, skip_scale))
        return (torch.cat(changed, dim=1), *others)

    return scaled
