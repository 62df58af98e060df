"""CLIP's picture encoders, which IP-Adapters read: what an adapter needs, what a file gives, and where it is.

Ye et al. 2023 (arXiv:2308.06721): plain adapters read the vector of the whole picture, "plus" ones and those for whole
faces every patch of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import CannotRead
from sdcolab.core.files import system_reason
from sdcolab.core.folders import Folders
from sdcolab.core.library import MODEL_SUFFIXES
from sdcolab.core.preprocessors import PREPROCESSOR_FILE_NAMES
from sdcolab.core.tensors import TensorHeader


@dataclass(frozen=True, slots=True)
class ClipNeed:
    """What an IP-Adapter reads: ``width`` channels of every patch (``patches``), or of the whole picture."""

    width: int
    patches: bool


@dataclass(frozen=True, slots=True)
class ClipFile:
    """An encoder on offer: the name that its file gets, the channels of each patch and of the whole picture's vector,
    and where it comes from."""

    name: str
    hidden: int
    projected: int
    link: str
    size: int
    sha256: str
    licence: str

    @property
    def file(self) -> str:
        """What it is called once it is here."""
        return f"{self.name}.safetensors"

    @property
    def whole_link(self) -> str:
        """What to give to the downloads: where it comes from, and its name."""
        return f"{self.link} > {self.name}"


_ADAPTERS = "https://huggingface.co/h94/IP-Adapter/resolve/main/"
CLIP_FILES = (
    ClipFile(
        "CLIP-ViT-H-14-laion2B-s32B-b79K",
        1280,
        1024,
        f"{_ADAPTERS}models/image_encoder/model.safetensors",
        2_528_373_448,
        "6ca9667da1ca9e0b0f75e46bb030f7e011f44f86cbfb8d5a36590fcd7507b030",
        "MIT (LAION)",
    ),
    ClipFile(
        "CLIP-ViT-bigG-14-laion2B-39B-b160k",
        1664,
        1280,
        f"{_ADAPTERS}sdxl_models/image_encoder/model.safetensors",
        3_689_912_664,
        "657723e09f46a7c3957df651601029f66b1748afb12b419816330f16ed45d64d",
        "MIT (LAION)",
    ),
)
"""Those of the adapters that people have."""

_EMBEDDING = "vision_model.embeddings.patch_embedding.weight"
_PROJECTION = "visual_projection.weight"


def clip_need(header: TensorHeader) -> ClipNeed | None:
    """What the IP-Adapter with this header reads; None when it is none, or misses the layer that tells."""
    for tensor, patches in (("proj_in", True), ("proj.0", True), ("proj", False)):
        shape = header.shape(f"image_proj.{tensor}.weight")
        if shape and len(shape) == 2:
            return ClipNeed(shape[1], patches)
    return None


def gives(header: TensorHeader, need: ClipNeed) -> bool:
    """Whether the file with this header is an encoder that ``need`` can read."""
    embedding, projection = header.shape(_EMBEDDING), header.shape(_PROJECTION)
    if not embedding or not projection:
        return False
    return need.width == (embedding[0] if need.patches else projection[0])


def clip_on_offer(need: ClipNeed) -> ClipFile | None:
    """The encoder to get for ``need``."""
    return next((one for one in CLIP_FILES if need.width == (one.hidden if need.patches else one.projected)), None)


def clip_paths(folders: Folders) -> Iterator[Path]:
    """Files that may be encoders, in the order in which they are taken. Those that are a preprocessor's, of which most
    are large pickles, are passed over. Raises ``CannotRead``."""
    for folder in (*folders.roots(ModelKind.CLIP_VISION), *folders.roots(ModelKind.ANNOTATOR)):
        try:
            found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in MODEL_SUFFIXES)
        except OSError as error:
            raise CannotRead(path=folder, reason=system_reason(error)) from error
        yield from (path for path in found if path.is_file() and path.name not in PREPROCESSOR_FILE_NAMES)
