"""Stable Diffusion 1.x (Rombach et al. 2022, arXiv:2112.10752): CLIP ViT-L, pictures of 512 pixels."""

from __future__ import annotations

from sdcolab.core.detect import ModelFamily
from sdcolab.core.memory_plan import WorkMemory
from sdcolab.engine.convert import FamilyLayout, TextKind, TextLayout, TextReading
from sdcolab.engine.families.base import Family

SD1 = Family(
    id=ModelFamily.SD1,
    layout=FamilyLayout(
        texts=(
            TextLayout(
                prefixes=("cond_stage_model.transformer.text_model.", "cond_stage_model.transformer."),
                kind=TextKind.CLIP,
                reading=TextReading.CLIP_SKIP,
            ),
        ),
        unet_heads=8,
        latent_scale=0.18215,
    ),
    work=WorkMemory(),
    tiny_vae="taesd",
)
