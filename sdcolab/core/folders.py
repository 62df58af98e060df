"""Where everything lives under one root folder, with the folder names that AUTOMATIC1111's users know."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.detect import ModelKind

ROOT_VARIABLE = "SDCOLAB_CARPETA"
"""Environment variable that moves the root folder."""

MODEL_FOLDERS = {
    ModelKind.CHECKPOINT: "models/Stable-diffusion",
    ModelKind.LORA: "models/Lora",
    ModelKind.VAE: "models/VAE",
    ModelKind.EMBEDDING: "embeddings",
    ModelKind.CONTROLNET: "models/ControlNet",
    ModelKind.UPSCALER: "models/ESRGAN",
    ModelKind.HYPERNETWORK: "models/hypernetworks",
    ModelKind.TEXT_ENCODER: "models/text_encoder",
    ModelKind.UNET: "models/unet",
    ModelKind.ANNOTATOR: "models/ControlNetPreprocessor",
    ModelKind.CLIP_VISION: "models/clip_vision",
    ModelKind.DETECTOR: "models/adetailer",
    ModelKind.FACES: "models/GFPGAN",
    ModelKind.TINY_VAE: "models/VAE-approx",
    ModelKind.MOTION: "models/AnimateDiff",
    ModelKind.OTHER: "models/otros",
}


LDSR = "LDSR"
"""A1111's folder of LDSR, whose one file is called "model.ckpt" as so many are, and the upscaler's name."""

_EXTENSION = "extensions/sd-webui-controlnet"
_BY_HAND = (
    *(ModelKind.CHECKPOINT, ModelKind.LORA, ModelKind.VAE, ModelKind.EMBEDDING, ModelKind.CONTROLNET),
    ModelKind.UPSCALER,
)

_MORE_FOLDERS = {
    ModelKind.CONTROLNET: (f"{_EXTENSION}/models",),
    ModelKind.ANNOTATOR: (f"{_EXTENSION}/annotator/downloads",),
    ModelKind.UPSCALER: (f"models/{LDSR}",),
}
"""Where A1111's users have some files: with the extension of ControlNet (hechos/extensiones.md 3), or in a folder of
their own."""


@dataclass(frozen=True, slots=True)
class Folders:
    """The program's folders. ``pictures``: another place for saved images. Nothing is created until somebody writes."""

    root: Path
    pictures: Path | None = None

    def models(self, kind: ModelKind) -> Path:
        """Folder of one kind of model file."""
        return self.root / MODEL_FOLDERS[kind]

    def make_for_models(self) -> None:
        """Make the folders that people put models in by hand; a disk that cannot be written to stays as it is."""
        for kind in _BY_HAND:
            with contextlib.suppress(OSError):
                self.models(kind).mkdir(parents=True, exist_ok=True)

    def every(self, kind: ModelKind) -> tuple[Path, ...]:
        """Where model files of one kind are looked for: its folder, and others that AUTOMATIC1111's users have them
        in."""
        return (self.models(kind), *(self.root / name for name in _MORE_FOLDERS.get(kind, ())))

    def roots(self, kind: ModelKind) -> tuple[Path, ...]:
        """Where files that are looked for by their own names lie: ``every``, and what is linked in them, which are
        other programs' folders of the same (``core.borrowed``)."""
        return tuple(place for folder in self.every(kind) for place in (folder, *_links_in(folder)))

    @property
    def tiny_vaes(self) -> Path:
        """Tiny decoders and encoders in place of a VAE (TAESD)."""
        return self.models(ModelKind.TINY_VAE)

    @property
    def preprocessors(self) -> Path:
        """Weights of ControlNet's preprocessors."""
        return self.models(ModelKind.ANNOTATOR)

    @property
    def clip_vision(self) -> Path:
        """CLIP's picture encoders, which IP-Adapters read."""
        return self.models(ModelKind.CLIP_VISION)

    @property
    def outputs(self) -> Path:
        """Root of saved images."""
        return self.pictures or self.root / "outputs"

    @property
    def txt2img(self) -> Path:
        """Images made from text; one folder a day inside."""
        return self.outputs / "txt2img-images"

    @property
    def img2img(self) -> Path:
        """Images made from other images; one folder a day inside."""
        return self.outputs / "img2img-images"

    @property
    def wildcards(self) -> Path:
        """Lists for prompts with random parts."""
        return self.root / "wildcards"

    @property
    def extras(self) -> Path:
        """Images that were only enlarged; one folder a day inside."""
        return self.outputs / "extras-images"

    @property
    def control_maps(self) -> Path:
        """Maps that preprocessors made; one folder a day inside."""
        return self.outputs / "detected_maps"

    @property
    def config(self) -> Path:
        """Settings and styles, as JSON."""
        return self.root / "config"

    @property
    def set_aside(self) -> Path:
        """Downloads that were refused (unsafe pickles), kept for the user to look at."""
        return self.root / "apartados"

    @property
    def temporary(self) -> Path:
        """Scratch files of the web UI."""
        return self.root / "temporal"

    @property
    def hashes(self) -> Path:
        """Where the hashes of model files are remembered."""
        return self.temporary / "hashes.json"

    @property
    def logs(self) -> Path:
        """Log files."""
        return self.root / "registros"


def _links_in(folder: Path) -> Iterator[Path]:
    """The folders that ``folder`` has links to, in alphabetical order."""
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            with contextlib.suppress(OSError):
                os.readlink(path)  # noqa: PTH115 - junctions too, which Path.is_symlink does not call links
                yield path


def default_root() -> Path:
    """``$SDCOLAB_CARPETA``, or ``~/sdcolab``."""
    named = os.environ.get(ROOT_VARIABLE)
    return Path(named).expanduser().absolute() if named else Path.home() / "sdcolab"
