"""The model files a user can choose from: what lies in the model folders, and the demo model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import CannotRead, ForeignFile, ModelUnreadable, NameNotChosen, NoModels, UnknownFile
from sdcolab.core.file_facts import FileFacts
from sdcolab.core.folders import Folders
from sdcolab.core.foreign_files import FOREIGN, IN_FOLDERS, why_foreign
from sdcolab.core.registry import closest
from sdcolab.core.tensors import read_header
from sdcolab.core.untrusted import parse_json

MODEL_SUFFIXES = frozenset({".safetensors", ".ckpt", ".pt", ".pth", ".bin"})


_ONNX = frozenset({".onnx"})
_SUFFIXES = {ModelKind.DETECTOR: _ONNX, ModelKind.FACES: MODEL_SUFFIXES | _ONNX}


_STRANGERS = FOREIGN | {Path(IN_FOLDERS).suffix}
"""Extensions by which ``Library.foreign`` finds what it tells; folders are walked once for both."""


def suffixes_of(kind: ModelKind) -> frozenset[str]:
    """The extensions that files of ``kind`` have."""
    return _SUFFIXES.get(kind, MODEL_SUFFIXES)


INFO_SUFFIX = ".civitai.info"
PREVIEW_SUFFIX = ".preview.png"
"""What takes a model file's extension's place in the names of what civitai tells about it and of its picture."""

LORA_ALIAS_KEY = "ss_output_name"
"""Metadata in which trainers write a LoRA's name."""

FORBIDDEN_ALIASES = frozenset({"none", "Addams"})
"""Names that so many trainers left as they were that they say nothing."""

MAX_INFO_BYTES = 2_000_000
MAX_WORDS = 100
MAX_WORD_CHARACTERS = 1000


def civitai_info(path: Path) -> Mapping[str, Any]:
    """What civitai says of the model file at ``path`` (``NAME.civitai.info``); empty when it says nothing."""
    try:
        with path.with_name(path.stem + INFO_SUFFIX).open("rb") as file:
            info = parse_json(file.read(MAX_INFO_BYTES))
    except (OSError, ValueError):
        return {}
    return info if isinstance(info, dict) else {}


def activation_words(path: Path) -> tuple[str, ...]:
    """The words that wake up the LoRA or embedding at ``path``, as civitai states them (``NAME.civitai.info``); empty
    when nobody said. A word may be a whole piece of prompt."""
    words = civitai_info(path).get("trainedWords")
    if not isinstance(words, list):
        return ()
    clean = (" ".join(word[:MAX_WORD_CHARACTERS].split()) for word in words if isinstance(word, str))
    return tuple(dict.fromkeys(word.strip(" ,") for word in clean if word.strip(" ,")))[:MAX_WORDS]


def lora_alias(path: Path) -> str | None:
    """The name that its trainer gave to the LoRA at ``path``, which prompts may use too (hechos/a1111.md 10.2)."""
    if path.suffix.lower() != ".safetensors":
        return None
    try:
        return read_header(path).metadata.get(LORA_ALIAS_KEY)
    except (CannotRead, ModelUnreadable):  # a damaged file is told when its own name is used
        return None


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file to choose. ``name`` is its path below its kind's folder with forward slashes, and unique in its kind."""

    kind: ModelKind
    name: str
    path: Path

    @property
    def stem(self) -> str:
        """Name for infotexts: no extension, separators as ``_`` (hechos/a1111.md 7.6)."""
        return self.name.rsplit(".", 1)[0].replace("/", "_")

    def is_called(self, name: str) -> bool:
        """Whether it answers to ``name``, whatever the case."""
        return name.casefold() in (known.casefold() for known in _names_of(self))


class Library:
    """Looks at the folders each time it is asked, so a refresh needs no state."""

    def __init__(
        self,
        folders: Folders,
        *,
        first: tuple[ModelFile, ...] = (),
        bundled: tuple[ModelFile, ...] = (),
        facts: FileFacts | None = None,
    ) -> None:
        """``first`` files are listed before those of the folders, and ``bundled`` ones after them. ``facts``: what was
        read of their headers already."""
        self.folders = folders
        self.facts = facts or FileFacts()
        self._first = first
        self._bundled = bundled

    def files(self, kind: ModelKind, suffixes: frozenset[str] | None = None) -> tuple[ModelFile, ...]:
        """Every file of ``kind`` with one of ``suffixes`` (None: those of its kind); those of its folders in
        alphabetical order (ignoring case) and after those that were asked for.
        """
        wanted = suffixes or suffixes_of(kind)
        found = (file for file in self._lying(kind, wanted | _STRANGERS) if file.path.suffix.lower() in wanted)
        plain = (file for file in found if not _is_companion_vae(file))
        own = sorted(plain, key=lambda file: file.name.casefold())
        first = [file for file in self._first if file.kind is kind]
        taken = {file.path for file in first}
        last = [file for file in self._bundled if file.kind is kind]
        return (*first, *(file for file in (*own, *last) if file.path not in taken))

    def _lying(self, kind: ModelKind, suffixes: frozenset[str]) -> tuple[ModelFile, ...]:
        """What has one of ``suffixes`` in the folders of ``kind``, of each name the first."""
        found: dict[str, ModelFile] = {}
        for folder in self.folders.every(kind):
            for path in _walk(folder, suffixes):
                name = path.relative_to(folder).as_posix()
                found.setdefault(name, ModelFile(kind, name, path))
        return tuple(found.values())

    def beginning_with(self, file: ModelFile) -> Library:
        """The same with ``file`` first."""
        return Library(self.folders, first=(file, *self._first), bundled=self._bundled, facts=self.facts)

    def now(self) -> Listing:
        """The same files as they lie there now: each folder is walked at most once."""
        return Listing(self.folders, first=self._first, bundled=self._bundled, facts=self.facts)

    def find(self, kind: ModelKind, name: str) -> ModelFile:
        """The file called ``name``: its full name, its stem, or either followed by ``[hash]`` as A1111 writes titles.

        Raises ``UnknownFile`` with close names, ``ForeignFile`` for one that lies there and is no model,
        ``NameNotChosen`` for no name.
        """
        wanted = name.split(" [")[0].strip().casefold()
        if not wanted:
            raise NameNotChosen(kind=kind.value, name=name)
        files = self.files(kind)
        for names in zip(*(_names_of(file) for file in files), strict=True):
            for file, known in zip(files, names, strict=True):
                if known.casefold() == wanted:
                    return file
        alike = closest(name, [file.name for file in files])
        for file in self.foreign(kind):
            if wanted in (known.casefold() for known in _names_of(file)):
                raise ForeignFile(kind.value, name, alike, file.path, why_foreign(file.path))
        raise UnknownFile(kind=kind.value, name=name, suggestions=alike)

    def foreign(self, kind: ModelKind) -> tuple[ModelFile, ...]:
        """What lies in the folders of ``kind`` like a model, and is nothing that is used here: other programs' formats,
        packed files, unfinished downloads and folders that are one model. In alphabetical order."""
        used = suffixes_of(kind)
        found: list[ModelFile] = []
        for file in self._lying(kind, used | _STRANGERS):
            whole, _, inside = file.name.rpartition("/")
            if whole and inside == IN_FOLDERS:
                found.append(ModelFile(kind, whole, file.path.parent))
            elif file.path.suffix.lower() in FOREIGN - used:
                found.append(file)
        return tuple(sorted(found, key=lambda file: file.name.casefold()))

    def chosen(self, kind: ModelKind) -> ModelFile | None:
        """The file of ``kind`` that was asked for when the program was opened, if any."""
        return next((file for file in self._first if file.kind is kind), None)

    def default_checkpoint(self) -> ModelFile:
        """The one that was asked for, else the first that can run, the user's own before the demo, else the first: as
        few headers are read as tell it. Raises ``NoModels``."""
        files = self.files(ModelKind.CHECKPOINT)
        if not files:
            raise NoModels(folder=self.folders.models(ModelKind.CHECKPOINT))
        runs = (file for file in files if self.facts.trouble(file.path) is None)
        return self.chosen(ModelKind.CHECKPOINT) or next(runs, files[0])

    def checkpoint_or_default(self, name: str | None) -> str | None:
        """``name`` while a checkpoint is called so in full, else the default one's; None when there is none."""
        files = self.files(ModelKind.CHECKPOINT)
        there = any(file.name == name for file in files)
        if there or not files:
            return name if there else None
        return self.default_checkpoint().name


class Listing(Library):
    """What there was when each kind was first asked for. Walking a folder on Drive takes seconds, so a request does it
    once.
    """

    def __init__(
        self,
        folders: Folders,
        *,
        first: tuple[ModelFile, ...] = (),
        bundled: tuple[ModelFile, ...] = (),
        facts: FileFacts | None = None,
    ) -> None:
        super().__init__(folders, first=first, bundled=bundled, facts=facts)
        self._known: dict[tuple[ModelKind, frozenset[str] | None], tuple[ModelFile, ...]] = {}
        self._seen: dict[tuple[ModelKind, frozenset[str]], tuple[ModelFile, ...]] = {}

    def files(self, kind: ModelKind, suffixes: frozenset[str] | None = None) -> tuple[ModelFile, ...]:
        if (kind, suffixes) not in self._known:
            self._known[kind, suffixes] = super().files(kind, suffixes)
        return self._known[kind, suffixes]

    def _lying(self, kind: ModelKind, suffixes: frozenset[str]) -> tuple[ModelFile, ...]:
        if (kind, suffixes) not in self._seen:
            self._seen[kind, suffixes] = super()._lying(kind, suffixes)
        return self._seen[kind, suffixes]

    def now(self) -> Listing:
        return self


def _is_companion_vae(file: ModelFile) -> bool:
    """Whether this is the VAE that lies beside a checkpoint under its name, "modelo.vae.pt" (hechos/a1111.md 6)."""
    return file.kind is ModelKind.CHECKPOINT and ".vae." in file.name.casefold()


def _names_of(file: ModelFile) -> tuple[str, ...]:
    """What a file answers to, the surest first."""
    return file.name, file.name.rsplit(".", 1)[0], file.stem, Path(file.name).stem


def _walk(folder: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    """Files below ``folder`` with one of ``suffixes``. Links are followed (people link their Drive); each real folder
    is entered once.
    """
    seen: set[str] = set()
    for parent, subfolders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        for name in names:
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix.lower() in suffixes and _can_be_shown(path):
                yield path


def _can_be_shown(path: Path) -> bool:
    """Whether the name is text: Linux allows bytes that are not, and no page or infotext could carry them."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def find_lora(name: str, library: Library) -> ModelFile:
    """The file called exactly ``name`` (with or without folder and extension); else the only one whose metadata call it
    so; else the one that the library finds. Raises ``UnknownName``.
    """
    files = library.files(ModelKind.LORA)
    for file in files:
        if name in (file.name, file.name.rsplit(".", 1)[0], file.path.stem, file.path.name):
            return file
    if name and name not in FORBIDDEN_ALIASES:
        called = [file for file in files if lora_alias(file.path) == name]
        if len(called) == 1:
            return called[0]
    return library.find(ModelKind.LORA, name)
