"""CLIP's picture encoder (Radford et al. 2021), which IP-Adapters read."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from sdcolab.core.clip_vision import ClipNeed, clip_paths, gives
from sdcolab.core.errors import CannotRead, ModelError
from sdcolab.core.folders import Folders
from sdcolab.core.resizing import flattened
from sdcolab.engine.control.filling import built, renamed_weights
from sdcolab.engine.convert import Shapes
from sdcolab.engine.weights import Weights, open_weights

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of the pictures that CLIP was trained on, a channel each."""

HEAD = {1280: 80, 1664: 104, 1024: 64, 768: 64}
"""Channels of a head by width: ViT-H has 16 heads of 80, ViT-bigG 16 of 104."""

_EMBEDDING = "vision_model.embeddings.patch_embedding.weight"
_POSITIONS = "vision_model.embeddings.position_embedding.weight"


@dataclass(frozen=True, slots=True, eq=False)
class ClipVision:
    """The encoder and the side in pixels of the pictures that it reads."""

    module: CLIPVisionModelWithProjection
    side: int

    def pooled(self, picture: Tensor) -> Tensor:
        """[B, 3, side, side] -> the vector of each picture [B, D]."""
        vector: Tensor = self.module(pixel_values=picture).image_embeds
        return vector

    def patches(self, picture: Tensor) -> Tensor:
        """[B, 3, side, side] -> the last layer but one [B, n, C]."""
        states = self.module(pixel_values=picture, output_hidden_states=True).hidden_states
        found: Tensor = states[-2]
        return found

    def read(self, picture: Image.Image) -> Tensor:
        """A picture as CLIP wants it, float32 [1, 3, side, side]: the middle of it at that size."""
        flat = flattened(picture)
        scale = self.side / min(flat.size)
        width, height = round(flat.width * scale), round(flat.height * scale)
        scaled = flat.resize((width, height), Image.Resampling.BICUBIC)
        left, top = (width - self.side) // 2, (height - self.side) // 2
        values = np.asarray(scaled.crop((left, top, left + self.side, top + self.side)), np.float32) / 255
        normal = (values - np.array(MEAN, np.float32)) / np.array(DEVIATION, np.float32)
        return torch.from_numpy(normal.astype(np.float32)).permute(2, 0, 1)[None]


def find_clip_vision(folders: Folders, need: ClipNeed) -> Weights | None:
    """The first encoder in ``folders`` that ``need`` can read. Files that cannot be opened are passed over."""
    for path in clip_paths(folders):
        try:
            weights = open_weights(path)
        except (ModelError, CannotRead):
            continue
        if gives(weights.header, need):
            return weights
    return None


def load_clip_vision(weights: Weights, device: torch.device, dtype: torch.dtype) -> ClipVision:
    """The encoder in ``weights``, in transformers' names. Raises ``ModelIncomplete``."""
    named = renamed_weights(weights, lambda name: None if name.endswith("position_ids") else name)
    shapes = Shapes(named.shapes)
    width, _, patch, _ = shapes[_EMBEDDING]
    side = patch * round((shapes[_POSITIONS][0] - 1) ** 0.5)
    layers = 1 + max(
        int(match[1]) for name in shapes if (match := re.match(r"vision_model\.encoder\.layers\.(\d+)\.", name))
    )
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=shapes["vision_model.encoder.layers.0.mlp.fc1.weight"][0],
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // HEAD.get(width, 64)),
        image_size=side,
        patch_size=patch,
        projection_dim=shapes["visual_projection.weight"][0],
        hidden_act="quick_gelu" if width in (768, 1024) else "gelu",
    )
    module = built(lambda: CLIPVisionModelWithProjection(config), named, device, dtype)
    positions = torch.arange(shapes[_POSITIONS][0], device=device).expand(1, -1)
    module.vision_model.embeddings.register_buffer("position_ids", positions, persistent=False)
    return ClipVision(module, side)
