"""Cheap pictures of unfinished latents: a linear map fitted to each VAE.

A pixel of a downscaled picture is nearly a linear function of the latents around it. The map is found by ridge
regression, first on pictures made for the purpose, whose latents the VAE's own encoder gives, and then better with each
picture that the VAE really decodes. So it suits any VAE (the well-known fixed factors, hechos/a1111.md 6, suit only
Stability's), and applying it is one small convolution.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sdcolab.engine.decode import to_image

PERIOD = 0.5
"""Seconds between previews."""

SHOWN_SIDE = 256
"""Previews are enlarged to about this many pixels on their longer side."""

_DETAIL = 2  # preview pixels per latent, each way
_WINDOW = 3  # latents that a pixel is computed from, each way
_RIDGE = 1e-3
_FIRST_GUESS_WEIGHT = 0.1  # of the made-up pictures, against 1 of the last real one
_MEMORY = 0.8  # what each real picture leaves of the weight of those before it

_FIT_SIDE = 128  # pixels of the made-up pictures
_FIT_PLAIN, _FIT_MIXED = 4, 2  # of them on a white background, and on one of soft colours
_FIT_SHAPES = 6
_FIT_SEED = 3


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Second moments of (latents around a point, pixels there): ``gram`` [k, k] and ``cross`` [k, 12], float64."""

    gram: Tensor
    cross: Tensor

    @classmethod
    def of(cls, latents: Tensor, pixels: Tensor) -> Moments:
        """Means over every point of ``latents`` [B, C, h, w] and the ``pixels`` [B, 3, H, W] (-1..1) that they stand
        for.
        """
        block = pixels.shape[-1] // latents.shape[-1] // _DETAIL
        small = functional.avg_pool2d(pixels.float().clamp(-1, 1), block)
        targets = functional.pixel_unshuffle(small, _DETAIL).flatten(2).transpose(1, 2).flatten(0, 1)
        windows = functional.unfold(_padded(latents), _WINDOW).transpose(1, 2).flatten(0, 1)
        samples = torch.cat([windows, torch.ones_like(windows[:, :1])], dim=1)
        count = len(samples)
        return cls((samples.T @ samples).double().cpu() / count, (samples.T @ targets).double().cpu() / count)

    def plus(self, other: Moments, weight: float) -> Moments:
        """These and ``weight`` times ``other``."""
        return Moments(self.gram + weight * other.gram, self.cross + weight * other.cross)

    def projection(self, channels: int) -> tuple[Tensor, Tensor]:
        """The map of least squares: ``weight`` [12, C, 3, 3] and ``bias`` [12] of a convolution from latents to 2x2
        pixels.
        """
        ridge = _RIDGE * self.gram[-1, -1] * torch.eye(len(self.gram), dtype=torch.float64)
        ridge[-1, -1] = 0  # the bias is free
        solution = torch.linalg.solve(self.gram + ridge, self.cross).float()
        return solution[:-1].T.reshape(-1, channels, _WINDOW, _WINDOW).contiguous(), solution[-1]


class PreviewModel:
    """The map of one VAE. It learns from each decoded picture; its first guess is made when it is first needed."""

    def __init__(self, vae: AutoencoderKL) -> None:
        self._vae = vae
        self._guess: Moments | None = None
        self._learnt: Moments | None = None
        self._projection: tuple[Tensor, Tensor] | None = None

    def learn(self, latents: Tensor, pixels: Tensor) -> None:
        """Take in a decoded picture: ``latents`` [1, C, h, w] in the UNet's scale, ``pixels`` [1, 3, H, W] in -1..1."""
        moments = Moments.of(latents, pixels)
        self._learnt = moments if self._learnt is None else moments.plus(self._learnt, _MEMORY)
        self._projection = None

    def picture(self, latents: Tensor) -> Image.Image | None:
        """A small picture of ``latents`` [1, C, h, w] (UNet's scale); None when they or the VAE hold no numbers."""
        if self._projection is None:
            guess = self._first_guess()
            moments = guess if self._learnt is None else self._learnt.plus(guess, _FIRST_GUESS_WEIGHT)
            weight, bias = moments.projection(latents.shape[1])
            self._projection = weight.to(latents.device), bias.to(latents.device)
        pixels = functional.conv2d(_padded(latents), *self._projection)
        if not torch.isfinite(pixels).all():
            return None
        small = to_image(functional.pixel_shuffle(pixels, _DETAIL))
        scale = max(1, round(SHOWN_SIDE / max(small.size)))
        return small.resize((small.width * scale, small.height * scale), Image.Resampling.BILINEAR)

    def _first_guess(self) -> Moments:
        if self._guess is None:
            pictures = made_up_pictures().to(self._vae.device)
            latents = torch.cat([self._encoded(picture) for picture in pictures.split(1)])
            self._guess = Moments.of(latents, pictures)
        return self._guess

    @torch.inference_mode()
    def _encoded(self, picture: Tensor) -> Tensor:
        mean = self._vae.encode(picture.to(self._vae.dtype)).latent_dist.mean
        return mean.float() * self._vae.config.scaling_factor


def _padded(latents: Tensor) -> Tensor:
    edge = _WINDOW // 2
    return functional.pad(latents.float(), (edge, edge, edge, edge), mode="replicate")


def made_up_pictures(seed: int = _FIT_SEED) -> Tensor:
    """Shaded shapes on white and on soft colours: float32 [N, 3, S, S] in -1..1, always the same for a ``seed``."""
    generator = torch.Generator().manual_seed(seed)
    side = torch.linspace(0, 1, _FIT_SIDE)
    y, x = torch.meshgrid(side, side, indexing="ij")
    blobs = torch.randn((_FIT_MIXED, 3, 4, 4), generator=generator)
    mixed = functional.interpolate(blobs, size=_FIT_SIDE, mode="bicubic", align_corners=False)
    pictures = []
    for picture in (*torch.ones(_FIT_PLAIN, 3, _FIT_SIDE, _FIT_SIDE), *mixed):
        for _ in range(_FIT_SHAPES):
            centre_x, centre_y, size, corner = torch.rand(4, generator=generator).tolist()
            colour = torch.rand((3, 1, 1), generator=generator) * 2 - 1
            power = 2 if corner < 0.5 else 8  # round, or nearly square
            inside = (x - centre_x).abs() ** power + (y - centre_y).abs() ** power < (0.04 + 0.2 * size) ** power
            picture = torch.where(inside, colour + 0.3 * (x - centre_x) / (0.1 + size), picture)
        pictures.append(picture.clamp(-1, 1))
    return torch.stack(pictures)


class PreviewSource(Protocol):
    """What makes pictures of unfinished latents: a ``PreviewModel``, or a ``tiny_vae.TinyVae``."""

    def picture(self, latents: Tensor) -> Image.Image | None:
        """A picture of ``latents`` [1, C, h, w] (UNet's scale), or None."""
        ...


class Previewer:
    """Makes a preview of the first image of a batch at most every ``PERIOD`` seconds, or none unless it is ``on``."""

    def __init__(self, model: PreviewSource, clock: Callable[[], float] = time.monotonic, *, on: bool = True) -> None:
        self._on = on
        self._model = model
        self._clock = clock
        self._last = clock()

    def maybe(self, latents: Tensor) -> Image.Image | None:
        """A picture of ``latents`` [B, C, h, w] if one is due."""
        if not self._on or self._clock() - self._last < PERIOD:
            return None
        picture = self._model.picture(latents[:1])
        self._last = self._clock()
        return picture
