"""How near each place is: DPT (MiDaS 3.0; Ranftl et al. 2021, arXiv:2103.13413) and Depth Anything 1 and 2 (Yang et al.
2024, arXiv:2401.10891 and 2406.09414), by transformers' modules and the files that AUTOMATIC1111's extension uses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
)

from sdcolab.core.errors import ModelUnreadable
from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.preprocessors.nets.filling import filled, filled_with, normalised, read, tensor

_MIDAS_SIDE = 384
"""What DPT was trained at; transformers' module takes squares only."""
_ANYTHING_SIDE, _PATCH = 518, 14

_SIZES: Mapping[int, tuple[int, int, tuple[int, ...], int, tuple[int, ...]]] = {
    384: (12, 6, (48, 96, 192, 384), 64, (3, 6, 9, 12)),
    768: (12, 12, (96, 192, 384, 768), 128, (3, 6, 9, 12)),
    1024: (24, 16, (256, 512, 1024, 1024), 256, (5, 12, 18, 24)),
}
"""By width: layers, heads, channels of the neck and of its merging, and which layers version 2 looks at."""

_QKV = re.compile(r"(.*)\.(?:blocks|layer)\.(\d+)\.attn\.qkv\.(weight|bias)$")
_THIRDS = (
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
)
_OUTS = ("attention.output.dense", "attention.o_proj")
"""transformers' names of an attention's parts, which differ between its versions."""

_MIDAS = (
    (r"^pretrained\.model\.patch_embed\.backbone\.stem\.conv\.", "dpt.embeddings.backbone.bit.embedder.convolution."),
    (r"^pretrained\.model\.patch_embed\.backbone\.stem\.norm\.", "dpt.embeddings.backbone.bit.embedder.norm."),
    (
        r"^pretrained\.model\.patch_embed\.backbone\.stages\.(\d+)\.blocks\.",
        r"dpt.embeddings.backbone.bit.encoder.stages.\1.layers.",
    ),
    (r"^pretrained\.model\.patch_embed\.proj\.", "dpt.embeddings.projection."),
    (r"^pretrained\.model\.cls_token$", "dpt.embeddings.cls_token"),
    (r"^pretrained\.model\.pos_embed$", "dpt.embeddings.position_embeddings"),
    (r"^pretrained\.model\.norm\.", "dpt.layernorm."),
    (r"^pretrained\.model\.blocks\.(\d+)\.norm1\.", r"dpt.encoder.layer.\1.layernorm_before."),
    (r"^pretrained\.model\.blocks\.(\d+)\.norm2\.", r"dpt.encoder.layer.\1.layernorm_after."),
    (r"^pretrained\.model\.blocks\.(\d+)\.mlp\.fc1\.", r"dpt.encoder.layer.\1.intermediate.dense."),
    (r"^pretrained\.model\.blocks\.(\d+)\.mlp\.fc2\.", r"dpt.encoder.layer.\1.output.dense."),
    (r"^pretrained\.model\.blocks\.(\d+)\.attn\.", r"dpt.encoder.layer.\1.attn."),
    (r"^pretrained\.act_postprocess3\.0\.project\.0\.", "neck.reassemble_stage.readout_projects.2.0."),
    (r"^pretrained\.act_postprocess4\.0\.project\.0\.", "neck.reassemble_stage.readout_projects.3.0."),
    (r"^pretrained\.act_postprocess3\.3\.", "neck.reassemble_stage.layers.2.projection."),
    (r"^pretrained\.act_postprocess4\.3\.", "neck.reassemble_stage.layers.3.projection."),
    (r"^pretrained\.act_postprocess4\.4\.", "neck.reassemble_stage.layers.3.resize."),
    (r"^scratch\.output_conv\.", "head.head."),
)
_ANYTHING = (
    (r"^pretrained\.(cls_token|mask_token)$", r"backbone.embeddings.\1"),
    (r"^pretrained\.pos_embed$", "backbone.embeddings.position_embeddings"),
    (r"^pretrained\.patch_embed\.proj\.", "backbone.embeddings.patch_embeddings.projection."),
    (r"^pretrained\.blocks\.(\d+)\.ls([12])\.gamma$", r"backbone.encoder.layer.\1.layer_scale\2.lambda1"),
    (r"^pretrained\.blocks\.", "backbone.encoder.layer."),
    (r"^pretrained\.norm\.", "backbone.layernorm."),
    (r"^depth_head\.projects\.(\d)\.", r"neck.reassemble_stage.layers.\1.projection."),
    (r"^depth_head\.resize_layers\.(\d)\.", r"neck.reassemble_stage.layers.\1.resize."),
    (r"^depth_head\.scratch\.output_conv1\.", "head.conv1."),
    (r"^depth_head\.scratch\.output_conv2\.0\.", "head.conv2."),
    (r"^depth_head\.scratch\.output_conv2\.2\.", "head.conv3."),
    (r"^depth_head\.scratch\.", "scratch."),
)
FUSION = re.compile(r"^scratch\.(?:layer(\d)_rn|refinenet(\d)\.(?:out_conv|resConfUnit(\d)\.conv(\d)))\.")
"""The neck's convolutions, whose merging layers transformers counts from the other end."""


def fused(match: re.Match[str]) -> str:
    """transformers' name of what ``FUSION`` found."""
    row, layer, unit, conv = match.groups()
    if row:
        return f"neck.convs.{int(row) - 1}."
    place = f"neck.fusion_stage.layers.{4 - int(layer)}."
    return f"{place}residual_layer{unit}.convolution{conv}." if unit else f"{place}projection."


def renamed(
    given: Mapping[str, Tensor], rules: tuple[tuple[str, str], ...], wanted: frozenset[str]
) -> Mapping[str, Tensor]:
    """``given`` by transformers' names: ``rules`` (pattern, replacement), then the neck's and the attention's."""
    state: dict[str, Tensor] = {}
    for name, weight in given.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        name = FUSION.sub(fused, name)
        if found := _QKV.match(name):
            place = f"{found[1]}.layer.{found[2]}"
            for names, third in zip(_THIRDS, weight.chunk(3), strict=True):
                state[_present(f"{place}.{{}}.{found[3]}", names, wanted)] = third
        else:
            stem, out, kind = name.partition(".attn.proj.")
            state[_present(f"{stem}.{{}}.{kind}", _OUTS, wanted) if out else name] = weight
    return state


def _present(form: str, names: tuple[str, str], wanted: frozenset[str]) -> str:
    return next((form.format(name) for name in names if form.format(name) in wanted), form.format(names[0]))


def _into(net: nn.Module, path: Path, rules: tuple[tuple[str, str], ...], device: str) -> nn.Module:
    wanted = frozenset(net.state_dict())
    return filled(net, path, lambda given: renamed(given, rules, wanted), device)


def midas_net() -> DPTForDepthEstimation:
    """DPT-Hybrid as MiDaS 3.0 has it."""
    config = DPTConfig(is_hybrid=True, reassemble_factors=(1, 1, 1, 0.5), neck_hidden_sizes=(256, 512, 768, 768))
    return DPTForDepthEstimation(config)


@torch.no_grad()
def midas(picture: Pixels, path: Path, device: str) -> Tensor:
    """How near each place is [H, W], on the CPU: larger is nearer, without a unit. Raises what ``filled`` raises."""
    image = tensor(_sized(picture, _MIDAS_SIDE, _MIDAS_SIDE), device) / 127.5 - 1
    return _at_size(_into(midas_net(), path, _MIDAS, device)(image).predicted_depth, picture)


@torch.no_grad()
def midas_answer(image: Tensor, given: Mapping[str, Tensor], path: Path) -> Tensor:
    """How near each place of ``image`` [1, 3, H, W] (-1..1) is, as the network with the weights ``given`` (MiDaS'
    names, from the file ``path``) answers where the image is: float32 [1, 1, 384, 384]. Raises ``ModelUnreadable``.
    """
    net = midas_net()
    named = renamed(given, _MIDAS, frozenset(net.state_dict()))
    square = functional.interpolate(image, (_MIDAS_SIDE, _MIDAS_SIDE), mode="bicubic", align_corners=False)
    depth: Tensor = filled_with(net, named, path, str(image.device))(square).predicted_depth
    return depth[None].float()


def anything_net(width: int, version: int, path: Path) -> DepthAnythingForDepthEstimation:
    """Depth Anything of ``width`` channels. Version 1 looks at the last four layers, version 2 at spread ones.

    Raises ``ModelUnreadable`` when there is none of this width.
    """
    if width not in _SIZES:
        raise ModelUnreadable(path=path, reason="not_a_model")
    layers, heads, neck, merging, spread = _SIZES[width]
    backbone = Dinov2Config(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        image_size=_ANYTHING_SIDE,
        patch_size=_PATCH,
        out_indices=list(spread) if version == 2 else list(range(layers - 3, layers + 1)),
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    return DepthAnythingForDepthEstimation(
        DepthAnythingConfig(
            backbone_config=backbone,
            reassemble_hidden_size=width,
            neck_hidden_sizes=neck,
            fusion_hidden_size=merging,
        )
    )


@torch.no_grad()
def anything(picture: Pixels, path: Path, device: str, version: int) -> Tensor:
    """The same by Depth Anything of any of its three sizes."""
    width = read(path).get("pretrained.cls_token", torch.empty(0)).shape[-1]
    net = _into(anything_net(width, version, path), path, _ANYTHING, device)
    height, across = picture.shape[:2]
    scale = _ANYTHING_SIDE / min(height, across)
    rows, columns = (max(1, round(side * scale / _PATCH)) * _PATCH for side in (height, across))
    image = normalised(_sized(picture, rows, columns), device)
    return _at_size(net(image).predicted_depth, picture)


def _sized(picture: Pixels, height: int, width: int) -> Pixels:
    grows = height * width > picture.shape[0] * picture.shape[1]
    method = cv2.INTER_CUBIC if grows else cv2.INTER_AREA
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)


def _at_size(depth: Tensor, picture: Pixels) -> Tensor:
    sized = functional.interpolate(depth[None], picture.shape[:2], mode="bilinear", align_corners=False)
    return sized[0, 0].float().cpu()


def shown(depth: Tensor) -> Pixels:
    """White is the nearest place of the picture and black the farthest, [H, W]."""
    low, high = depth.min(), depth.max()
    grey = (depth - low) / (high - low) if high > low else torch.zeros_like(depth)
    return np.asarray((grey * 255).numpy(), np.uint8)
