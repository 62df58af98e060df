"""Previews: the fitted projection, and how often pictures are made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from sdcolab.engine.decode import NotFinite, decode, to_image
from sdcolab.engine.models import load_vae
from sdcolab.engine.preview import PERIOD, SHOWN_SIDE, Moments, Previewer, PreviewModel, made_up_pictures


def difference(model: PreviewModel, latents: torch.Tensor, pixels: torch.Tensor) -> float:
    """Mean difference in bytes between a preview and the picture, both at 32x32."""
    preview = model.picture(latents)
    assert preview is not None
    a, b = (
        np.asarray(image.resize((32, 32), Image.Resampling.BOX), np.float64) for image in (preview, to_image(pixels))
    )
    return float(np.abs(a - b).mean())


def test_previews_resemble_what_the_demo_decodes(demo_checkpoint: Path) -> None:
    """Already the first guess, and better after a picture has been decoded."""
    vae = load_vae(demo_checkpoint, torch.device("cpu"), torch.float32)
    with torch.inference_mode():
        other = made_up_pictures(seed=99)  # shapes and colours that the first guess has not seen
        latents = [vae.encode(picture).latent_dist.mean * vae.config.scaling_factor for picture in other.split(1)]
        pixels = [decode(vae, latent) for latent in latents]
    model = PreviewModel(vae)
    before = difference(model, latents[0], pixels[0])
    assert before < 40
    for latent, picture in zip(latents[1:4], pixels[1:4], strict=True):
        model.learn(latent, picture)
    assert difference(model, latents[0], pixels[0]) < before


def test_the_first_guess_is_deterministic_and_touches_no_global_seed(mini_checkpoint: Path) -> None:
    vae = load_vae(mini_checkpoint, torch.device("cpu"), torch.float32)
    state = torch.random.get_rng_state()
    latents = torch.randn(1, 4, 8, 8)
    torch.random.set_rng_state(state)
    first, second = (PreviewModel(vae).picture(latents) for _ in range(2))
    assert first is not None and second is not None
    assert first.tobytes() == second.tobytes()
    assert torch.equal(torch.random.get_rng_state(), state)


def test_an_exactly_linear_vae_is_learnt_exactly() -> None:
    mix = torch.tensor([[0.3, 0.2, -0.2, -0.1], [0.2, 0.3, 0.1, -0.2], [0.2, 0.1, 0.3, -0.4]]) * 0.3
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    pixels = torch.einsum("rc,bchw->brhw", mix, latents).repeat_interleave(8, 2).repeat_interleave(8, 3)
    weight, bias = Moments.of(latents, pixels).projection(4)
    expected = torch.zeros(3, 4, 4, 3, 3)  # each of the 4 pixels of a latent is the mix of that latent alone
    expected[:, :, :, 1, 1] = mix.unsqueeze(1)
    assert torch.allclose(weight.reshape(3, 4, 4, 3, 3), expected, atol=2e-3)
    assert bias.abs().max() < 2e-3


def test_picture_size(mini_checkpoint: Path) -> None:
    picture = PreviewModel(load_vae(mini_checkpoint, torch.device("cpu"), torch.float32)).picture(
        torch.zeros(1, 4, 16, 24)
    )
    assert picture is not None
    assert picture.mode == "RGB"
    assert picture.width / picture.height == 24 / 16
    assert SHOWN_SIDE / 2 <= picture.width <= SHOWN_SIDE * 2


def test_broken_vae_gives_no_picture(mini_checkpoint: Path) -> None:
    vae = load_vae(mini_checkpoint, torch.device("cpu"), torch.float32)
    vae.encoder.conv_in.weight.fill_(float("nan"))
    assert PreviewModel(vae).picture(torch.zeros(1, 4, 8, 8)) is None


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_previews_are_rare(mini_checkpoint: Path) -> None:
    model, clock = PreviewModel(load_vae(mini_checkpoint, torch.device("cpu"), torch.float32)), Clock()
    previewer, latents = Previewer(model, clock), torch.zeros(2, 4, 8, 8)
    assert previewer.maybe(latents) is None
    assert model._guess is None  # a job shorter than a period pays nothing
    clock.now += PERIOD
    assert previewer.maybe(latents) is not None
    assert previewer.maybe(latents) is None
    clock.now += PERIOD
    assert previewer.maybe(latents * float("nan")) is None


def test_bytes_are_truncated() -> None:
    """hechos/a1111.md 0: v -> (v + 1) / 2 * 255, cut, not rounded."""
    values = torch.tensor([-2.0, -1.0, 0.0, 0.9999, 1.0, 3.0]).reshape(1, 1, 1, 6).expand(1, 3, 1, 6)
    assert [pixel[0] for pixel in to_image(values).getdata()] == [0, 0, 127, 254, 255, 255]


class FakeVae:
    """A decoder that overflows in half precision."""

    def __init__(self, vae: AutoencoderKL, broken: bool = False) -> None:
        self.config, self.dtype, self.broken = vae.config, torch.float16, broken

    def to(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def decode(self, latents: torch.Tensor, return_dict: bool) -> tuple[torch.Tensor]:
        assert latents.dtype == self.dtype
        value = float("nan") if self.dtype == torch.float16 or self.broken else 0.0
        return (torch.full((1, 3, 8, 8), value),)


def test_overflow_in_half_precision_is_decoded_again(mini_checkpoint: Path) -> None:
    real = load_vae(mini_checkpoint, torch.device("cpu"), torch.float32)
    fake = FakeVae(real)
    assert decode(fake, torch.zeros(1, 4, 1, 1)).shape == (1, 3, 8, 8)
    assert fake.dtype == torch.float32  # and stays there
    with pytest.raises(NotFinite):
        decode(FakeVae(real, broken=True), torch.zeros(1, 4, 1, 1))
