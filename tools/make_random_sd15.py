"""Write a checkpoint with Stable Diffusion 1.5's tensor names and seeded random weights, at full size or in miniature.

    python tools/make_random_sd15.py SALIDA.safetensors            # 2.1 GB, the reference checkpoint (sha256
    47d5563312...) python tools/make_random_sd15.py SALIDA.safetensors --mini     # about 8 MB, for tests

The weights mean nothing, but every seed, word and sampler changes the pictures a lot. So that sampling stays within
bounds, the UNet and the VAE carry a straight route made of channel pairs (+u, -u), for which silu(u) - silu(-u) = u;
random branches on top of it make the result depend on everything. Each tensor is drawn from a generator of its own,
seeded with its name.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT = "cond_stage_model.transformer.text_model."

TEXT_BRANCH_GAIN = 0.6 * 0.5
"""How much each branch of a text encoder adds to its route."""

LATENT_TO_RGB = (
    (0.3512, 0.2297, 0.3227),
    (0.3250, 0.4974, 0.2350),
    (-0.2829, 0.1762, 0.2721),
    (-0.2120, -0.2616, -0.7177),
)
"""Colour of each latent channel in the VAE's straight route."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Widths and depths. Defaults are SD 1.5's; ``attention_levels`` are the UNet levels with cross-attention,
    ``depths`` the transformer blocks that they have at each level and in the middle. ``added_width`` numbers come to
    the UNet beside the text (SDXL).
    """

    unet_widths: tuple[int, ...] = (320, 640, 1280, 1280)
    attention_levels: tuple[int, ...] = (0, 1, 2)
    unet_layers: int = 2
    in_channels: int = 4
    depths: tuple[int, ...] = (1, 1, 1, 1, 1)
    linear_projections: bool = False
    added_width: int = 0
    text_width: int = 768
    text_layers: int = 12
    vae_widths: tuple[int, ...] = (128, 256, 512, 512)
    vae_layers: int = 2
    vocabulary: int = 49408


FULL = Sizes()
MINI = Sizes(
    unet_widths=(32, 64),
    attention_levels=(0,),
    unet_layers=1,
    text_width=64,
    text_layers=2,
    vae_widths=(32, 32, 64, 64),
    vae_layers=1,
)


@dataclass(slots=True)
class Draw:
    """Draws tensors by name into ``tensors``."""

    seed: int | str
    dtype: torch.dtype
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def normal(self, name: str, shape: Sequence[int], deviation: float = 1.0) -> Tensor:
        """Normal numbers from the generator that belongs to ``name``."""
        digest = hashlib.sha256(f"{self.seed}|{name}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        return torch.randn(tuple(shape), generator=generator) * deviation

    def directions(self, name: str, count: int, width: int) -> Tensor:
        """``count`` unit vectors."""
        vectors = self.normal(name, (count, width))
        return vectors / vectors.norm(dim=1, keepdim=True)

    def put(self, name: str, tensor: Tensor) -> None:
        """Keep ``tensor`` in the file's type."""
        self.tensors[name] = tensor.to(self.dtype).contiguous()

    def norm(self, name: str, width: int) -> None:
        """A neutral normalisation layer."""
        self.put(f"{name}.weight", torch.ones(width))
        self.put(f"{name}.bias", torch.zeros(width))

    def linear(self, name: str, out: int, inputs: int, gain: float = 1.0, *, bias: bool = True) -> None:
        """A random linear layer whose output has deviation ``gain`` for unit input."""
        self.put(f"{name}.weight", self.normal(f"{name}.weight", (out, inputs), gain / math.sqrt(inputs)))
        if bias:
            self.put(f"{name}.bias", self.normal(f"{name}.bias", (out,), 0.02 * gain))

    def conv(self, name: str, out: int, inputs: int, kernel: int, gain: float = 1.0) -> None:
        """A random convolution, like ``linear``."""
        deviation = gain / math.sqrt(inputs * kernel * kernel)
        self.put(f"{name}.weight", self.normal(f"{name}.weight", (out, inputs, kernel, kernel), deviation))
        self.put(f"{name}.bias", self.normal(f"{name}.bias", (out,), 0.02 * gain))

    def fixed(self, name: str, weight: Tensor, bias: Tensor | None = None) -> None:
        """A layer with given weights."""
        self.put(f"{name}.weight", weight)
        self.put(f"{name}.bias", torch.zeros(weight.shape[0]) if bias is None else bias)


def mirrored(rows: Tensor) -> Tensor:
    """Rows (+r, -r) next to each other."""
    return torch.stack([rows, -rows], 1).reshape(2 * rows.shape[0], *rows.shape[1:])


def centred(matrix: Tensor) -> Tensor:
    """A 3x3 convolution that applies ``matrix`` at each point."""
    weight = torch.zeros(*matrix.shape, 3, 3)
    weight[:, :, 1, 1] = matrix
    return weight


def pointwise(matrix: Tensor) -> Tensor:
    """A 1x1 convolution that applies ``matrix``."""
    return matrix.reshape(*matrix.shape, 1, 1)


def right_inverse(matrix: Tensor) -> Tensor:
    """Pseudo-inverse, computed in float64."""
    return torch.linalg.pinv(matrix.double()).float()


# --- UNet ---------------------------------------------------------------------------------------------------------


def draw_unet(draw: Draw, sizes: Sizes) -> None:
    """The noise predictor."""
    base, time_width = sizes.unet_widths[0], 4 * sizes.unet_widths[0]
    draw.linear(f"{UNET}time_embed.0", time_width, base, 1.5)
    draw.linear(f"{UNET}time_embed.2", time_width, time_width, 1.5)
    if sizes.added_width:
        draw.linear(f"{UNET}label_emb.0.0", time_width, sizes.added_width, 1.5)
        draw.linear(f"{UNET}label_emb.0.2", time_width, time_width, 1.5)
    pairs = draw.directions("pair.a", base // 2, 4)
    entry = torch.zeros(base // 2, sizes.in_channels, 3, 3)
    entry[:, :4, 1, 1] = pairs
    entry += draw.normal("pair.taps", entry.shape) * 0.08
    draw.fixed(f"{UNET}input_blocks.0.0", mirrored(entry))
    skips = draw_down(draw, sizes, time_width, UNET)
    draw_middle(draw, sizes, time_width, UNET)
    _draw_up(draw, sizes, time_width, skips)
    draw.norm(f"{UNET}out.0", base)
    readout = right_inverse(pairs) * 1.6
    weight = torch.zeros(4, base, 3, 3)
    weight[:, 0::2, 1, 1], weight[:, 1::2, 1, 1] = readout, -readout
    texture = draw.normal("out.rand", (4, base, 3, 3), 0.07 / math.sqrt(base))
    weight += texture - texture.mean(dim=1, keepdim=True)
    draw.fixed(f"{UNET}out.2", weight)


def draw_down(draw: Draw, sizes: Sizes, time_width: int, prefix: str) -> list[int]:
    """The input blocks after the first convolution, under ``prefix``; gives the widths that the output blocks get as
    skips.
    """
    width, skips, index = sizes.unet_widths[0], [sizes.unet_widths[0]], 1
    for level, level_width in enumerate(sizes.unet_widths):
        for _ in range(sizes.unet_layers):
            _unet_resnet(draw, f"{prefix}input_blocks.{index}.0", width, level_width, time_width)
            width = level_width
            if level in sizes.attention_levels:
                _transformer(draw, f"{prefix}input_blocks.{index}.1", width, sizes, sizes.depths[level])
            skips.append(width)
            index += 1
        if level < len(sizes.unet_widths) - 1:
            draw.conv(f"{prefix}input_blocks.{index}.0.op", width, width, 3)
            skips.append(width)
            index += 1
    return skips


def draw_middle(draw: Draw, sizes: Sizes, time_width: int, prefix: str) -> None:
    """The block between the way down and the way up."""
    deepest = sizes.unet_widths[-1]
    _unet_resnet(draw, f"{prefix}middle_block.0", deepest, deepest, time_width)
    _transformer(draw, f"{prefix}middle_block.1", deepest, sizes, sizes.depths[-1])
    _unet_resnet(draw, f"{prefix}middle_block.2", deepest, deepest, time_width)


def _draw_up(draw: Draw, sizes: Sizes, time_width: int, skips: list[int]) -> None:
    width, index, base = sizes.unet_widths[-1], 0, sizes.unet_widths[0]
    last = len(sizes.unet_widths) * (sizes.unet_layers + 1) - 1
    for level in reversed(range(len(sizes.unet_widths))):
        for position in range(sizes.unet_layers + 1):
            name, skip, out = f"{UNET}output_blocks.{index}", skips.pop(), sizes.unet_widths[level]
            straight = None
            if index == last:  # the straight route comes in with the skip of the first convolution
                trunk = draw.normal("last.skip", (base, base), 0.5 / math.sqrt(base))
                straight = pointwise(torch.cat([trunk, torch.eye(base)], dim=1))
            _unet_resnet(draw, f"{name}.0", width + skip, out, time_width, straight)
            width, part = out, 1
            if level in sizes.attention_levels:
                _transformer(draw, f"{name}.1", width, sizes, sizes.depths[level])
                part = 2
            if level and position == sizes.unet_layers:
                draw.conv(f"{name}.{part}.conv", width, width, 3)
            index += 1


def _unet_resnet(draw: Draw, name: str, inputs: int, out: int, time_width: int, shortcut: Tensor | None = None) -> None:
    draw.norm(f"{name}.in_layers.0", inputs)
    draw.conv(f"{name}.in_layers.2", out, inputs, 3, 1.2)
    draw.linear(f"{name}.emb_layers.1", out, time_width)
    draw.norm(f"{name}.out_layers.0", out)
    draw.conv(f"{name}.out_layers.3", out, out, 3, 0.35)
    if shortcut is not None:
        draw.fixed(f"{name}.skip_connection", shortcut)
    elif inputs != out:
        draw.conv(f"{name}.skip_connection", out, inputs, 1)


def _transformer(draw: Draw, name: str, width: int, sizes: Sizes, depth: int) -> None:
    draw.norm(f"{name}.norm", width)
    _projection(draw, f"{name}.proj_in", width, 1.0, sizes)
    for block in range(depth):
        _transformer_block(draw, f"{name}.transformer_blocks.{block}", width, sizes.text_width)
    _projection(draw, f"{name}.proj_out", width, 0.5, sizes)


def _projection(draw: Draw, name: str, width: int, gain: float, sizes: Sizes) -> None:
    if sizes.linear_projections:
        draw.linear(name, width, width, gain)
    else:
        draw.conv(name, width, width, 1, gain)


def _transformer_block(draw: Draw, block: str, width: int, text_width: int) -> None:
    for index in (1, 2, 3):
        draw.norm(f"{block}.norm{index}", width)
    for attention, keys, sharpness, gain in (("attn1", width, 1.5, 0.5), ("attn2", text_width, 2.5, 1.1)):
        draw.linear(f"{block}.{attention}.to_q", width, width, math.sqrt(sharpness), bias=False)
        draw.linear(f"{block}.{attention}.to_k", width, keys, math.sqrt(sharpness), bias=False)
        draw.linear(f"{block}.{attention}.to_v", width, keys, bias=False)
        draw.linear(f"{block}.{attention}.to_out.0", width, width, gain)
    draw.linear(f"{block}.ff.net.0.proj", 8 * width, width)
    draw.linear(f"{block}.ff.net.2", width, 4 * width, 0.4)


# --- VAE ----------------------------------------------------------------------------------------------------------


def draw_vae(draw: Draw, sizes: Sizes) -> None:
    """Decoder and encoder, both with a straight route for the colour of each 8x8 block."""
    colours = torch.tensor(LATENT_TO_RGB)
    _draw_decoder(draw, sizes, colours)
    _draw_encoder(draw, sizes, colours)
    draw.fixed(f"{VAE}quant_conv", pointwise(torch.eye(8)))
    draw.fixed(f"{VAE}post_quant_conv", pointwise(torch.eye(4) + draw.normal("pq", (4, 4), 0.05)))


def _draw_decoder(draw: Draw, sizes: Sizes, colours: Tensor) -> None:
    name, narrow, wide = f"{VAE}decoder.", sizes.vae_widths[0], sizes.vae_widths[-1]
    pairs = draw.directions("dec.b", wide // 2, 4)
    draw.fixed(f"{name}conv_in", centred(mirrored(pairs)))
    _vae_middle(draw, name, wide)
    width = wide
    for level in reversed(range(len(sizes.vae_widths))):
        out = sizes.vae_widths[level]
        for index in range(sizes.vae_layers + 1):
            _vae_resnet(draw, f"{name}up.{level}.block.{index}", width, out, torch.eye(out, width))
            width = out
        if level:
            weight = draw.normal(f"dec.up{level}", (width, width, 3, 3), 0.15 / math.sqrt(9 * width))
            draw.fixed(f"{name}up.{level}.upsample.conv", weight + centred(torch.eye(width)))
    draw.norm(f"{name}norm_out", narrow)
    readout = colours.t() @ right_inverse(pairs[: narrow // 2])
    readout = readout / (readout @ pairs[: narrow // 2]).norm(dim=1, keepdim=True) * 0.8 * 0.5
    weight = draw.normal("dec.out", (3, narrow, 3, 3), 0.12 / math.sqrt(9 * narrow))
    weight[:, 0::2, 1, 1] += readout
    weight[:, 1::2, 1, 1] -= readout
    draw.fixed(f"{name}conv_out", weight)


def _draw_encoder(draw: Draw, sizes: Sizes, colours: Tensor) -> None:
    name, narrow, wide = f"{VAE}encoder.", sizes.vae_widths[0], sizes.vae_widths[-1]
    pairs = draw.directions("enc.b", narrow // 2, 3)
    draw.fixed(f"{name}conv_in", centred(mirrored(pairs) * 2.0))
    width = narrow
    for level, out in enumerate(sizes.vae_widths):
        for index in range(sizes.vae_layers):
            _vae_resnet(
                draw,
                f"{name}down.{level}.block.{index}",
                width,
                out,
                torch.eye(width).repeat(-(-out // width), 1)[:out],
            )
            width = out
        if level < len(sizes.vae_widths) - 1:
            weight = draw.normal(f"enc.down{level}", (width, width, 3, 3), 0.15 / math.sqrt(9 * width))
            weight[:, :, :2, :2] += (torch.eye(width) * 0.25)[:, :, None, None]
            draw.fixed(f"{name}down.{level}.downsample.conv", weight)
    _vae_middle(draw, name, wide)
    draw.norm(f"{name}norm_out", wide)
    repeated = pairs.repeat(wide // narrow, 1)
    readout = right_inverse(colours.t()) @ right_inverse(repeated)
    readout = readout / (readout @ repeated).norm(dim=1, keepdim=True) * 12.0 / 1.3
    weight = torch.zeros(8, wide, 3, 3)
    weight[:4] = draw.normal("enc.out", (4, wide, 3, 3), 1.2 / math.sqrt(9 * wide))
    weight[:4, 0::2, 1, 1] += readout
    weight[:4, 1::2, 1, 1] -= readout
    bias = torch.zeros(8)
    bias[4:] = -20.0  # hardly any variance
    draw.fixed(f"{name}conv_out", weight, bias)


def _vae_resnet(draw: Draw, name: str, inputs: int, out: int, shortcut: Tensor) -> None:
    draw.norm(f"{name}.norm1", inputs)
    draw.conv(f"{name}.conv1", out, inputs, 3, 1.2)
    draw.norm(f"{name}.norm2", out)
    draw.conv(f"{name}.conv2", out, out, 3, 0.2)
    if inputs != out:
        draw.fixed(f"{name}.nin_shortcut", pointwise(shortcut))


def _vae_middle(draw: Draw, name: str, width: int) -> None:
    _vae_resnet(draw, f"{name}mid.block_1", width, width, torch.eye(width))
    draw.norm(f"{name}mid.attn_1.norm", width)
    for part, gain in (("q", 1.5), ("k", 1.5), ("v", 1.0), ("proj_out", 0.2)):
        draw.conv(f"{name}mid.attn_1.{part}", width, width, 1, gain)
    _vae_resnet(draw, f"{name}mid.block_2", width, width, torch.eye(width))


# --- Text encoder -------------------------------------------------------------------------------------------------


def draw_text_encoder(draw: Draw, sizes: Sizes, prefix: str = TEXT) -> None:
    """CLIP. Its last norm has a mean far from 0, because emphasis divides by the output's mean."""
    width = sizes.text_width
    draw.tensors[f"{prefix}embeddings.position_ids"] = torch.arange(77).reshape(1, 77)
    draw.put(f"{prefix}embeddings.token_embedding.weight", draw.normal("tok", (sizes.vocabulary, width), 0.5))
    draw.put(f"{prefix}embeddings.position_embedding.weight", draw.normal("pos", (77, width), 0.15))
    for index in range(sizes.text_layers):
        name = f"{prefix}encoder.layers.{index}."
        draw.norm(f"{name}layer_norm1", width)
        draw.norm(f"{name}layer_norm2", width)
        draw.linear(f"{name}self_attn.q_proj", width, width, math.sqrt(2.0))
        draw.linear(f"{name}self_attn.k_proj", width, width, math.sqrt(2.0))
        draw.linear(f"{name}self_attn.v_proj", width, width)
        draw.linear(f"{name}self_attn.out_proj", width, width, TEXT_BRANCH_GAIN)
        draw.linear(f"{name}mlp.fc1", 4 * width, width)
        draw.linear(f"{name}mlp.fc2", width, 4 * width, TEXT_BRANCH_GAIN)
    draw.put(f"{prefix}final_layer_norm.weight", 1.0 + draw.normal("fln.w", (width,), 0.1))
    draw.put(f"{prefix}final_layer_norm.bias", draw.normal("fln.b", (width,), 0.2) - 0.12)


def checkpoint(sizes: Sizes = FULL, seed: int = 15, dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
    """Every tensor of a checkpoint by its single-file name."""
    draw = Draw(seed, dtype)
    draw_unet(draw, sizes)
    draw_vae(draw, sizes)
    draw_text_encoder(draw, sizes)
    return draw.tensors


def write(path: Path, sizes: Sizes = FULL, seed: int = 15, dtype: torch.dtype = torch.float16) -> None:
    """Write the checkpoint; the same file on every machine."""
    note = f"seeded random SD1.5-architecture weights, seed {seed}"
    metadata = {"note": note, "format": "pt"}
    save_file(checkpoint(sizes, seed, dtype), path, metadata=metadata)
    _order_metadata(path, metadata)


def _order_metadata(path: Path, metadata: dict[str, str]) -> None:
    """safetensors writes metadata in an order that changes from run to run; put it in ours (the length stays)."""
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length)
        end = header.index(b"}") + 1
        ordered = b'{"__metadata__":' + json.dumps(metadata, separators=(",", ":")).encode()
        if len(ordered) != end:
            raise ValueError("safetensors changed its header's layout")
        file.seek(8)
        file.write(ordered)


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description="Escribe un modelo de pesos aleatorios con la forma de SD 1.5")
    parser.add_argument("salida", type=Path)
    parser.add_argument("--mini", action="store_true", help="tamaño de juguete, para pruebas")
    parser.add_argument("--semilla", type=int, default=15)
    options = parser.parse_args()
    write(options.salida, MINI if options.mini else FULL, options.semilla)


if __name__ == "__main__":
    main()
