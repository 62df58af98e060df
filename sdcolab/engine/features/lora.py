"""``<lora:name:te:unet:dyn>``: LoRA files merged into the loaded model's weights, and taken out again without a trace.

Each weight becomes W + multiplier * change, for one file after another in the prompt's order, rounded to the model's
type after each (hechos/a1111.md 1.8, 10.2 and 10.3). The originals are kept on the CPU, so taking out is exact. A merge
stays for the next request; then only the layers whose files or strengths changed are made anew, and files that come
after those already merged are added on top. Never needs peft.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from sdcolab.core.detect import ModelFamily, ModelKind, detect
from sdcolab.core.errors import (
    EmbeddingSkipped,
    LoraFormatUnknown,
    LoraMisfit,
    LoraNoLayers,
    LoraPartlyUsed,
    LoraWrongFamily,
    ModelUnreadable,
    ModelWrongKind,
    SdcolabError,
)
from sdcolab.core.hashes import LORA_HASH_KEY
from sdcolab.core.infotext import EngineFacts
from sdcolab.core.lora_names import (
    ATTENTION_PARTS,
    BUNDLED_EMBEDDING,
    TextNaming,
    attention_of,
    layers_of,
    text_layer_keys,
    unet_layer_keys,
)
from sdcolab.core.prompt import LORA_KINDS
from sdcolab.core.resolved import ResolvedRequest
from sdcolab.core.tensors import header_if_told
from sdcolab.engine.bench import Bench
from sdcolab.engine.calls import UNetCall
from sdcolab.engine.convert import TextKind
from sdcolab.engine.feature import Active, Feature
from sdcolab.engine.features.lora_areas import CHANGEABLE, AreaLoras, AreaUse, LayerChange
from sdcolab.engine.features.lora_math import Misfit, UnknownFormat, change_of, fitted, plain_factors
from sdcolab.engine.hashes import LORA_HASH, HashCache, hash_list, infotext_name
from sdcolab.engine.lora_tags import LoraUse, Warn, by_area, loras_in
from sdcolab.engine.memory import is_out_of_memory
from sdcolab.engine.models import LoadedModel, text_model
from sdcolab.engine.shelf import Checkpoint
from sdcolab.engine.stored import Kept, Stored
from sdcolab.engine.turns import Turns
from sdcolab.engine.vectors import LoadedEmbedding, Vocabulary, names_in, vectors_in
from sdcolab.engine.weights import Stamp, Weights, open_weights, stamp_of


class Part(StrEnum):
    """Which network a layer belongs to, so which multiplier it takes."""

    TEXT = "text"
    UNET = "unet"


# --- The feature ------------------------------------------------------------------------------------------------------


class Lora(Feature):
    """The LoRAs of a request's prompts. ``uses`` has those of each prompt text."""

    tags = LORA_KINDS

    def __init__(
        self,
        uses: Mapping[str, tuple[LoraUse, ...]],
        warnings: Sequence[SdcolabError] = (),
        areas: Mapping[str, tuple[AreaUse, ...]] | None = None,
    ) -> None:
        """``warnings``: what there is to say of the tags, once somebody listens. ``areas``: LoRAs that act only where
        their part of the prompt draws."""
        self._uses = uses
        self._areas = areas or {}
        self._warnings = warnings
        self._hashes: dict[str, Future[str]] = {}
        self._acting: dict[nn.Module, AreaLoras] = {}

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self:
        """Always: a LoRA that an earlier request left merged has to go."""
        warnings: list[SdcolabError] = []
        uses: dict[str, tuple[LoraUse, ...]] = {}
        areas: dict[str, tuple[AreaUse, ...]] = {}
        for text, prompt in asked.prompts.items():
            everywhere, in_areas = by_area(prompt.tags, asked.request.regions)
            uses[text] = loras_in(everywhere, asked.library, warnings.append)
            areas[text] = tuple(
                AreaUse(part, area, use)
                for (part, area), tags in in_areas.items()
                for use in loras_in(tags, asked.library, warnings.append)
            )
        return cls(uses, warnings, areas)

    @contextmanager
    def patch(self, active: Active) -> Iterator[None]:
        """The pass's LoRAs are merged. A model that takes over from one of another family goes without."""
        uses, bench = self._of(active), active.bench
        for warning in self._warnings:
            bench.warn(warning)
        areas = self._in_areas(active)
        for use in (*uses, *(one.use for one in areas)):
            self._hashes[infotext_name(use.mentioned)] = lora_hash(use.file.path, bench.hashes)
        merger, unet = merger_of(active.checkpoint), active.checkpoint.model.unet
        with merger.applied(uses, bench.warn):
            if not areas:
                yield
                return
            regions = bench.request.regions
            changes = [(one, merger.changes(one.use, bench.warn)) for one in areas]
            self._acting[unet] = AreaLoras(changes, unet, regions.end if regions else 0)
            try:
                with self._acting[unet].hooked():
                    yield
            finally:
                del self._acting[unet]

    @contextmanager
    def around_part(self, active: Active, number: int) -> Iterator[Hashable]:
        """The LoRAs of the part's own area count for its words too."""
        own = [one.use for one in self._in_areas(active) if one.part == number]
        if not own or active.checkpoint.model.unet not in self._acting:
            yield ()
            return
        merger, turns = merger_of(active.checkpoint), active.checkpoint.model.turns
        with _with_words_of(merger, own, self._of(active), turns) as state:
            yield state

    def before_unet(self, call: UNetCall) -> UNetCall:
        """LoRAs of areas act in this call, in the rows of their parts."""
        acting = self._acting.get(call.predictor.unet)
        if acting is None or call.output is not None:
            return call
        return replace(call, around=(*call.around, partial(acting.during, call)))

    def text_state(self, active: Active) -> Hashable:
        """Of what is merged."""
        return merger_of(active.checkpoint).text_state

    def vocabulary(self, active: Active) -> Vocabulary:
        """The textual inversions inside the files that are merged or act in an area."""
        uses = (*self._of(active), *(one.use for one in self._in_areas(active)))
        bundled = {one.name: one for one in merger_of(active.checkpoint).bundled_embeddings(uses)}
        width = active.checkpoint.model.embedding_width

        def occurring(texts: Sequence[str]) -> tuple[LoadedEmbedding, ...]:
            found = [bundled[name] for name in names_in(texts, bundled)]
            for one in found:
                if one.width != width:
                    active.bench.warn(EmbeddingSkipped(path=one.stamp[0], width=one.width, model_width=width))
            return tuple(one for one in found if one.width == width)

        return occurring

    def facts(self, facts: EngineFacts, bench: Bench) -> EngineFacts:
        """Names and hashes of the files that were used."""
        return replace(facts, extra=(("Lora hashes", hash_list(self._hashes, bench.wait_for)), *facts.extra))

    def _of(self, active: Active) -> tuple[LoraUse, ...]:
        return () if _of_another_family(active) else self._uses[active.one.prompt]

    def _in_areas(self, active: Active) -> tuple[AreaUse, ...]:
        return () if _of_another_family(active) else self._areas.get(active.one.prompt, ())


def _of_another_family(active: Active) -> bool:
    """Whether a model takes over from one of another family."""
    base = active.helps
    return base is not None and base.model.detected.family is not active.checkpoint.model.detected.family


def merger_of(checkpoint: Checkpoint) -> LoraMerger:
    """What is merged into ``checkpoint``, which keeps it from one request to the next."""
    return checkpoint.kept.of(LoraMerger, lambda: LoraMerger(checkpoint.model))


# --- Files ------------------------------------------------------------------------------------------------------------

ROUNDED_TENSORS = frozenset({"up", "down", "mid"})
"""What A1111 converts to the model's type when it reads a file (hechos/a1111.md 10.3)."""


@dataclass(frozen=True, slots=True)
class LoraFile:
    """An open file: layer key -> tensor -> name in the file. Two are equal when they are the same file unchanged."""

    stamp: Stamp
    weights: Weights = field(compare=False, repr=False)
    layers: Mapping[str, Mapping[str, str]] = field(compare=False, repr=False)

    @property
    def path(self) -> Path:
        return self.stamp[0]

    def tensors(self, layer: str, device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
        """The layer's tensors in float32; those of a plain LoRA with the numbers that the model's ``dtype`` has. Single
        numbers stay on the CPU, so that reading one does not wait for the GPU.
        """
        read = {name: self.weights.get(old) for name, old in self.layers[layer].items()}
        found = {name: tensor.to(device) if tensor.dim() else tensor for name, tensor in read.items()}
        return {
            name: (tensor.to(dtype) if name in ROUNDED_TENSORS else tensor).float() for name, tensor in found.items()
        }

    def bundled(self) -> dict[str, dict[str, Any]]:
        """What the file holds of textual inversions, by name, as their own files would hold it."""
        found: dict[str, dict[str, Any]] = {}
        for old in self.weights.header.tensors:
            name, _, tensor = old.removeprefix(BUNDLED_EMBEDDING).partition(".")
            if old.startswith(BUNDLED_EMBEDDING) and tensor:
                content = found.setdefault(name, {})
                group, _, key = tensor.partition(".")
                if group == "string_to_param":
                    content = content.setdefault(group, {})
                    tensor = key
                content[tensor] = self.weights.get(old)
        return found


def open_lora(path: Path) -> LoraFile:
    """Open a file and sort its tensors into layers. Raises ``CannotRead`` or ``ModelError``."""
    stamp = stamp_of(path)
    weights = open_weights(path)
    layers = layers_of(weights.header.tensors)
    kind = detect(weights.header).kind
    if kind not in (ModelKind.LORA, ModelKind.OTHER):
        raise ModelWrongKind(path=path, expected=ModelKind.LORA.value, found=kind.value)
    return LoraFile(stamp, weights, layers)


def lora_hash(path: Path, hashes: HashCache) -> Future[str]:
    """12 hexadecimal digits: those in the metadata, or those of the tensors (hechos/a1111.md 7.6)."""
    header = header_if_told(path)
    written = header.metadata.get(LORA_HASH_KEY) if header else None
    if not written:
        return hashes.start(path, LORA_HASH)
    known: Future[str] = Future()
    known.set_result(written[: LORA_HASH.digits])
    return known


# --- Merging ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one file adds to one layer of the model. Equal contributions add the same."""

    file: LoraFile
    layer: str
    multiplier: float
    dyn: int | None


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """A layer of the model that files can change. ``attention``: the layer is one of four that A1111 holds as one, so
    that a file counts only with a part for each; layers with equal ones belong together.
    """

    part: Part
    module: nn.Module
    attention: Hashable = None


@dataclass(frozen=True, slots=True, eq=False)
class _Merged:
    """A changed layer: its weights before, on the CPU, and what was added to them."""

    weight: Kept
    bias: Tensor | None
    contributions: tuple[Contribution, ...]


_Layers = tuple[tuple[str, _Target], ...]
"""Those layers of a file that the model has."""


class LoraMerger:
    """Holds what is merged into one loaded model."""

    def __init__(self, model: LoadedModel) -> None:
        self._family = model.detected.family
        self._dtype = model.dtype
        self._targets = dict(_targets(model))
        self._parts = {target.module: target.part for target in self._targets.values()}
        self._merged: dict[nn.Module, _Merged] = {}
        self._files: dict[Path, LoraFile] = {}
        self._text_state: tuple[Hashable, ...] = ()

    @property
    def text_state(self) -> tuple[Hashable, ...]:
        """What the text encoders' weights depend on: equal states encode equally. Empty when they are as loaded."""
        return self._text_state

    @contextmanager
    def applied(self, uses: Iterable[LoraUse], warn: Warn) -> Iterator[None]:
        """While it lasts, exactly ``uses`` are merged. They stay so afterwards, unless it ends by an exception (which
        a cancellation is): then the model is as it was loaded.

        Raises ``SdcolabError`` when a file cannot be used, and torch's error when memory runs out on the CPU too.
        """
        done = False
        try:
            self._apply(tuple(uses), warn)
            yield
            done = True
        finally:
            if not done:
                self.restore()

    def restore(self) -> None:
        """Put every original weight back, bit by bit."""
        self._switch({})
        self._text_state = ()

    def _apply(self, uses: tuple[LoraUse, ...], warn: Warn) -> None:
        files = {use.file.path: self._open(use.file.path) for use in uses}
        self._files = files  # files that are no longer used are closed
        layers = {path: self._fitting(file, warn) for path, file in files.items()}
        wanted: dict[nn.Module, tuple[Contribution, ...]] = {}
        text_state: list[Hashable] = []
        for use in uses:
            file, strength = files[use.file.path], use.strength
            for layer, target in layers[use.file.path]:
                multiplier = strength.te if target.part is Part.TEXT else strength.unet
                if multiplier:
                    contribution = Contribution(file, layer, multiplier, strength.dyn)
                    wanted[target.module] = (*wanted.get(target.module, ()), contribution)
            if strength.te and any(target.part is Part.TEXT for _, target in layers[use.file.path]):
                text_state.append((file.stamp, strength.te, strength.dyn))
        self._switch(wanted)
        self._text_state = tuple(text_state)

    def changes(self, use: LoraUse, warn: Warn) -> tuple[LayerChange, ...]:
        """What a file would do to the UNet's layers as they are now, without merging it. Raises ``SdcolabError``."""
        file, strength = open_lora(use.file.path), use.strength
        found = [
            (target.module, Contribution(file, layer, strength.unet, strength.dyn))
            for layer, target in self._fitting(file, warn)
            if target.part is Part.UNET and strength.unet
        ]
        return tuple(self._change(module, one) for module, one in found if isinstance(module, CHANGEABLE))

    def _change(self, module: nn.Module, one: Contribution) -> LayerChange:
        weight = _weight_of(module).whole()
        tensors = one.file.tensors(one.layer, torch.device("cpu"), self._type_of(weight))
        factors = plain_factors(tensors, weight, one.dyn)
        if factors is not None:
            return LayerChange(module, factors[0] * one.multiplier, factors[1])
        whole, bias = weight.float().cpu(), _bias_of(module)
        start = torch.zeros(len(whole)) if bias is None else bias.float().cpu()
        merged, moved = self._plus(one, whole, start, None)
        change = merged - whole
        shift = None if moved is None or torch.equal(moved, start) else moved - start
        return LayerChange(module, change.flatten(1) if change.dim() > 1 else change, None, shift)

    def bundled_embeddings(self, uses: Iterable[LoraUse]) -> Iterator[LoadedEmbedding]:
        """The textual inversions inside the files of ``uses``.

        Raises ``ModelUnreadable`` for one that is none.
        """
        for use in uses:
            file = self._open(use.file.path)
            for name, content in file.bundled().items():
                vectors = vectors_in(content)
                if vectors is None:
                    raise ModelUnreadable(path=file.path, reason="not_a_model")
                yield LoadedEmbedding(name, file.stamp, vectors, bundle=use.mentioned)

    def _open(self, path: Path) -> LoraFile:
        known = self._files.get(path)
        return known if known is not None and known.stamp == stamp_of(path) else open_lora(path)

    def _fitting(self, file: LoraFile, warn: Warn) -> _Layers:
        """The file's layers that count for the model. Raises ``SdcolabError`` when there are none."""
        found = [(layer, self._targets[layer]) for layer in file.layers if layer in self._targets]
        parts = Counter(target.attention for _, target in found)
        used = tuple(
            (layer, target)
            for layer, target in found
            if target.attention is None or parts[target.attention] == ATTENTION_PARTS
        )
        if len(used) < len(file.layers) or not used:
            self._refuse_family(file)
            if not used:
                raise LoraNoLayers(path=file.path)
            warn(LoraPartlyUsed(path=file.path, used=len(used), layers=len(file.layers)))
        return used

    def _refuse_family(self, file: LoraFile) -> None:
        """Raises ``LoraWrongFamily`` when the file is known to be for another family. Asked only of files that do not
        fit: what fits is used, whatever it says it is.
        """
        family = detect(file.weights.header).family
        if family not in (ModelFamily.UNKNOWN, self._family):
            raise LoraWrongFamily(path=file.path, family=family.value, model_family=self._family.value)

    @torch.inference_mode(False)
    @torch.no_grad()
    def _switch(self, wanted: Mapping[nn.Module, tuple[Contribution, ...]]) -> None:
        """Make the model's layers those of ``wanted``; layers that stay the same are not touched."""
        for module in [module for module in self._merged if module not in wanted]:
            _put_back(module, self._merged.pop(module))
        for module, contributions in wanted.items():
            before = self._merged.get(module)
            if before is None:
                weight, bias = _weight_of(module), _bias_of(module)
                before = _Merged(weight.to("cpu"), None if bias is None else bias.to("cpu"), ())
            if before.contributions != contributions:
                self._merge(module, before, contributions)

    def _merge(self, module: nn.Module, before: _Merged, contributions: tuple[Contribution, ...]) -> None:
        now, done = module.get_parameter("weight").data, len(before.contributions)
        room = _writable(now, before)
        try:
            if done and contributions[:done] == before.contributions and before.weight.is_as(now):
                merged = self._added(module, contributions[done:], before, now, _bias_of(module), room)
            else:
                merged = self._added(module, contributions, before, *_moved(before, now.device), room)
        except torch.OutOfMemoryError:  # a card without room works on the CPU
            merged = self._added(module, contributions, before, before.weight.whole(), before.bias, None)
        self._merged[module] = _Merged(before.weight, before.bias, contributions)
        _set(module, *merged)

    def _added(
        self,
        module: nn.Module,
        contributions: Iterable[Contribution],
        before: _Merged,
        weight: Tensor,
        bias: Tensor | None,
        room: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """``weight`` and ``bias`` after ``contributions``, rounded after each. ``room`` may be written to."""
        for contribution in contributions:
            weight, bias = self._plus(contribution, weight, bias, room)
            if self._parts[module] is Part.TEXT:
                weight, bias = _halved(weight), None if bias is None else _halved(bias)
            room = _writable(weight, before)
        return weight, bias

    def _plus(
        self, contribution: Contribution, weight: Tensor, bias: Tensor | None, room: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Weight and bias after one file, in the model's type."""
        file, layer, multiplier = contribution.file, contribution.layer, contribution.multiplier
        tensors, whole = file.tensors(layer, weight.device, self._type_of(weight)), weight.float()
        factors = plain_factors(tensors, whole, contribution.dyn)
        if factors is not None:  # the same as below in a third of the time
            flat = None if room is None else room.flatten(1)
            merged = torch.addmm(whole.flatten(1), *factors, alpha=multiplier, out=flat)
            return merged.reshape(weight.shape).to(weight.dtype), bias
        try:
            change = change_of(tensors, whole, contribution.dyn)
            added = None if change.weight is None else fitted(change.weight, whole)
            bias_added = None if change.bias is None else _fitted_bias(change.bias, weight)
        except UnknownFormat as error:
            raise LoraFormatUnknown(path=file.path, layer=layer, tensors=str(error)) from error
        except (Misfit, RuntimeError, IndexError) as error:  # torch's own for matrices that cannot be multiplied
            if isinstance(error, RuntimeError) and is_out_of_memory(error):
                raise
            self._refuse_family(file)
            raise LoraMisfit(path=file.path, layer=layer) from error
        if added is not None:
            weight = torch.add(whole, added, alpha=multiplier, out=room).to(weight.dtype)
        if bias_added is not None:
            start = torch.zeros_like(bias_added) if bias is None else bias.float()
            bias = torch.add(start, bias_added, alpha=multiplier).to(weight.dtype)
        return weight, bias

    def _type_of(self, weight: Tensor) -> torch.dtype:
        """The type whose numbers a file's tensors get that are added to ``weight``: the model's where that is kept in 8
        bits."""
        return weight.dtype if weight.dtype.itemsize > 1 else self._dtype


@contextmanager
def _with_words_of(
    merger: LoraMerger, own: Sequence[LoraUse], uses: Iterable[LoraUse], turns: Turns
) -> Iterator[Hashable]:
    """While it lasts, ``own`` are merged into the text encoders beside ``uses``, which stay merged afterwards.
    Gives what tells these encoders from others."""
    before = tuple(uses)
    words = tuple(replace(one, strength=replace(one.strength, unet=0.0)) for one in own)
    with turns.nobody():
        merger._apply((*before, *words), _unheard)
    try:
        yield merger.text_state
    finally:
        with turns.nobody():
            merger._apply(before, _unheard)


def _unheard(warning: SdcolabError) -> None:
    """For files of which everything has been told."""
    del warning


def _writable(weight: Tensor, before: _Merged) -> Tensor | None:
    """``weight`` if a merge in float32 may write over it: it is an earlier merge, not the original. That saves as much
    time as the merge itself takes, for new memory is slow.
    """
    ours = weight.dtype == torch.float32 and weight.data_ptr() != before.weight.numbers.data_ptr()
    return weight if ours else None


def _halved(tensor: Tensor) -> Tensor:
    """The tensor with float16's numbers. The program that made the reference images keeps the text encoder in halves
    on every device, so its merged weights are rounded to them (3.8e-4 in the reference latents without, 2e-6 with).
    """
    return tensor.half().to(tensor.dtype)


def _fitted_bias(bias: Tensor, weight: Tensor) -> Tensor:
    if bias.numel() != weight.shape[0]:
        raise Misfit("bias")
    return bias.flatten()


def _targets(model: LoadedModel) -> Iterator[tuple[str, _Target]]:
    """Every layer of the model with a weight, by each of its keys."""
    layers = model.unet.config.layers_per_block
    for path, module in model.unet.named_modules():
        if _has_weight(module):
            target = _Target(Part.UNET, module)
            yield from ((key, target) for key in unet_layer_keys(path, layers))
    counted = model.family.counted_encoders
    for index, encoder in enumerate(model.text_encoders):
        naming = TextNaming(index, counted, encoder.layout.kind is TextKind.OPEN_CLIP)
        for path, module in text_model(encoder.module).named_modules():
            if _has_weight(module):
                target = _Target(Part.TEXT, module, attention_of(path, naming))
                yield from ((key, target) for key in text_layer_keys(path, naming))


def _has_weight(module: nn.Module) -> bool:
    return isinstance(getattr(module, "weight", None), nn.Parameter)


def _weight_of(module: nn.Module) -> Kept:
    """What files are added to: of weights kept in 8 bits the copy, where there is one (hechos/a1111.md 10.2)."""
    if not isinstance(module, Stored):
        return Kept(module.get_parameter("weight").data)
    copy = module.copies.get("weight")
    return Kept(module.get_parameter("weight").data, module.scale) if copy is None else Kept(copy)


def _bias_of(module: nn.Module) -> Tensor | None:
    if isinstance(module, Stored) and "bias" in module.copies:
        return module.copies["bias"]
    bias = getattr(module, "bias", None)
    return bias.data if isinstance(bias, nn.Parameter) else None


def _set(module: nn.Module, weight: Tensor, bias: Tensor | None) -> None:
    """Give a layer other numbers. On the CPU by other tensors: the old ones may be the checkpoint file's own pages, or
    the originals. On a card in place, so that it needs no room.
    """
    parameter = module.get_parameter("weight")
    kept = module.kept("weight", weight) if isinstance(module, Stored) else Kept(weight)
    _replace(parameter.data, kept.numbers, partial(setattr, parameter, "data"))
    if kept.scale is not None:
        _replace(module.get_buffer("scale"), kept.scale, partial(setattr, module, "scale"))
    current = _bias_of(module)
    if bias is None:
        if current is not None:
            module.register_parameter("bias", None)
    elif current is None:
        module.register_parameter("bias", nn.Parameter(bias.to(parameter.device), requires_grad=False))
    else:
        held = module.get_parameter("bias")
        _replace(held.data, bias, partial(setattr, held, "data"))


def _replace(now: Tensor, tensor: Tensor, put: Callable[[Tensor], None]) -> None:
    if now.device.type == "cpu":
        put(tensor.to(now.dtype))  # another one than the merge's where it is kept in 8 bits
    else:
        now.copy_(tensor)


def _put_back(module: nn.Module, before: _Merged) -> None:
    _set(module, before.weight.whole(), before.bias)


def _moved(before: _Merged, device: torch.device) -> tuple[Tensor, Tensor | None]:
    return before.weight.to(device).whole(), None if before.bias is None else before.bias.to(device)
