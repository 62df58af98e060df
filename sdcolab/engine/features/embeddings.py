"""Textual inversion: files whose name, written in a prompt, stands for vectors of their own (hechos/a1111.md 1.11).

Gal et al. 2022, "An Image is Worth One Word" (arXiv:2208.01618). A file is opened only when its name may occur in a
text that is being encoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from PIL import Image
from torch import Tensor

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    CannotRead,
    EmbeddingSkipped,
    EmbeddingUnreadable,
    ModelError,
    ModelUnreadable,
    ModelUnsafe,
    SdcolabError,
)
from sdcolab.core.infotext import EngineFacts
from sdcolab.core.library import Library
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.core.tensors import is_safetensors
from sdcolab.engine.bench import Bench
from sdcolab.engine.conditioning import Conditioning
from sdcolab.engine.feature import Active, Feature
from sdcolab.engine.features.embedding_images import IMAGE_SUFFIXES, content_of_image
from sdcolab.engine.hashes import EMBEDDING_HASH, HashCache, hash_list, infotext_name
from sdcolab.engine.vectors import LoadedEmbedding, Vocabulary, names_in, vectors_in
from sdcolab.engine.weights import Stamp, open_weights, read_pickle, stamp_of

SUFFIXES = frozenset({".pt", ".bin", ".safetensors"})

Warn = Callable[[SdcolabError], None]


@dataclass(frozen=True, slots=True, eq=False)
class StoredEmbedding:
    """What a file holds: ``vectors`` float32 [n, C] and the name that stands for them in prompts."""

    name: str
    vectors: Tensor


class Opened(dict[Stamp, StoredEmbedding | None]):
    """What was read of files; None of pictures that hold no embedding."""


class Embeddings(Feature):
    """The textual inversions of the folder, in every prompt."""

    def __init__(self) -> None:
        self._shelves: dict[int, EmbeddingShelf] = {}
        self._hashes: dict[str, Future[str]] = {}
        self._own: dict[int, set[str]] = {}
        self._picture = 0

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self:
        del asked  # any word may be one
        return cls()

    def vocabulary(self, active: Active) -> Vocabulary:
        """The folder's, for text encoders of the model's width."""
        return self._shelf(active).occurring

    def after_text(self, conditioning: Conditioning, active: Active) -> Conditioning:
        """Notes which were used, for the infotext."""
        shelf = self._shelf(active)
        self._hashes |= {infotext_name(one.name): shelf.hash_of(one) for one in conditioning.embeddings}
        for number, own in enumerate(conditioning.own):
            self._own.setdefault(number, set()).update(infotext_name(one.name) for one in own.embeddings)
        return conditioning

    def after_decode(self, picture: Image.Image, index: int) -> Image.Image:
        """Notes whose infotext comes next."""
        self._picture = index
        return picture

    def facts(self, facts: EngineFacts, bench: Bench) -> EngineFacts:
        """Names and hashes of the files that were used, in the picture itself where each has its own prompts."""
        names = self._own.get(self._picture, self._hashes)
        used = {name: digest for name, digest in self._hashes.items() if name in names}
        return replace(facts, extra=(*facts.extra, ("TI hashes", hash_list(used, bench.wait_for))))

    def _shelf(self, active: Active) -> EmbeddingShelf:
        bench, width = active.bench, active.checkpoint.model.embedding_width
        if width not in self._shelves:
            opened = bench.kept.of(Opened, Opened)
            self._shelves[width] = EmbeddingShelf(bench.library, width, bench.hashes, bench.warn, opened=opened)
        return self._shelves[width]


class EmbeddingShelf:
    """The embeddings that one request can use: what lies in the folder now, for a text encoder of width C."""

    def __init__(
        self,
        library: Library,
        width: int,
        hashes: HashCache,
        warn: Warn,
        *,
        opened: Opened | None = None,
    ) -> None:
        """``opened`` remembers files from one shelf to the next. ``warn`` hears of vectors of another width."""
        self._width = width
        self._hashes = hashes
        self._warn = warn
        self._opened = Opened() if opened is None else opened
        self._paths: dict[str, Path] = {}
        self._skipped: set[tuple[str, Path]] = set()
        for file in library.files(ModelKind.EMBEDDING, SUFFIXES | IMAGE_SUFFIXES):
            name = None if ".preview." in file.path.name else self._name_of(file.path)
            if name is not None:
                self._paths.setdefault(name, file.path)

    def occurring(self, texts: Iterable[str]) -> tuple[LoadedEmbedding, ...]:
        """The embeddings whose names stand in any of ``texts``, perhaps within a word. A file that cannot be read is
        left out, and that is told where its name stands there as a word of its own.
        """
        texts = tuple(texts)
        found: list[LoadedEmbedding] = []
        for name in names_in(texts, self._paths):
            try:
                embedding = self._loaded(self._paths[name])
            except (CannotRead, ModelError) as error:
                if any(_is_word_of(name, text) for text in texts):
                    self._leave_out(name, error)
                continue
            if embedding is not None and self._fits(embedding):
                found.append(embedding)
        return tuple(found)

    def hash_of(self, embedding: LoadedEmbedding) -> Future[str]:
        """12 hexadecimal digits of the file's SHA-256, or the name of the LoRA that brought it."""
        if embedding.bundle:
            known: Future[str] = Future()
            known.set_result(embedding.bundle)
            return known
        return self._hashes.start(embedding.stamp[0], EMBEDDING_HASH)

    def _name_of(self, path: Path) -> str | None:
        """What stands for the file in prompts: its own name, or the one in a picture (None for one without)."""
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            return path.stem
        try:
            loaded = self._loaded(path)
        except (CannotRead, ModelError):  # a damaged picture has no name that anybody could write
            return None
        return loaded.name if loaded else None

    def _leave_out(self, name: str, error: CannotRead | ModelError) -> None:
        path = self._paths[name]
        if (name, path) not in self._skipped:
            self._skipped.add((name, path))
            reason = "unsafe" if isinstance(error, ModelUnsafe) else str(error.facts()["reason"])
            self._warn(EmbeddingUnreadable(path=path, reason=reason))

    def _loaded(self, path: Path) -> LoadedEmbedding | None:
        """What the file holds; None for a mere picture."""
        stamp = stamp_of(path)
        if stamp not in self._opened:
            self._opened[stamp] = read_embedding(path)
        stored = self._opened[stamp]
        return None if stored is None else LoadedEmbedding(stored.name, stamp, stored.vectors)

    def _fits(self, embedding: LoadedEmbedding) -> bool:
        """Whether it is as wide as the text encoder. If not, that is told once."""
        width, key = embedding.width, (embedding.name, embedding.stamp[0])
        if width != self._width and key not in self._skipped:
            self._skipped.add(key)
            self._warn(EmbeddingSkipped(path=key[1], width=width, model_width=self._width))
        return width == self._width


def _is_word_of(name: str, text: str) -> bool:
    return re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", text, re.IGNORECASE) is not None


# --- Files ------------------------------------------------------------------------------------------------------------


def read_embedding(path: Path) -> StoredEmbedding | None:
    """The embedding in a file of any kind; None for a picture without one.

    Raises ``CannotRead``, ``ModelUnsafe`` or ``ModelUnreadable``.
    """
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        return StoredEmbedding(path.stem, read_vectors(path))
    content = content_of_image(path)
    vectors = vectors_in(content)
    if vectors is None:
        return None
    name = content.get("name")
    return StoredEmbedding(name if isinstance(name, str) and name else path.stem, vectors)


def read_vectors(path: Path) -> Tensor:
    """The vectors [n, C] in float32 of a file; SDXL's two are side by side.

    Raises ``CannotRead``, ``ModelUnsafe`` or ``ModelUnreadable``.
    """
    if is_safetensors(path):
        weights = open_weights(path)
        content: Any = {name: weights.get(name) for name in weights.header.tensors}
    else:
        content = read_pickle(path)
    vectors = vectors_in(content)
    if vectors is None:
        raise ModelUnreadable(path=path, reason="not_a_model")
    return vectors
