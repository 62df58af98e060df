"""Between latents and pictures."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor

TILE_PIXELS = 256
"""Side of the tiles of a tiled decode: small enough for a GPU with 1 GB free."""


class NotFinite(ArithmeticError):
    """The decoder gave NaN or infinity, in float32 too."""


def decode(vae: AutoencoderKL, latents: Tensor, *, tiled: bool = False) -> Tensor:
    """The pixels of ``latents`` [1, C, h, w] in the UNet's scale: float32 [1, 3, 8h, 8w], mostly in -1..1.

    A decoder in float16 that overflows is turned to float32 for good, as A1111 does (hechos/a1111.md 6). Raises
    ``NotFinite``.
    """
    pixels = _pixels(vae, latents, tiled)
    if not torch.isfinite(pixels).all() and vae.dtype != torch.float32:
        vae.to(dtype=torch.float32)
        pixels = _pixels(vae, latents, tiled)
    if not torch.isfinite(pixels).all():
        raise NotFinite
    return pixels


def _pixels(vae: AutoencoderKL, latents: Tensor, tiled: bool) -> Tensor:
    vae.use_tiling = tiled
    vae.tile_sample_min_size = TILE_PIXELS
    vae.tile_latent_min_size = TILE_PIXELS // 2 ** (len(vae.config.block_out_channels) - 1)
    return vae.decode((latents / vae.config.scaling_factor).to(vae.dtype), return_dict=False)[0].float()


def to_image(pixels: Tensor) -> Image.Image:
    """``pixels`` [1, 3, H, W] in -1..1 as a picture. Truncates to bytes as A1111 does (rounding may differ by one)."""
    scaled = ((pixels[0] + 1) / 2).clamp(0, 1) * 255
    return Image.fromarray(scaled.to(torch.uint8).permute(1, 2, 0).cpu().numpy())


def blank_canvas_channels(vae: AutoencoderKL, height: int, width: int) -> Tensor:
    """What an inpainting UNet reads beside the latents when there is no picture: a mask of ones and the latents of
    plain grey.

    Float32 [1, 1 + C, height, width], sizes in latent pixels (hechos/a1111.md 5.3).
    """
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    grey = torch.zeros(1, vae.config.in_channels, height * factor, width * factor, device=vae.device, dtype=vae.dtype)
    latents = vae.encode(grey).latent_dist.mean.float() * vae.config.scaling_factor
    return torch.cat([torch.ones_like(latents[:, :1]), latents], dim=1)
