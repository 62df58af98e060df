"""Pictures that repeat without seams: convolutions see the other edge beyond each edge (hechos/a1111.md 3.7)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Self

from torch import nn

from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.feature import Active, Feature


class Tiling(Feature):
    """The whole generation without seams."""

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        return cls() if asked.request.tiling else None

    def patch(self, active: Active) -> AbstractContextManager[None]:
        """UNet and VAE."""
        return seamless((active.checkpoint.model.unet, active.vae.module))


@contextmanager
def seamless(modules: tuple[nn.Module, ...]) -> Iterator[None]:
    """While it lasts, every convolution of ``modules`` pads with what lies at the opposite edge."""
    convolutions = [layer for module in modules for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    before = [layer.padding_mode for layer in convolutions]
    for layer in convolutions:
        layer.padding_mode = "circular"
    try:
        yield
    finally:
        for layer, mode in zip(convolutions, before, strict=True):
            layer.padding_mode = mode
