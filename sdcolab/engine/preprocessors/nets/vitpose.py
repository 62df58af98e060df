"""The points of people's bodies (ViTPose; Xu et al. 2022, arXiv:2204.12484), by transformers' module and the file of
usyd-community/vitpose-base-simple: 17 points (COCO), each as a heat map.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

from sdcolab.engine.preprocessors.base import Pixels
from sdcolab.engine.preprocessors.nets.filling import normalised, read
from sdcolab.engine.preprocessors.nets.person import Floats, Person
from sdcolab.engine.preprocessors.nets.pose import POINTS, arranged, boxes_of, cut_out
from sdcolab.engine.preprocessors.nets.pretrained import pretrained

_HEIGHT, _WIDTH = 256, 192
_STEP = 4
"""Pixels of the net's picture for each of a heat map."""
_BODY = 17
_NUDGE = 0.25
"""How far a point moves towards the likelier neighbour, in the map's pixels (Newell et al. 2016)."""


def net_config() -> VitPoseConfig:
    """The net's shape as its file has it."""
    backbone = VitPoseBackboneConfig(image_size=(_HEIGHT, _WIDTH), out_indices=[12])
    return VitPoseConfig(backbone_config=backbone, num_labels=_BODY, scale_factor=_STEP, use_simple_decoder=True)


@torch.no_grad()
def people(picture: Pixels, detector: Path, poser: Path, device: str) -> tuple[Person, ...]:
    """Everybody in a picture [H, W, 3] (RGB), with the points of their bodies. Raises ``ModelUnreadable``, and what
    ``pretrained`` raises."""
    boxes = boxes_of(picture, detector)
    net = pretrained(VitPoseForPoseEstimation, net_config(), read(poser), poser, device)
    found = []
    for box in boxes:
        cut, scale, start = cut_out(picture, box, _HEIGHT, _WIDTH)
        points = np.zeros((POINTS, 3), np.float32)
        points[:_BODY] = located(net(normalised(cut, device)).heatmaps[0].float().cpu().numpy())
        points[:_BODY, :2] = points[:_BODY, :2] * scale + start
        found.append(arranged(points))
    return tuple(found)


def located(maps: Floats) -> Floats:
    """Points [K, 3] (x, y in the net's pixels, likelihood) from heat maps [K, h, w]."""
    points = np.zeros((len(maps), 3), np.float32)
    for place, one in enumerate(maps):
        row, column = (int(at) for at in np.unravel_index(int(one.argmax()), one.shape))
        points[place] = (column, row, one[row, column])
        if 0 < row < one.shape[0] - 1 and 0 < column < one.shape[1] - 1:
            slope = one[row, column + 1] - one[row, column - 1], one[row + 1, column] - one[row - 1, column]
            points[place, :2] += np.sign(slope) * _NUDGE
    points[:, :2] *= _STEP
    return points
