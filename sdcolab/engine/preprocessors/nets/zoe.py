"""How far each place is, in metres (ZoeDepth; Bhat et al. 2023, arXiv:2302.12288), by transformers' module and the file
ZoeD_M12_N.pt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import ZoeDepthConfig, ZoeDepthForDepthEstimation

from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.preprocessors.nets.depth import FUSION, fused
from sdcolab.engine.preprocessors.nets.filling import read, tensor
from sdcolab.engine.preprocessors.nets.pretrained import pretrained

_SIZE, _STEP = (384, 512), 32
"""Rows and columns that the net was trained at, and what its input's are multiples of."""
_BORDER = 3
"""The picture's edges are mirrored outwards by this times the root of half its side, for the training pictures had
white frames."""
_NEAR, _FAR = 2, 85
"""Percentiles that become white and black."""

_MODEL, _BLOCK = r"^core\.core\.pretrained\.model\.", r"^core\.core\.pretrained\.model\.blocks\.(\d+)\."
_LAYER = r"backbone.encoder.layer.\1."
_RULES = (
    (_MODEL + r"cls_token$", "backbone.embeddings.cls_token"),
    (_MODEL + r"patch_embed\.proj\.", "backbone.embeddings.patch_embeddings.projection."),
    (_BLOCK + r"gamma_([12])$", _LAYER + r"lambda_\2"),
    (_BLOCK + r"norm1\.", _LAYER + "layernorm_before."),
    (_BLOCK + r"norm2\.", _LAYER + "layernorm_after."),
    (_BLOCK + r"mlp\.fc1\.", _LAYER + "intermediate.dense."),
    (_BLOCK + r"mlp\.fc2\.", _LAYER + "output.dense."),
    (_BLOCK + r"attn\.proj\.", _LAYER + "attention.output.dense."),
    (_BLOCK + r"attn\.q_bias$", _LAYER + "attention.attention.query.bias"),
    (_BLOCK + r"attn\.v_bias$", _LAYER + "attention.attention.value.bias"),
    (_BLOCK + r"attn\.relative", _LAYER + "attention.attention.relative_position_bias.relative"),
    (
        r"^core\.core\.pretrained\.act_postprocess(\d)\.0\.project\.0\.",
        r"neck.reassemble_stage.readout_projects.#\1.0.",
    ),
    (r"^core\.core\.pretrained\.act_postprocess(\d)\.3\.", r"neck.reassemble_stage.layers.#\1.projection."),
    (r"^core\.core\.pretrained\.act_postprocess(\d)\.4\.", r"neck.reassemble_stage.layers.#\1.resize."),
    (r"^core\.core\.scratch\.output_conv\.0\.", "relative_head.conv1."),
    (r"^core\.core\.scratch\.output_conv\.2\.", "relative_head.conv2."),
    (r"^core\.core\.scratch\.output_conv\.4\.", "relative_head.conv3."),
    (r"^core\.core\.scratch\.", "scratch."),
    (r"^(conv2|seed_|projectors|attractors|conditional)", r"metric_head.\1"),
    (r"\._net\.0\.", ".conv1."),
    (r"\._net\.2\.", ".conv2."),
)
"""The file's names as those of transformers' files; "#1" counts from 1."""
_COUNTED = re.compile(r"#(\d)")
_QKV = re.compile(_BLOCK + r"attn\.qkv\.weight$")


def net_config() -> ZoeDepthConfig:
    """The net's shape as its file has it."""
    return ZoeDepthConfig()


def renamed(given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The file's weights by the names that transformers' files have."""
    state: dict[str, Tensor] = {}
    for name, weight in given.items():
        if found := _QKV.match(name):
            for part, third in zip(("query", "key", "value"), weight.chunk(3), strict=True):
                state[f"backbone.encoder.layer.{found[1]}.attention.attention.{part}.weight"] = third
            continue
        for pattern, replacement in _RULES:
            name = re.sub(pattern, replacement, name)
        name = _COUNTED.sub(lambda match: str(int(match[1]) - 1), name)
        state[FUSION.sub(fused, name)] = weight
    return state


@torch.no_grad()
def metres(picture: Pixels, path: Path, device: str) -> Tensor:
    """The distance of each place in metres [H, W], on the CPU: the mean of what is seen in the picture and in its
    mirror image. Raises what ``pretrained`` raises."""
    net = pretrained(ZoeDepthForDepthEstimation, net_config(), renamed(read(path)), path, device)
    height, width = picture.shape[:2]
    down, right = (min(int((side / 2) ** 0.5 * _BORDER), side - 1) for side in (height, width))
    framed = cv2.copyMakeBorder(picture, down, down, right, right, cv2.BORDER_REFLECT_101)
    image = _sized(tensor(np.asarray(framed, np.uint8), device)) / 127.5 - 1
    both = net(torch.cat([image, image.flip(3)])).predicted_depth
    seen = functional.interpolate(
        ((both[:1] + both[1:].flip(2)) / 2)[None], framed.shape[:2], mode="bicubic", align_corners=False
    )
    return seen[0, 0, down : down + height, right : right + width].float().cpu()


def _sized(image: Tensor) -> Tensor:
    """As near to ``_SIZE`` as one scale brings it, the one that changes least."""
    scales = [wanted / side for wanted, side in zip(_SIZE, image.shape[2:], strict=True)]
    scale = min(scales, key=lambda one: abs(1 - one))
    size = [max(1, round(side * scale / _STEP)) * _STEP for side in image.shape[2:]]
    return functional.interpolate(image, size, mode="bilinear", align_corners=True)


def shown(distance: Tensor) -> Pixels:
    """White is near and black far, [H, W]; the few farthest and nearest places do not count."""
    near, far = np.percentile(distance.numpy(), (_NEAR, _FAR))
    grey = 1 - (distance.numpy() - near) / max(far - near, 1e-6)
    return np.asarray((grey * 255).clip(0, 255), np.uint8)
