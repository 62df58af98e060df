"""Pictures that repeat without seams: convolutions see the other edge beyond each edge (hechos/a1111.md 3.7)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def seamless(modules: tuple[nn.Module, ...], enabled: bool) -> Iterator[None]:
    """While it lasts, every convolution of ``modules`` pads with what lies at the opposite edge, if ``enabled``."""
    convolutions = [layer for module in modules for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    before = [layer.padding_mode for layer in convolutions]
    if enabled:
        for layer in convolutions:
            layer.padding_mode = "circular"
    try:
        yield
    finally:
        for layer, mode in zip(convolutions, before, strict=True):
            layer.padding_mode = mode
