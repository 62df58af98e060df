"""Starting from pictures: img2img and inpainting (hechos/a1111.md 5).

``arrange`` works on pictures alone; ``InitLatents`` is what the sampler needs of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sdcolab.core.request import InitImage, Inpaint, MaskedContent, ResizeMode
from sdcolab.engine.decode import to_pixels
from sdcolab.engine.pictures.masks import (
    Box,
    blurred,
    conditioning_mask,
    inverted,
    latent_mask,
    mask_channel,
    mask_from,
    only_masked_box,
    without_masked,
)
from sdcolab.engine.pictures.overlays import composed, filled, overlay, whole_picture_overlay_mask
from sdcolab.engine.pictures.resizing import Enlarger, flattened, resize

Encode = Callable[[Tensor], Tensor]
"""Pixels [1, 3, H, W] in -1..1 -> latents [1, C, h, w] in the UNet's scale."""


@dataclass(frozen=True, slots=True, eq=False)
class Arranged:
    """One initial picture (RGB) ready for the VAE, its ``mask`` (L, same size; None: no inpainting), and what goes
    back over the result: ``overlaid`` (RGBA) and, when only the masked area is worked on, the ``box`` of it.
    """

    picture: Image.Image
    mask: Image.Image | None
    overlaid: Image.Image | None
    box: Box | None

    def finished(self, result: Image.Image) -> Image.Image:
        """``result`` (RGB) with the untouched part of the original around it."""
        return result if self.overlaid is None else composed(result, self.overlaid, self.box)


def arrange(init: InitImage, index: int, width: int, height: int, enlarge: Enlarger | None) -> Arranged:
    """Initial picture number ``index`` (they are taken in turns) for a pass of ``width`` x ``height`` pixels. An empty
    mask with "only masked" is none.
    """
    picture = flattened(init.images[index % len(init.images)], init.background)
    mode, inpaint = init.resize_mode, init.inpaint
    mask = None if inpaint is None else _soft_mask(inpaint, picture.size)
    if inpaint is not None and mask is not None and inpaint.only_masked:
        box = only_masked_box(mask, inpaint.padding, width, height)
        if box is not None:
            kept = overlay(picture, mask) if inpaint.overlay else None
            small = resize(picture.crop(box), width, height, ResizeMode.FILL, enlarge)
            small_mask = resize(mask.crop(box), width, height, ResizeMode.FILL)
            return _with_content(Arranged(small, small_mask, kept, box), inpaint)
        mask = None
    resized = picture if init.resize_mode is ResizeMode.LATENT else resize(picture, width, height, mode, enlarge)
    if inpaint is None or mask is None:
        return Arranged(resized, None, None, None)
    mask = resize(mask, width, height, mode)
    over = resized if resized.size == mask.size else resize(picture, width, height, mode, enlarge)
    kept = overlay(over, whole_picture_overlay_mask(mask)) if inpaint.overlay else None
    return _with_content(Arranged(resized, mask, kept, None), inpaint)


def _soft_mask(inpaint: Inpaint, size: tuple[int, int]) -> Image.Image:
    mask = mask_from(inpaint.mask, rounded=inpaint.rounded)
    if mask.size != size:
        mask = mask.resize(size, Image.Resampling.LANCZOS)
    return blurred(inverted(mask) if inpaint.inverted else mask, inpaint.blur_x, inpaint.blur_y)


def _with_content(arranged: Arranged, inpaint: Inpaint) -> Arranged:
    if inpaint.content is MaskedContent.ORIGINAL or arranged.mask is None:
        return arranged
    mask = arranged.mask
    if mask.size != arranged.picture.size:
        mask = mask.resize(arranged.picture.size, Image.Resampling.LANCZOS)
    return replace(arranged, picture=filled(arranged.picture, mask))


@dataclass(frozen=True, slots=True, eq=False)
class InitLatents:
    """What a batch starts from: ``latents`` [B, C, h, w]; ``paint`` [1, 1, h, w] is 1 where they are made anew (None:
    everywhere), from ``content``.
    """

    latents: Tensor
    paint: Tensor | None = None
    content: MaskedContent = MaskedContent.ORIGINAL

    def blend(self, samples: Tensor, kept: Tensor | None = None) -> Tensor:
        """``samples`` [B, C, h, w] with the kept part as it was, or as it is in ``kept``."""
        if self.paint is None:
            return samples
        return samples * self.paint + (self.latents if kept is None else kept) * (1 - self.paint)

    def part(self, rows: slice) -> InitLatents:
        """The same for some images of the batch."""
        return replace(self, latents=self.latents[rows])

    def with_content(self, noise: Tensor) -> InitLatents:
        """The latents under the mask replaced by ``noise`` [B, C, h, w] or by nothing, as the mask's content says."""
        if self.paint is None or self.content not in (MaskedContent.LATENT_NOISE, MaskedContent.LATENT_NOTHING):
            return self
        kept = self.latents * (1 - self.paint)
        return replace(self, latents=kept + noise * self.paint if self.content is MaskedContent.LATENT_NOISE else kept)


@dataclass(frozen=True, slots=True, eq=False)
class KeptPart:
    """``denoise.Blend`` for inpainting. With ``noise``, which gives a new draw [B, C, h, w] each time, the kept part is
    at every call itself at that call's noise level (Forge; hechos/a1111.md 13). Without, it goes its own way for
    samplers on sigmas and is free of noise for samplers on timesteps (A1111; 3.7).
    """

    init: InitLatents
    noise: Callable[[], Tensor] | None

    @property
    def fresh(self) -> bool:
        """Whether there is new noise for each call."""
        return self.noise is not None

    def before(self, x: Tensor, sigma: Tensor | None) -> Tensor:
        """``x`` [B, C, h, w] at signal scale 1 with the kept part put back."""
        if self.noise is None or sigma is None:
            return self.init.blend(x)
        return self.init.blend(x, self.init.latents + self.noise() * sigma)

    def after(self, image: Tensor) -> Tensor:
        """The predicted ``image`` [B, C, h, w] with the kept part put back."""
        return self.init.blend(image)


def encoded(
    arranged: tuple[Arranged, ...], init: InitImage, latent_size: tuple[int, int], encode: Encode, device: torch.device
) -> InitLatents:
    """The latents of a batch's pictures at ``latent_size`` (h, w). One that comes several times is encoded once."""
    unique = {id(one.picture): one for one in arranged}
    made = {key: encode(to_pixels(one.picture)) for key, one in unique.items()}
    latents = torch.cat([made[id(one.picture)] for one in arranged])
    if tuple(latents.shape[-2:]) != latent_size:
        latents = functional.interpolate(latents, size=latent_size, mode="bilinear")
    mask = arranged[0].mask
    if mask is None or init.inpaint is None:
        return InitLatents(latents)
    paint = latent_mask(mask, latent_size[1], latent_size[0], rounded=init.inpaint.rounded)
    return InitLatents(latents, paint.to(device), init.inpaint.content)


def inpainting_channels(
    arranged: tuple[Arranged, ...], init: InitImage, latent_size: tuple[int, int], encode: Encode, device: torch.device
) -> Tensor:
    """What a 9-channel UNet reads beside the latents: the mask, and the latents of the pictures without what is under
    it. Float32 [B, 1 + C, h, w]; without a mask everything is masked (hechos/a1111.md 5.3).
    """
    height, width = latent_size
    rows: dict[int, Tensor] = {}
    for one in arranged:
        if id(one.picture) in rows:
            continue
        pixels = to_pixels(one.picture)
        mask, weight = torch.ones(1, 1, *pixels.shape[-2:]), 1.0
        if one.mask is not None and init.inpaint is not None:
            mask = conditioning_mask(one.mask, rounded=init.inpaint.rounded)
            weight = init.inpaint.condition_weight
            if mask.shape[-2:] != pixels.shape[-2:]:
                mask = functional.interpolate(mask, size=tuple(pixels.shape[-2:]), mode="nearest")
        latents = encode(without_masked(pixels, mask, weight))
        if tuple(latents.shape[-2:]) != latent_size:
            latents = functional.interpolate(latents, size=latent_size, mode="bilinear")
        rows[id(one.picture)] = torch.cat([mask_channel(mask, width, height).to(device), latents], dim=1)
    return torch.cat([rows[id(one.picture)] for one in arranged])
