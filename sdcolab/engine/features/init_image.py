"""Starting from pictures: img2img and inpainting (hechos/a1111.md 5).

``arrange`` works on pictures alone; ``InitLatents`` is what the sampler needs of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sdcolab.core.request import GenerationRequest, InitImage, Inpaint, MaskedContent, ResizeMode
from sdcolab.core.resizing import Enlarger, flattened, resize
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.beside import Beside
from sdcolab.engine.calls import Round, Step
from sdcolab.engine.decode import to_pixels
from sdcolab.engine.depth import DepthMaps
from sdcolab.engine.feature import Active, Feature, Opening, Start
from sdcolab.engine.noise import passing_noise
from sdcolab.engine.pictures.colours import corrected
from sdcolab.engine.pictures.masks import (
    Box,
    conditioning_mask,
    latent_mask,
    mask_channel,
    only_masked_box,
    soft_mask,
    without_masked,
)
from sdcolab.engine.pictures.overlays import composed, filled, overlay, uncropped, whole_picture_overlay_mask
from sdcolab.engine.pictures.softness import at_level, changed_mask, mixed, overlay_mask
from sdcolab.engine.plan import Batch, GenerationPlan
from sdcolab.engine.upscale.upscalers import Upscaler, upscalers_in

Encode = Callable[[Tensor], Tensor]
"""Pixels [1, 3, H, W] in -1..1 -> latents [1, C, h, w] in the UNet's scale."""


class FromPictures(Feature):
    """Starts from the request's initial pictures and keeps what their mask protects."""

    def __init__(self, request: GenerationRequest, init: InitImage, upscaler: Upscaler) -> None:
        self._request = request
        self._init = init = _unrounded(init)
        self._upscaler = upscaler
        self._first = 0
        self._arranged: tuple[Arranged, ...] = ()
        self._latents: InitLatents | None = None
        self._kept: KeptPart | None = None

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        """Raises ``UnknownName`` for its upscaler."""
        init = asked.request.init
        return cls(asked.request, init, upscalers_in(asked.library).find(init.upscaler)) if init else None

    def passes(self, plan: GenerationPlan) -> GenerationPlan:
        """The first pass starts somewhere on the way."""
        first, *others = plan.passes
        first = replace(first, strength=self._init.strength, exact=self._init.exact_steps)
        return replace(plan, passes=(first, *others))

    def start(self, start: Start, active: Active, batch: Batch) -> Start:
        """The pictures' latents. A1111 encodes them with noise that nobody can make again; the mean is nearest to all
        that it might have made.
        """
        if active.one.number:
            return start
        init, size, bench = self._init, active.one.size, active.bench
        enlarge = bench.upscalers.enlarger(self._upscaler, bench.listener, bench.cancel)
        wanted = [(batch.first + offset) % len(init.images) for offset in range(len(batch.seeds))]
        made = {index: arrange(init, index, size.width, size.height, enlarge) for index in dict.fromkeys(wanted)}
        self._first, self._arranged = batch.first, tuple(made[index] for index in wanted)
        encode, device = partial(bench.darkroom.encoded, active.vae), active.checkpoint.model.device
        self._latents = encoded(self._arranged, init, size.latent, encode, device)
        channels: Tensor | None = None
        if active.beside is Beside.MASK:
            channels = inpainting_channels(self._arranged, init, size.latent, encode, device)
        elif active.beside is Beside.PICTURE:  # which reads them as the VAE gives them (hechos/a1111.md 5.3)
            model = active.checkpoint.model
            scale = 1.0 if model.noise_range else model.layout.latent_scale  # CosXL Edit reads them scaled
            channels = self._latents.latents / scale
        elif active.beside is Beside.DEPTH:
            channels = depth_channels(self._arranged, active)
        return Start(self._latents.latents, channels, tuple(one.box for one in self._arranged))

    def begin(self, opening: Opening) -> Opening:
        """What lies under the mask, and how much noise there is."""
        of, latents = opening.round, self._latents
        if of.one.number or latents is None:
            self._kept = None
            return opening
        first = of.batch.first - self._first
        latents = latents.part(slice(first, first + len(of.batch.seeds))).with_content(opening.noise)
        classic, origin = self._request.tuning.classic_inpainting, self._request.noise_origin
        soft = self._init.inpaint if self._init.inpaint and self._init.inpaint.soft else None
        noise = None if classic else passing_noise(origin, of.batch.seeds, latents.latents)
        self._kept = KeptPart(latents, noise, soft)
        return replace(opening, noise=opening.noise * self._init.noise_multiplier, init=latents.latents)

    def before_model(self, x: Tensor, step: Step) -> Tensor:
        return x if self._kept is None else self._kept.before(x, step)

    def after_guidance(self, image: Tensor, step: Step) -> Tensor:
        return image if self._kept is None else self._kept.after(image, step)

    def end(self, samples: Tensor, of: Round) -> Tensor:
        """The kept part as it was. With a soft mask it is what the steps made of it, and the original goes back over
        the picture where that is much the same."""
        kept = self._kept
        if kept is None or kept.soft is None or kept.init.paint is None:
            return samples if kept is None else kept.init.blend(samples)
        for row, (before, after) in enumerate(zip(kept.init.latents, samples, strict=True)):
            place = of.batch.first - self._first + row
            changed = changed_mask(before, after, kept.init.paint[0, 0], kept.soft)
            softened = self._arranged[place].softened(overlay_mask(changed, of.one.size.width, of.one.size.height))
            self._arranged = (*self._arranged[:place], softened, *self._arranged[place + 1 :])
        return samples

    def after_decode(self, picture: Image.Image, index: int) -> Image.Image:
        """With the initial picture's colours and untouched parts, as asked for."""
        arranged = self._arranged[index - self._first]
        if self._init.color_correction:
            picture = corrected(picture, arranged.picture)
        return arranged.finished(picture)


@dataclass(frozen=True, slots=True, eq=False)
class Arranged:
    """One initial picture (RGB) ready for the VAE, its ``mask`` (L, same size; None: no inpainting), and what goes
    back over the result: ``overlaid`` (RGBA) and, when only the masked area is worked on, the ``box`` of it.
    ``latent_mask`` (L) is what of the latents is made anew, where that is not the mask; ``whole`` (RGB) is what
    ``overlaid`` was cut out of.
    """

    picture: Image.Image
    mask: Image.Image | None
    overlaid: Image.Image | None
    box: Box | None
    latent_mask: Image.Image | None = None
    whole: Image.Image | None = None

    @property
    def anew(self) -> Image.Image | None:
        """What of the latents is made anew."""
        return self.latent_mask or self.mask

    def softened(self, mask: Image.Image) -> Arranged:
        """The same with what goes back over the result where ``mask`` (L, of the size that is worked on) is black."""
        if self.overlaid is None or self.whole is None:
            return self
        placed = uncropped(mask, self.whole.size, self.box).convert("L") if self.box else mask
        return replace(self, overlaid=overlay(self.whole, placed))

    def finished(self, result: Image.Image) -> Image.Image:
        """``result`` (RGB) with the untouched part of the original around it."""
        return result if self.overlaid is None else composed(result, self.overlaid, self.box)


def arrange(init: InitImage, index: int, width: int, height: int, enlarge: Enlarger | None) -> Arranged:
    """Initial picture number ``index`` (they are taken in turns) for a pass of ``width`` x ``height`` pixels. An empty
    mask with "only masked" is none.
    """
    picture = flattened(init.images[index % len(init.images)], init.background)
    mode, inpaint = init.resize_mode, init.inpaint
    mask = None if inpaint is None else soft_mask(inpaint, picture.size)
    if inpaint is not None and mask is not None and inpaint.only_masked:
        box = only_masked_box(mask, inpaint.padding, width, height)
        if box is not None:
            kept = overlay(picture, mask) if inpaint.overlay else None
            small = resize(picture.crop(box), width, height, ResizeMode.FILL, enlarge)
            small_mask = resize(mask.crop(box), width, height, ResizeMode.FILL)
            return _with_content(Arranged(small, small_mask, kept, box, whole=picture), inpaint)
        mask = None
    resized = picture if init.resize_mode is ResizeMode.LATENT else resize(picture, width, height, mode, enlarge)
    if inpaint is None or mask is None:
        return Arranged(resized, None, None, None)
    mask = resize(mask, width, height, mode)
    over = resized if resized.size == mask.size else resize(picture, width, height, mode, enlarge)
    kept = overlay(over, whole_picture_overlay_mask(mask)) if inpaint.overlay else None
    anew = inpaint.latent_mask and resize(inpaint.latent_mask.convert("L"), width, height, mode)
    return _with_content(Arranged(resized, mask, kept, None, anew, over), inpaint)


def _unrounded(init: InitImage) -> InitImage:
    """``init`` with soft masks where they are to be soft."""
    inpaint = init.inpaint
    return replace(init, inpaint=replace(inpaint, rounded=False)) if inpaint and inpaint.soft else init


def _with_content(arranged: Arranged, inpaint: Inpaint) -> Arranged:
    mask = arranged.anew
    if inpaint.content is MaskedContent.ORIGINAL or mask is None:
        return arranged
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
    """With ``noise``, which gives a new draw [B, C, h, w] each time, the kept part is at every call itself at that
    call's noise level (Forge; hechos/a1111.md 13). Without, it goes its own way for samplers on sigmas and is free of
    noise for samplers on timesteps (A1111; 3.7). With ``soft`` what is half kept is mixed at every call.
    """

    init: InitLatents
    noise: Callable[[], Tensor] | None
    soft: Inpaint | None = None

    def before(self, x: Tensor, step: Step) -> Tensor:
        """``x`` [B, C, h, w] with the kept part put back at the step's level."""
        if self.init.paint is None:
            return x
        if self.noise is not None:
            return self.init.blend(x, self.init.latents * step.signal + self.noise() * step.deviation)
        return self._blend(x, step) if step.by_timesteps else x

    def after(self, image: Tensor, step: Step) -> Tensor:
        """The predicted ``image`` [B, C, h, w] with the kept part put back."""
        if self.init.paint is None or (self.noise is None and step.by_timesteps):
            return image
        return self._blend(image, step)

    def _blend(self, samples: Tensor, step: Step) -> Tensor:
        """To A1111 the noise level of samplers on timesteps is the timestep, here too."""
        if self.soft is None or self.init.paint is None:
            return self.init.blend(samples)
        level = step.t if step.by_timesteps and self.noise is None else step.sigma
        return mixed(self.init.latents, samples, at_level(self.init.paint, level, self.soft), self.soft)


def encoded(
    arranged: tuple[Arranged, ...], init: InitImage, latent_size: tuple[int, int], encode: Encode, device: torch.device
) -> InitLatents:
    """The latents of a batch's pictures at ``latent_size`` (h, w). One that comes several times is encoded once."""
    unique = {id(one.picture): one for one in arranged}
    made = {key: encode(to_pixels(one.picture)) for key, one in unique.items()}
    latents = torch.cat([made[id(one.picture)] for one in arranged])
    if tuple(latents.shape[-2:]) != latent_size:
        latents = functional.interpolate(latents, size=latent_size, mode="bilinear")
    mask = arranged[0].anew
    if mask is None or init.inpaint is None:
        return InitLatents(latents)
    paint = latent_mask(mask, latent_size[1], latent_size[0], rounded=init.inpaint.rounded)
    return InitLatents(latents, paint.to(device), init.inpaint.content)


def depth_channels(arranged: tuple[Arranged, ...], active: Active) -> Tensor:
    """What a depth2img UNet reads beside the latents: float32 [B, 1, h, w] in -1..1."""
    maps, folders = active.checkpoint.kept.of(DepthMaps, DepthMaps), active.bench.library.folders
    size, model = active.one.size.latent, active.checkpoint.model
    return torch.cat([maps.of(to_pixels(one.picture), size, model, folders) for one in arranged])


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
