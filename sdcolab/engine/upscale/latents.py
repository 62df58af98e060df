"""Enlarging latents for the second pass of hires fix (hechos/a1111.md 4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from sdcolab.core.registry import Registry


@dataclass(frozen=True, slots=True)
class LatentUpscaler:
    """One of torch's interpolations, without aligned corners."""

    name: str
    mode: str
    antialias: bool = False
    aliases: tuple[str, ...] = ()

    def resize(self, latents: Tensor, height: int, width: int) -> Tensor:
        """``latents`` [B, C, h, w] as [B, C, height, width], sizes in latent pixels."""
        return functional.interpolate(latents, size=(height, width), mode=self.mode, antialias=self.antialias)


LATENT_UPSCALERS = Registry(
    "upscaler",
    (
        LatentUpscaler("Latent", "bilinear"),
        LatentUpscaler("Latent (antialiased)", "bilinear", antialias=True),
        LatentUpscaler("Latent (bicubic)", "bicubic"),
        LatentUpscaler("Latent (bicubic antialiased)", "bicubic", antialias=True),
        LatentUpscaler("Latent (nearest)", "nearest"),
        LatentUpscaler("Latent (nearest-exact)", "nearest-exact"),
    ),
)


def latent_upscaler_called(name: str) -> LatentUpscaler | None:
    """The upscaler of latents called ``name``, or None when it is one of pictures, or none at all."""
    known = {upscaler.name.casefold(): upscaler for upscaler in LATENT_UPSCALERS.values()}
    return known.get(name.strip().casefold())
