"""What each place is (UperNet; Xiao et al. 2018, arXiv:1807.10221) among the 150 things of ADE20K (Zhou et al. 2017),
by transformers' module and the file of openmmlab/upernet-convnext-small (ConvNeXt; Liu et al. 2022, arXiv:2201.03545).
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional
from transformers import ConvNextConfig, UperNetConfig, UperNetForSemanticSegmentation

from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.preprocessors.nets.filling import normalised, read
from sdcolab.engine.preprocessors.nets.pretrained import pretrained

_SIDE = 512
"""What the net was trained at."""

_PALETTE = (
    "787878b4787806e6e650323204c8037878508c8c8ccc05ffe6e6e604fa07e005ffebff0796053d78784608ff33ff06528fff8cccff04"
    "ff3307cc46030066c83de6faff06330b66ffff0747ff09e00907e6dcdcdcff095c7009ff08ffd607ffe0ffb8060aff47ff290a07ffff"
    "e0ff086608ffff3d06ffc207ff7a0800ff14ff0829ff05990633ffeb0cffa0961400a3ff8c8c8cfa0a0f14ff001fff00ff1f00ffe000"
    "99ff000000ffff470000ebff00adff1f00ff0bc8c8ff520000fff5003dff00ff7000ff85ff0000ffa300ff6600c2ff00008fff33ff00"
    "0052ff00ff2900ffad0a00ffadff0000ff99ff5c00ff00ffff00f5ff0066ffad00ff0014ffb8b8001fff00ff3d0047ffff00cc00ffc2"
    "00ff52000aff0070ff3300ff00c2ff007aff00ffa3ff990000ff0aff70008fff005200ffa3ff00ffeb0008b8aa8500ff00ff5cb800ff"
    "ff001f00b8ff00d6ffff00705cff0000e0ff70e0ff46b8a0a300ff9900ff47ff00ff00a3ffcc00ff008f00ffeb85ff00ff00ebf500ff"
    "ff007afff5000abed4d6ff0000ccff1400ffffff000099ff0029ff00ffcc2900ff29ff00ad00ff00f5ff4700ff7a00ff00ffb8005cff"
    "b8ff000085ffffd60019c2c266ff005c00ff"
)
"""ADE20K's colours, by which segmentation ControlNets were taught."""

COLOURS = np.frombuffer(bytes.fromhex("".join(_PALETTE)), np.uint8).reshape(-1, 3)
"""Red, green and blue of each of the 150 things."""


def net_config() -> UperNetConfig:
    """The net's shape as its file has it, without the head that only training uses."""
    stages = [f"stage{number}" for number in range(1, 5)]
    backbone = ConvNextConfig(depths=[3, 3, 27, 3], hidden_sizes=[96, 192, 384, 768], out_features=stages)
    return UperNetConfig(backbone_config=backbone, num_labels=len(COLOURS), use_auxiliary_head=False)


@torch.no_grad()
def segments(picture: Pixels, path: Path, device: str) -> Pixels:
    """Each place in the colour of what it is, [H, W, 3]. Raises what ``pretrained`` raises."""
    net = pretrained(UperNetForSemanticSegmentation, net_config(), read(path), path, device)
    square = np.asarray(cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)
    likely = net(normalised(square, device)).logits
    likely = functional.interpolate(likely, picture.shape[:2], mode="bilinear", align_corners=False)
    return COLOURS[likely[0].argmax(0).cpu().numpy()]
