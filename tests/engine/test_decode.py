"""VAEs: numbers that overflow, strips, sampling noise, and pictures as tensors (hechos/a1111.md 0, 2.5 and 6)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from sdcolab.engine.decode import NotFinite, blank_canvas_channels, decode, encode, to_image, to_pixels
from sdcolab.engine.models import load_vae
from sdcolab.engine.preview import made_up_pictures
from sdcolab.engine.strips import decode_in_strips, encode_in_strips

CPU = torch.device("cpu")
FEW = 60_000  # elements in a strip: eight rows or so at the largest layers
HALVES = [torch.float16, torch.bfloat16]


@pytest.fixture(autouse=True)
def no_gradients() -> object:
    with torch.inference_mode():
        yield


@pytest.fixture(params=["demo", "mini"])
def vae(request: pytest.FixtureRequest, demo_checkpoint: Path, mini_checkpoint: Path) -> AutoencoderKL:
    """The trained VAE of the demo model and a random one."""
    return load_vae(demo_checkpoint if request.param == "demo" else mini_checkpoint, CPU, torch.float32)


@pytest.fixture
def mini_vae(mini_checkpoint: Path) -> AutoencoderKL:
    return load_vae(mini_checkpoint, CPU, torch.float32)


@pytest.fixture(scope="module")
def picture() -> Tensor:
    """Float32 [1, 3, 128, 192] with something else everywhere, so that tiles apart would show."""
    made_up = made_up_pictures()
    rows = [torch.cat([made_up[i] for i in row], dim=2) for row in ((0, 1, 4), (5, 2, 3))]
    return functional.avg_pool2d(torch.cat(rows, dim=1)[None], 2)


def byte_errors(one: Tensor, other: Tensor) -> np.ndarray:
    return np.abs(np.asarray(to_image(one)).astype(int) - np.asarray(to_image(other)))


class TestStrips:
    def test_make_the_same_picture(self, vae: AutoencoderKL, picture: Tensor) -> None:
        latents = encode(vae, picture)
        errors = byte_errors(decode(vae, latents), decode_in_strips(vae, latents / vae.config.scaling_factor, FEW))
        assert errors.max() <= 1, "bytes are cut, so that a difference of 1e-6 can make one"
        assert errors.mean() < 1e-3

    @pytest.mark.parametrize("elements", [1, FEW // 10, 1 << 30])
    def test_however_many_rows_they_have(self, mini_vae: AutoencoderKL, picture: Tensor, elements: int) -> None:
        small = picture[:, :, :40, :24]
        moments = mini_vae.encode(small).latent_dist.parameters
        assert (encode_in_strips(mini_vae, small, elements) - moments).abs().max() < 1e-4
        z = moments[:, : mini_vae.config.latent_channels]
        pixels = mini_vae.decode(z, return_dict=False)[0]
        assert (decode_in_strips(mini_vae, z, elements) - pixels).abs().max() < 1e-4

    def test_encode_the_same_latents(self, vae: AutoencoderKL, picture: Tensor) -> None:
        whole, strips = encode(vae, picture), encode(vae, picture, tiled=True)
        assert (whole - strips).abs().max() < 1e-4 * whole.abs().max()

    def test_go_around_the_edges_when_tiling(self, mini_vae: AutoencoderKL, picture: Tensor) -> None:
        picture = picture[:, :, :64, :96]
        before = mini_vae.decode(encode(mini_vae, picture), return_dict=False)[0]
        for layer in mini_vae.modules():
            if isinstance(layer, nn.Conv2d):
                layer.padding_mode = "circular"
                layer._reversed_padding_repeated_twice = [layer.padding[1]] * 2 + [layer.padding[0]] * 2
        moments = mini_vae.encode(picture).latent_dist.parameters
        assert (encode_in_strips(mini_vae, picture, FEW // 10) - moments).abs().max() < 1e-4
        z = moments[:, : mini_vae.config.latent_channels]
        pixels = mini_vae.decode(z, return_dict=False)[0]
        assert (pixels - before).abs().max() > 0.1
        assert (decode_in_strips(mini_vae, z, FEW // 10) - pixels).abs().max() < 1e-4

    def test_work_in_halves(self, mini_vae: AutoencoderKL, picture: Tensor) -> None:
        latents = encode(mini_vae, picture[:, :, :64, :64])
        pixels = decode(mini_vae, latents)
        mini_vae.to(dtype=torch.bfloat16)
        assert (decode(mini_vae, latents, tiled=True) - pixels).abs().mean() < 0.02
        assert mini_vae.dtype is torch.bfloat16

    def test_hold_no_whole_layer_on_the_device(self, mini_vae: AutoencoderKL, monkeypatch: pytest.MonkeyPatch) -> None:
        largest = 0
        conv2d = torch.nn.functional.conv2d

        def measured(strip: Tensor, *arguments: object) -> Tensor:
            nonlocal largest
            largest = max(largest, strip.numel())
            return conv2d(strip, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(torch.nn.functional, "conv2d", measured)
        whole = 256 * 128 * mini_vae.config.block_out_channels[0]
        decode_in_strips(mini_vae, torch.zeros(1, mini_vae.config.latent_channels, 32, 16), whole // 50)
        assert 0 < largest < whole // 10


class OverflowingConv(nn.Module):
    """Gives infinity in the types that are too narrow for it."""

    def __init__(self, inner: nn.Module, narrow: list[torch.dtype]) -> None:
        super().__init__()
        self.inner, self.narrow = inner, narrow

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        return y * torch.inf if self.inner.weight.dtype in self.narrow else y


class TestOverflow:
    @pytest.mark.parametrize(
        ("narrow", "wider", "end"),
        [
            ([torch.float16], (torch.float32,), torch.float32),
            ([torch.float16], (torch.bfloat16, torch.float32), torch.bfloat16),
            (HALVES, (torch.bfloat16, torch.float32), torch.float32),
            ([], (torch.float32,), torch.float16),
        ],
    )
    def test_a_wider_type_stays(
        self,
        mini_vae: AutoencoderKL,
        narrow: list[torch.dtype],
        wider: tuple[torch.dtype, ...],
        end: torch.dtype,
    ) -> None:
        mini_vae.to(dtype=torch.float16)
        for part in (mini_vae.decoder, mini_vae.encoder):
            part.conv_in = OverflowingConv(part.conv_in, narrow)
        latents = encode(mini_vae, torch.zeros(1, 3, 64, 64), wider=wider)
        assert latents.isfinite().all()
        assert mini_vae.dtype is end
        assert decode(mini_vae, latents, wider=wider).isfinite().all()
        assert mini_vae.dtype is end

    @pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
    def test_one_that_is_broken_in_every_type_says_so(self, mini_vae: AutoencoderKL, dtype: torch.dtype) -> None:
        mini_vae.to(dtype=dtype)
        mini_vae.decoder.conv_in = OverflowingConv(mini_vae.decoder.conv_in, [*HALVES, torch.float32])
        with pytest.raises(NotFinite):
            decode(mini_vae, torch.zeros(1, mini_vae.config.latent_channels, 8, 8))


class TestEncoding:
    def test_without_a_generator_it_is_the_mean(self, vae: AutoencoderKL, picture: Tensor) -> None:
        mean = vae.encode(picture).latent_dist.mean * vae.config.scaling_factor
        assert (encode(vae, picture) - mean).abs().max() < 1e-5

    def test_noise_is_the_generators_next_one(self, vae: AutoencoderKL, picture: Tensor) -> None:
        """(mean + std * noise) * scale, noise from torch's CPU stream, one picture after the other."""
        generator = torch.Generator().manual_seed(7)
        sampled = [encode(vae, picture, generator) for _ in range(2)]
        torch.manual_seed(7)
        moments = vae.encode(picture).latent_dist
        for latents in sampled:
            noise = torch.randn(moments.mean.shape)
            expected = (moments.mean + moments.std * noise) * vae.config.scaling_factor
            assert (latents - expected).abs().max() < 1e-4

    def test_what_goes_in_comes_out(self, demo_checkpoint: Path, picture: Tensor) -> None:
        vae = load_vae(demo_checkpoint, CPU, torch.float32)
        assert (decode(vae, encode(vae, picture)) - picture).abs().mean() < 0.15 < picture.abs().mean()

    def test_blank_canvas(self, mini_vae: AutoencoderKL) -> None:
        channels = blank_canvas_channels(mini_vae, 8, 12)
        assert channels.shape == (1, 1 + mini_vae.config.latent_channels, 8, 12)
        assert (channels[:, 0] == 1).all()


class TestPixels:
    def test_bytes_survive(self) -> None:
        levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
        back = np.asarray(to_image(to_pixels(Image.fromarray(levels)))).astype(int)
        assert (levels - back).max() <= 1, "bytes are cut: a byte may come back one lower"
        assert (levels - back).min() >= 0

    def test_shape_and_range(self) -> None:
        pixels = to_pixels(Image.new("RGB", (5, 4), (0, 255, 51)))
        assert pixels.shape == (1, 3, 4, 5)
        assert pixels[0, :, 0, 0].tolist() == pytest.approx([-1, 1, -0.6])

    def test_bytes_are_cut(self) -> None:
        value = torch.full((1, 3, 1, 1), 99.9 / 255 * 2 - 1)
        assert to_image(value).getpixel((0, 0)) == (99, 99, 99)
