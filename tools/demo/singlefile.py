"""diffusers / transformers names <-> the names inside an original Stable Diffusion 1.x single file (CompVis).

The rules follow the public layout of the original checkpoints: `input_blocks`, `middle_block` and `output_blocks`
numbered one by one, VAE decoder levels counted from the finest, attention of the VAE as 1x1 convolutions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."

_UNET_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def _unet_inner(name: str) -> str:
    """Inside a residual block; attention blocks keep their names."""
    head, _, tail = name.partition(".")
    return f"{_UNET_RESNET[head]}.{tail}" if head in _UNET_RESNET else name


def unet_name(name: str, layers: int, with_attention: frozenset[str]) -> str:
    """diffusers' UNet name -> original name.

    layers: `layers_per_block`. with_attention: the up blocks ("up_blocks.1") that have attention, after which the
    upsampler is the third and not the second module.
    """
    for ours, original in _UNET_ENDS.items():
        if name.startswith(ours + "."):
            return UNET + original + name[len(ours) :]
    if found := re.match(r"down_blocks\.(\d+)\.(resnets|attentions|downsamplers)\.(\d+)\.(.+)", name):
        level, kind, index, rest = int(found[1]), found[2], int(found[3]), found[4]
        first = 1 + level * (layers + 1)
        if kind == "downsamplers":
            return f"{UNET}input_blocks.{first + layers}.0.{rest.replace('conv.', 'op.', 1)}"
        return f"{UNET}input_blocks.{first + index}.{int(kind == 'attentions')}.{_unet_inner(rest)}"
    if found := re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)", name):
        position = 1 if found[1] == "attentions" else 2 * int(found[2])
        return f"{UNET}middle_block.{position}.{_unet_inner(found[3])}"
    if found := re.match(r"(up_blocks\.(\d+))\.(resnets|attentions|upsamplers)\.(\d+)\.(.+)", name):
        level, kind, index, rest = int(found[2]), found[3], int(found[4]), found[5]
        first = level * (layers + 1)
        if kind == "upsamplers":
            return f"{UNET}output_blocks.{first + layers}.{1 + (found[1] in with_attention)}.{rest}"
        return f"{UNET}output_blocks.{first + index}.{int(kind == 'attentions')}.{_unet_inner(rest)}"
    raise KeyError(name)


def vae_name(name: str, levels: int) -> str:
    """diffusers' AutoencoderKL name -> original name, for `levels` resolutions."""
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    if found := re.match(r"(encoder|decoder)\.mid_block\.(resnets|attentions)\.(\d+)\.(.+)", name):
        kind, rest = ("block", found[4]) if found[2] == "resnets" else ("attn", found[4])
        if kind == "attn":
            inner, _, parameter = rest.rpartition(".")
            rest = f"{_VAE_ATTENTION[inner]}.{parameter}"
        return f"{VAE}{found[1]}.mid.{kind}_{int(found[3]) + 1}.{rest}"
    if found := re.match(r"encoder\.down_blocks\.(\d+)\.(resnets|downsamplers)\.(\d+)\.(.+)", name):
        middle = f"block.{found[3]}" if found[2] == "resnets" else "downsample"
        return f"{VAE}encoder.down.{found[1]}.{middle}.{found[4]}"
    if found := re.match(r"decoder\.up_blocks\.(\d+)\.(resnets|upsamplers)\.(\d+)\.(.+)", name):
        middle = f"block.{found[3]}" if found[2] == "resnets" else "upsample"
        return f"{VAE}decoder.up.{levels - 1 - int(found[1])}.{middle}.{found[4]}"
    return VAE + name


def unet_names(keys: list[str]) -> dict[str, str]:
    """diffusers name -> original name for every key of one UNet."""
    layers = 1 + max(int(m[1]) for k in keys if (m := re.match(r"down_blocks\.0\.resnets\.(\d+)", k)))
    attention = frozenset(m[1] for k in keys if (m := re.match(r"(up_blocks\.\d+)\.attentions", k)))
    return {key: unet_name(key, layers, attention) for key in keys}


def vae_names(keys: list[str]) -> dict[str, str]:
    """diffusers name -> original name for every key of one autoencoder."""
    levels = 1 + max(int(m[1]) for k in keys if (m := re.match(r"encoder\.down_blocks\.(\d+)", k)))
    return {key: vae_name(key, levels) for key in keys}


def to_single_file(
    unet: Mapping[str, Tensor], vae: Mapping[str, Tensor], text: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Original names and shapes from the three state dicts (`text` with `text_model.*` names)."""
    found = {original: unet[key] for key, original in unet_names(list(unet)).items()}
    for key, original in vae_names(list(vae)).items():
        as_conv = "mid.attn_1." in original and vae[key].ndim == 2
        found[original] = vae[key][:, :, None, None] if as_conv else vae[key]
    found |= {TEXT + key: value for key, value in text.items()}
    length = text["text_model.embeddings.position_embedding.weight"].shape[0]
    found[TEXT + "text_model.embeddings.position_ids"] = torch.arange(length).reshape(1, length)
    return found


def from_single_file(
    tensors: Mapping[str, Tensor], unet_keys: list[str], vae_keys: list[str]
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """The inverse: state dicts of UNet, VAE and text encoder, given the names that the empty modules have."""
    unet = {key: tensors[original] for key, original in unet_names(unet_keys).items()}
    vae = {}
    for key, original in vae_names(vae_keys).items():
        value = tensors[original]
        vae[key] = value[:, :, 0, 0] if "mid.attn_1." in original and value.ndim == 4 else value
    text = {
        k.removeprefix(TEXT): v for k, v in tensors.items() if k.startswith(TEXT) and not k.endswith("position_ids")
    }
    return unet, vae, text


def write(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Save as fp16 (integers stay as they are), tensors in name order."""
    halves = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in sorted(tensors.items())}
    save_file(halves, str(path), metadata=metadata)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file."""
    with safe_open(str(path), framework="pt") as stored:
        return {key: stored.get_tensor(key) for key in stored.keys()}, stored.metadata() or {}  # noqa: SIM118
