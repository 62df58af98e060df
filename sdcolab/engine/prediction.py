"""What a checkpoint's UNet predicts, and whether its last timestep is pure noise: no shape tells.

In order: a configuration file of the same name beside the checkpoint, marks that trainers leave in the file, and for
SD 2, whose two models differ in nothing else, what the UNet itself answers (hechos/a1111.md 3.7).
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from sdcolab.core.detect import Prediction
from sdcolab.core.errors import CannotRead
from sdcolab.core.files import system_reason
from sdcolab.core.tensors import TensorHeader
from sdcolab.engine.precision import autocast, working_dtype
from sdcolab.engine.weights import Weights

V_KEY = "v_pred"
"""A tensor of any shape, of which only the name counts: the UNet predicts v."""
ZERO_SNR_KEY = "ztsnr"
"""Likewise: it was trained with zero terminal SNR."""
RANGE_KEYS = ("edm_vpred.sigma_min", "edm_vpred.sigma_max")
"""Two numbers in CosXL's files: it predicts v between these noise levels, and is told them and no timesteps."""
_COSXL_RANGE = (0.002, 120.0)
METADATA_KEY = "modelspec.prediction_type"
"""ModelSpec metadata: "epsilon" or "v" (github.com/Stability-AI/ModelSpec)."""

_V_IN_CONFIG = re.compile(r"""^\s*parameterization\s*:\s*["']?v["']?\s*(?:\#.*)?$|\bVScaling\b""", re.MULTILINE)
"""Stable Diffusion's own configuration, and the class that stands for v in SDXL's."""

_PROBE_LEVEL, _PROBE_TIMESTEP, _PROBE_SIDE, _PROBE_TOKENS = 0.5, 999, 8, 2
_PROBE_LIMIT = -1.0


def declared_prediction(path: Path, header: TensorHeader) -> Prediction | None:
    """What the checkpoint ``path`` or the ``.yaml`` beside it says; None if neither does. Raises ``CannotRead``."""
    if noise_range_told(header):
        return Prediction.V
    config = path.with_suffix(".yaml")
    if config.is_file():
        try:
            text = config.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise CannotRead(path=config, reason=system_reason(error)) from error
        return Prediction.V if _V_IN_CONFIG.search(text) else Prediction.EPSILON
    if V_KEY in header.tensors or header.metadata.get(METADATA_KEY, "").startswith(Prediction.V.value):
        return Prediction.V
    return None


def noise_range_told(header: TensorHeader) -> bool:
    """Whether the checkpoint is one of those with a range of noise levels of its own."""
    return RANGE_KEYS[1] in header.tensors


def noise_range(weights: Weights) -> tuple[float, float] | None:
    """That range, CosXL's where the numbers make no sense; None for other checkpoints."""
    if not noise_range_told(weights.header):
        return None
    low, high = (
        float(weights.get(key).float().flatten()[0]) if key in weights.header.tensors else usual
        for key, usual in zip(RANGE_KEYS, _COSXL_RANGE, strict=True)
    )
    return (low, high) if 0 < low < high < math.inf else _COSXL_RANGE


@torch.inference_mode()
def probed_prediction(unet: UNet2DConditionModel) -> Prediction:
    """What the answer to a plain input of nearly pure noise tells: a model of the noise gives back its input, one of v
    about the negative image.
    """
    device, side = next(unet.parameters()).device, _PROBE_SIDE
    x = torch.full((1, unet.config.in_channels, side, side), _PROBE_LEVEL, device=device, dtype=working_dtype(unet))
    context = x.new_full((1, _PROBE_TOKENS, unet.config.cross_attention_dim), _PROBE_LEVEL)
    timestep = torch.tensor([_PROBE_TIMESTEP], device=device)
    with autocast(unet):
        output = unet(x, timestep, context, return_dict=False)[0]
    return Prediction.V if float((output.float() - x.float()).mean()) < _PROBE_LIMIT else Prediction.EPSILON
