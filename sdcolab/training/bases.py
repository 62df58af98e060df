"""Base models that the training form offers, and what each needs to be trained well. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from sdcolab.core.registry import Registry
from sdcolab.core.words.kitchen import BLIP_BASE, BLIP_LARGE, FLORENCE_BASE, FLORENCE_LARGE
from sdcolab.core.words.notebook import DEMO_MODEL


@dataclass(frozen=True, slots=True)
class Base:
    """A model to train on. ``entry``: its name in the catalogue of downloads; "" for the demo and a file that is here.

    ``resolution`` and ``clip_skip`` are what it was made with; ``v``: it predicts v with zero terminal SNR.
    """

    name: str
    entry: str
    sdxl: bool = False
    v: bool = False
    resolution: int = 512
    clip_skip: int | None = 2
    aliases: tuple[str, ...] = ()


BASES: Registry[Base] = Registry(
    "catalog",
    (
        Base("AnyLoRA (anime)", "AnyLoRA", aliases=("AnyLoRA",)),
        Base(
            "Stable Diffusion 1.5 (fotos)",
            "Stable Diffusion 1.5",
            clip_skip=1,
            aliases=("Stable Diffusion 1.5", "SD 1.5"),
        ),
        Base("Deliberate (realista)", "Deliberate 15236", clip_skip=1, aliases=("Deliberate",)),
        *(
            Base(name, name, sdxl=True, v="V-Pred" in name, resolution=1024)
            for name in (
                "Illustrious XL 1.0",
                "NoobAI-XL 1.1",
                "NoobAI-XL V-Pred 1.0",
                "Pony Diffusion V6 XL",
                "Animagine XL 4.0",
                "SDXL base 1.0",
            )
        ),
        Base(DEMO_MODEL, "", resolution=128, clip_skip=1),
    ),
)
INSTEAD_OF_LEAKED = "AnyLoRA (anime)"
"""The guide's ``animefull-final`` came from a leak and has no licence: AnyLoRA, made for training, takes its place."""


def is_leaked(name: str) -> bool:
    """Whether ``name``, written where a link was expected, is that model's. Links and paths are the user's own."""
    return "/" not in name and "\\" not in name and name.strip().casefold().startswith("animefull")


TAGGERS = {
    **{
        name: f"SmilingWolf/{name}"
        for name in ("wd-vit-tagger-v3", "wd-swinv2-tagger-v3", "wd-vit-large-tagger-v3", "wd-eva02-large-tagger-v3")
    },
    "pixai-tagger-v0.9": "deepghs/pixai-tagger-v0.9-onnx",
}
"""Taggers by name, and the repository on huggingface that has each."""


@dataclass(frozen=True, slots=True)
class Captioning:
    """A model that writes sentences: the ``repository`` on huggingface that has it, and its ``files``."""

    repository: str
    files: tuple[str, ...]


FILES = ("config.json", "tokenizer.json", "model.safetensors")
_FLORENCE_FILES = (*FILES, "generation_config.json", "preprocessor_config.json")
CAPTIONERS = {
    FLORENCE_LARGE: Captioning("florence-community/Florence-2-large", _FLORENCE_FILES),
    FLORENCE_BASE: Captioning("florence-community/Florence-2-base", _FLORENCE_FILES),
    BLIP_LARGE: Captioning("Salesforce/blip-image-captioning-large", FILES),
    BLIP_BASE: Captioning("Salesforce/blip-image-captioning-base", FILES),
}
"""Models that write sentences, in the same way."""
