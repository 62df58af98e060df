"""LDSR: pictures four times larger by latent diffusion (Rombach et al. 2022, arXiv:2112.10752, section 4.4), from the
original "model.ckpt" (hechos/extensiones.md 8).

A UNet draws the latents of the large picture, which are as many pixels as the small one has and see it as three more
channels; the first stage's decoder makes pixels of them. As in A1111: 100 steps of DDIM with eta 1, over the picture
padded to multiples of 64. Unlike there, both nets work in windows that overlap, so that memory does not grow with the
picture, and the noise is always the same. The original's "project.yaml" is not needed: shapes tell what it says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from sdcolab.core.errors import ImageNotFinite, ModelUnreadable, OutOfMemory
from sdcolab.core.workshop import ema_twin
from sdcolab.engine.convert import GROUPS, UNET_PREFIX, VAE_PREFIX, renamed, unet_layers, unet_rename, vae_rename
from sdcolab.engine.memory import is_out_of_memory
from sdcolab.engine.models import without_weights
from sdcolab.engine.precision import weights_dtype
from sdcolab.engine.samplers.ancestral import sample_ddpm
from sdcolab.engine.samplers.base import SamplerOptions, SigmaPath
from sdcolab.engine.schedules import NoiseTable
from sdcolab.engine.upscale.tiles import starts
from sdcolab.engine.weights import Weights

SCALE = 4
STEPS = 100
"""A1111's ``ldsr_steps``."""
WINDOW, OVERLAP = 256, 32
"""Pixels of the small picture that both nets see at a time, and how many of them neighbours share."""

_SMALLEST_WINDOW = 64
_BLOCK, _LEAST = 64, 128
"""Sides of what the nets are given: multiples of one, never below the other."""
_BETAS = (0.0015, 0.0155)
_TRAINED_STEPS = 1000
_HEAD_WIDTH = 32
_CODES_AT_ONCE = 4096

Tell = Callable[[int, int], None]
"""Told (step from 1, steps) before each; it may raise to stop."""


@dataclass(slots=True, eq=False)
class Ldsr:
    """The nets of one file. ``codebook`` [N, 3]: the latents that the first stage knows."""

    path: Path
    unet: Any
    decoder: nn.Module
    after_codes: nn.Module
    codebook: Tensor
    steps: int = STEPS
    window: int = WINDOW
    table: NoiseTable = field(default_factory=lambda: NoiseTable(_alphas_cumprod()))

    @torch.inference_mode()
    def enlarge(self, picture: Image.Image, scale: float, tell: Tell) -> Image.Image:
        """``picture`` (RGB) enlarged ``scale`` times: shrunk first, so that four times that is what was asked for.

        Raises ``OutOfMemory``, ``ImageNotFinite``, and what ``tell`` raises.
        """
        width, height = (max(1, math.ceil(side * scale / SCALE)) for side in picture.size)
        shrunk = (width, height) != picture.size
        small = picture.resize((width, height), Image.Resampling.LANCZOS) if shrunk else picture
        pixels = _padded(small)
        values = self._drawn(pixels, tell)
        if not torch.isfinite(values).all() and self.unet.dtype != torch.float32:
            self.unet.float()  # half precision overflowed
            values = self._drawn(pixels, tell)
        if not torch.isfinite(values).all():
            raise ImageNotFinite(checkpoint=self.path.name)
        shown = ((values[0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
        return Image.fromarray(shown).crop((0, 0, small.width * SCALE, small.height * SCALE))

    def _drawn(self, pixels: Tensor, tell: Tell) -> Tensor:
        """The large picture [1, 3, 4h, 4w] for ``pixels`` [1, 3, h, w], both -1..1."""
        noise = _Noise(pixels.shape)
        sigmas = self._sigmas()
        path = SigmaPath(sigmas, len(sigmas) - 1, float(sigmas[-1]), float(sigmas[0]), self.table)
        first = noise.normal() * (1 + sigmas[0] ** 2).sqrt()
        latents = sample_ddpm(_Guess(self, pixels, tell), first, path, noise, SamplerOptions())  # type: ignore[arg-type]
        return self.in_windows(latents, SCALE, self._decoded)

    def _sigmas(self) -> Tensor:
        """The levels of DDIM's evenly spaced timesteps 1, 11, 21..., falling, and that of timestep 0 at the end."""
        times = torch.arange(0, _TRAINED_STEPS, _TRAINED_STEPS // self.steps) + 1
        return torch.cat((self.table.sigmas[times.clamp(max=_TRAINED_STEPS - 1)].flip(0), self.table.sigmas[:1]))

    def noise_in(self, x: Tensor, time: Tensor) -> Tensor:
        """The noise that the UNet sees in ``x`` [1, 6, h, w]: latents of variance 1 and the small picture."""
        return self.unet(x.to(self.unet.device, self.unet.dtype), time.to(self.unet.device)).sample.float().cpu()

    def _decoded(self, latents: Tensor) -> Tensor:
        """Pixels of ``latents`` [1, 3, h, w], each replaced by the nearest one of the codebook."""
        _, channels, height, width = latents.shape
        rows = latents[0].to(self.codebook.device).permute(1, 2, 0).reshape(-1, channels)
        nearest = torch.cat([torch.cdist(part, self.codebook).argmin(1) for part in rows.split(_CODES_AT_ONCE)])
        known = self.codebook[nearest].reshape(1, height, width, channels).permute(0, 3, 1, 2)
        pixels: Tensor = self.decoder(self.after_codes(known))
        return pixels.float().cpu()

    def in_windows(self, x: Tensor, factor: int, run: Callable[[Tensor], Tensor]) -> Tensor:
        """``run`` over ``x`` [1, C, h, w] window by window, ``factor`` times larger; they fade into one another.

        Windows are halved for good when memory runs out. Raises ``OutOfMemory``.
        """
        while True:
            try:
                return _blended(x, factor, run, self.window)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            # Outside of the handler, so that the failed attempt's tensors are gone.
            if self.window <= _SMALLEST_WINDOW:
                height, width = x.shape[-2:]
                raise OutOfMemory(device=self.unet.device.type, width=width, height=height, batch_size=1)
            self.window //= 2
            if self.unet.device.type == "cuda":
                torch.cuda.empty_cache()


@dataclass(slots=True, eq=False)
class _Guess:
    """The image that the UNet sees in noise, as samplers ask for it."""

    net: Ldsr
    pixels: Tensor
    tell: Tell
    step: int = 0

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.step += 1
        self.tell(self.step, self.net.steps)
        time = self.net.table.sigma_to_t(sigma)
        whole = torch.cat((x / (1 + sigma**2).sqrt(), self.pixels), dim=1)
        return x - sigma * self.net.in_windows(whole, 1, lambda part: self.net.noise_in(part, time))


class _Noise:
    """The same random numbers for every picture of a size."""

    def __init__(self, shape: torch.Size) -> None:
        self._shape = shape
        self._generator = torch.Generator().manual_seed(0)

    def normal(self) -> Tensor:
        """The next draw."""
        return torch.randn(self._shape, generator=self._generator)


def _alphas_cumprod() -> Tensor:
    first, last = (math.sqrt(beta) for beta in _BETAS)
    return (1 - torch.linspace(first, last, _TRAINED_STEPS, dtype=torch.float64) ** 2).cumprod(0).float()


def _padded(picture: Image.Image) -> Tensor:
    """``picture`` as [1, 3, h, w] in -1..1, its last column and row repeated up to the sides that the nets take."""
    width, height = (max(_LEAST, -(-side // _BLOCK) * _BLOCK) for side in picture.size)
    edges = ((0, height - picture.height), (0, width - picture.width), (0, 0))
    values = np.pad(np.asarray(picture, np.float32), edges, mode="edge")
    return torch.from_numpy(values / 127.5 - 1).permute(2, 0, 1)[None]


def _blended(x: Tensor, factor: int, run: Callable[[Tensor], Tensor], side: int) -> Tensor:
    height, width = x.shape[-2:]
    if height <= side and width <= side:
        return run(x)
    total = weights = torch.zeros(())
    for top, left in _corners(height, width, side):
        part = run(x[..., top : top + side, left : left + side])
        if not total.ndim:
            total = torch.zeros(1, part.shape[1], height * factor, width * factor)
            weights = torch.zeros(1, 1, height * factor, width * factor)
        ramp = _ramp(part.shape[-2], OVERLAP * factor)[:, None] * _ramp(part.shape[-1], OVERLAP * factor)
        at = (..., slice(top * factor, (top + side) * factor), slice(left * factor, (left + side) * factor))
        total[at] += part * ramp
        weights[at] += ramp
    return total / weights


def _corners(height: int, width: int, side: int) -> Iterator[tuple[int, int]]:
    for top in starts(height, side, OVERLAP) if height > side else (0,):
        for left in starts(width, side, OVERLAP) if width > side else (0,):
            yield top, left


def _ramp(length: int, overlap: int) -> Tensor:
    """How much each pixel of a side of ``length`` counts: less towards both ends."""
    places = torch.arange(1, length + 1, dtype=torch.float32)
    return (torch.minimum(places, places.flip(0)) / overlap).clamp(max=1)


# --- Loading ------------------------------------------------------------------------------------------------------


def load_ldsr(weights: Weights, device: torch.device) -> Ldsr:
    """The nets in an open file, the moving average of the UNet's weights where it has one; the UNet in half precision
    on a card. Raises ``ModelUnreadable``."""
    try:
        unet = _unet(weights)
        decoder, after_codes = _decoder(weights)
    except (LookupError, RuntimeError, ValueError) as error:  # names of LDSR, but not its shapes
        raise ModelUnreadable(path=weights.path, reason="damaged") from error
    codebook = weights.get(f"{VAE_PREFIX}quantize.embedding.weight").float().to(device)
    unet.to(device=device, dtype=weights_dtype(device))
    return Ldsr(weights.path, unet, decoder.to(device), after_codes.to(device), codebook)


def _unet(weights: Weights) -> Any:
    from diffusers.models.unets.unet_2d import UNet2DModel

    found = weights.header.tensors
    layers = unet_layers(found)
    names = renamed(found, UNET_PREFIX, unet_rename(layers))
    tensors: dict[str, Tensor] = {}
    for new, old in names.items():
        twin = ema_twin(old)
        tensors |= _attention(new, weights.get(twin if twin in found else old).float())
    widths = _widths(tensors, "down_blocks.{}.resnets.0.conv1.weight")
    attends = [f"down_blocks.{level}.attentions.0.to_q.weight" in tensors for level in range(len(widths))]
    with without_weights():
        unet = UNet2DModel(
            in_channels=tensors["conv_in.weight"].shape[1],
            out_channels=tensors["conv_out.weight"].shape[0],
            down_block_types=tuple("AttnDownBlock2D" if one else "DownBlock2D" for one in attends),
            up_block_types=tuple("AttnUpBlock2D" if one else "UpBlock2D" for one in reversed(attends)),
            block_out_channels=widths,
            layers_per_block=layers,
            attention_head_dim=_HEAD_WIDTH,
            norm_num_groups=math.gcd(GROUPS, *widths),
        )
    unet.load_state_dict(tensors, assign=True)
    return unet.eval().requires_grad_(False)


def _attention(name: str, tensor: Tensor) -> Mapping[str, Tensor]:
    """A tensor of the original under diffusers' names: an attention's queries, keys and values lie there in one, head
    by head."""
    place, dot, leaf = name.rpartition(".")
    if ".attentions." not in name:
        return {name: tensor}
    place, _, part = place.rpartition(".")
    tensor = tensor.flatten(1) if tensor.ndim > 1 else tensor
    if part == "norm":
        return {f"{place}.group_norm{dot}{leaf}": tensor}
    if part == "proj_out":
        return {f"{place}.to_out.0{dot}{leaf}": tensor}
    heads = tensor.reshape(-1, 3, _HEAD_WIDTH, *tensor.shape[1:])
    each = (heads[:, index].reshape(-1, *tensor.shape[1:]) for index in range(3))
    return {f"{place}.{to}{dot}{leaf}": one for to, one in zip(("to_q", "to_k", "to_v"), each, strict=True)}


def _decoder(weights: Weights) -> tuple[nn.Module, nn.Module]:
    """What makes pixels of latents, and the convolution before it."""
    from diffusers.models.autoencoders.vae import Decoder

    found = renamed(weights.header.tensors, VAE_PREFIX, vae_rename(weights.header.tensors, VAE_PREFIX))
    tensors = {
        new.removeprefix("decoder."): weights.get(old).float() for new, old in found.items() if "encoder." not in new
    }
    tensors = {
        name: one.flatten(1) if ".attentions." in name and one.ndim > 2 else one for name, one in tensors.items()
    }
    conv = {leaf: tensors.pop(f"post_quant_conv.{leaf}") for leaf in ("weight", "bias")}
    for name in [name for name in tensors if name.startswith("quant_conv.")]:
        del tensors[name]
    widths = _widths(tensors, "up_blocks.{}.resnets.0.conv1.weight")[::-1]
    resnets = sum(name.startswith("up_blocks.0.resnets.") and name.endswith(".conv1.weight") for name in tensors)
    with without_weights():
        decoder = Decoder(
            in_channels=tensors["conv_in.weight"].shape[1],
            out_channels=tensors["conv_out.weight"].shape[0],
            up_block_types=("UpDecoderBlock2D",) * len(widths),
            block_out_channels=widths,
            layers_per_block=resnets - 1,
            norm_num_groups=math.gcd(GROUPS, *widths),
            mid_block_add_attention="mid_block.attentions.0.to_q.weight" in tensors,
        )
        after_codes = nn.Conv2d(conv["weight"].shape[1], conv["weight"].shape[0], 1)
    decoder.load_state_dict(tensors, assign=True)
    after_codes.load_state_dict(conv, assign=True)
    return decoder.eval().requires_grad_(False), after_codes.requires_grad_(False)


def _widths(tensors: Mapping[str, Tensor], pattern: str) -> tuple[int, ...]:
    """Channels of every level. Raises ``LookupError`` when there is none."""
    widths: list[int] = []
    while (name := pattern.format(len(widths))) in tensors:
        widths.append(tensors[name].shape[0])
    return tuple(widths) if widths else (tensors[pattern.format(0)].shape[0],)
