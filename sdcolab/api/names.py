"""The files that a request names, found in the library; and the lists of them that clients ask for."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sdcolab.api.fields import BadField
from sdcolab.api.payload import own_name
from sdcolab.core.details import DetailUnit, find_detector
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    DetectorMissing,
    FaceFileMissing,
    ForeignFile,
    ForeignReplaced,
    NameReplaced,
    NoModels,
    SdcolabError,
    UnknownFile,
    UnknownName,
)
from sdcolab.core.faces import FACE_FILES, GFPGAN, RESTORER
from sdcolab.core.fields import paths, plain_path, table_of, value_at, with_values
from sdcolab.core.hashes import old_hash
from sdcolab.core.library import ModelFile
from sdcolab.core.names import LATENT_UPSCALERS
from sdcolab.core.registry import closest
from sdcolab.core.request import AUTOMATIC, INSIDE, GenerationRequest
from sdcolab.core.tensors import TensorHeader, read_header
from sdcolab.studio.studio import Studio

SHORT_HASH = 10
"""Hex digits of a hash in a checkpoint's title (hechos/a1111.md 7.6)."""

_REPLACEABLE = {"checkpoint": "", "vae": AUTOMATIC}
"""Fields whose file may be missing, and what is used then."""

_HASH = re.compile(r"[0-9a-f]{10,64}")
_SCALE = 4
"""What A1111 says of every upscaler, whatever its network does."""


class Names:
    """Finds what clients name, and lists what they may name."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._library = studio.library
        self._folders = studio.library.folders
        self._finders: Mapping[str, Callable[[str], str]] = {
            "checkpoints": self.checkpoint,
            "vaes": self.vae,
            "upscalers": self.upscaler,
            "hires_upscalers": self.hires_upscaler,
        }

    def settled(self, request: GenerationRequest, warn: Callable[[SdcolabError], None]) -> GenerationRequest:
        """``request`` with the library's own names of its files and upscalers. A checkpoint or VAE of its own that is
        not here leaves what is chosen now, and faces and details stay as they are where what restores or finds them is
        not here, as in A1111; ``warn`` hears of it.

        Raises ``BadField`` with close names for the first of the others that does not exist.
        """
        kind: type = type(request)
        table = table_of(kind)
        names: dict[str, str] = {}
        for path in paths(request):
            field = table[plain_path(path)]
            if path in _REPLACEABLE:
                names[path] = self._or_default(path, value_at(request, path), warn)
            elif field.choices in self._finders:
                names[path] = found(own_name(field), self._finders[field.choices], value_at(request, path))
        settled = with_values(request, names)
        lacking = (one for one in FACE_FILES if one.found_in(self._folders) is None)
        if settled.restore_faces and (missing := next(lacking, None)):
            folder = self._folders.models(ModelKind.FACES)
            warn(FaceFileMissing(file=missing.file, folder=folder, link=missing.link, size=missing.size))
            settled = replace(settled, restore_faces=False)
        return replace(settled, details=tuple(unit for unit in settled.details if self._can_be_found(unit, warn)))

    def _can_be_found(self, unit: DetailUnit, warn: Callable[[SdcolabError], None]) -> bool:
        try:
            find_detector(unit.model, self._library)
        except DetectorMissing as error:
            warn(error)
            return False
        return True

    def _or_default(self, path: str, name: str, warn: Callable[[SdcolabError], None]) -> str:
        try:
            return self.checkpoint(name) if path == "checkpoint" else self.vae(name)
        except UnknownName as error:
            if isinstance(error, ForeignFile):
                warn(ForeignReplaced(error.kind, name, error.suggestions, error.path, error.reason))
            else:
                warn(NameReplaced(kind=error.kind, name=name, suggestions=error.suggestions))
            return _REPLACEABLE[path]

    def checkpoint(self, name: str) -> str:
        """The library's name of a checkpoint called by name, title or hash; an empty name stays empty.

        Raises ``UnknownFile``.
        """
        if not name:
            return ""
        try:
            return self._library.find(ModelKind.CHECKPOINT, name).name
        except UnknownFile:
            for file in self._library.files(ModelKind.CHECKPOINT):
                if _HASH.fullmatch(name) and (self._studio.known_hash(file) or "").startswith(name):
                    return file.name
            raise

    def vae(self, name: str) -> str:
        """The library's name of a VAE, or A1111's words for "automatic" and "the checkpoint's own"."""
        for word in (AUTOMATIC, INSIDE):
            if name.casefold() == word.casefold():
                return word
        return self._library.find(ModelKind.VAE, name).name

    def upscaler(self, name: str) -> str:
        """The upscaler called ``name``, whatever its case. Raises ``UnknownName``."""
        return _one_of(self._studio.lists("upscalers"), name)

    def hires_upscaler(self, name: str) -> str:
        """The same, or a way to enlarge latents."""
        return _one_of((*LATENT_UPSCALERS, *self._studio.lists("upscalers")), name)

    def current_checkpoint(self, wanted: str, saved: str) -> ModelFile | None:
        """The checkpoint that requests without one get: the first that exists of the ``wanted`` one, the one that the
        program was opened with, the ``saved`` one, and any."""
        chosen = self._library.chosen(ModelKind.CHECKPOINT)
        for name in (wanted, chosen.name if chosen else "", saved):
            with contextlib.suppress(UnknownFile):
                if name:
                    return self._library.find(ModelKind.CHECKPOINT, name)
        with contextlib.suppress(NoModels):
            return self._library.default_checkpoint()
        return None

    def title(self, file: ModelFile) -> str:
        """A checkpoint's name as A1111 shows it, with its hash when that is known."""
        digest = self._studio.known_hash(file)
        return f"{file.name} [{digest[:SHORT_HASH]}]" if digest else file.name

    # --- Lists --------------------------------------------------------------------------------------------------------

    def checkpoints(self) -> list[dict[str, Any]]:
        """Answer of ``sd-models``."""
        return [self._checkpoint_entry(file) for file in self._library.files(ModelKind.CHECKPOINT)]

    def _checkpoint_entry(self, file: ModelFile) -> dict[str, Any]:
        digest = self._studio.known_hash(file)
        return {
            "title": self.title(file),
            "model_name": file.stem,
            "hash": digest and digest[:SHORT_HASH],
            "sha256": digest,
            "filename": str(file.path),
            "config": None,
        }

    def vaes(self) -> list[dict[str, Any]]:
        """Answer of ``sd-vae``."""
        return [{"model_name": file.name, "filename": str(file.path)} for file in self._library.files(ModelKind.VAE)]

    def loras(self) -> list[dict[str, Any]]:
        """Answer of ``loras``."""
        return [_lora_entry(file) for file in self._library.files(ModelKind.LORA)]

    def hypernetworks(self) -> list[dict[str, Any]]:
        """Answer of ``hypernetworks``."""
        return [{"name": file.stem, "path": str(file.path)} for file in self._library.files(ModelKind.HYPERNETWORK)]

    def face_restorers(self) -> list[dict[str, Any]]:
        """Answer of ``face-restorers``: those whose file is here."""
        here = RESTORER.found_in(self._folders)
        return [{"name": GFPGAN, "cmd_dir": str(here.parent)}] if here else []

    def controlnets(self) -> dict[str, str]:
        """The control models: each one's name with its hash, as sd-webui-controlnet lists it, by its name alone."""
        return {file.stem: _control_title(file) for file in self._library.files(ModelKind.CONTROLNET)}

    def embeddings(self) -> dict[str, Any]:
        """Answer of ``embeddings``. Which of them a model can use is only known when it is loaded."""
        files = self._library.files(ModelKind.EMBEDDING)
        return {"loaded": {file.path.stem: _embedding_entry(file) for file in files}, "skipped": {}}

    def upscalers(self) -> list[dict[str, Any]]:
        """Answer of ``upscalers``."""
        paths = {file.stem: str(file.path) for file in self._library.files(ModelKind.UPSCALER)}
        return [
            {"name": name, "model_name": None, "model_path": paths.get(name), "model_url": None, "scale": _SCALE}
            for name in self._studio.lists("upscalers")
        ]


def _control_title(file: ModelFile) -> str:
    """Its hash is A1111's old one (hechos/extensiones.md 3), for which little is read."""
    with contextlib.suppress(OSError):
        return f"{file.stem} [{old_hash(file.path)}]"
    return file.stem


def found(field: str, find: Callable[[str], str], name: str) -> str:
    """What ``find`` says of ``name``. Raises ``BadField`` when there is no such thing."""
    try:
        return find(name)
    except UnknownName as error:
        raise BadField(field, error) from error


def _one_of(names: Sequence[str], name: str) -> str:
    for known in names:
        if known.casefold() == name.strip().casefold():
            return known
    raise UnknownName(kind=ModelKind.UPSCALER.value, name=name, suggestions=closest(name, names))


def _header(file: ModelFile) -> TensorHeader:
    """What the file says about itself; nothing when it cannot be read without opening it."""
    with contextlib.suppress(SdcolabError):
        if file.path.suffix.lower() == ".safetensors":
            return read_header(file.path)
    return TensorHeader({})


def _lora_entry(file: ModelFile) -> dict[str, Any]:
    metadata = _header(file).metadata
    return {
        "name": file.path.stem,
        "alias": metadata.get("ss_output_name") or file.path.stem,
        "path": str(file.path),
        "metadata": dict(_unpacked(metadata)),
    }


def _unpacked(metadata: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """Metadata, with the JSON objects that kohya's trainer writes as text in them."""
    for key, value in metadata.items():
        unpacked: Any = value
        if value.startswith("{"):
            with contextlib.suppress(ValueError, RecursionError):
                unpacked = json.loads(value)
        yield key, unpacked


def _embedding_entry(file: ModelFile) -> dict[str, Any]:
    shapes = [info.shape for info in _header(file).tensors.values() if len(info.shape) == 2]
    return {
        "step": None,
        "sd_checkpoint": None,
        "sd_checkpoint_name": None,
        "shape": shapes[0][1] if shapes else None,
        "vectors": shapes[0][0] if shapes else None,
    }
