"""CLIP's and OpenCLIP's tokenizer, and the cutting of long prompts into chunks of 75 tokens. Imports neither torch nor
transformers.

Sources: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision" (vocabulary and
byte-level BPE); hechos/a1111.md 1.3, 1.4 and 1.11 (chunks, counter, textual inversion).
"""

from __future__ import annotations

import functools
import gzip
import html
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import resources

from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

from sdcolab.core.prompt import (
    BREAK,
    Segment,
    edit_schedule,
    extract_networks,
    parse_attention,
    split_and,
    strip_comments,
)

START = 49406
"""Id of ``<|startoftext|>``."""
END = 49407
"""Id of ``<|endoftext|>``; it also pads, except in OpenCLIP."""
OPEN_CLIP_PADDING = 0
"""Id that pads OpenCLIP's texts after the first ``END``."""
COMMA = 267
"""Id of a comma that ends a word."""
PLACEHOLDER = 0
"""Id that holds the place of a textual inversion vector."""
CHUNK_LENGTH = 75
"""Tokens of text in a chunk; ``START`` and ``END`` make it 77."""
COMMA_BACKTRACK = 20
"""A1111's default for "Prompt word wrap length limit" (0 to 74)."""

_VOCABULARY_FILE = "clip_bpe_vocab_16e6.txt.gz"
_MERGE_COUNT = 49152 - 256 - 2
_WORD_END = "</w>"
_WORD = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"

_SPACES = re.compile(r"\s+")
_INVISIBLE = (*range(0x09), 0x0B, *range(0x0E, 0x20), 0x7F, *range(0x206A, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFD))
_COMPATIBILITY_FORMS = (0x3000, *range(0xFB00, 0xFB05), *range(0xFF01, 0xFFF0))
_TYPOGRAPHY: dict[int, str] = {
    **dict.fromkeys(_INVISIBLE, ""),
    **{code: unicodedata.normalize("NFKC", chr(code)) for code in _COMPATIBILITY_FORMS},
    **dict.fromkeys(map(ord, "‘’‚‛ʼ"), "'"),
    **dict.fromkeys(map(ord, "“”„‟"), '"'),
}
"""Control characters, full-width forms, ff-ligatures and typographic quotes as CLIP's text cleaning (ftfy) has them."""


class Flavour(StrEnum):
    """Which of the two programs with this vocabulary to follow (hechos/a1111.md 1.3)."""

    CLIP = "clip"
    """SD 1's, and SDXL's for its first text encoder."""
    OPEN_CLIP = "open_clip"
    """SD 2's, and SDXL's for its second: HTML entities are read as their characters."""


_SPECIAL = {
    Flavour.CLIP: ("<|startoftext|>", "<|endoftext|>"),
    Flavour.OPEN_CLIP: ("<start_of_text>", "<end_of_text>"),
}


@dataclass(frozen=True, slots=True)
class ClipTokenizer:
    """Text to token ids of CLIP ViT-L/14's vocabulary (49408 ids)."""

    model: Tokenizer
    flavour: Flavour = Flavour.CLIP

    def encode(self, text: str) -> list[int]:
        """Ids of ``text``, without start and end tokens and of any length.

        Text is cleaned as CLIP does: typographic quotes and full-width forms made plain, Unicode composed (NFC), blanks
        collapsed, lower case.
        """
        cleaned = _plain(text)
        if self.flavour is Flavour.OPEN_CLIP:
            cleaned = html.unescape(html.unescape(cleaned))
        cleaned = _SPACES.sub(" ", cleaned).strip().lower()
        ids: list[int] = self.model.encode(cleaned, add_special_tokens=False).ids
        return ids


@functools.cache
def load(flavour: Flavour = Flavour.CLIP) -> ClipTokenizer:
    """The tokenizer from the vocabulary that ships with the package (about 0.2 s the first time)."""
    special = _SPECIAL[flavour]
    archive = resources.files("sdcolab.engine").joinpath("assets", _VOCABULARY_FILE)
    lines = gzip.decompress(archive.read_bytes()).decode("utf-8").split("\n")
    merges = [_pair(line) for line in lines[1 : 1 + _MERGE_COUNT]]
    symbols = _byte_symbols()
    endings = [symbol + _WORD_END for symbol in symbols]
    names = [*symbols, *endings, *(left + right for left, right in merges), *special]
    model = Tokenizer(
        models.BPE(
            vocab={name: index for index, name in enumerate(names)},
            merges=merges,
            unk_token=special[1],
            end_of_word_suffix=_WORD_END,
        )
    )
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    model.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in special])
    return ClipTokenizer(model, flavour)


def _pair(line: str) -> tuple[str, str]:
    left, right = line.split()
    return left, right


def _byte_symbols() -> list[str]:
    """A printable character for each byte, in the vocabulary's order: printable Latin-1 first, then the others."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(printable)
    return [chr(code) for code in printable] + [chr(256 + index) for index in range(others)]


def _plain(text: str) -> str:
    valid = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair cannot be encoded
    return unicodedata.normalize("NFC", valid.translate(_TYPOGRAPHY))


# --- Chunks -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Embedding:
    """A textual inversion as the tokenizer sees it: where ``tokens`` occur, ``vectors`` slots stand in their place.

    ``name`` is the caller's key to the vectors; ``tokens`` is the encoded name (an empty one never matches).
    """

    name: str
    tokens: tuple[int, ...]
    vectors: int


@dataclass(frozen=True, slots=True)
class EmbeddingSlot:
    """The vectors of embedding ``name`` replace the token embeddings of a chunk from row ``offset`` (1 to 76) on."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What the text encoder gets at once: 77 ids (start, text, end, padding with end) and their 77 weights."""

    tokens: tuple[int, ...]
    weights: tuple[float, ...]
    slots: tuple[EmbeddingSlot, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenCount:
    """``count`` of ``limit`` tokens are used; ``limit`` is the next multiple of 75."""

    count: int
    limit: int


def open_clip_padded(tokens: Sequence[int]) -> tuple[int, ...]:
    """The ids of a chunk with OpenCLIP's padding after the first ``END``."""
    length = tokens.index(END) + 1
    return (*tokens[:length], *[OPEN_CLIP_PADDING] * (len(tokens) - length))


EMPTY_CHUNK = Chunk((START, *[END] * (CHUNK_LENGTH + 1)), (1.0,) * (CHUNK_LENGTH + 2))
"""The empty prompt; also what shorter prompts of a batch are filled up with."""


def chunk(
    segments: Iterable[Segment],
    tokenizer: ClipTokenizer,
    *,
    comma_backtrack: int = COMMA_BACKTRACK,
    embeddings: Iterable[Embedding] = (),
) -> tuple[Chunk, ...]:
    """Cut weighted text into chunks of 75 tokens; at least one.

    A word that would begin a new chunk takes the words before it along, back to a comma at most ``comma_backtrack``
    tokens away (0: never). ``BREAK`` ends a chunk early (hechos/a1111.md 1.4).
    """
    return tuple(_fill(segments, tokenizer, comma_backtrack, embeddings).chunks)


def count_tokens(text: str, tokenizer: ClipTokenizer, *, steps: int = 20) -> TokenCount:
    """Tokens of a prompt as A1111's counter shows them: the most that any AND part uses at any of ``steps`` steps.

    Comments and extra network tags do not count. Raises ``PromptSyntaxError``.
    """
    plain, _ = extract_networks(strip_comments(text))
    variants = {entry for part in split_and(plain) for _, entry in edit_schedule(part.text, steps)}
    count = max(_fill(parse_attention(variant), tokenizer, COMMA_BACKTRACK, ()).count for variant in variants)
    return TokenCount(count, math.ceil(max(count, 1) / CHUNK_LENGTH) * CHUNK_LENGTH)


@dataclass(slots=True)
class _Filler:
    """The finished chunks and the one being filled. ``count`` takes a finished chunk as full, whatever it holds."""

    comma_backtrack: int
    chunks: list[Chunk] = field(default_factory=list)
    count: int = 0
    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    slots: list[EmbeddingSlot] = field(default_factory=list)
    last_comma: int | None = None

    def close(self) -> None:
        """Pad the chunk, put it with the finished ones and begin another."""
        padding = CHUNK_LENGTH + 1 - len(self.tokens)
        self.chunks.append(
            Chunk(
                tokens=(START, *self.tokens, *[END] * padding),
                weights=(1.0, *self.weights, *[1.0] * padding),
                slots=tuple(self.slots),
            )
        )
        self.count += CHUNK_LENGTH
        self.tokens, self.weights, self.slots, self.last_comma = [], [], [], None

    def finish(self) -> None:
        """Close the last chunk unless it would be an empty one after others."""
        if self.tokens or not self.chunks:
            length = len(self.tokens)
            self.close()
            self.count += length - CHUNK_LENGTH

    def make_room_for(self, token: int) -> None:
        """Begin a new chunk when this one is full, moving the words after the last near comma along."""
        if token == COMMA:
            self.last_comma = len(self.tokens)
        elif self._full and self.last_comma is not None and CHUNK_LENGTH - self.last_comma <= self.comma_backtrack:
            cut = self.last_comma + 1
            moved = self.tokens[cut:], self.weights[cut:]
            del self.tokens[cut:], self.weights[cut:]
            self.close()  # the slots of moved embeddings stay behind: A1111's pictures depend on it
            self.tokens, self.weights = moved
        if self._full:
            self.close()

    def append(self, token: int, weight: float) -> None:
        self.tokens.append(token)
        self.weights.append(weight)

    def append_embedding(self, embedding: Embedding, weight: float) -> None:
        """Reserve rows for an embedding's vectors, in one chunk; what is beyond 75 is lost."""
        size = min(embedding.vectors, CHUNK_LENGTH)
        if len(self.tokens) + size > CHUNK_LENGTH:
            self.close()
        self.slots.append(EmbeddingSlot(embedding.name, offset=1 + len(self.tokens)))
        self.tokens += [PLACEHOLDER] * size
        self.weights += [weight] * size

    @property
    def _full(self) -> bool:
        return len(self.tokens) == CHUNK_LENGTH


def _fill(
    segments: Iterable[Segment], tokenizer: ClipTokenizer, comma_backtrack: int, embeddings: Iterable[Embedding]
) -> _Filler:
    filler = _Filler(comma_backtrack)
    longest_first = sorted(embeddings, key=lambda embedding: -len(embedding.tokens))
    for segment in segments:
        if segment == BREAK:
            filler.close()
            continue
        tokens = tokenizer.encode(segment.text)
        position = 0
        while position < len(tokens):
            filler.make_room_for(tokens[position])
            embedding = _embedding_at(longest_first, tokens, position)
            if embedding is None:
                filler.append(tokens[position], segment.weight)
                position += 1
            else:
                filler.append_embedding(embedding, segment.weight)
                position += len(embedding.tokens)
    filler.finish()
    return filler


def _embedding_at(longest_first: Sequence[Embedding], tokens: list[int], position: int) -> Embedding | None:
    """The longest embedding whose name stands at ``position``."""
    for embedding in longest_first:
        end = position + len(embedding.tokens)
        if end > position and tokens[position:end] == list(embedding.tokens):
            return embedding
    return None
