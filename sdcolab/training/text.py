"""From captions to what the UNet reads of them while it is trained (hechos/extensiones.md 11, "Training step").

A caption is cut after every 75 tokens, whatever word stands there, and has no weights: trainers do not read prompts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdcolab.engine.conditioning import hidden_states
from sdcolab.engine.convert import TextKind, TextReading
from sdcolab.engine.models import LoadedModel, TextEncoder
from sdcolab.engine.tokenizer import CHUNK_LENGTH, END, OPEN_CLIP_PADDING, START, ClipTokenizer, Flavour, load

MAX_REMEMBERED = 4096
"""Captions whose encoding is kept when no text encoder learns; 77 tokens of SDXL take 0.6 MB, so the bytes count
too.
"""
MAX_REMEMBERED_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the UNet reads: ``tokens`` [B, n, C] and, in SDXL, the vector ``pooled`` [B, D] of the whole text (D may be
    0).
    """

    tokens: Tensor
    pooled: Tensor


def token_blocks(ids: Sequence[int], blocks: int, *, padding: int = END) -> list[list[int]]:
    """``ids`` in ``blocks`` blocks of 77: start, 75 ids, end; what does not fit is lost, and ``padding`` fills up.

    Where the padding is not the end, a block has its end right after its text, and one without text begins with it.
    """
    made = []
    for index in range(blocks):
        part = list(ids[index * CHUNK_LENGTH : (index + 1) * CHUNK_LENGTH])
        fill = CHUNK_LENGTH - len(part)
        made.append([START, *part, END, *[padding] * fill])
    return made


class TextReader:
    """Encodes captions with a model's text encoders, each block of 75 tokens by itself, joined into one row.

    ``max_tokens`` is 75, 150 or 225; ``clip_skip`` as in prompts. Readings are remembered while ``frozen`` is True.
    """

    def __init__(self, model: LoadedModel, max_tokens: int, clip_skip: int, *, frozen: bool) -> None:
        self._model = model
        self._blocks = max_tokens // CHUNK_LENGTH
        self._clip_skip = clip_skip
        self._frozen = frozen
        self._tokenizers = tuple(_tokenizer(encoder) for encoder in model.text_encoders)
        self._remembered: OrderedDict[str, tuple[Tensor, Tensor]] = OrderedDict()
        self._bytes = 0

    def read(self, captions: Sequence[str], device: torch.device) -> Reading:
        """What the UNet reads of ``captions``, on ``device``."""
        if not self._frozen:
            tokens, pooled = self._encode(captions)
            return Reading(tokens, pooled)
        missing = [caption for caption in dict.fromkeys(captions) if caption not in self._remembered]
        if missing:
            with torch.no_grad():
                tokens, pooled = self._encode(missing)
            for index, caption in enumerate(missing):
                self._remember(caption, (tokens[index].cpu(), pooled[index].cpu()))
        rows = [self._remembered[caption] for caption in captions]
        self._forget(set(captions))
        return Reading(
            torch.stack([tokens for tokens, _ in rows]).to(device),
            torch.stack([pooled for _, pooled in rows]).to(device),
        )

    def remember_all(self, captions: Sequence[str], batch: int = 8) -> None:
        """Encode every caption now, so that the encoders can be let go (``release``)."""
        for start in range(0, len(captions), batch):
            with torch.no_grad():
                tokens, pooled = self._encode(captions[start : start + batch])
            for index, caption in enumerate(captions[start : start + batch]):
                self._remembered[caption] = tokens[index].cpu(), pooled[index].cpu()

    def release(self) -> None:
        """Move the encoders off the card: from now on only remembered captions can be read."""
        for encoder in self._model.text_encoders:
            encoder.module.to("meta")

    def _remember(self, caption: str, row: tuple[Tensor, Tensor]) -> None:
        self._remembered[caption] = row
        self._bytes += sum(tensor.numel() * tensor.element_size() for tensor in row)

    def _forget(self, needed: set[str]) -> None:
        """Drop the oldest readings above the limits, but none of those ``needed`` now."""
        for caption in list(self._remembered):
            if len(self._remembered) <= MAX_REMEMBERED and self._bytes <= MAX_REMEMBERED_BYTES:
                return
            if caption not in needed:
                self._bytes -= sum(tensor.numel() * tensor.element_size() for tensor in self._remembered.pop(caption))

    def _encode(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        outputs, pooled = [], []
        for encoder, tokenizer in zip(self._model.text_encoders, self._tokenizers, strict=True):
            z, vector = self._read_one(encoder, tokenizer, captions)
            outputs.append(z)
            pooled.append(vector)
        return torch.cat(outputs, dim=2), torch.cat(pooled, dim=1)

    def _read_one(
        self, encoder: TextEncoder, tokenizer: ClipTokenizer, captions: Sequence[str]
    ) -> tuple[Tensor, Tensor]:
        open_clip = encoder.layout.kind is TextKind.OPEN_CLIP
        padding = OPEN_CLIP_PADDING if open_clip else END
        blocks = [token_blocks(tokenizer.encode(caption), self._blocks, padding=padding) for caption in captions]
        tokens = torch.tensor(blocks, device=encoder.module.device).flatten(0, 1)
        z, pooled = _states(encoder, tokens, self._clip_skip)
        z = z.reshape(len(captions), self._blocks, *z.shape[1:])
        return joined(z), pooled.reshape(len(captions), self._blocks, pooled.shape[-1])[:, 0]


def joined(blocks: Tensor) -> Tensor:
    """[B, n, 77, C] -> [B, 75 n + 2, C]: the first block's start, each block's text, the last block's end."""
    text = blocks[:, :, 1:-1].flatten(1, 2)
    return torch.cat([blocks[:, 0, :1], text, blocks[:, -1, -1:]], dim=1)


def _states(encoder: TextEncoder, tokens: Tensor, clip_skip: int) -> tuple[Tensor, Tensor]:
    """The layer that the family reads [N, 77, C], and pooled [N, D] (D may be 0)."""
    reading = encoder.layout.reading
    nothing = torch.empty(len(tokens), 0, device=tokens.device)
    if reading is not TextReading.PENULTIMATE_RAW:
        return hidden_states(encoder.module, tokens, clip_skip if reading is TextReading.CLIP_SKIP else 1), nothing
    output = encoder.module(input_ids=tokens, output_hidden_states=True)
    z = output.hidden_states[-2]
    if encoder.projection is None:
        return z, nothing
    ends = tokens.argmax(dim=1)
    last = output.last_hidden_state[torch.arange(len(tokens), device=ends.device), ends]
    return z, last @ encoder.projection.to(last.dtype)


def _tokenizer(encoder: TextEncoder) -> ClipTokenizer:
    return load(Flavour.OPEN_CLIP if encoder.layout.kind is TextKind.OPEN_CLIP else Flavour.CLIP)
