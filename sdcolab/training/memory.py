"""Whether a training fits in memory, and with which savings: a pure function of sizes. No torch.

Figures are bytes. What the layers' inputs take grows with the pixels of a batch; its figures are estimates that no card
has confirmed yet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

from sdcolab.core.detect import UNET_PREFIX, ModelFamily, detect
from sdcolab.core.errors import SdcolabError, TrainingMemory
from sdcolab.core.memory_plan import FreeMemory, WeightCounts
from sdcolab.core.tensors import read_header
from sdcolab.core.words import training_progress as words
from sdcolab.training.families import TRAINABLE
from sdcolab.training.plan import TrainingPlan

GB = 1_000_000_000

_CHECKPOINTED = 0.17
"""The share of the activations that is left when layers are computed again."""
_BASE = GB // 2
"""What a card's libraries take by themselves."""
_OPTIMISER_BYTES = {"adamw8bit": 2, "pagedadamw8bit": 2, "lion": 4, "lion8bit": 1, "adafactor": 4}
_ADAM_BYTES = 8
_MASTER_BYTES = 8
"""A trained number and its gradient in full precision."""
RAM_BASE = int(2.5 * GB)
"""Host memory for the libraries and for weights on their way to a card."""


@dataclass(frozen=True, slots=True)
class TrainingMemoryPlan:
    """How the training fits: ``savings`` that were switched on (names of ``core.words.training.SAVINGS``), and what it
    takes.
    """

    plan: TrainingPlan
    savings: tuple[str, ...]
    needed: int


def parameters_of(weights: WeightCounts, family: ModelFamily, dim: int) -> int:
    """About how many numbers a LoRA of rank ``dim`` has."""
    return int(TRAINABLE[family].per_rank * dim * _size(weights, family) ** 0.5)


def needed_bytes(
    plan: TrainingPlan, weights: WeightCounts, family: ModelFamily, *, element: int, dropped_text: bool
) -> int:
    """What a step takes at its peak. ``element`` is the size of a weight where it works; ``dropped_text``: the text
    encoders are not there any more. Every VAE is let go before the first step where latents are kept.
    """
    width, height = plan.size()
    parameters = parameters_of(weights, family, plan.network_dim or 4)
    optimiser = _OPTIMISER_BYTES.get(plan.optimizer_type.lower(), _ADAM_BYTES)
    kept = weights.unet + (0 if dropped_text else weights.text) + (0 if plan.cache_latents else weights.vae)
    pixels = plan.train_batch_size * width * height
    activations = pixels * TRAINABLE[family].per_pixel * element / 2 * _size(weights, family) ** 0.5
    if plan.gradient_checkpointing:
        activations *= _CHECKPOINTED
    return int(kept * element + parameters * (_MASTER_BYTES + optimiser) + activations + _BASE)


def _size(weights: WeightCounts, family: ModelFamily) -> float:
    """The UNet's numbers over those of a whole one: less than 1 in miniatures."""
    return min(1.0, weights.unet / TRAINABLE[family].full.unet)


def fit_in_memory(
    plan: TrainingPlan, weights: WeightCounts, family: ModelFamily, free: FreeMemory, *, element: int
) -> TrainingMemoryPlan:
    """The plan as it fits, with as few savings as possible: latents kept, text encoders dropped, layers computed
    again, smaller batches. With a card the machine's own memory only has to hold what is on its way there. Raises
    ``TrainingMemory``.
    """
    if free.vram is not None and free.ram is not None and free.ram < RAM_BASE:
        raise TrainingMemory(place=words.OF_MACHINE, needed=RAM_BASE, free=free.ram)
    room = free.ram if free.vram is None else free.vram
    place = words.OF_MACHINE if free.vram is None else words.OF_CARD
    savings: list[str] = []
    least = 0
    for saving, changed in _degrees(plan):
        plan = changed
        if saving:
            savings.append(saving)
        dropped = plan.cache_text_encoder_outputs
        least = needed_bytes(plan, weights, family, element=element, dropped_text=dropped)
        if room is None or least <= room:
            return TrainingMemoryPlan(plan, tuple(dict.fromkeys(savings)), least)
    raise TrainingMemory(place=place, needed=least, free=room or 0)


def work_share(path: Path) -> float:
    """Of a full-size model's work, what the checkpoint at ``path`` needs, by the numbers in its UNet; 1 where its
    header does not tell.
    """
    try:
        header = read_header(path) if path.suffix.lower() == ".safetensors" else None
    except SdcolabError:
        return 1.0
    if header is None:
        return 1.0
    numbers = sum(prod(one.shape) for name, one in header.tensors.items() if name.startswith(UNET_PREFIX))
    family = TRAINABLE.get(detect(header).family, TRAINABLE[ModelFamily.SD1])
    return min(1.0, numbers / family.full.unet) if numbers else 1.0


def card_bytes(told: str | None) -> int | None:
    """Memory in ``Tesla T4, 15360 MiB``, as the driver tells of a card; None where there is none to be read."""
    found = re.search(r"(\d+) MiB", told or "")
    return int(found[1]) * 1024**2 if found else None


def _degrees(plan: TrainingPlan) -> list[tuple[str, TrainingPlan]]:
    """The plan, and the plan with one saving more each time."""
    steps = [("", plan)]
    if not plan.cache_latents and not plan.color_aug and not plan.random_crop:
        plan = replace(plan, cache_latents=True)
        steps.append(("cache_latents", plan))
    static = not (
        plan.shuffle_caption or plan.caption_dropout_rate or plan.caption_tag_dropout_rate or plan.enable_wildcard
    )
    if plan.network_train_unet_only and static and not plan.cache_text_encoder_outputs:
        plan = replace(plan, cache_text_encoder_outputs=True)
        steps.append(("cache_text_encoder_outputs", plan))
    if not plan.gradient_checkpointing:
        plan = replace(plan, gradient_checkpointing=True)
        steps.append(("gradient_checkpointing", plan))
    while plan.train_batch_size > 1 and plan.train_batch_size % 2 == 0:
        plan = replace(
            plan,
            train_batch_size=plan.train_batch_size // 2,
            gradient_accumulation_steps=plan.gradient_accumulation_steps * 2,
        )
        steps.append(("accumulate", plan))
    return steps
