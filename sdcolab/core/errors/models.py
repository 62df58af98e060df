"""Model files that cannot be used, or not as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError


class ModelError(SdcolabError):
    """A model file cannot be used."""


@dataclass(eq=False)
class NoModels(ModelError):
    """The models folder is empty and there is no demo model."""

    code: ClassVar[str] = "model.none"
    folder: Path


@dataclass(eq=False)
class ModelUnreadable(ModelError):
    """The file is damaged, cut short or not a model at all. ``reason`` is one of the keys of ``UNREADABLE_REASONS``."""

    code: ClassVar[str] = "model.unreadable"
    path: Path
    reason: str


@dataclass(eq=False)
class ModelUnsafe(ModelError):
    """A pickle that torch's weights-only loader refused: it could run code."""

    code: ClassVar[str] = "model.unsafe"
    path: Path


@dataclass(eq=False)
class ModelWrongKind(ModelError):
    """The file is a model, but not of the kind it was used as. Kinds are ``core.detect.ModelKind`` values."""

    code: ClassVar[str] = "model.wrong_kind"
    path: Path
    expected: str
    found: str


@dataclass(eq=False)
class ModelFamilyUnsupported(ModelError):
    """A known family that this version cannot run."""

    code: ClassVar[str] = "model.family_unsupported"
    path: Path
    family: str


@dataclass(eq=False)
class PictureWanted(ModelError):
    """The checkpoint works from a picture and was given none. Told as a warning."""

    code: ClassVar[str] = "model.picture_wanted"
    checkpoint: str


@dataclass(eq=False)
class DepthFileMissing(ModelError):
    """The checkpoint reads how near things are, and neither has the network that looks nor is there a file of it.
    ``link`` is where to get it, ``size`` in bytes."""

    code: ClassVar[str] = "model.depth_file_missing"
    path: Path
    file: str
    folder: Path
    link: str
    size: int


@dataclass(eq=False)
class ModelPartAlone(ModelError):
    """A UNet or a text encoder on its own, which no program here uses; ``found`` is its kind."""

    code: ClassVar[str] = "model.part_alone"
    path: Path
    found: str


@dataclass(eq=False)
class VaeOtherArchitecture(ModelError):
    """A VAE whose latents have other channels than the models here make: one of Flux and what came after."""

    code: ClassVar[str] = "model.vae_other_architecture"
    path: Path
    family: str


@dataclass(eq=False)
class ModelIncomplete(ModelError):
    """Tensors that its family needs are missing or have another shape; ``tensor`` is the first."""

    code: ClassVar[str] = "model.incomplete"
    path: Path
    tensor: str
    count: int


@dataclass(eq=False)
class ModelWithoutVae(ModelError):
    """A checkpoint that is meant to be used with a VAE of its own choice, and none was chosen."""

    code: ClassVar[str] = "model.without_vae"
    path: Path


@dataclass(eq=False)
class ModelTooBigForCard(ModelError):
    """The model and the work with it do not fit in the graphics card; bytes."""

    code: ClassVar[str] = "model.too_big_for_card"
    path: Path
    needed: int
    free: int


@dataclass(eq=False)
class ModelTooBigForRam(ModelError):
    """The model does not fit in the machine's own memory; bytes."""

    code: ClassVar[str] = "model.too_big_for_ram"
    path: Path
    needed: int
    free: int


@dataclass(eq=False)
class LoraNoLayers(ModelError):
    """A LoRA none of whose layers exist in the loaded model."""

    code: ClassVar[str] = "model.lora_no_layers"
    path: Path


@dataclass(eq=False)
class LoraWrongFamily(ModelError):
    """A LoRA made for another family than the loaded model's."""

    code: ClassVar[str] = "model.lora_wrong_family"
    path: Path
    family: str
    model_family: str


@dataclass(eq=False)
class LoraMisfit(ModelError):
    """A layer of a LoRA does not have the size of the model's layer."""

    code: ClassVar[str] = "model.lora_misfit"
    path: Path
    layer: str


@dataclass(eq=False)
class LoraFormatUnknown(ModelError):
    """A layer of a LoRA holds tensors of no known kind; ``tensors`` are their names."""

    code: ClassVar[str] = "model.lora_format"
    path: Path
    layer: str
    tensors: str


@dataclass(eq=False)
class LoraPartlyUsed(ModelError):
    """(Warning) Only ``used`` of the ``layers`` layers of a LoRA can be merged into the loaded model: the others do not
    exist in it, or lack the rest of their attention (hechos/a1111.md 10.3, OpenCLIP).
    """

    code: ClassVar[str] = "model.lora_partly_used"
    path: Path
    used: int
    layers: int


@dataclass(eq=False)
class EmbeddingUnreadable(ModelError):
    """(Warning) An embedding that the prompt names is left out; ``reason`` as in ``ModelUnreadable`` or
    ``CannotRead``."""

    code: ClassVar[str] = "model.embedding_unreadable"
    path: Path
    reason: str


@dataclass(eq=False)
class EmbeddingSkipped(ModelError):
    """(Warning) An embedding that the prompt names was made for models of another text width."""

    code: ClassVar[str] = "model.embedding_skipped"
    path: Path
    width: int
    model_width: int
