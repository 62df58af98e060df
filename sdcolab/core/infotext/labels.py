"""Which field of a request has which label in infotexts, and which fields infotexts do not hold (hechos/a1111.md 7.2,
15 and Appendix A). Every field of a request is in ``LABELS`` or in ``NOT_RECORDED``, or is one of the two prompts.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.request import MaskedContent
from sdcolab.core.tuning import TUNING

PROMPTS = frozenset({"prompt", "negative_prompt"})
"""Fields that have lines of their own."""

LABELS: Mapping[str, str] = {
    "steps": "Steps",
    "sampler": "Sampler",
    "schedule": "Schedule type",
    "cfg_scale": "CFG scale",
    "seed": "Seed",
    "width": "Size",
    "height": "Size",
    "checkpoint": "Model",
    "vae": "VAE",
    "variation.seed": "Variation seed",
    "variation.strength": "Variation seed strength",
    "variation.resize_width": "Seed resize from",
    "variation.resize_height": "Seed resize from",
    "clip_skip": "Clip skip",
    "noise_origin": "RNG",
    "tiling": "Tiling",
    "hires.strength": "Denoising strength",
    "hires.scale": "Hires upscale",
    "hires.width": "Hires resize",
    "hires.height": "Hires resize",
    "hires.steps": "Hires steps",
    "hires.upscaler": "Hires upscaler",
    "hires.checkpoint": "Hires checkpoint",
    "hires.sampler": "Hires sampler",
    "hires.schedule": "Hires schedule type",
    "hires.prompt": "Hires prompt",
    "hires.negative_prompt": "Hires negative prompt",
    "hires.cfg_scale": "Hires CFG Scale",
    "init.strength": "Denoising strength",
    "init.noise_multiplier": "Noise multiplier",
    "init.inpaint.condition_weight": "Conditional mask weight",
    "init.inpaint.inverted": "Mask mode",
    "init.inpaint.blur_x": "Mask blur",
    "init.inpaint.blur_y": "Mask blur",
    "init.inpaint.only_masked": "Inpaint area",
    "init.inpaint.padding": "Masked area padding",
    "init.inpaint.content": "Masked content",
    "refiner.checkpoint": "Refiner",
    "refiner.switch_at": "Refiner switch at",
    "refiner.by_steps": "Refiner switch by sampling steps",
    "refiner.passes": "Hires refiner",
    **{f"tuning.{row.field}": row.label for row in TUNING if row.label},
}
"""By dotted path. Fields with one label share its value: sizes are ``WxH``, and one blur is both."""

NOT_RECORDED = frozenset(
    {
        "batch_size",
        "batch_count",
        "init.images",
        "init.resize_mode",
        "init.upscaler",
        "init.exact_steps",
        "init.color_correction",
        "init.background",
        "init.inpaint.mask",
        "init.inpaint.rounded",
        "init.inpaint.overlay",
        *(f"tuning.{row.field}" for row in TUNING if not row.label),
    }
)
"""Dotted paths of what no infotext says; whoever reads one leaves them at their defaults."""

NOT_MASKED = "Inpaint not masked"
ONLY_MASKED = "Only masked"
"""A1111's words; the other choices are not written."""

MASKED_CONTENT: Mapping[str, MaskedContent] = {content.value: content for content in MaskedContent}
