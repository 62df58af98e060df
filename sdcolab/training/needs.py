"""What memory a training takes over its base model, and whether this machine has it, told before it begins. No
torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sdcolab.core.architectures import ModelFamily
from sdcolab.core.detect import detect
from sdcolab.core.errors import SdcolabError, TrainingSaving
from sdcolab.core.memory_plan import FreeMemory, WeightCounts, count_weights, memory_bytes
from sdcolab.core.tensors import read_header
from sdcolab.core.words import explain, human_bytes
from sdcolab.core.words import kitchen as words
from sdcolab.training.memory import card_bytes, fit_in_memory
from sdcolab.training.plan import TrainingPlan

TIP = "💡 "

Explained = Callable[[SdcolabError], object]


def needs_of_file(plan: TrainingPlan, card: str | None, explained: Explained = explain) -> list[str]:
    """As ``needs`` for the plan's base model, told by its header; nothing of a pickle, which tells nothing before it is
    opened. Raises ``TrainingMemory``, ``ModelError``."""
    path = Path(plan.pretrained_model_name_or_path or "")
    if path.suffix.lower() != ".safetensors":
        return []
    header = read_header(path)
    return needs(plan, path.name, count_weights(header), detect(header).family, card, explained)


def needs(
    plan: TrainingPlan,
    base: str,
    weights: WeightCounts,
    family: ModelFamily,
    card: str | None,
    explained: Explained = explain,
) -> list[str]:
    """Which family ``base`` is of, what memory training it takes, and what is done to make it fit. ``card``: as the
    driver tells of it; None where there is none. Raises ``TrainingMemory`` where it cannot fit.
    """
    ram, vram = memory_bytes(), card_bytes(card)
    free = FreeMemory(ram[1] if ram else None, vram)
    fitted = fit_in_memory(plan, weights, family, free, element=4 if vram is None else 2)
    where = words.ON_CARD.format(card=card) if card else words.ON_PROCESSOR
    needed = human_bytes(fitted.needed)
    told = words.NEEDS.format(base=base, family=words.FAMILIES[family], needed=needed, where=where)
    return [told, *(f"{TIP}{explained(TrainingSaving(saving=saving))}" for saving in fitted.savings)]
