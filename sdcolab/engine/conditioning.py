"""From prompt text to what the UNet's cross-attention reads.

Text -> AND parts -> texts over the steps -> weighted segments -> chunks of 77 tokens -> CLIP -> emphasis -> tensors
(hechos/a1111.md 1.1 and 1.4 to 1.9).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel

from sdcolab.core.prompt import (
    Schedule,
    active_index,
    edit_schedule,
    extract_networks,
    parse_attention,
    split_and,
    strip_comments,
)
from sdcolab.engine.features.embeddings import EmbeddingShelf, LoadedEmbedding, injected, used_in
from sdcolab.engine.models import text_model
from sdcolab.engine.precision import autocast
from sdcolab.engine.tokenizer import EMPTY_CHUNK, Chunk, ClipTokenizer, chunk

REMEMBERED_PROMPTS = 64
"""Encoded prompts kept; one of 77 tokens takes 236 kB in SD 1.x."""


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What one UNet call reads of a prompt: ``tokens`` [1, n, C] for cross-attention and, in SDXL, ``added``, which are
    diffusers' ``added_cond_kwargs`` ("text_embeds" [1, D] and "time_ids" [1, k]); empty in other families.
    """

    tokens: Tensor
    added: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class PromptPart:
    """One AND part, encoded. Row k of ``encoded`` (float32 [texts, tokens, C]) and of each tensor of ``added`` belongs
    to entry k of ``schedule``. ``embeddings`` are the textual inversions in it.
    """

    weight: float
    schedule: Schedule
    encoded: Tensor
    embeddings: tuple[LoadedEmbedding, ...] = ()
    added: Mapping[str, Tensor] = field(default_factory=dict)

    def at(self, call: int) -> Context:
        """What denoiser call number ``call`` (from 0) uses."""
        index = active_index(self.schedule, call)
        row = slice(index, index + 1)
        return Context(self.encoded[row], {name: tensor[row] for name, tensor in self.added.items()})


@dataclass(frozen=True, slots=True, eq=False)
class Conditioning:
    """A prompt (one part or several joined by AND) and a negative prompt, encoded."""

    positive: tuple[PromptPart, ...]
    negative: PromptPart

    @property
    def embeddings(self) -> tuple[LoadedEmbedding, ...]:
        """The textual inversions in the prompts, each once."""
        parts = (*self.positive, self.negative)
        return tuple({used.name: used for part in parts for used in part.embeddings}.values())


@dataclass(frozen=True, slots=True, eq=False)
class _Encoded:
    """Texts encoded together [texts, tokens, C], and the textual inversions in them."""

    z: Tensor
    embeddings: tuple[LoadedEmbedding, ...]


_Key = tuple[tuple[str, ...], int, Hashable, tuple[LoadedEmbedding, ...]]


class TextConditioner:
    """Encodes prompts with one checkpoint's text encoder and remembers the last ones, so a repeated prompt costs
    nothing.
    """

    def __init__(self, text_encoder: CLIPTextModel, tokenizer: ClipTokenizer) -> None:
        self._encoder = text_encoder
        self._tokenizer = tokenizer
        self._remembered: OrderedDict[_Key, _Encoded] = OrderedDict()

    def condition(
        self,
        prompt: str,
        negative_prompt: str,
        *,
        steps: int,
        second_order: bool,
        clip_skip: int,
        weights_state: Hashable = (),
        shelf: EmbeddingShelf | None = None,
    ) -> Conditioning:
        """Both prompts for a pass of ``steps`` steps; ``clip_skip`` from 1 (none) to 12. Extra network tags do not
        count. ``weights_state`` tells the encoder's weights from those it had before (``LoraMerger.text_state``);
        ``shelf`` has the textual inversions that can be used.

        Raises ``PromptSyntaxError``.
        """

        def part(text: str, weight: float) -> PromptPart:
            schedule = edit_schedule(text, steps, second_order=second_order)
            texts = tuple(entry for _, entry in schedule)
            encoded = self._encoded(texts, clip_skip, weights_state, shelf)
            return PromptPart(weight, schedule, encoded.z, encoded.embeddings)

        plain, _ = extract_networks(strip_comments(prompt))
        return Conditioning(
            positive=tuple(part(sub.text, sub.weight) for sub in split_and(plain)),
            negative=part(strip_comments(negative_prompt), 1.0),
        )

    def encode(self, texts: tuple[str, ...], clip_skip: int) -> Tensor:
        """The texts that one prompt goes through, encoded together: float32 [texts, 77 * chunks, C] on the encoder's
        device.

        Raises ``PromptSyntaxError``.
        """
        return self._encoded(texts, clip_skip, (), None).z

    def _encoded(
        self, texts: tuple[str, ...], clip_skip: int, weights_state: Hashable, shelf: EmbeddingShelf | None
    ) -> _Encoded:
        embeddings = shelf.occurring(texts) if shelf else ()
        key = (texts, clip_skip, weights_state, embeddings)
        if key in self._remembered:
            self._remembered.move_to_end(key)
            return self._remembered[key]
        known = [embedding.seen_by(self._tokenizer) for embedding in embeddings]
        chunks = [chunk(parse_attention(text), self._tokenizer, embeddings=known) for text in texts]
        encoded = self._encode(chunks, clip_skip, embeddings)
        self._remembered[key] = encoded
        if len(self._remembered) > REMEMBERED_PROMPTS:
            self._remembered.popitem(last=False)
        return encoded

    @torch.inference_mode()
    def _encode(
        self, texts: list[tuple[Chunk, ...]], clip_skip: int, embeddings: tuple[LoadedEmbedding, ...]
    ) -> _Encoded:
        """The k-th chunks of all texts are one call, and share the mean that emphasis restores; short texts get empty
        chunks.
        """
        encoded = []
        used: dict[str, LoadedEmbedding] = {}
        token_embedding = text_model(self._encoder).get_submodule("embeddings.token_embedding")
        for index in range(max(len(chunks) for chunks in texts)):
            row = [chunks[index] if index < len(chunks) else EMPTY_CHUNK for chunks in texts]
            tokens = torch.tensor([part.tokens for part in row], device=self._encoder.device)
            weights = torch.tensor([part.weights for part in row], device=self._encoder.device)
            with autocast(self._encoder), injected(token_embedding, row, embeddings):
                z = hidden_states(self._encoder, tokens, clip_skip)
            encoded.append(emphasized(z.float(), weights))
            used |= {embedding.name: embedding for embedding in used_in(row, embeddings)}
        return _Encoded(torch.cat(encoded, dim=1), tuple(used.values()))


def hidden_states(text_encoder: CLIPTextModel, tokens: Tensor, clip_skip: int) -> Tensor:
    """Output [N, 77, C] for ``tokens`` [N, 77]; with ``clip_skip`` n > 1, of the n-th layer from the end, normalised
    too.

    A skip beyond the first layer gives the token embeddings (hechos/a1111.md 1.9).
    """
    if clip_skip <= 1:
        return text_encoder(input_ids=tokens).last_hidden_state
    states = text_encoder(input_ids=tokens, output_hidden_states=True).hidden_states
    last_norm: nn.Module = text_model(text_encoder).get_submodule("final_layer_norm")
    return last_norm(states[-min(clip_skip, len(states))])


def emphasized(z: Tensor, weights: Tensor) -> Tensor:
    """``z`` [N, 77, C] with every token times its weight [N, 77], scaled so that the overall mean stays (A1111's
    "Original").
    """
    weighted = z * weights.unsqueeze(-1)
    return weighted * (z.mean() / weighted.mean())
