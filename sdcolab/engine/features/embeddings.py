"""Textual inversion: files whose name, written in a prompt, stands for vectors of their own (hechos/a1111.md 1.11).

Gal et al. 2022, "An Image is Worth One Word" (arXiv:2208.01618). A file is opened only when its name may occur in a
text that is being encoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import EmbeddingSkipped, ModelUnreadable, SdcolabError
from sdcolab.core.library import Library
from sdcolab.engine.features.embedding_images import IMAGE_SUFFIXES, content_of_image
from sdcolab.engine.hashes import EMBEDDING_HASH, HashCache
from sdcolab.engine.tokenizer import Chunk, ClipTokenizer, Embedding
from sdcolab.engine.weights import Stamp, open_weights, read_pickle, stamp_of

SUFFIXES = frozenset({".pt", ".bin", ".safetensors"})

_BLANKS = re.compile(r"[\s\\]+")

Warn = Callable[[SdcolabError], None]


@dataclass(frozen=True, slots=True)
class LoadedEmbedding:
    """``vectors`` is float32 [n, C]; ``bundle`` is the name of the LoRA whose file holds them, if one does.

    Two are equal when they come from the same file unchanged.
    """

    name: str
    stamp: Stamp
    vectors: Tensor = field(compare=False, repr=False)
    bundle: str = ""

    def seen_by(self, tokenizer: ClipTokenizer) -> Embedding:
        """What the tokenizer looks for."""
        return Embedding(self.name, tuple(tokenizer.encode(self.name)), len(self.vectors))


@dataclass(frozen=True, slots=True, eq=False)
class StoredEmbedding:
    """What a file holds: ``vectors`` float32 [n, C] and the name that stands for them in prompts."""

    name: str
    vectors: Tensor


Opened = dict[Stamp, StoredEmbedding | None]
"""What was read of files; None of empty ones and of pictures that hold no embedding."""


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
        bundled: Iterable[LoadedEmbedding] = (),
    ) -> None:
        """``opened`` remembers files from one shelf to the next; ``bundled`` come with LoRAs and give way to files of
        the same name. ``warn`` hears of vectors of another width.
        """
        self._width = width
        self._hashes = hashes
        self._warn = warn
        self._opened: Opened = {} if opened is None else opened
        self._paths: dict[str, Path] = {}
        self._bundled = {embedding.name: embedding for embedding in bundled}
        self._skipped: set[tuple[str, Path]] = set()
        for file in library.files(ModelKind.EMBEDDING, SUFFIXES | IMAGE_SUFFIXES):
            name = None if ".preview." in file.path.name else self._name_of(file.path)
            if name is not None:
                self._paths.setdefault(name, file.path)

    def occurring(self, texts: Iterable[str]) -> tuple[LoadedEmbedding, ...]:
        """The embeddings whose names stand in any of ``texts``, perhaps within a word. Raises ``CannotRead`` or
        ``ModelError``.
        """
        squashed = [_squashed(text) for text in texts]
        found: list[LoadedEmbedding] = []
        for name in {**self._bundled, **self._paths}:
            needle = _squashed(name)
            if needle and any(needle in text for text in squashed):
                embedding = self._loaded(self._paths[name]) if name in self._paths else self._bundled[name]
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
        loaded = self._loaded(path)
        return loaded.name if loaded else None

    def _loaded(self, path: Path) -> LoadedEmbedding | None:
        """What the file holds; None for an empty one and for a mere picture."""
        stamp = stamp_of(path)
        if stamp not in self._opened:
            _, size, _ = stamp
            self._opened[stamp] = read_embedding(path) if size else None
        stored = self._opened[stamp]
        return None if stored is None else LoadedEmbedding(stored.name, stamp, stored.vectors)

    def _fits(self, embedding: LoadedEmbedding) -> bool:
        """Whether it is as wide as the text encoder. If not, that is told once."""
        width, key = embedding.vectors.shape[1], (embedding.name, embedding.stamp[0])
        if width != self._width and key not in self._skipped:
            self._skipped.add(key)
            self._warn(EmbeddingSkipped(path=key[1], width=width, model_width=self._width))
        return width == self._width


def _squashed(text: str) -> str:
    return _BLANKS.sub("", text).casefold()


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
    if path.suffix.lower() == ".safetensors":
        weights = open_weights(path)
        content: Any = {name: weights.get(name) for name in weights.header.tensors}
    else:
        content = read_pickle(path, allowed=(nn.ParameterDict,))
    vectors = vectors_in(content)
    if vectors is None:
        raise ModelUnreadable(path=path, reason="not_a_model")
    return vectors


def vectors_in(content: Any) -> Tensor | None:
    """The vectors in what a file holds: A1111's ``string_to_param``, SDXL's ``clip_l`` and ``clip_g``, or the only
    tensor of a dictionary (diffusers). None for anything else.
    """
    if not isinstance(content, Mapping):
        return None
    if "string_to_param" in content:
        content = content["string_to_param"]
        if isinstance(content, nn.ParameterDict):  # the first trainers saved a module
            content = dict(content.items())
        return _only(content)
    if {"clip_l", "clip_g"} <= content.keys():
        parts = [_matrix(content[name]) for name in ("clip_l", "clip_g")]
        left, right = parts
        if left is None or right is None or len(left) != len(right):
            return None
        return torch.cat([left, right], dim=1)
    return _only(content)


def _only(content: Any) -> Tensor | None:
    if not isinstance(content, Mapping) or len(content) != 1:
        return None
    return _matrix(next(iter(content.values())))


def _matrix(value: Any) -> Tensor | None:
    if not isinstance(value, Tensor) or value.dim() not in (1, 2) or not value.numel():
        return None
    matrix = value.detach().to("cpu", torch.float32)
    return matrix.unsqueeze(0) if matrix.dim() == 1 else matrix


# --- In the text encoder ----------------------------------------------------------------------------------------------


def used_in(rows: Iterable[Chunk], embeddings: Iterable[LoadedEmbedding]) -> Iterator[LoadedEmbedding]:
    """The embeddings that have slots in ``rows``, in order; one may come more than once."""
    by_name = {embedding.name: embedding for embedding in embeddings}
    for chunk in rows:
        yield from (by_name[slot.name] for slot in chunk.slots)


@contextmanager
def injected(
    token_embedding: nn.Module,
    rows: Iterable[Chunk],
    embeddings: Iterable[LoadedEmbedding],
    columns: slice = slice(None),
) -> Iterator[None]:
    """While it lasts, the token embeddings [N, 77, C] that the encoder makes have the vectors in the slots of ``rows``.

    Vectors beyond the last row are cut. ``columns`` are the encoder's among those of all encoders of the model.
    """
    by_name = {embedding.name: embedding.vectors[:, columns] for embedding in embeddings}
    slots = [(index, slot.offset, by_name[slot.name]) for index, chunk in enumerate(rows) for slot in chunk.slots]
    if not slots:
        yield
        return

    def write(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        output = output.clone()
        for index, offset, vectors in slots:
            end = min(offset + len(vectors), output.shape[1])
            output[index, offset:end] = vectors[: end - offset].to(output)
        return output

    handle = token_embedding.register_forward_hook(write)
    try:
        yield
    finally:
        handle.remove()
