"""What can go wrong in the workshop: converting and merging models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError


class WorkshopError(SdcolabError):
    """A model cannot be made as asked."""


@dataclass(eq=False)
class MergeNeedsModel(WorkshopError):
    """The method needs another model; ``letter`` is B or C."""

    code: ClassVar[str] = "workshop.needs_model"
    letter: str
    method: str


@dataclass(eq=False)
class MergeShapes(WorkshopError):
    """Two models have a tensor of different sizes: they are of different families."""

    code: ClassVar[str] = "workshop.shapes"
    name: str
    first: str
    second: str


@dataclass(eq=False)
class MergeUnlike(WorkshopError):
    """Two files have no tensor in common, as a LoRA and a model: what came out would be the first one alone."""

    code: ClassVar[str] = "workshop.unlike"
    path: Path
    other: Path


@dataclass(eq=False)
class SpecialModelFirst(WorkshopError):
    """An inpainting model or one of instruct-pix2pix is merged with a plain one, and does not come first."""

    code: ClassVar[str] = "workshop.special_first"
    special: str


@dataclass(eq=False)
class BlockWeightsWrong(WorkshopError):
    """Block weights are neither a preset's name nor as many numbers as blocks; ``count`` is how many were read."""

    code: ClassVar[str] = "workshop.block_weights"
    text: str
    count: int


@dataclass(eq=False)
class DiscardPatternWrong(WorkshopError):
    """What tensors to leave out is no regular expression."""

    code: ClassVar[str] = "workshop.discard_pattern"
    pattern: str
    detail: str


@dataclass(eq=False)
class MergeMetadataUnreadable(WorkshopError):
    """The metadata to write are no JSON object; the merge goes on without them."""

    code: ClassVar[str] = "workshop.metadata_unreadable"
    detail: str


@dataclass(eq=False)
class NothingLeft(WorkshopError):
    """Not one tensor would be written."""

    code: ClassVar[str] = "workshop.nothing_left"
    path: Path


@dataclass(eq=False)
class NothingDiffers(WorkshopError):
    """A model has nothing that the one it is compared with lacks: there is no LoRA to extract."""

    code: ClassVar[str] = "workshop.nothing_differs"
    path: Path
    base: Path


@dataclass(eq=False)
class LorasUnlike(WorkshopError):
    """Two LoRAs to be added up are of different families."""

    code: ClassVar[str] = "workshop.loras_unlike"
    path: Path
    other: Path


@dataclass(eq=False)
class LoraLayersLeftOut(WorkshopError):
    """``count`` of a LoRA's ``layers`` are of a kind that is neither made smaller nor added up (LoHa...)."""

    code: ClassVar[str] = "workshop.lora_layers_left_out"
    path: Path
    count: int
    layers: int


@dataclass(eq=False)
class LoraNotPlain(WorkshopError):
    """No layer of a LoRA is written in a way that can be made smaller or added up."""

    code: ClassVar[str] = "workshop.lora_not_plain"
    path: Path


@dataclass(eq=False)
class RecipeAbsent(WorkshopError):
    """A model's file does not say that a recipe of several steps made it."""

    code: ClassVar[str] = "workshop.recipe_absent"
    path: Path


@dataclass(eq=False)
class RecipeUnreadable(WorkshopError):
    """A recipe is no TOML, or has something in it that cannot be; ``detail`` says what and where."""

    code: ClassVar[str] = "workshop.recipe_unreadable"
    path: Path
    detail: str


@dataclass(eq=False)
class LorasUnused(WorkshopError):
    """A LoRA has layers that the model lacks: ``count`` of ``layers``."""

    code: ClassVar[str] = "workshop.loras_unused"
    path: Path
    count: int
    layers: int
