"""SDXL's refiner (Podell et al. 2023, arXiv:2307.01952, 2.5): OpenCLIP ViT-bigG alone, and a score of beauty."""

from __future__ import annotations

from sdcolab.core.detect import ModelFamily
from sdcolab.core.memory_plan import GB, WorkMemory
from sdcolab.engine.convert import FamilyLayout, SizeConditioning, TextKind, TextLayout, TextReading
from sdcolab.engine.families.base import Family
from sdcolab.engine.schedules import StepTables

SDXL_REFINER = Family(
    id=ModelFamily.SDXL_REFINER,
    layout=FamilyLayout(
        texts=(
            TextLayout(
                prefixes=("conditioner.embedders.0.model.",),
                kind=TextKind.OPEN_CLIP,
                reading=TextReading.PENULTIMATE_RAW,
                pooled=True,
            ),
        ),
        unet_heads=None,
        latent_scale=0.13025,
        size_conditioning=SizeConditioning.SCORE,
    ),
    work=WorkMemory(least=2 * GB, comfortable=6 * GB),
    tiny_vae="taesdxl",
    step_tables=StepTables.SDXL,
    counted_encoders=True,
)
