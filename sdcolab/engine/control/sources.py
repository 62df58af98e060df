"""Control files whose weights are not whole: differences from the checkpoint, and low-rank changes of it."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from sdcolab.core.control_files import DIFFERENCE_KEY
from sdcolab.engine.control.filling import with_tensors
from sdcolab.engine.control.names import PREFIX, plain
from sdcolab.engine.convert import UNET_PREFIX
from sdcolab.engine.weights import Weights

_COPIED = ("time_embed.", "label_emb.", "input_blocks.", "middle_block.")
"""What a ControlNet has in common with the UNet."""


def base_names(base: Weights) -> dict[str, str]:
    """Bare name -> name in the checkpoint, of the UNet's tensors that a ControlNet copies."""
    names = (name for name in base.header.tensors if name.startswith(UNET_PREFIX))
    return {bare: name for name in names if (bare := name.removeprefix(UNET_PREFIX)).startswith(_COPIED)}


def with_difference(weights: Weights, base: Weights) -> Weights:
    """The whole ControlNet of a difference file: what the checkpoint has too is added to its weights, and what was left
    out because it did not differ is the checkpoint's (hechos/extensiones.md 3).
    """
    copied = base_names(base)
    stored = {plain(name): name for name in weights.header.tensors if name != DIFFERENCE_KEY}
    made: dict[str, tuple[tuple[int, ...], Callable[[], Tensor]]] = {}
    for bare, name in copied.items():
        shape = base.header.tensors[name].shape
        own = stored.get(bare)
        if own is None:
            made[PREFIX + bare] = shape, _from(base, name)
        elif weights.header.tensors[own].shape == shape:
            made[own] = shape, _sum_of(weights, own, base, name)
    return with_tensors(weights, made)


def with_low_rank(weights: Weights, base: Weights) -> Weights:
    """The whole ControlNet of a Control-LoRA (Stability AI): W + up @ down where there are such, as stored where the
    file has the tensor, else the checkpoint's.
    """
    copied, tensors = base_names(base), weights.header.tensors
    made: dict[str, tuple[tuple[int, ...], Callable[[], Tensor]]] = {}
    for bare, name in copied.items():
        shape, stem = base.header.tensors[name].shape, bare.removesuffix(".weight")
        if bare in tensors or PREFIX + bare in tensors:
            continue
        if bare.endswith(".weight") and f"{stem}.up" in tensors and f"{stem}.down" in tensors:
            made[bare] = shape, _changed(weights, stem, base, name)
        else:
            made[bare] = shape, _from(base, name)
    return with_tensors(weights, made)


def _from(weights: Weights, name: str) -> Callable[[], Tensor]:
    return lambda: weights.get(name)


def _sum_of(weights: Weights, own: str, base: Weights, name: str) -> Callable[[], Tensor]:
    return lambda: (weights.get(own).float() + base.get(name).float()).to(weights.get(own).dtype)


def _changed(weights: Weights, stem: str, base: Weights, name: str) -> Callable[[], Tensor]:
    def make() -> Tensor:
        up, down, whole = weights.get(f"{stem}.up").float(), weights.get(f"{stem}.down").float(), base.get(name).float()
        return whole + (up.flatten(1) @ down.flatten(1)).reshape(whole.shape)

    return make
