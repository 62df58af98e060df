"""Pictures into latents and back for one generation, by the VAE that its request asks for, sparing memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from sdcolab.core.errors import ImageNotFinite, TinyVaeMissing
from sdcolab.core.tuning import Tuning, VaeMethod
from sdcolab.engine.decode import NotFinite, decode, encode, to_image
from sdcolab.engine.memory import MemoryPolicy, Stage
from sdcolab.engine.savings import Savings
from sdcolab.engine.shelf import Vae


class Darkroom:
    """``tiny_vaes`` is the folder of the tiny networks (TAESD)."""

    def __init__(self, tuning: Tuning, savings: Savings, tiny_vaes: Path) -> None:
        self._tuning = tuning
        self._savings = savings
        self._tiny_vaes = tiny_vaes

    def encoded(self, vae: Vae, pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The latents [1, C, h, w] of ``pixels`` [1, 3, H, W] in -1..1; a sample with a ``generator``, else the mean.

        Raises ``ImageNotFinite`` or ``TinyVaeMissing``.
        """
        if self._tuning.vae_encoder is VaeMethod.TAESD:
            if vae.tiny_encoder is None:
                raise TinyVaeMissing(folder=self._tiny_vaes, name=f"{vae.tiny.name}_encoder")
            return vae.tiny_encoder.encode(pixels)
        return self._finite(vae, lambda policy: encode(vae.module, pixels, generator, tiled=policy.tile_decode))

    def decoded(self, latent: Tensor, vae: Vae) -> Image.Image:
        """The picture of ``latent`` [1, C, h, w]. Raises as ``encoded``."""
        if self._tuning.vae_decoder is VaeMethod.TAESD:
            if vae.tiny_decoder is None:
                raise TinyVaeMissing(folder=self._tiny_vaes, name=f"{vae.tiny.name}_decoder")
            return to_image(vae.tiny_decoder.decode(latent))
        pixels = self._finite(vae, lambda policy: decode(vae.module, latent, tiled=policy.tile_decode))
        vae.preview.learn(latent, pixels)
        return to_image(pixels)

    def _finite(self, vae: Vae, work: Callable[[MemoryPolicy], Tensor]) -> Tensor:
        def working(policy: MemoryPolicy) -> Tensor:
            vae.its_turn()
            return work(policy)

        try:
            return self._savings.spend(Stage.DECODING, working)
        except NotFinite as error:
            raise ImageNotFinite(checkpoint=vae.stamp[0].name) from error
