"""Converting checkpoints: other numbers, fewer tensors, old names repaired (hechos/extensiones.md 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from sdcolab.core.workshop import (
    EMA_PREFIX,
    POSITION_IDS,
    Convert,
    PartAction,
    Precision,
    Pruning,
    ema_twin,
    is_junk,
    modern_name,
)
from sdcolab.engine.convert import VAE_PREFIX
from sdcolab.workshop.model import Model

_TYPES: Mapping[Precision, torch.dtype] = {
    Precision.FP16: torch.float16,
    Precision.BF16: torch.bfloat16,
    Precision.FP8_E4M3: torch.float8_e4m3fn,
    Precision.FP8_E5M2: torch.float8_e5m2,
}
"""The Model Converter takes fp32 for "as they are" too."""

_CONVERTED = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
"""What is cast: numbers of 8 bits have lost what a wider type could hold."""

_EMA_COUNTERS = (f"{EMA_PREFIX}num_updates", f"{EMA_PREFIX}decay")
_POSITIONS = 77


def converted(model: Model, wanted: Convert) -> Model:
    """``model`` as ``wanted`` says. Its VAE has been exchanged already (``with_vae``)."""
    sources = _kept(model.outline, wanted.pruning)
    modern = any(name.startswith("conditioner.embedders") for name in sources)  # SDXL needs none of the repairs
    if not modern:
        sources = {modern_name(name): source for name, source in sources.items()}
    if wanted.drop_junk:
        sources = {name: source for name, source in sources.items() if not is_junk(name)}
    sources = {name: source for name, source in sources.items() if wanted.action(name) is not PartAction.DELETE}
    whole = frozenset({POSITION_IDS}) if wanted.whole_positions and not modern else frozenset()
    changed = {name: _conversion(name, wanted, whole) for name in sources}
    outline = {name: changed[name](model.outline[source]) for name, source in sources.items()}

    def get(name: str) -> Tensor:
        return changed[name](model.get(sources[name])) if name in sources else torch.arange(_POSITIONS)[None]

    if wanted.fix_clip and not modern and wanted.text_encoder is not PartAction.DELETE:
        outline[POSITION_IDS] = torch.empty(1, _POSITIONS, dtype=torch.int64, device="meta")
        sources.pop(POSITION_IDS, None)
    return replace(model, outline=outline, get=get)


def with_vae(model: Model, vae: Model, half: bool = False) -> Model:
    """``model`` with the tensors of ``vae``, a bare VAE or one inside a checkpoint, in place of its own of the same
    names (hechos/a1111.md 10.6). ``half`` saves its 32 bit numbers in 16."""
    found = {VAE_PREFIX + name.removeprefix(VAE_PREFIX): name for name in vae.outline}
    baked = {name: own for name, own in found.items() if name in model.outline}
    outline = {**model.outline, **{name: halved(vae.outline[own], half) for name, own in baked.items()}}

    def get(name: str) -> Tensor:
        return halved(vae.get(baked[name]), half) if name in baked else model.get(name)

    return replace(model, outline=outline, get=get)


def halved(tensor: Tensor, half: bool = True) -> Tensor:
    """A tensor of 32 bit numbers in 16, if ``half``; others as they are."""
    return tensor.half() if half and tensor.dtype == torch.float32 else tensor


def _kept(names: Mapping[str, Tensor], pruning: Pruning) -> dict[str, str]:
    """The tensors that stay: name -> name in the file."""
    if pruning is Pruning.DISABLED:
        return {name: name for name in names}
    plain = [name for name in names if not name.startswith(EMA_PREFIX)]
    if pruning is Pruning.NO_EMA:
        return {name: name for name in plain}
    kept = {name: twin if (twin := ema_twin(name)) in names else name for name in plain}
    return kept | {name: name for name in _EMA_COUNTERS if name in names}


def _conversion(name: str, wanted: Convert, whole: frozenset[str]) -> Callable[[Tensor], Tensor]:
    """What is done to the tensor called ``name``, which may be on the meta device."""
    if name in whole:
        return lambda tensor: tensor.to(torch.int64)
    dtype = _TYPES.get(wanted.precision)
    if dtype is None or wanted.action(name) is PartAction.COPY:
        return lambda tensor: tensor
    return lambda tensor: tensor.to(dtype) if tensor.dtype in _CONVERTED else tensor
