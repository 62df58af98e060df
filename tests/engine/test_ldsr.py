"""LDSR against a straight reading of latent diffusion under the original's names, with random weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sdcolab.core.detect import ModelKind, detect
from sdcolab.core.errors import Cancelled, OutOfMemory, UpscalerLeftOut
from sdcolab.core.events import CancelToken, Event, PhaseStarted, Warned
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.tensors import TensorHeader, TensorInfo
from sdcolab.engine.upscale import ldsr as ldsr_module
from sdcolab.engine.upscale.ldsr import Ldsr, load_ldsr
from sdcolab.engine.upscale.upscalers import Upscalers
from sdcolab.engine.weights import open_weights

CPU = torch.device("cpu")
WIDE = 32
UNET, STAGE = "model.diffusion_model.", "first_stage_model."
FULL_SHAPES = {f"{UNET}input_blocks.0.0.weight": (160, 6, 3, 3), f"{STAGE}quantize.embedding.weight": (8192, 3)}


def layers(seed: int) -> dict[str, Tensor]:
    """A miniature of two levels, the lower one with attention, as the original's configuration makes it."""
    draw = torch.Generator().manual_seed(seed)
    made: dict[str, Tensor] = {}

    def conv(name: str, out: int, into: int, kernel: int = 3) -> None:
        made[f"{name}.weight"] = torch.randn(out, into, kernel, kernel, generator=draw) / math.sqrt(into * kernel**2)
        made[f"{name}.bias"] = torch.randn(out, generator=draw) * 0.1

    def linear(name: str, out: int, into: int) -> None:
        conv(name, out, into, 1)
        made[f"{name}.weight"] = made[f"{name}.weight"][..., 0, 0]

    def norm(name: str, width: int) -> None:
        made[f"{name}.weight"] = 1 + torch.randn(width, generator=draw) * 0.1
        made[f"{name}.bias"] = torch.randn(width, generator=draw) * 0.1

    def block(name: str, into: int, out: int) -> None:
        norm(f"{name}.in_layers.0", into)
        conv(f"{name}.in_layers.2", out, into)
        linear(f"{name}.emb_layers.1", out, 4 * WIDE)
        norm(f"{name}.out_layers.0", out)
        conv(f"{name}.out_layers.3", out, out)
        if into != out:
            conv(f"{name}.skip_connection", out, into, 1)

    def attention(name: str, width: int) -> None:
        norm(f"{name}.norm", width)
        for part, out in (("qkv", 3 * width), ("proj_out", width)):
            conv(f"{name}.{part}", out, width, 1)
            made[f"{name}.{part}.weight"] = made[f"{name}.{part}.weight"][..., 0]

    linear(f"{UNET}time_embed.0", 4 * WIDE, WIDE)
    linear(f"{UNET}time_embed.2", 4 * WIDE, 4 * WIDE)
    conv(f"{UNET}input_blocks.0.0", WIDE, 6)
    block(f"{UNET}input_blocks.1.0", WIDE, WIDE)
    conv(f"{UNET}input_blocks.2.0.op", WIDE, WIDE)
    block(f"{UNET}input_blocks.3.0", WIDE, 2 * WIDE)
    attention(f"{UNET}input_blocks.3.1", 2 * WIDE)
    block(f"{UNET}middle_block.0", 2 * WIDE, 2 * WIDE)
    attention(f"{UNET}middle_block.1", 2 * WIDE)
    block(f"{UNET}middle_block.2", 2 * WIDE, 2 * WIDE)
    block(f"{UNET}output_blocks.0.0", 4 * WIDE, 2 * WIDE)
    attention(f"{UNET}output_blocks.0.1", 2 * WIDE)
    block(f"{UNET}output_blocks.1.0", 3 * WIDE, 2 * WIDE)
    attention(f"{UNET}output_blocks.1.1", 2 * WIDE)
    conv(f"{UNET}output_blocks.1.2.conv", 2 * WIDE, 2 * WIDE)
    block(f"{UNET}output_blocks.2.0", 3 * WIDE, WIDE)
    block(f"{UNET}output_blocks.3.0", 2 * WIDE, WIDE)
    norm(f"{UNET}out.0", WIDE)
    conv(f"{UNET}out.2", 3, WIDE)

    def stage(name: str, into: int, out: int) -> None:
        norm(f"{STAGE}{name}.norm1", into)
        conv(f"{STAGE}{name}.conv1", out, into)
        norm(f"{STAGE}{name}.norm2", out)
        conv(f"{STAGE}{name}.conv2", out, out)
        if into != out:
            conv(f"{STAGE}{name}.nin_shortcut", out, into, 1)

    made[f"{STAGE}quantize.embedding.weight"] = torch.randn(64, 3, generator=draw)
    conv(f"{STAGE}post_quant_conv", 3, 3, 1)
    conv(f"{STAGE}quant_conv", 3, 3, 1)
    conv(f"{STAGE}decoder.conv_in", 2 * WIDE, 3)
    stage("decoder.mid.block_1", 2 * WIDE, 2 * WIDE)
    norm(f"{STAGE}decoder.mid.attn_1.norm", 2 * WIDE)
    for part in ("q", "k", "v", "proj_out"):
        conv(f"{STAGE}decoder.mid.attn_1.{part}", 2 * WIDE, 2 * WIDE, 1)
    stage("decoder.mid.block_2", 2 * WIDE, 2 * WIDE)
    for level, into, out in ((2, 2 * WIDE, 2 * WIDE), (1, 2 * WIDE, WIDE), (0, WIDE, WIDE)):
        stage(f"decoder.up.{level}.block.0", into, out)
        stage(f"decoder.up.{level}.block.1", out, out)
        if level:
            conv(f"{STAGE}decoder.up.{level}.upsample.conv", out, out)
    norm(f"{STAGE}decoder.norm_out", WIDE)
    conv(f"{STAGE}decoder.conv_out", 3, WIDE)
    conv(f"{STAGE}encoder.conv_in", WIDE, 3)
    return made


class Straight:
    """The original's arithmetic, layer by layer."""

    def __init__(self, found: Mapping[str, Tensor]) -> None:
        self.found = found

    def conv(self, name: str, x: Tensor, **how: int) -> Tensor:
        return functional.conv2d(x, self.found[f"{name}.weight"], self.found[f"{name}.bias"], **how)

    def linear(self, name: str, x: Tensor) -> Tensor:
        return functional.linear(x, self.found[f"{name}.weight"], self.found[f"{name}.bias"])

    def norm(self, name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
        return functional.group_norm(x, 32, self.found[f"{name}.weight"], self.found[f"{name}.bias"], eps)

    def block(self, name: str, x: Tensor, emb: Tensor) -> Tensor:
        h = self.conv(f"{name}.in_layers.2", functional.silu(self.norm(f"{name}.in_layers.0", x)), padding=1)
        h = h + self.linear(f"{name}.emb_layers.1", functional.silu(emb))[..., None, None]
        h = self.conv(f"{name}.out_layers.3", functional.silu(self.norm(f"{name}.out_layers.0", h)), padding=1)
        skip = f"{name}.skip_connection"
        return h + (self.conv(skip, x) if f"{skip}.weight" in self.found else x)

    def attention(self, name: str, x: Tensor) -> Tensor:
        """Heads of 32 channels; of each head its queries, then its keys, then its values."""
        flat = self.norm(f"{name}.norm", x).flatten(2)
        qkv = functional.conv1d(flat, self.found[f"{name}.qkv.weight"], self.found[f"{name}.qkv.bias"])
        q, k, v = qkv.reshape(-1, 3 * 32, flat.shape[-1]).split(32, dim=1)
        seen = torch.einsum("bct,bcs->bts", q / 32**0.25, k / 32**0.25).softmax(-1)
        made = torch.einsum("bts,bcs->bct", seen, v).reshape(flat.shape)
        out = functional.conv1d(made, self.found[f"{name}.proj_out.weight"], self.found[f"{name}.proj_out.bias"])
        return x + out.reshape(x.shape)

    def unet(self, x: Tensor, time: float) -> Tensor:
        half = WIDE // 2
        angles = time * torch.exp(-math.log(10000) * torch.arange(half) / half)
        emb = torch.cat((angles.cos(), angles.sin()))[None]
        emb = self.linear(f"{UNET}time_embed.2", functional.silu(self.linear(f"{UNET}time_embed.0", emb)))
        h0 = self.conv(f"{UNET}input_blocks.0.0", x, padding=1)
        h1 = self.block(f"{UNET}input_blocks.1.0", h0, emb)
        h2 = self.conv(f"{UNET}input_blocks.2.0.op", h1, stride=2, padding=1)
        h3 = self.attention(f"{UNET}input_blocks.3.1", self.block(f"{UNET}input_blocks.3.0", h2, emb))
        h = self.block(f"{UNET}middle_block.0", h3, emb)
        h = self.block(f"{UNET}middle_block.2", self.attention(f"{UNET}middle_block.1", h), emb)
        h = self.block(f"{UNET}output_blocks.0.0", torch.cat((h, h3), 1), emb)
        h = self.attention(f"{UNET}output_blocks.0.1", h)
        h = self.block(f"{UNET}output_blocks.1.0", torch.cat((h, h2), 1), emb)
        h = functional.interpolate(self.attention(f"{UNET}output_blocks.1.1", h), scale_factor=2, mode="nearest")
        h = self.conv(f"{UNET}output_blocks.1.2.conv", h, padding=1)
        h = self.block(f"{UNET}output_blocks.2.0", torch.cat((h, h1), 1), emb)
        h = self.block(f"{UNET}output_blocks.3.0", torch.cat((h, h0), 1), emb)
        return self.conv(f"{UNET}out.2", functional.silu(self.norm(f"{UNET}out.0", h)), padding=1)

    def stage(self, name: str, x: Tensor) -> Tensor:
        name = STAGE + name
        h = self.conv(f"{name}.conv1", functional.silu(self.norm(f"{name}.norm1", x, 1e-6)), padding=1)
        h = self.conv(f"{name}.conv2", functional.silu(self.norm(f"{name}.norm2", h, 1e-6)), padding=1)
        skip = f"{name}.nin_shortcut"
        return h + (self.conv(skip, x) if f"{skip}.weight" in self.found else x)

    def decoded(self, latents: Tensor) -> Tensor:
        book = self.found[f"{STAGE}quantize.embedding.weight"]
        rows = latents[0].permute(1, 2, 0).reshape(-1, 3)
        apart = ((rows[:, None] - book[None]) ** 2).sum(-1)
        known = book[apart.argmin(1)].reshape(*latents.shape[-2:], 3).permute(2, 0, 1)[None]
        h = self.conv(f"{STAGE}decoder.conv_in", self.conv(f"{STAGE}post_quant_conv", known), padding=1)
        h = self.stage("decoder.mid.block_1", h)
        name = f"{STAGE}decoder.mid.attn_1"
        n = self.norm(f"{name}.norm", h, 1e-6)
        q, k, v = (self.conv(f"{name}.{part}", n).flatten(2) for part in "qkv")
        seen = (q.transpose(1, 2) @ k / math.sqrt(q.shape[1])).softmax(-1)
        h = h + self.conv(f"{name}.proj_out", (v @ seen.transpose(1, 2)).reshape(h.shape))
        h = self.stage("decoder.mid.block_2", h)
        for level in (2, 1, 0):
            h = self.stage(f"decoder.up.{level}.block.1", self.stage(f"decoder.up.{level}.block.0", h))
            if level:
                h = functional.interpolate(h, scale_factor=2, mode="nearest")
                h = self.conv(f"{STAGE}decoder.up.{level}.upsample.conv", h, padding=1)
        h = functional.silu(self.norm(f"{STAGE}decoder.norm_out", h, 1e-6))
        return self.conv(f"{STAGE}decoder.conv_out", h, padding=1)

    def drawn(self, pixels: Tensor, steps: int) -> Tensor:
        """DDIM with eta 1 (Song et al. 2021, arXiv:2010.02502, equations 12 and 16) from the same noise."""
        betas = torch.linspace(0.0015**0.5, 0.0155**0.5, 1000, dtype=torch.float64) ** 2
        bars = (1 - betas).cumprod(0)
        draw = torch.Generator().manual_seed(0)
        x = torch.randn(pixels.shape, generator=draw)
        times = list(range(1, 1001, 1000 // steps))
        for step in reversed(range(steps)):
            bar, before = bars[times[step]], bars[times[step - 1]] if step else bars[0]
            noise = self.unet(torch.cat((x, pixels), 1), times[step])
            image = (x - (1 - bar).sqrt() * noise) / bar.sqrt()
            spread = ((1 - before) / (1 - bar) * (1 - bar / before)).sqrt()
            x = before.sqrt() * image + (1 - before - spread**2).sqrt() * noise
            x = (x + spread * torch.randn(pixels.shape, generator=draw)).float()
        return self.decoded(x)


def write(path: Path, found: Mapping[str, Tensor]) -> Path:
    """As PyTorch Lightning saves: beside the weights, what its optimizer and callbacks remember."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"epoch": 4, "state_dict": dict(found), "optimizer_states": [{"state": {}}], "callbacks": {}}, path)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(Folders(tmp_path_factory.mktemp("a1111")).root / "models" / "LDSR" / "model.ckpt", layers(1))


@pytest.fixture
def net(file: Path) -> Ldsr:
    return replace(load_ldsr(open_weights(file), CPU), steps=4)


def photo(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(3).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def silent(_step: int, _steps: int) -> None:
    """Nobody looks."""


def test_both_nets_compute_what_the_original_does(net: Ldsr) -> None:
    straight = Straight(layers(1))
    x = torch.randn(1, 6, 24, 40, generator=torch.Generator().manual_seed(7))
    with torch.inference_mode():
        assert torch.allclose(net.noise_in(x, torch.tensor(991.0)), straight.unet(x, 991.0), atol=2e-5)
        assert torch.allclose(net._decoded(x[:, :3]), straight.decoded(x[:, :3]), atol=2e-5)


def test_a_picture_is_drawn_as_the_original_draws_it(net: Ldsr) -> None:
    picture, told = photo(60, 45), list[tuple[int, int]]()
    made = net.enlarge(picture, 4, lambda step, steps: told.append((step, steps)))
    assert made.size == (240, 180)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    padded = np.pad(np.asarray(picture, np.float32), ((0, 83), (0, 68), (0, 0)), mode="edge")
    pixels = torch.from_numpy(padded / 127.5 - 1).permute(2, 0, 1)[None]
    with torch.inference_mode():
        values = Straight(layers(1)).drawn(pixels, 4)[0, :, :180, :240].clamp(-1, 1).add(1).mul(127.5).permute(1, 2, 0)
    apart = np.abs(np.asarray(made, np.float32) - values.numpy())
    assert np.mean(apart > 1) < 0.002  # a latent between two codes may fall to the other side


def test_other_scales_shrink_first_and_always_give_the_same(net: Ldsr) -> None:
    picture = photo(64, 48)
    double = net.enlarge(picture, 2, silent)
    assert double.size == (128, 96)
    again = net.enlarge(picture.resize((32, 24), Image.Resampling.LANCZOS), 4, silent)
    assert np.array_equal(np.asarray(double), np.asarray(again))


def test_windows_fade_into_one_another(net: Ldsr) -> None:
    narrow = replace(net, window=64)
    x = torch.randn(1, 3, 150, 64, generator=torch.Generator().manual_seed(1))
    whole = functional.interpolate(x, scale_factor=4, mode="nearest")
    assert torch.allclose(narrow.in_windows(x, 4, lambda part: functional.interpolate(part, scale_factor=4)), whole,
                          atol=1e-5)  # fmt: skip
    seen: list[torch.Size] = []
    narrow.in_windows(x, 1, lambda part: seen.append(part.shape) or part)
    assert {tuple(shape) for shape in seen} == {(1, 3, 64, 64)}


def test_the_mean_of_the_weights_wins(tmp_path: Path) -> None:
    found, mean = layers(1), layers(2)
    twins = {f"model_ema.{name[6:].replace('.', '')}": mean[name] for name in found if name.startswith(UNET)}
    net = load_ldsr(open_weights(write(tmp_path / "a.ckpt", {**found, **twins})), CPU)
    x = torch.ones(1, 6, 16, 16)
    with torch.inference_mode():
        assert torch.allclose(net.noise_in(x, torch.tensor(1.0)), Straight(mean).unet(x, 1.0), atol=2e-5)


def test_memory_that_runs_out_halves_the_windows(net: Ldsr) -> None:
    def run(part: Tensor) -> Tensor:
        if part.shape[-1] > 128:
            raise torch.OutOfMemoryError
        return part

    x = torch.rand(1, 3, 300, 300)
    assert torch.allclose(net.in_windows(x, 1, run), x, atol=1e-6)
    assert net.window == 128
    with pytest.raises(OutOfMemory):
        net.in_windows(x, 1, lambda _part: run(x))


def test_its_header_tells_what_it_is() -> None:
    def header(shapes: Mapping[str, tuple[int, ...]]) -> TensorHeader:
        return TensorHeader({name: TensorInfo("F32", shape, 0, 0) for name, shape in shapes.items()})

    assert detect(header(FULL_SHAPES)).kind is ModelKind.UPSCALER
    plain = FULL_SHAPES | {f"{UNET}input_blocks.0.0.weight": (320, 4, 3, 3)}
    assert detect(header(plain)).kind is ModelKind.CHECKPOINT


class TestAsAnUpscaler:
    @pytest.fixture
    def upscalers(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> Upscalers:
        def quick(path: Path, device: torch.device) -> Ldsr:
            return replace(load_ldsr(open_weights(path), device), steps=2)

        monkeypatch.setattr("sdcolab.engine.upscale.upscalers.load_upscaler", quick)
        return Upscalers(Library(Folders(file.parents[2])), CPU)

    def test_a1111s_folder_has_it_under_its_name(self, upscalers: Upscalers) -> None:
        assert upscalers.names() == ("None", "Lanczos", "Nearest", "LDSR")

    def test_it_tells_its_steps_and_can_be_stopped(self, upscalers: Upscalers) -> None:
        heard: list[Event] = []
        made = upscalers.upscale(photo(40, 32), 2, "LDSR", heard.append)
        assert made.size == (80, 64)
        assert [event.detail for event in heard if isinstance(event, PhaseStarted)][1:] == ["LDSR (1/2)", "LDSR (2/2)"]
        cancel = CancelToken()
        cancel.cancel()
        with pytest.raises(Cancelled):
            upscalers.upscale(photo(40, 32), 2, "LDSR", cancel=cancel)

    def test_a_damaged_file_is_left_out(self, tmp_path: Path) -> None:
        found = {name: one for name, one in layers(1).items() if "output_blocks.2" not in name}
        write(tmp_path / "models" / "LDSR" / "model.ckpt", found)
        heard: list[Event] = []
        upscalers = Upscalers(Library(Folders(tmp_path)), CPU)
        assert upscalers.upscale(photo(8, 8), 2, "LDSR", heard.append).size == (16, 16)
        assert any(isinstance(event, Warned) and isinstance(event.warning, UpscalerLeftOut) for event in heard)


def test_the_windows_of_the_real_file_are_whole_blocks() -> None:
    assert ldsr_module.WINDOW % 64 == 0 == ldsr_module.OVERLAP % 32
