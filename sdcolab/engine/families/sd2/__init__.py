"""Stable Diffusion 2.x: OpenCLIP ViT-H, and two models that differ in nothing but what they predict."""

from __future__ import annotations

from dataclasses import replace

from diffusers import UNet2DConditionModel

from sdcolab.core.detect import Detected, ModelFamily, Prediction, declared_size
from sdcolab.core.memory_plan import GB, WorkMemory
from sdcolab.engine.convert import FamilyLayout, TextKind, TextLayout, TextReading
from sdcolab.engine.families.base import Family
from sdcolab.engine.prediction import declared_prediction, probed_prediction
from sdcolab.engine.weights import Weights

_SIZES = {Prediction.EPSILON: 512, Prediction.V: 768}
"""Native size of the two models."""


def settle(weights: Weights, unet: UNet2DConditionModel, detected: Detected) -> tuple[Detected, Prediction]:
    """The file says, or the UNet is asked; the size follows from what it predicts."""
    prediction = declared_prediction(weights.path, weights.header)
    if prediction is None and unet.config.in_channels == unet.config.out_channels:
        prediction = probed_prediction(unet)
    prediction = prediction or Prediction.EPSILON
    if declared_size(weights.header) is None:
        detected = replace(detected, native_size=_SIZES[prediction])
    return detected, prediction


SD2 = Family(
    id=ModelFamily.SD2,
    layout=FamilyLayout(
        texts=(
            TextLayout(
                prefixes=("cond_stage_model.model.", "conditioner.embedders.0.model."),  # the second in SD-Turbo
                kind=TextKind.OPEN_CLIP,
                reading=TextReading.PENULTIMATE,
            ),
        ),
        unet_heads=None,
        latent_scale=0.18215,
    ),
    work=WorkMemory(comfortable=4 * GB),
    tiny_vae="taesd",
    settle=settle,
)
