"""LoRAs and checkpoints that were taught to paint in few steps, known by their names and metadata, and what each wants.

The settings are their authors': Hyper-SD (arXiv:2404.13686), SDXL-Lightning (arXiv:2402.13929), LCM (arXiv:2310.04378),
TCD (arXiv:2402.19159), DMD2 (arXiv:2405.14867), SDXL Turbo (arXiv:2311.17042); see hechos/mercado.md 1b. "SGM Uniform"
are the trailing timesteps that most of them were taught on: 999, 749, 499 and 249 for four steps.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import SdcolabError
from sdcolab.core.library import Library, ModelFile, find_lora
from sdcolab.core.prompt import LORA_KINDS, NetworkTag, extract_networks, lora_multipliers, without_block_weights
from sdcolab.core.tensors import header_if_told


@dataclass(frozen=True, slots=True)
class FewSteps:
    """What a model of few steps wants. ``name`` as people call its kind."""

    name: str
    sampler: str
    schedule: str
    steps: int
    cfg_scale: float

    @property
    def values(self) -> Mapping[str, str | int | float]:
        """The same by the path of the request's fields."""
        return {
            "sampler": self.sampler,
            "schedule": self.schedule,
            "steps": self.steps,
            "cfg_scale": self.cfg_scale,
        }


@dataclass(frozen=True, slots=True)
class _Kind:
    """Those that ``pattern`` finds in a name; ``most`` bounds the number of steps that the name itself says. A
    ``common`` word may stand in a LoRA's name for what it draws."""

    pattern: re.Pattern[str]
    usual: FewSteps
    common: bool = False
    most: int = 16

    def found_in(self, text: str, *, lora: bool) -> bool:
        """Whether ``text``, of a LoRA or of a whole model, tells of one."""
        return bool(self.pattern.search(text)) and not (lora and self.common and self.steps_in(text) is None)

    def steps_in(self, text: str) -> int | None:
        """The steps that ``text`` says, if they are few."""
        found = _STEPS.search(text)
        return int(found[1]) if found and 1 <= int(found[1]) <= self.most else None


def _kind(pattern: str, *usual: str | float, common: bool = False) -> _Kind:
    name, sampler, schedule, steps, cfg_scale = usual
    settings = FewSteps(str(name), str(sampler), str(schedule), int(steps), float(cfg_scale))
    return _Kind(re.compile(pattern), settings, common)


_KINDS = (
    _kind(r"(?i:hyper[-_ ]?sd.*cfg)", "Hyper-SD con CFG", "Euler", "SGM Uniform", 8, 5),
    _kind(r"(?i:hyper[-_ ]?sd)", "Hyper-SD", "Euler", "SGM Uniform", 8, 1),
    _kind(r"(?<![a-z])(?i:dmd2?)(?![a-z])", "DMD2", "LCM", "SGM Uniform", 4, 1),
    _kind(r"(?<![a-z])(?i:tcd)(?![a-z])", "TCD", "TCD", "SGM Uniform", 4, 1),
    _kind(r"(?<![a-z])(?i:lcm)(?![a-z])", "LCM", "LCM", "SGM Uniform", 6, 1.5),
    _kind(r"(?<![a-z])(?i:sd[-_ ]?xl[-_ ]?lightning)(?![a-z])", "Lightning", "Euler", "SGM Uniform", 8, 1),
    _kind(r"(?i:lightning)(?![a-z])", "Lightning", "Euler", "SGM Uniform", 8, 1, common=True),
    _kind(r"(?<![a-z])(?i:sd[-_ ]?(?:xl)?[-_ ]?turbo)(?![a-z])", "Turbo", "Euler a", "SGM Uniform", 4, 1),
    _kind(r"(?i:turbo)(?![a-z])", "Turbo", "DPM++ SDE", "Karras", 7, 2, common=True),
)
"""The first that matches wins. A "Turbo" that is not Stability's own is nearly always a mix of it with another model,
which wants a little more. Small letters right behind a word make another word of it ("lightnings"); capitals begin the
next one ("lightningDPMSDE"). Whole models named "Lightning" or "Turbo" are of few steps; LoRAs are as often of storms
and cars, so theirs must say the steps or be called as their authors did."""

_STEPS = re.compile(r"(?<!\d)(\d{1,2})[-_ ]?(?:-?steps?|pasos)(?![a-z])", re.IGNORECASE)
_METADATA = ("modelspec.title", "ss_output_name", "modelspec.tags", "ss_training_comment")


def few_steps(name: str, metadata: Mapping[str, str] | None = None, *, lora: bool = False) -> FewSteps | None:
    """What the model called ``name`` (a file's name, perhaps with its folder) wants; None when it is not of few steps
    as far as its name and its ``metadata`` tell. ``lora``: it is one, and no whole model.
    """
    own = name.rpartition("/")[2].rpartition(".")[0] or name
    texts = [own, *(str((metadata or {}).get(key, ""))[:200] for key in _METADATA)]
    for text in texts:
        for kind in _KINDS:
            if kind.found_in(text, lora=lora):
                return _with_steps(kind, texts)
    return None


def few_steps_for(library: Library, checkpoint: str, prompt: str) -> FewSteps | None:
    """What a LoRA of few steps in ``prompt`` wants, the last one first, or else the model ``checkpoint``; None when
    none of them is of few steps, as far as names and metadata tell. Names that are not here and LoRAs without strength
    count for nothing.
    """
    for tag in reversed(extract_networks(prompt)[1]):
        with contextlib.suppress(SdcolabError):
            if _at_work(tag) and (found := _of_file(find_lora(tag.name, library), lora=True)):
                return found
    with contextlib.suppress(SdcolabError):
        return _of_file(library.find(ModelKind.CHECKPOINT, checkpoint), lora=False)
    return None


def _at_work(tag: NetworkTag) -> bool:
    """Whether ``tag`` is of a LoRA that changes the UNet."""
    return tag.kind in LORA_KINDS and lora_multipliers(without_block_weights(tag)).unet != 0


def _of_file(file: ModelFile, *, lora: bool) -> FewSteps | None:
    header = header_if_told(file.path)
    return few_steps(file.name, header.metadata if header else None, lora=lora)


def _with_steps(kind: _Kind, texts: Iterable[str]) -> FewSteps:
    usual = kind.usual
    steps = next(filter(None, map(kind.steps_in, texts)), usual.steps)
    return FewSteps(usual.name, usual.sampler, usual.schedule, steps, usual.cfg_scale)
