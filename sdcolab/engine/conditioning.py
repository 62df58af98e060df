"""From prompt text to what the UNet's cross-attention reads.

Text -> AND parts -> texts over the steps -> weighted segments -> chunks of 77 tokens -> CLIP -> emphasis -> tensors
(hechos/a1111.md 1.1 and 1.4 to 1.9).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel

from sdcolab.core.prompt import (
    Schedule,
    Segment,
    active_index,
    edit_schedule,
    parse_attention,
    split_and,
)
from sdcolab.core.tuning import Emphasis, Tuning
from sdcolab.engine.convert import SizeConditioning, TextKind, TextReading
from sdcolab.engine.models import LoadedModel, TextEncoder, text_model
from sdcolab.engine.precision import autocast
from sdcolab.engine.tokenizer import (
    EMPTY_CHUNK,
    Chunk,
    ClipTokenizer,
    Flavour,
    chunk,
    load,
    open_clip_padded,
)
from sdcolab.engine.vectors import LoadedEmbedding, Vocabulary, injected, used_in

REMEMBERED_PROMPTS = 64
"""Encoded prompts kept; one of 77 tokens takes 236 kB in SD 1.x and 630 kB in SDXL."""

PLAIN_TUNING = Tuning()

DEFAULT_SIZE = (1024, 1024)
"""Height and width in pixels; SDXL's native size."""


AroundPart = Callable[[int], AbstractContextManager[Hashable]]
"""See ``TextConditioner.condition``."""


def nothing_around(number: int) -> AbstractContextManager[Hashable]:
    """For parts that are all encoded alike."""
    del number
    return nullcontext(())


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
    to entry k of ``schedule``. ``embeddings`` are the textual inversions in it. ``others`` are the same part of the
    further pictures of a batch, where each has its own prompts; all are equally long.
    """

    weight: float
    schedule: Schedule
    encoded: Tensor
    embeddings: tuple[LoadedEmbedding, ...] = ()
    added: Mapping[str, Tensor] = field(default_factory=dict)
    others: tuple[PromptPart, ...] = ()

    def at(self, call: int) -> Context:
        """What denoiser call number ``call`` (from 0) uses: one row, or one of each picture."""
        index = active_index(self.schedule, call)
        row = slice(index, index + 1)
        own = Context(self.encoded[row], {name: tensor[row] for name, tensor in self.added.items()})
        if not self.others:
            return own
        each = (own, *(other.at(call) for other in self.others))
        return Context(
            torch.cat([one.tokens for one in each]),
            {name: torch.cat([one.added[name] for one in each]) for name in own.added},
        )


@dataclass(frozen=True, slots=True, eq=False)
class Conditioning:
    """A prompt (one part or several joined by AND) and a negative prompt, encoded. ``own`` are those of each picture of
    a batch, where they differ; ``positive`` and ``negative`` are only the first one's then.
    """

    positive: tuple[PromptPart, ...]
    negative: PromptPart
    own: tuple[Conditioning, ...] = ()

    @property
    def embeddings(self) -> tuple[LoadedEmbedding, ...]:
        """The textual inversions in the prompts, each once."""
        parts = [part for one in (self.own or (self,)) for part in (*one.positive, one.negative)]
        return tuple({used.name: used for part in parts for used in part.embeddings}.values())

    @property
    def shape(self) -> Hashable:
        """What must be alike in prompts that a UNet reads together: parts, weights, lengths, and when they change."""
        parts = (*self.positive, self.negative)
        return tuple((part.weight, part.encoded.shape[1], tuple(end for end, _ in part.schedule)) for part in parts)

    def of(self, pictures: slice) -> Conditioning:
        """That of some pictures of the batch, whose prompts have one shape."""
        if not self.own:
            return self
        first, *others = self.own[pictures]
        positive = tuple(
            replace(part, others=tuple(other.positive[number] for other in others))
            for number, part in enumerate(first.positive)
        )
        return Conditioning(positive, replace(first.negative, others=tuple(other.negative for other in others)))


def together(own: Sequence[Conditioning]) -> Conditioning:
    """The prompts of several pictures, one each."""
    return replace(own[0], own=tuple(own))


@dataclass(frozen=True, slots=True, eq=False)
class _Encoded:
    """Texts encoded together: ``z`` [texts, tokens, C], the vector of each whole text ``pooled`` [texts, D] (D is 0
    where the model reads none), and the textual inversions in them.
    """

    z: Tensor
    pooled: Tensor
    embeddings: tuple[LoadedEmbedding, ...]


@dataclass(frozen=True, slots=True)
class _Way:
    """All that an encoding depends on beside the texts and their textual inversions. ``layers`` has the layer, counted
    from the end, that is read of each text encoder.
    """

    layers: tuple[int, ...]
    emphasis: Emphasis = Emphasis.ORIGINAL
    comma_backtrack: int = PLAIN_TUNING.comma_backtrack
    weights_state: Hashable = ()


_Key = tuple[tuple[str, ...], _Way, tuple[LoadedEmbedding, ...]]


class TextConditioner:
    """Encodes prompts with one checkpoint's text encoders and remembers the last ones, so a repeated prompt costs
    nothing.
    """

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._tokenizers = tuple(_tokenizer_of(encoder) for encoder in model.text_encoders)
        self._remembered: OrderedDict[_Key, _Encoded] = OrderedDict()

    def condition(
        self,
        prompt: str,
        negative_prompt: str,
        *,
        steps: int,
        second_order: bool,
        clip_skip: int,
        tuning: Tuning = PLAIN_TUNING,
        size: tuple[int, int] = DEFAULT_SIZE,
        base_calls: int | None = None,
        weights_state: Hashable = (),
        vocabulary: Vocabulary | None = None,
        around_part: AroundPart = nothing_around,
    ) -> Conditioning:
        """Both prompts for a pass of ``steps`` steps that makes pictures of ``size`` (height, width) pixels, which only
        SDXL is told. They come without comments and network tags (``core.resolved``).

        ``clip_skip`` from 1 (none) to 12. In the hires pass ``base_calls`` is the first pass's ``expected_calls``.
        ``weights_state`` tells the encoders' weights from those they had before (``Feature.text_state``);
        ``vocabulary`` knows the textual inversions that can be used. ``around_part`` is entered to encode an AND part
        of the prompt (numbered from 0) and left after it; what it gives tells the weights of the encoders from those
        of other parts.

        Raises ``PromptSyntaxError``.
        """
        way = _Way(
            layers=self._layers(clip_skip, tuning.sdxl_clip_l_skip),
            emphasis=tuning.emphasis,
            comma_backtrack=tuning.comma_backtrack,
            weights_state=weights_state,
        )

        def part(text: str, weight: float, way: _Way, *, negative: bool = False) -> PromptPart:
            schedule = edit_schedule(
                text, steps, second_order=second_order, base_calls=base_calls, old_timeline=tuning.old_prompt_editing
            )
            encoded = self._encoded(tuple(entry for _, entry in schedule), way, vocabulary)
            if negative and self._is_zeroed(schedule):
                encoded = _zeros_like(encoded)
            added = self._added(encoded, size, tuning, negative=negative)
            return PromptPart(weight, schedule, encoded.z, encoded.embeddings, added)

        def positive() -> Iterator[PromptPart]:
            for number, sub in enumerate(split_and(prompt)):
                with around_part(number) as state:
                    own = replace(way, weights_state=(weights_state, state)) if state else way
                    yield part(sub.text, sub.weight, own)

        conditioning = Conditioning(tuple(positive()), part(negative_prompt, 1.0, way, negative=True))
        if tuning.pad_conditions_v0:
            return fitted_to_positive(conditioning)
        if tuning.pad_conditions:
            return equally_long(conditioning, self._encoded(("",), way, None).z)
        return conditioning

    def encode(self, texts: tuple[str, ...], clip_skip: int) -> Tensor:
        """The texts that one prompt goes through, encoded together: float32 [texts, 77 * chunks, C] on the encoders'
        device.

        Raises ``PromptSyntaxError``.
        """
        return self._encoded(texts, _Way(self._layers(clip_skip, skip_in_sdxl=False)), None).z

    def _layers(self, clip_skip: int, skip_in_sdxl: bool) -> tuple[int, ...]:
        """The layer that each text encoder gives, from the end (hechos/a1111.md 1.9)."""

        def layer(encoder: TextEncoder) -> int:
            if encoder.layout.reading is TextReading.CLIP_SKIP:
                return clip_skip
            if encoder.layout.reading is TextReading.PENULTIMATE:
                return 1  # of the layers that were loaded
            return clip_skip if skip_in_sdxl and encoder.layout.kind is TextKind.CLIP else 2

        return tuple(layer(encoder) for encoder in self._model.text_encoders)

    def _is_zeroed(self, schedule: Schedule) -> bool:
        """Whether SDXL gets zeros for this negative prompt (hechos/a1111.md 1.10)."""
        return self._model.family.tells_sizes and all(not text for _, text in schedule)

    def _added(
        self, encoded: _Encoded, size: tuple[int, int], tuning: Tuning, *, negative: bool
    ) -> Mapping[str, Tensor]:
        numbers = size_numbers(self._model.layout.size_conditioning, size, tuning, negative=negative)
        if not numbers:
            return {}
        ids = torch.tensor(numbers, dtype=torch.float32, device=encoded.pooled.device)
        return {"text_embeds": encoded.pooled, "time_ids": ids.expand(len(encoded.pooled), -1)}

    def _encoded(self, texts: tuple[str, ...], way: _Way, vocabulary: Vocabulary | None) -> _Encoded:
        embeddings = vocabulary(texts) if vocabulary else ()
        key = (texts, way, embeddings)
        if key in self._remembered:
            self._remembered.move_to_end(key)
            return self._remembered[key]
        encoded = self._encode(texts, way, embeddings)
        self._remembered[key] = encoded
        if len(self._remembered) > REMEMBERED_PROMPTS:
            self._remembered.popitem(last=False)
        return encoded

    @torch.inference_mode()
    def _encode(self, texts: tuple[str, ...], way: _Way, embeddings: tuple[LoadedEmbedding, ...]) -> _Encoded:
        """Every encoder cuts the texts into chunks by itself and reads them; the results lie side by side."""
        self._model.turn_of_texts()
        segments = [_segments(text, way.emphasis) for text in texts]
        known = [embedding.seen_by(self._tokenizers[0]) for embedding in embeddings]
        chunked = [
            [chunk(part, tokenizer, comma_backtrack=way.comma_backtrack, embeddings=known) for part in segments]
            for tokenizer in self._tokenizers
        ]
        count = max(len(chunks) for of_texts in chunked for chunks in of_texts)
        rows = [[_row(of_texts, index) for index in range(count)] for of_texts in chunked]
        outputs, column = [], 0
        for encoder, own_rows, layer in zip(self._model.text_encoders, rows, way.layers, strict=True):
            columns = slice(column, column + encoder.width)
            column += encoder.width
            outputs.append([_read_chunks(encoder, row, layer, way.emphasis, embeddings, columns) for row in own_rows])
        used = {embedding.name: embedding for row in rows[0] for embedding in used_in(row, embeddings)}
        return _Encoded(
            z=torch.cat([torch.cat([z for z, _ in of_chunks], dim=1) for of_chunks in outputs], dim=2),
            pooled=torch.cat([of_chunks[0][1] for of_chunks in outputs], dim=1),
            embeddings=tuple(used.values()),
        )


def _row(chunks_of_texts: list[tuple[Chunk, ...]], index: int) -> list[Chunk]:
    """Chunk number ``index`` of each text; short texts get empty chunks."""
    return [chunks[index] if index < len(chunks) else EMPTY_CHUNK for chunks in chunks_of_texts]


def _tokenizer_of(encoder: TextEncoder) -> ClipTokenizer:
    return load(Flavour.OPEN_CLIP if encoder.layout.kind is TextKind.OPEN_CLIP else Flavour.CLIP)


def _segments(text: str, emphasis: Emphasis) -> tuple[Segment, ...]:
    return (Segment(text, 1.0),) if emphasis is Emphasis.NONE else parse_attention(text)


def _zeros_like(encoded: _Encoded) -> _Encoded:
    return replace(encoded, z=torch.zeros_like(encoded.z), pooled=torch.zeros_like(encoded.pooled))


# --- Text encoders ----------------------------------------------------------------------------------------------------


def _read_chunks(
    encoder: TextEncoder,
    row: list[Chunk],
    layer: int,
    emphasis: Emphasis,
    embeddings: tuple[LoadedEmbedding, ...],
    columns: slice,
) -> tuple[Tensor, Tensor]:
    """The k-th chunks of all texts are one call, and share the mean that emphasis restores: [texts, 77, C] and pooled
    [texts, D], float32.
    """
    device, open_clip = encoder.module.device, encoder.layout.kind is TextKind.OPEN_CLIP
    tokens = torch.tensor([open_clip_padded(part.tokens) if open_clip else part.tokens for part in row], device=device)
    weights = torch.tensor([part.weights for part in row], device=device)
    token_embedding = text_model(encoder.module).get_submodule("embeddings.token_embedding")
    with autocast(encoder.module), injected(token_embedding, row, embeddings, columns):
        z, pooled = _read(encoder, tokens, layer)
    return emphasized(z.float(), weights, emphasis), pooled.float()


def _read(encoder: TextEncoder, tokens: Tensor, layer: int) -> tuple[Tensor, Tensor]:
    """What the UNet reads of ``tokens`` [N, 77]: a layer's output [N, 77, C], and pooled [N, D] (D may be 0)."""
    if encoder.layout.reading is not TextReading.PENULTIMATE_RAW:
        return hidden_states(encoder.module, tokens, layer), torch.empty(len(tokens), 0, device=tokens.device)
    output = encoder.module(input_ids=tokens, output_hidden_states=True)
    z = output.hidden_states[-min(layer, len(output.hidden_states))]
    if encoder.projection is None:
        return z, z.new_empty(len(tokens), 0)
    ends = tokens.argmax(dim=1)  # the first end: no other id is as high
    return z, output.last_hidden_state[torch.arange(len(tokens), device=ends.device), ends] @ encoder.projection


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


def emphasized(z: Tensor, weights: Tensor, emphasis: Emphasis = Emphasis.ORIGINAL) -> Tensor:
    """``z`` [N, 77, C] with every token times its weight [N, 77]; "Original" then restores the overall mean, and
    "Ignore" and "None" leave all as it is (hechos/a1111.md 1.9).
    """
    if emphasis in (Emphasis.IGNORE, Emphasis.NONE):
        return z
    weighted = z * weights.unsqueeze(-1)
    return weighted if emphasis is Emphasis.NO_NORM else weighted * (z.mean() / weighted.mean())


# --- Beside and around the text ---------------------------------------------------------------------------------------


def size_numbers(
    conditioning: SizeConditioning, size: tuple[int, int], tuning: Tuning, *, negative: bool
) -> tuple[float, ...]:
    """What SDXL is told of a picture of ``size`` (height, width) pixels (hechos/a1111.md 1.10): its original size,
    where it was cropped (top, left), and its final size or, in the refiner, how beautiful it is.
    """
    crop = (tuning.sdxl_crop_top, tuning.sdxl_crop_left)
    if conditioning is SizeConditioning.TARGET:
        return (*size, *crop, *size)
    if conditioning is SizeConditioning.SCORE:
        return (*size, *crop, tuning.refiner_low_score if negative else tuning.refiner_high_score)
    return ()


def fitted_to_positive(conditioning: Conditioning) -> Conditioning:
    """The negative prompt repeats its last token, or loses tokens, to be as long as the prompt ("Pad conds v0",
    hechos/a1111.md 1.7).
    """
    negative = conditioning.negative
    encoded = _stretched(negative.encoded, _longest(conditioning))[:, : _longest(conditioning)]
    return replace(conditioning, negative=replace(negative, encoded=encoded))


def equally_long(conditioning: Conditioning, empty: Tensor) -> Conditioning:
    """The shorter of prompt and negative prompt goes on with ``empty`` [1, 77, C], the encoded empty prompt, until both
    are equally long ("Pad conds", hechos/a1111.md 1.7).
    """
    longest, negative = _longest(conditioning), conditioning.negative
    length = max(longest, negative.encoded.shape[1])
    return Conditioning(
        positive=tuple(
            replace(part, encoded=_continued(_stretched(part.encoded, longest), empty, length))
            for part in conditioning.positive
        ),
        negative=replace(negative, encoded=_continued(negative.encoded, empty, length)),
    )


def _longest(conditioning: Conditioning) -> int:
    return max(part.encoded.shape[1] for part in conditioning.positive)


def _stretched(encoded: Tensor, length: int) -> Tensor:
    missing = max(0, length - encoded.shape[1])
    return torch.cat([encoded, encoded[:, -1:].expand(-1, missing, -1)], dim=1)


def _continued(encoded: Tensor, empty: Tensor, length: int) -> Tensor:
    chunks = (length - encoded.shape[1]) // empty.shape[1]
    return torch.cat([encoded, empty.repeat(len(encoded), chunks, 1)], dim=1)
