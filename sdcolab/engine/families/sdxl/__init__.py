"""Stable Diffusion XL (Podell et al. 2023, arXiv:2307.01952): CLIP ViT-L and OpenCLIP ViT-bigG, 1024 pixels."""

from __future__ import annotations

from sdcolab.core.detect import ModelFamily
from sdcolab.core.memory_plan import GB, WorkMemory
from sdcolab.engine.convert import FamilyLayout, SizeConditioning, TextKind, TextLayout, TextReading
from sdcolab.engine.families.base import Family
from sdcolab.engine.schedules import StepTables

SDXL = Family(
    id=ModelFamily.SDXL,
    layout=FamilyLayout(
        texts=(
            TextLayout(
                prefixes=(
                    "conditioner.embedders.0.transformer.text_model.",
                    "conditioner.embedders.0.transformer.",
                ),
                kind=TextKind.CLIP,
                reading=TextReading.PENULTIMATE_RAW,
            ),
            TextLayout(
                prefixes=("conditioner.embedders.1.model.",),
                kind=TextKind.OPEN_CLIP,
                reading=TextReading.PENULTIMATE_RAW,
                pooled=True,
            ),
        ),
        unet_heads=None,
        latent_scale=0.13025,
        size_conditioning=SizeConditioning.TARGET,
    ),
    work=WorkMemory(least=2 * GB, comfortable=6 * GB),
    tiny_vae="taesdxl",
    step_tables=StepTables.SDXL,
    counted_encoders=True,
)
