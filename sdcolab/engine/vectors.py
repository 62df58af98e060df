"""Words that stand for vectors of their own in the text encoder (textual inversion, hechos/a1111.md 1.11)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sdcolab.core.detect import SDXL_EMBEDDINGS
from sdcolab.core.pickles import insides
from sdcolab.engine.tokenizer import Chunk, ClipTokenizer, Embedding
from sdcolab.engine.weights import Stamp


@dataclass(frozen=True, slots=True)
class LoadedEmbedding:
    """``vectors`` is float32 [n, C]; ``bundle`` is the name of the LoRA whose file holds them, if one does.

    Two are equal when they come from the same file unchanged.
    """

    name: str
    stamp: Stamp
    vectors: Tensor = field(compare=False, repr=False)
    bundle: str = ""

    @property
    def width(self) -> int:
        """Channels of each vector."""
        return self.vectors.shape[1]

    def seen_by(self, tokenizer: ClipTokenizer) -> Embedding:
        """What the tokenizer looks for."""
        return Embedding(self.name, tuple(tokenizer.encode(self.name)), len(self.vectors))


Vocabulary = Callable[[Sequence[str]], tuple[LoadedEmbedding, ...]]
"""Texts -> the words with vectors whose names stand in any of them, perhaps within another word."""


_BLANKS = re.compile(r"[\s\\]+")


def names_in(texts: Iterable[str], names: Iterable[str]) -> Iterator[str]:
    """Those of ``names`` that stand in any of ``texts``, whatever their case and blanks."""
    squashed = [_squashed(text) for text in texts]
    for name in names:
        needle = _squashed(name)
        if needle and any(needle in text for text in squashed):
            yield name


def _squashed(text: str) -> str:
    return _BLANKS.sub("", text).casefold()


def joined(vocabularies: Sequence[Vocabulary]) -> Vocabulary:
    """All of them as one; where two know a name the first counts."""

    def occurring(texts: Sequence[str]) -> tuple[LoadedEmbedding, ...]:
        found = [embedding for vocabulary in vocabularies for embedding in vocabulary(texts)]
        return tuple({embedding.name: embedding for embedding in reversed(found)}.values())[::-1]

    return occurring


# --- In files ---------------------------------------------------------------------------------------------------------


def vectors_in(content: Any) -> Tensor | None:
    """The vectors in what a file holds: A1111's ``string_to_param``, a pair of ``SDXL_EMBEDDINGS``, or the tensors
    of a dictionary, one a token (diffusers). None for anything else.
    """
    if not isinstance(content, Mapping):
        return None
    if "string_to_param" in content:
        return _rows(insides(content["string_to_param"]))  # the first trainers saved a module
    if pair := next((pair for pair in SDXL_EMBEDDINGS if content.keys() >= set(pair)), None):
        parts = [_matrix(content[name]) for name in pair]
        left, right = parts
        if left is None or right is None or len(left) != len(right):
            return None
        return torch.cat([left, right], dim=1)
    return _rows(content)


MAX_PIECES = 8
"""Most tensors of an embedding that comes in pieces, one a token (diffusers)."""


def _rows(content: Any) -> Tensor | None:
    if not isinstance(content, Mapping) or not 0 < len(content) <= MAX_PIECES:
        return None
    if len(content) > 1 and any(getattr(value, "ndim", 0) != 1 for value in content.values()):
        return None
    parts = [_matrix(value) for value in content.values()]
    found = [part for part in parts if part is not None]
    if len(found) < len(parts) or len({part.shape[1] for part in found}) != 1:
        return None
    return torch.cat(found)


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
