"""Base models that the training form offers, and what each needs to be trained well. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from sdcolab.core.registry import Registry
from sdcolab.core.words.kitchen import BLIP_BASE, BLIP_LARGE
from sdcolab.core.words.notebook import DEMO_MODEL


@dataclass(frozen=True, slots=True)
class Base:
    """A model to train on. ``link``: what to download, or the name of an entry of the catalogue; "" for the demo.

    ``resolution`` and ``clip_skip`` are what it was made with; ``v``: it predicts v with zero terminal SNR.
    """

    name: str
    link: str
    sdxl: bool = False
    v: bool = False
    resolution: int = 512
    clip_skip: int | None = 2
    aliases: tuple[str, ...] = ()


_HUB = "https://huggingface.co"
BASES: Registry[Base] = Registry(
    "catalog",
    (
        Base(
            "AnyLoRA (anime)", f"{_HUB}/Lykon/AnyLoRA/resolve/main/AnyLoRA_noVae_fp16-pruned.ckpt", aliases=("AnyLoRA",)
        ),
        Base(
            "Stable Diffusion 1.5 (fotos)",
            f"{_HUB}/stable-diffusion-v1-5/stable-diffusion-v1-5/resolve/main/v1-5-pruned-emaonly.safetensors",
            clip_skip=1,
            aliases=("Stable Diffusion 1.5", "SD 1.5"),
        ),
        Base(
            "Deliberate (realista)",
            "https://civitai.com/api/download/models/15236",
            clip_skip=1,
            aliases=("Deliberate",),
        ),
        Base("Illustrious XL 1.0", "Illustrious XL 1.0", sdxl=True, resolution=1024),
        Base("NoobAI-XL 1.1", "NoobAI-XL 1.1", sdxl=True, resolution=1024),
        Base(
            "NoobAI-XL V-Pred 1.0",
            f"{_HUB}/Laxhar/noobai-XL-Vpred-1.0/resolve/main/NoobAI-XL-Vpred-v1.0.safetensors",
            sdxl=True,
            v=True,
            resolution=1024,
        ),
        Base("Pony Diffusion V6 XL", "Pony Diffusion V6 XL", sdxl=True, resolution=1024),
        Base("Animagine XL 4.0", "Animagine XL 4.0", sdxl=True, resolution=1024),
        Base("SDXL base 1.0", "SDXL base 1.0", sdxl=True, resolution=1024),
        Base(DEMO_MODEL, "", resolution=128, clip_skip=1),
    ),
)
"""The guide's ``animefull-final`` came from a leak and has no licence: AnyLoRA, made for training, takes its place."""

TAGGERS = {
    **{
        name: f"SmilingWolf/{name}"
        for name in ("wd-vit-tagger-v3", "wd-swinv2-tagger-v3", "wd-vit-large-tagger-v3", "wd-eva02-large-tagger-v3")
    },
    "pixai-tagger-v0.9": "deepghs/pixai-tagger-v0.9-onnx",
}
"""Taggers by name, and the repository on huggingface that has each."""

CAPTIONERS = {
    BLIP_LARGE: "Salesforce/blip-image-captioning-large",
    BLIP_BASE: "Salesforce/blip-image-captioning-base",
}
"""Models that write sentences, in the same way."""
