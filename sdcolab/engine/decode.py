"""Between latents and pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor

from sdcolab.engine.precision import autocast
from sdcolab.engine.strips import decode_in_strips, encode_in_strips

WIDER = (torch.float32,)
"""Types that a VAE in half precision goes on to, one after the other, when its numbers overflow."""


class NotFinite(ArithmeticError):
    """The VAE gave NaN or infinity, in float32 too."""


def decode(
    vae: AutoencoderKL, latents: Tensor, *, tiled: bool = False, wider: tuple[torch.dtype, ...] = WIDER
) -> Tensor:
    """The pixels of ``latents`` [1, C, h, w] in the UNet's scale: float32 [1, 3, 8h, 8w], mostly in -1..1.

    ``tiled`` works in strips that need little memory and give the same picture. A VAE in half precision that overflows
    is turned to the first of the ``wider`` types that does not, for good, as A1111 does (hechos/a1111.md 6). Raises
    ``NotFinite``.
    """

    def pixels() -> Tensor:
        z = (latents / vae.config.scaling_factor).to(vae.dtype)
        return decode_in_strips(vae, z) if tiled else vae.decode(z, return_dict=False)[0].float()

    return _finite(vae, pixels, wider)


def encode(
    vae: AutoencoderKL,
    pixels: Tensor,
    generator: torch.Generator | None = None,
    *,
    tiled: bool = False,
    wider: tuple[torch.dtype, ...] = WIDER,
) -> Tensor:
    """The latents of ``pixels`` [1, 3, H, W] (-1..1) in the UNet's scale: float32 [1, C, H/8, W/8] on the VAE's device.

    With a ``generator`` (of the CPU) they are a sample, (mean + std * noise) * scale, whose noise is the generator's
    next ``torch.randn`` of their shape (hechos/a1111.md 2.5); without one they are the mean. ``tiled``, ``wider`` and
    ``NotFinite`` as in ``decode``.
    """

    def moments() -> Tensor:
        x = pixels.to(vae.device, vae.dtype)
        with autocast(vae):
            return encode_in_strips(vae, x) if tiled else vae.encode(x).latent_dist.parameters.float()

    mean, log_variance = _finite(vae, moments, wider).chunk(2, dim=1)
    if generator is not None:
        noise = torch.randn(mean.shape, generator=generator).to(mean.device)
        mean = mean + (0.5 * log_variance.clamp(-30, 20)).exp() * noise
    return mean * vae.config.scaling_factor


def _finite(vae: AutoencoderKL, result: Callable[[], Tensor], wider: tuple[torch.dtype, ...]) -> Tensor:
    """``result()``, again with ``vae`` in a wider type for as long as it holds NaN or infinity."""
    found = result()
    for dtype in wider[wider.index(vae.dtype) + 1 :] if vae.dtype in wider else wider:
        if torch.isfinite(found).all():
            break
        vae.to(dtype=dtype)
        found = result()
    if not torch.isfinite(found).all():
        raise NotFinite
    return found


def to_pixels(picture: Image.Image) -> Tensor:
    """``picture`` (RGB) as float32 [1, 3, H, W] in -1..1."""
    return torch.from_numpy(np.array(picture, dtype=np.float32) / 255).permute(2, 0, 1)[None] * 2 - 1


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
    latents = encode(vae, torch.zeros(1, vae.config.in_channels, height * factor, width * factor))
    return torch.cat([torch.ones_like(latents[:, :1]), latents], dim=1)
