"""LoRAs baked into a checkpoint: what each of its tensors gets added (the formulas are ``engine.features.lora_math``).

A checkpoint's tensors are CompVis' and OpenCLIP's; LoRAs name layers in all the ways of ``core.lora_names``. The fused
query, key and value of OpenCLIP are three layers, a third of the rows each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from sdcolab.core.errors import LoraFormatUnknown, LoraMisfit, LorasUnused, SdcolabError
from sdcolab.core.lora_names import TextNaming, layers_of, text_layer_keys, unet_layer_keys
from sdcolab.core.prompt import LoraMultipliers
from sdcolab.engine.convert import UNET_PREFIX, open_clip_rename, text_rename, unet_layers, unet_rename
from sdcolab.engine.features.lora_math import Change, Misfit, UnknownFormat, change_of, fitted
from sdcolab.workshop.model import Model

_TEXT_PREFIXES: Mapping[str, TextNaming] = {
    "cond_stage_model.transformer.text_model.": TextNaming(),
    "cond_stage_model.model.": TextNaming(open_clip=True),
    "conditioner.embedders.0.transformer.text_model.": TextNaming(counted=True),
    "conditioner.embedders.0.model.": TextNaming(counted=True, open_clip=True),
    "conditioner.embedders.1.model.": TextNaming(1, counted=True, open_clip=True),
}
_WEIGHT, _BIAS = "weight", "bias"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a checkpoint: the tensor that holds it, whether it reads text, and which of ``parts`` equal shares of
    the tensor's rows it is."""

    tensor: str
    text: bool
    part: int = 0
    parts: int = 1

    def rows(self, tensor: Tensor) -> slice:
        """Its rows of ``tensor``."""
        height = tensor.shape[0] // self.parts if tensor.dim() else 0
        return slice(self.part * height, (self.part + 1) * height)


def layers_by_key(names: Sequence[str]) -> dict[str, Layer]:
    """The layers of a checkpoint with tensors ``names``, by every key that LoRAs may call them."""
    found: dict[str, Layer] = {}
    layers = unet_layers(names)
    rename = unet_rename(layers)
    for name in names:
        if name.startswith(UNET_PREFIX):
            path = rename(name.removeprefix(UNET_PREFIX)) or ""
            if path.endswith(f".{_WEIGHT}"):
                layer = Layer(name, text=False)
                found |= dict.fromkeys(unet_layer_keys(path.removesuffix(f".{_WEIGHT}"), layers), layer)
            continue
        for key, layer in _text_layers(name):
            found[key] = layer
    return found


def _text_layers(name: str) -> Iterator[tuple[str, Layer]]:
    for prefix, naming in _TEXT_PREFIXES.items():
        if not name.startswith(prefix):
            continue
        own = name.removeprefix(prefix)
        paths = open_clip_rename(own) if naming.open_clip else tuple(filter(None, [text_rename(own)]))
        for part, path in enumerate(paths):
            if path.endswith(f".{_WEIGHT}"):
                layer = Layer(name, True, part, len(paths))
                yield from ((key, layer) for key in text_layer_keys(path.removesuffix(f".{_WEIGHT}"), naming))


@dataclass(frozen=True, slots=True, eq=False)
class _Addition:
    """What one LoRA adds to one layer: names of its tensors in the file by our names, and how strongly."""

    lora: Model
    key: str
    names: Mapping[str, str]
    layer: Layer
    multiplier: float
    dyn: int | None

    def change(self, weight: Tensor) -> Change:
        """Of the layer's ``weight`` (float32). Raises ``LoraFormatUnknown`` or ``LoraMisfit``."""
        tensors = {kind: self.lora.get(name).float() for kind, name in self.names.items()}
        try:
            found = change_of(tensors, weight, self.dyn)
            return Change(None if found.weight is None else fitted(found.weight, weight), found.bias)
        except UnknownFormat as error:
            raise LoraFormatUnknown(path=self.lora.path, layer=self.key, tensors=str(error)) from error
        except (Misfit, RuntimeError, IndexError) as error:
            raise LoraMisfit(path=self.lora.path, layer=self.key) from error


def with_loras(
    model: Model, loras: Iterable[tuple[Model, LoraMultipliers]], warn: Callable[[SdcolabError], None]
) -> Model:
    """``model`` with LoRAs baked in, one after another, rounded to its numbers at the end. Layers that the model lacks
    are told to ``warn`` and left out.

    Getting a tensor raises ``LoraFormatUnknown`` or ``LoraMisfit``.
    """
    layers = layers_by_key(tuple(model.outline))
    additions: dict[str, list[_Addition]] = {}
    for lora, strength in loras:
        wanted = layers_of(lora.outline)
        missing = 0
        for key, names in wanted.items():
            layer = layers.get(key)
            if layer is None:
                missing += 1
                continue
            multiplier = strength.te if layer.text else strength.unet
            if multiplier:
                addition = _Addition(lora, key, names, layer, multiplier, strength.dyn)
                additions.setdefault(layer.tensor, []).append(addition)
        if missing:
            warn(LorasUnused(path=lora.path, count=missing, layers=len(wanted)))

    def get(name: str) -> Tensor:
        own = model.get(name)
        if name in additions:
            return _added(own, additions[name])
        holder = _weight_of(name)
        if holder in additions and holder in model.outline:
            return _bias_added(own, model.get(holder), additions[holder])
        return own

    return replace(model, get=get)


def _weight_of(name: str) -> str:
    """The weight that stands beside the bias called ``name``; "" when it is no bias."""
    stem = name.removesuffix(_BIAS)
    return f"{stem}{_WEIGHT}" if name.endswith((f".{_BIAS}", f"_{_BIAS}")) else ""


def _added(own: Tensor, additions: Iterable[_Addition]) -> Tensor:
    whole = own.float().clone()
    for addition in additions:
        rows = addition.layer.rows(whole)
        change = addition.change(whole[rows]).weight
        if change is not None:
            whole[rows] += addition.multiplier * change
    return whole.to(own.dtype)


def _bias_added(own: Tensor, weight: Tensor, additions: Iterable[_Addition]) -> Tensor:
    asked = [one for one in additions if {"diff_b", "b_norm"} & one.names.keys()]
    if not asked:
        return own
    whole = own.float().clone()
    for addition in asked:
        rows = addition.layer.rows(whole)
        change = addition.change(weight.float()[addition.layer.rows(weight)]).bias
        if change is not None and change.numel() == whole[rows].numel():
            whole[rows] += addition.multiplier * change.flatten()
    return whole.to(own.dtype)
