"""From what was asked to what that means here: files, prompts, seeds, size. Made once a request; nobody looks again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import RequestError
from sdcolab.core.library import Library, Listing, ModelFile
from sdcolab.core.prompt import NetworkTag, extract_networks, strip_comments, weight_doubts
from sdcolab.core.request import AUTOMATIC, INSIDE, GenerationRequest

_VAE_SUFFIXES = (".vae.safetensors", ".vae.pt", ".vae.ckpt")


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    """A prompt without comments and tags, and the tags (``<lora:name:1>``) that stood in it."""

    text: str
    tags: tuple[NetworkTag, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ResolvedRequest:
    """``request`` has definite seeds and its checkpoint's own name; its size may be open until ``sized``.

    ``library``: what the model folders held when they were first looked at for this request. ``checkpoint`` is the
    request's file, and ``others`` those of its other passes by the names that the request has for them. ``prompts``:
    the prompts of its passes by their text as written (tags mean nothing in negative ones). ``pictures`` are the
    requests of the single pictures of a batch, where each has its own; their tags are the first one's.
    """

    request: GenerationRequest
    library: Listing
    checkpoint: ModelFile
    others: Mapping[str, ModelFile]
    prompts: Mapping[str, ReadPrompt]
    pictures: tuple[GenerationRequest, ...] = ()

    @property
    def tags(self) -> tuple[NetworkTag, ...]:
        """The tags of every pass's prompt."""
        return tuple(tag for text in _texts(self.request) for tag in self.prompts[text].tags)

    @property
    def weight_doubts(self) -> tuple[RequestError, ...]:
        """What the prompts say that looks like a weight and is none."""
        requests, hires = self.pictures or (self.request,), self.request.hires
        texts = [text for one in requests for text in (one.prompt, one.negative_prompt)]
        texts += [hires.prompt, hires.negative_prompt] if hires else []
        return tuple(weight_doubts("\n".join(map(strip_comments, texts)), hires=hires is not None))

    def checkpoint_called(self, name: str) -> ModelFile:
        """The file of the checkpoint that a pass names."""
        return self.others.get(name, self.checkpoint)

    def vae_of(self, checkpoint: ModelFile) -> ModelFile | None:
        """The VAE file for ``checkpoint``; None for the one inside it. Raises ``UnknownName``."""
        return choose_vae(self.request.vae, checkpoint, self.library)

    def sized(self, native_size: int) -> Self:
        """The same with a definite size: ``native_size`` pixels where the request says none."""
        request, *pictures = (
            replace(one, width=one.width or native_size, height=one.height or native_size)
            for one in (self.request, *self.pictures)
        )
        return replace(self, request=request, pictures=tuple(pictures))


def share_a_batch(one: GenerationRequest, other: GenerationRequest) -> bool:
    """Whether both can be made in one batch: single pictures that differ in nothing but their prompts and seeds, with
    the same tags in the same parts, for a model has its LoRAs for the whole batch."""
    if one.image_count != 1:
        return False
    as_one = replace(
        other,
        prompt=one.prompt,
        negative_prompt=one.negative_prompt,
        seed=one.seed,
        variation=replace(other.variation, seed=one.variation.seed),
    )
    tags, of_other = ([(tag.source, tag.part) for tag in read_prompt(text).tags] for text in (one.prompt, other.prompt))
    return as_one == one and tags == of_other


def resolve(request: GenerationRequest, library: Library, beside: Sequence[GenerationRequest] = ()) -> ResolvedRequest:
    """What ``request`` means with the files that there are now. ``beside`` are requests that ``share_a_batch`` with it.

    Raises ``SdcolabError`` for names that are nowhere.
    """
    now = library.now()
    checkpoint = now.find(ModelKind.CHECKPOINT, request.checkpoint) if request.checkpoint else now.default_checkpoint()
    others = {name: now.find(ModelKind.CHECKPOINT, name) for name in _other_checkpoints(request)}
    pictures = tuple(one.settled(checkpoint=checkpoint.name) for one in (request, *beside))
    resolved = ResolvedRequest(
        request=replace(pictures[0], batch_size=len(pictures)) if beside else pictures[0],
        library=now,
        checkpoint=checkpoint,
        others=others,
        prompts={text: read_prompt(text) for one in pictures for text in _texts(one)},
        pictures=pictures if beside else (),
    )
    for file in (checkpoint, *others.values()):
        resolved.vae_of(file)
    return resolved


def choose_vae(name: str, checkpoint: ModelFile, library: Library) -> ModelFile | None:
    """The VAE file that ``name`` means, or None for the one inside the checkpoint (hechos/a1111.md 6).

    "Automatic" takes the file called like the checkpoint: ``NAME.vae.safetensors`` (``.vae.pt``, ``.vae.ckpt``) beside
    it, or one in the VAE folder whose name begins with the checkpoint's name and a dot. Raises ``UnknownName``.
    """
    if name == INSIDE:
        return None
    if name != AUTOMATIC:
        return library.find(ModelKind.VAE, name)
    stem = checkpoint.path.name.rsplit(".", 1)[0]
    for suffix in _VAE_SUFFIXES:
        beside = checkpoint.path.with_name(stem + suffix)
        if beside.is_file():
            return ModelFile(ModelKind.VAE, beside.name, beside)
    named = (file for file in library.files(ModelKind.VAE) if file.path.name.startswith(f"{stem}."))
    return next(named, None)


def _other_checkpoints(request: GenerationRequest) -> tuple[str, ...]:
    hires = request.hires.checkpoint if request.hires and request.init is None else ""
    refiner = request.refiner.checkpoint if request.refiner else ""
    return tuple(name for name in (hires, refiner) if name)


def _texts(request: GenerationRequest) -> tuple[str, ...]:
    """The prompts of the passes, each once."""
    hires = request.hires if request.init is None else None
    inversion = request.inversion if request.init else None
    second = hires.prompt if hires else inversion.prompt if inversion else ""
    return tuple(dict.fromkeys((request.prompt, second)))


def read_prompt(prompt: str) -> ReadPrompt:
    """``prompt`` as written, read."""
    text, tags = extract_networks(strip_comments(prompt))
    return ReadPrompt(text, tags)
