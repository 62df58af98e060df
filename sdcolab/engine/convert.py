"""From the tensor names of single-file checkpoints (CompVis) to diffusers' and transformers' names, and from shapes to
configs.

Pure functions over names and shapes; torch is not needed. Every size comes from a shape, so a miniature checkpoint and
a 2 GB one take the same path. What shapes cannot tell is fixed by the family (``engine.families``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Shape = tuple[int, ...]
Config = dict[str, Any]

UNET_PREFIX = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."
GROUPS = 32
"""Groups of every GroupNorm (Rombach et al. 2022, code of latent-diffusion); fewer only when widths are not multiples.
"""


class TextKind(StrEnum):
    """Whose text encoder it is: OpenAI's CLIP (Radford et al. 2021) in transformers' names, or one of OpenCLIP (Cherti
    et al. 2022, arXiv:2212.07143) in its own. Names, activation, tokenizer and padding go with it.
    """

    CLIP = "clip"
    OPEN_CLIP = "open_clip"


class TextReading(StrEnum):
    """Which layer of a text encoder the UNet was trained to read (hechos/a1111.md 1.9)."""

    CLIP_SKIP = "clip_skip"
    """The last or the one that clip skip asks for, normalised."""
    PENULTIMATE = "penultimate"
    """The last but one, normalised. The last layer is never used, so it is not loaded."""
    PENULTIMATE_RAW = "penultimate_raw"
    """The last but one as it is."""


class SizeConditioning(StrEnum):
    """What a UNet is told beside the text (Podell et al. 2023, arXiv:2307.01952, section 2.2; hechos/a1111.md 1.10)."""

    NONE = "none"
    TARGET = "target"
    """Pooled text, original size, crop and target size."""
    SCORE = "score"
    """Pooled text, original size, crop and aesthetic score."""

    @property
    def numbers(self) -> int:
        """How many numbers follow the pooled text."""
        return {SizeConditioning.NONE: 0, SizeConditioning.TARGET: 6, SizeConditioning.SCORE: 5}[self]


@dataclass(frozen=True, slots=True)
class TextLayout:
    """One text encoder of a family. ``prefixes``: where its tensors may start. ``pooled``: whether the UNet reads the
    projected vector of the whole text too.
    """

    prefixes: tuple[str, ...]
    kind: TextKind
    reading: TextReading
    pooled: bool = False


@dataclass(frozen=True, slots=True)
class FamilyLayout:
    """What shapes do not tell about a family.

    ``texts``: its text encoders, in the order in which the UNet reads them. ``unet_heads``: attention heads at every
    level of the UNet; None where each has ``HEAD_WIDTH`` channels. ``latent_scale``: UNet latents = VAE latents * this.
    """

    texts: tuple[TextLayout, ...]
    unet_heads: int | None
    latent_scale: float
    size_conditioning: SizeConditioning = SizeConditioning.NONE


HEAD_WIDTH = 64
"""Channels of an attention head, in every text encoder and in the UNets of SD 2 and XL."""

SIZE_CHANNELS = 256
"""Channels of the sinusoidal embedding of each number that SDXL is told beside the text."""


class MissingTensor(LookupError):
    """A tensor that the layout needs is not there; ``args[0]`` is its new name."""


class Shapes(dict[str, Shape]):
    """Shapes by new name. A miss raises ``MissingTensor``."""

    def __missing__(self, name: str) -> Shape:
        raise MissingTensor(name)


Rename = Callable[[str], str | None]


def renamed(names: Iterable[str], prefix: str, rename: Rename) -> dict[str, str]:
    """New name -> name in the file, for the names that start with ``prefix`` and that ``rename`` knows."""
    found: dict[str, str] = {}
    for name in names:
        new = rename(name[len(prefix) :]) if name.startswith(prefix) else None
        if new is not None:
            found[new] = name
    return found


# --- UNet ---------------------------------------------------------------------------------------------------------

_RESNET_PARTS = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_UNET_ENDS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
}
_MIDDLE_PARTS = {"0": "resnets.0", "1": "attentions.0", "2": "resnets.1"}


def unet_layers(names: Iterable[str]) -> int:
    """Residual blocks a level: the input blocks between the first convolution and the first downsampler."""
    found = (re.match(r"input_blocks\.(\d+)\.0\.(op|in_layers)\.", name.removeprefix(UNET_PREFIX)) for name in names)
    blocks = {int(match[1]): match[2] for match in found if match}
    downsamplers = [index for index, part in blocks.items() if part == "op"]
    return (min(downsamplers) if downsamplers else max(blocks, default=1) + 1) - 1


def unet_rename(layers: int) -> Rename:
    """Renaming of UNet tensors (without prefix) for ``layers`` residual blocks a level."""

    def rename(name: str) -> str | None:
        for old, new in _UNET_ENDS.items():
            if name.startswith(old + "."):
                return new + name[len(old) :]
        match = re.fullmatch(r"(input_blocks|output_blocks)\.(\d+)\.(\d+)\.(.+)", name)
        if match:
            return _unet_block(match[1], int(match[2]), int(match[3]), match[4], layers)
        match = re.fullmatch(r"middle_block\.([012])\.(.+)", name)
        return f"mid_block.{_MIDDLE_PARTS[match[1]]}.{_resnet_part(match[2])}" if match else None

    return rename


def _unet_block(side: str, index: int, part: int, rest: str, layers: int) -> str | None:
    """Name of ``side.index.part.rest``: input blocks count from the first convolution, output blocks from 0."""
    down = side == "input_blocks"
    level, position = divmod(index - 1 if down else index, layers + 1)
    block = f"{'down' if down else 'up'}_blocks.{level}"
    if rest.startswith("op."):
        return f"{block}.downsamplers.0.conv.{rest[3:]}"
    if part == 0:
        return f"{block}.resnets.{position}.{_resnet_part(rest)}"
    if rest.startswith("conv."):
        return f"{block}.upsamplers.0.{rest}"
    return f"{block}.attentions.{position}.{rest}"


def _resnet_part(rest: str) -> str:
    for old, new in _RESNET_PARTS.items():
        if rest.startswith(old + "."):
            return new + rest[len(old) :]
    return rest


def unet_config(shapes: Shapes, layout: FamilyLayout, layers: int) -> Config:
    """Arguments of ``UNet2DConditionModel`` for tensors of these shapes (new names). Raises ``MissingTensor``."""
    widths = _level_widths(shapes, "down_blocks.{}.resnets.0.conv1.weight")
    attention = [f"down_blocks.{level}.attentions.0.proj_in.weight" for level in range(len(widths))]
    has_attention = [name in shapes for name in attention]
    first_attention = next((name for name in attention if name in shapes), "mid_block.attentions.0.proj_in.weight")
    depths = [_depth(shapes, f"down_blocks.{level}.attentions.0") for level in range(len(widths))]
    # diffusers gives the middle block the last level's depth; in SDXL's refiner only the middle has attention there.
    depths[-1] = depths[-1] or _depth(shapes, "mid_block.attentions.0")
    time_width, base_width = shapes["time_embedding.linear_1.weight"]
    return {
        "in_channels": shapes["conv_in.weight"][1],
        "out_channels": shapes["conv_out.weight"][0],
        "down_block_types": tuple("CrossAttnDownBlock2D" if has else "DownBlock2D" for has in has_attention),
        "up_block_types": tuple("CrossAttnUpBlock2D" if has else "UpBlock2D" for has in reversed(has_attention)),
        "block_out_channels": widths,
        "layers_per_block": layers,
        "cross_attention_dim": shapes["mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"][1],
        "transformer_layers_per_block": tuple(max(1, depth) for depth in depths),
        # diffusers' name for the number of heads in this class
        "attention_head_dim": layout.unet_heads or tuple(_heads(width) for width in widths),
        "use_linear_projection": len(shapes[first_attention]) == 2,
        "norm_num_groups": math.gcd(GROUPS, *widths),
        "time_embedding_dim": None if time_width == 4 * base_width else time_width,
        **_size_config(shapes, layout),
    }


def _size_config(shapes: Shapes, layout: FamilyLayout) -> Config:
    if layout.size_conditioning is SizeConditioning.NONE:
        return {}
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": SIZE_CHANNELS,
        "projection_class_embeddings_input_dim": shapes["add_embedding.linear_1.weight"][1],
    }


def _heads(width: int) -> int:
    """Heads of ``HEAD_WIDTH`` channels, or one where ``width`` is no multiple (miniature models)."""
    return width // HEAD_WIDTH if width % HEAD_WIDTH == 0 else 1


def _level_widths(shapes: Shapes, pattern: str) -> tuple[int, ...]:
    widths: list[int] = []
    while pattern.format(len(widths)) in shapes:
        widths.append(shapes[pattern.format(len(widths))][0])
    if not widths:
        raise MissingTensor(pattern.format(0))
    return tuple(widths)


def _depth(shapes: Shapes, attention: str) -> int:
    depth = 0
    while f"{attention}.transformer_blocks.{depth}.norm1.weight" in shapes:
        depth += 1
    return depth


# --- VAE ----------------------------------------------------------------------------------------------------------

_VAE_RULES = (
    (re.compile(r"^encoder\.down\.(\d+)\.block\."), r"encoder.down_blocks.\1.resnets."),
    (re.compile(r"^encoder\.down\.(\d+)\.downsample\."), r"encoder.down_blocks.\1.downsamplers.0."),
    (re.compile(r"^decoder\.up\.(\d+)\.block\."), r"decoder.up_blocks.\1.resnets."),
    (re.compile(r"^decoder\.up\.(\d+)\.upsample\."), r"decoder.up_blocks.\1.upsamplers.0."),
    (re.compile(r"\.mid\.block_1\."), ".mid_block.resnets.0."),
    (re.compile(r"\.mid\.block_2\."), ".mid_block.resnets.1."),
    (re.compile(r"\.mid\.attn_1\."), ".mid_block.attentions.0."),
    (re.compile(r"\.norm_out\."), ".conv_norm_out."),
    (re.compile(r"\.nin_shortcut\."), ".conv_shortcut."),
    (re.compile(r"(\.attentions\.0)\.norm\."), r"\1.group_norm."),
    (re.compile(r"(\.attentions\.0)\.(?:q|query)\."), r"\1.to_q."),
    (re.compile(r"(\.attentions\.0)\.(?:k|key)\."), r"\1.to_k."),
    (re.compile(r"(\.attentions\.0)\.(?:v|value)\."), r"\1.to_v."),
    (re.compile(r"(\.attentions\.0)\.(?:proj_out|proj_attn)\."), r"\1.to_out.0."),
)
_VAE_PARTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
_UP_LEVEL = re.compile(r"^decoder\.up_blocks\.(\d+)\.")


def vae_rename(names: Iterable[str], prefix: str) -> Rename:
    """Renaming of VAE tensors (without prefix). Files in diffusers' own names, old and new, pass through.

    CompVis counts the decoder's levels from the output, diffusers from the input, so all ``names`` are looked at first.
    """
    found = [re.match(r"decoder\.up\.(\d+)\.", name.removeprefix(prefix)) for name in names]
    last = max((int(match[1]) for match in found if match), default=None)

    def rename(name: str) -> str | None:
        if not name.startswith(_VAE_PARTS):
            return None
        for pattern, replacement in _VAE_RULES:
            name = pattern.sub(replacement, name)
        if last is None:
            return name
        return _UP_LEVEL.sub(lambda match: f"decoder.up_blocks.{last - int(match[1])}.", name)

    return rename


def vae_config(shapes: Shapes, layout: FamilyLayout) -> Config:
    """Arguments of ``AutoencoderKL`` for tensors of these shapes (new names). Raises ``MissingTensor``."""
    widths = _level_widths(shapes, "encoder.down_blocks.{}.resnets.0.conv1.weight")
    layers = 0
    while f"encoder.down_blocks.0.resnets.{layers}.conv1.weight" in shapes:
        layers += 1
    return {
        "in_channels": shapes["encoder.conv_in.weight"][1],
        "out_channels": shapes["decoder.conv_out.weight"][0],
        "down_block_types": ("DownEncoderBlock2D",) * len(widths),
        "up_block_types": ("UpDecoderBlock2D",) * len(widths),
        "block_out_channels": widths,
        "layers_per_block": layers,
        "latent_channels": shapes["decoder.conv_in.weight"][1],
        "norm_num_groups": math.gcd(GROUPS, *widths),
        "mid_block_add_attention": "decoder.mid_block.attentions.0.to_q.weight" in shapes,
        "use_quant_conv": "quant_conv.weight" in shapes,
        "use_post_quant_conv": "post_quant_conv.weight" in shapes,
        "scaling_factor": layout.latent_scale,
    }


# --- Text encoder -------------------------------------------------------------------------------------------------


def text_rename(name: str) -> str | None:
    """CLIP text tensors keep their names; index buffers are rebuilt, whatever odd type the file gives them."""
    return (
        name
        if name.startswith(("embeddings.", "encoder.", "final_layer_norm.")) and "position_ids" not in name
        else None
    )


_OPEN_CLIP_ENDS = {
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
_OPEN_CLIP_PARTS = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_OPEN_CLIP_BLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)[._](weight|bias)")
QUERY_KEY_VALUE = ("q_proj", "k_proj", "v_proj")


def open_clip_rename(name: str) -> tuple[str, ...]:
    """transformers' names for a text tensor of OpenCLIP (without prefix): none, one, or three for the fused projection
    of query, key and value, which are equal parts of its rows in this order.
    """
    if name in _OPEN_CLIP_ENDS:
        return (_OPEN_CLIP_ENDS[name],)
    match = _OPEN_CLIP_BLOCK.fullmatch(name)
    if match is None:
        return ()
    layer, (part, kind) = f"encoder.layers.{match[1]}", match.group(2, 3)
    if part == "attn.in_proj":
        return tuple(f"{layer}.self_attn.{projection}.{kind}" for projection in QUERY_KEY_VALUE)
    return (f"{layer}.{_OPEN_CLIP_PARTS[part]}.{kind}",) if part in _OPEN_CLIP_PARTS else ()


_ACTIVATIONS = {TextKind.CLIP: "quick_gelu", TextKind.OPEN_CLIP: "gelu"}
_VIT_H_LAYERS_LEFT = 1024, 23
"""Width and layers of SD 2's text encoder in files that were saved without the last layer."""


def text_config(shapes: Shapes, layout: TextLayout) -> Config:
    """Arguments of ``CLIPTextConfig`` for tensors of these shapes (transformers' names). Raises ``MissingTensor``."""
    vocabulary, width = shapes["embeddings.token_embedding.weight"]
    layers = 0
    while f"encoder.layers.{layers}.mlp.fc1.weight" in shapes:
        layers += 1
    if layout.reading is TextReading.PENULTIMATE and (width, layers) != _VIT_H_LAYERS_LEFT:
        layers -= 1
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": shapes["encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": layers,
        "num_attention_heads": _heads(width),
        "max_position_embeddings": shapes["embeddings.position_embedding.weight"][0],
        "hidden_act": _ACTIVATIONS[layout.kind],
        "projection_dim": width,
    }
