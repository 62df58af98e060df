"""SentencePiece models (``.spm``), read into the tokenizers library (Kudo & Richardson 2018, arXiv:1808.06226).

The file is one protobuf message, ``ModelProto`` of sentencepiece_model.proto: pieces in field 1, normalizer in field 3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPACE = "\u2581"
"""What stands for a space."""

_PIECES, _NORMALIZER = 1, 3
_TEXT, _SCORE, _KIND = 1, 2, 3
_UNKNOWN = 2
_CHARSMAP = 2


def load_unigram(path: Path) -> Tokenizer:
    """The pieces of the unigram model at ``path``, with its normalizer. Raises ``ValueError`` for what is none."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    pieces: list[tuple[str, float]] = []
    unknown, charsmap = None, b""
    for number, value in _message(path.read_bytes()):
        if number == _PIECES and isinstance(value, bytes):
            one = dict(_message(value))
            if one.get(_KIND) == _UNKNOWN:
                unknown = len(pieces)
            text, score = one.get(_TEXT), one.get(_SCORE, 0.0)
            if not isinstance(text, bytes) or not isinstance(score, float):
                raise ValueError("a piece without text")
            pieces.append((text.decode("utf-8"), score))
        elif number == _NORMALIZER and isinstance(value, bytes):
            found = dict(_message(value)).get(_CHARSMAP, b"")
            charsmap = found if isinstance(found, bytes) else b""
    if unknown is None:
        raise ValueError("no piece for what is unknown")
    made = Tokenizer(models.Unigram(pieces, unk_id=unknown, byte_fallback=False))
    steps: list[normalizers.Normalizer] = [normalizers.Precompiled(charsmap)] if charsmap else []
    steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    made.normalizer = normalizers.Sequence(steps)
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=False)
    return made


def _message(data: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Number and value of each field of a protobuf message. Raises ``ValueError``."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        length, at = _varint(data, at) if wire == 2 else ({1: 8, 5: 4}.get(wire, -1), at)
        if length < 0 or at + length > len(data):
            raise ValueError("not a protobuf message")
        piece, at = data[at : at + length], at + length
        yield number, _float(piece) if wire == 5 else piece


def _float(data: bytes) -> float:
    return float(struct.unpack("<f", data)[0])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at + place >= len(data):
            break
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError("not a protobuf message")
