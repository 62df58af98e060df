"""Pictures on the training device: shift, scale, background, 256 -> 128 pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .captions import BACKGROUNDS


def background_colours(device: torch.device) -> Tensor:
    """RGB of BACKGROUNDS as [count, 3] in 0..1."""
    return torch.tensor([rgb for _, _, rgb in BACKGROUNDS], device=device, dtype=torch.float32) / 255


def place(rgba: Tensor, scale: Tensor, shift: Tensor, colour: Tensor) -> Tensor:
    """Premultiplied uint8 RGBA [B, 4, S, S] -> images [B, 3, S/2, S/2] in -1..1.

    scale [B]: size of the picture (1 fills the frame). shift [B, 2]: offset (x, y) as a fraction of half the frame.
    colour [B, 3] in 0..1 is put behind.
    """
    picture = rgba.float() / 255
    theta = torch.zeros(len(rgba), 2, 3, device=rgba.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / scale
    theta[:, :, 2] = -shift / scale[:, None]
    grid = functional.affine_grid(theta, list(picture.shape), align_corners=False)
    picture = functional.avg_pool2d(functional.grid_sample(picture, grid, align_corners=False), 2)
    image = picture[:, :3] + (1 - picture[:, 3:]) * colour[:, :, None, None]
    return image.clamp(0, 1) * 2 - 1


def place_plain(rgba: Tensor, colour: Tensor) -> Tensor:
    """`place` without moving anything."""
    still = torch.zeros(len(rgba), 2, device=rgba.device)
    return place(rgba, torch.ones(len(rgba), device=rgba.device), still, colour)
