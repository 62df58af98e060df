"""Whether a base model can be trained here, told from its header alone. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.detect import ModelFamily, ModelKind, detect
from sdcolab.core.errors import BaseWrongFamily, ModelWrongKind
from sdcolab.core.tensors import read_header
from sdcolab.training.plan import TrainingPlan

_SDXL = (ModelFamily.SDXL,)
_TRAINABLE = (ModelFamily.SD1, ModelFamily.SD2, ModelFamily.SDXL)


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """What matters of a base model. ``known`` False: old pickles do not tell before they are opened."""

    known: bool
    sdxl: bool


def base_facts(path: Path) -> BaseFacts:
    """The facts of the file at ``path``. Raises ``ModelWrongKind``, ``BaseWrongFamily``, ``ModelUnreadable``."""
    if path.suffix.lower() != ".safetensors":
        return BaseFacts(known=False, sdxl=False)
    found = detect(read_header(path))
    if found.kind is not ModelKind.CHECKPOINT:
        raise ModelWrongKind(path=path, expected=ModelKind.CHECKPOINT.value, found=found.kind.value)
    if found.family not in _TRAINABLE:
        raise BaseWrongFamily(path=path, family=found.family.value)
    return BaseFacts(known=True, sdxl=found.family in _SDXL)


def check_base(path: Path, plan: TrainingPlan, _gpu: bool) -> BaseFacts:
    """The facts of the base, which must be of a family that can be trained."""
    del plan
    return base_facts(path)
