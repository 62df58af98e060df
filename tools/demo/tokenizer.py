"""From text to the 77 token ids that a text encoder reads, with the engine's own tokenizer."""

from __future__ import annotations

from sdcolab.engine.tokenizer import CHUNK_LENGTH, END, START, ClipTokenizer

CONTEXT = CHUNK_LENGTH + 2


def frame(ids: list[int]) -> list[int]:
    """Start + ids (cut at 75) + end, filled with the end token to 77 positions, as SD 1.x does."""
    body = [START, *ids[:CHUNK_LENGTH]]
    return body + [END] * (CONTEXT - len(body))


def framed(tokenizer: ClipTokenizer, texts: list[str]) -> list[list[int]]:
    """77 ids for every text."""
    return [frame(tokenizer.encode(text)) for text in texts]
