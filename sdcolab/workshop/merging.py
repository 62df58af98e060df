"""Merging checkpoints: what becomes of each tensor of A, given those of B and C. Pure functions over tensors, which may
be on the meta device: what they give there is the outline of the result.

A1111's arithmetic is done in the files' own types (hechos/a1111.md 10.6); that of TIES (Yadav et al. 2023,
arXiv:2306.01708) and DARE (Yu et al. 2023, arXiv:2311.03099) in float32.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sdcolab.core.errors import MergeNeedsModel, MergeShapes, SpecialModelFirst
from sdcolab.core.workshop import Merge, MergeMethod, block_multipliers, discards, is_merged
from sdcolab.workshop.converting import halved
from sdcolab.workshop.model import Model, check_alike

PLAIN_CHANNELS, PIX2PIX_CHANNELS, INPAINT_CHANNELS = 4, 8, 9
"""What the first convolution reads: the latents; those of a picture beside them; a mask too."""

_SPECIAL = {PIX2PIX_CHANNELS: "instruct-pix2pix", INPAINT_CHANNELS: "inpainting"}


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """The model that comes out, and its kind if it is a special one: "inpainting", "instruct-pix2pix" or ""."""

    model: Model
    special: str = ""

    @property
    def suffix(self) -> str:
        """What its file's name ends with, before the extension."""
        return f".{self.special}" if self.special else ""


Rule = Callable[[str, Tensor, Tensor, Tensor], Tensor]
"""(name, a, b, c) -> merged."""


def merged(wanted: Merge, a: Model, b: Model | None = None, c: Model | None = None) -> Merged:
    """The merge, before anything is baked in or left out but what ``wanted.discard`` says.

    Raises ``MergeNeedsModel``, ``MergeUnlike``, ``MergeShapes``, ``SpecialModelFirst``, ``BlockWeightsWrong`` or
    ``DiscardPatternWrong``.
    """
    drops = discards(wanted.discard)
    kept = [name for name in a.outline if not drops(name)]
    if wanted.method is MergeMethod.NONE:
        outline = {name: halved(a.outline[name], wanted.half) for name in kept}
        return Merged(replace(a, outline=outline, get=lambda name: halved(a.get(name), wanted.half)))
    if b is None:
        raise MergeNeedsModel(letter="B", method=wanted.method.value)
    if c is None and wanted.method.models > 2:
        raise MergeNeedsModel(letter="C", method=wanted.method.value)
    check_alike(a, b)
    if c is not None and wanted.method.models > 2:
        check_alike(b, c)
    rule = _rule(wanted)
    touched = {name for name in kept if is_merged(name) and name in b.outline}
    if c is not None and wanted.method in (MergeMethod.TIES, MergeMethod.DARE):
        touched &= c.outline.keys()  # what C lacks has not changed from it
    special = {_special(name, a.outline[name], b.outline[name]) for name in touched} - {""}

    def one(name: str, of: Callable[[Model], Tensor]) -> Tensor:
        if name not in touched:
            return of(a)
        mine, other = of(a), of(b)
        base = of(c) if c is not None and name in c.outline else other  # A1111 counts no difference there
        return halved(_combined(rule, name, mine, other, base), wanted.half)

    outline = {name: one(name, _outline(name)) for name in kept}
    model = replace(a, outline=outline, get=lambda name: one(name, _tensor(name)))
    return Merged(model, next(iter(special), ""))


def _outline(name: str) -> Callable[[Model], Tensor]:
    return lambda model: model.outline[name]


def _tensor(name: str) -> Callable[[Model], Tensor]:
    return lambda model: model.get(name)


def _combined(rule: Rule, name: str, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """One tensor of the merge. Of a special model's first convolution only what reads the latents is merged."""
    if c.shape != b.shape:
        raise MergeShapes(name=name, first=_size(b), second=_size(c))
    if a.shape == b.shape:
        return rule(name, a, b, c)
    part = rule(name, a[:, :PLAIN_CHANNELS], b, c)
    return torch.cat([part.to(a.dtype), a[:, PLAIN_CHANNELS:]], dim=1)


def _special(name: str, a: Tensor, b: Tensor) -> str:
    """The kind of a special model that meets a plain one at this tensor, or "". Raises ``MergeShapes`` or
    ``SpecialModelFirst``."""
    if a.shape == b.shape:
        return ""
    if a.dim() == b.dim() == 4 and a.shape[:1] + a.shape[2:] == b.shape[:1] + b.shape[2:]:
        mine, other = a.shape[1], b.shape[1]
        if mine == PLAIN_CHANNELS and other in _SPECIAL:
            raise SpecialModelFirst(special=_SPECIAL[other])
        if other == PLAIN_CHANNELS and mine in _SPECIAL:
            return _SPECIAL[mine]
    raise MergeShapes(name=name, first=_size(a), second=_size(b))


def _size(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape))


def _rule(wanted: Merge) -> Rule:
    """The formula of the method, with each tensor's multiplier."""
    share = block_multipliers(wanted.blocks, wanted.multiplier)
    match wanted.method:
        case MergeMethod.DIFFERENCE:
            return lambda name, a, b, c: a + (b - c) * share(name)
        case MergeMethod.TIES:
            return lambda name, a, b, c: ties(a, b, c, share(name), wanted.density)
        case MergeMethod.DARE:
            return lambda name, a, b, c: dare(a, b, c, share(name), wanted.density, wanted.seed ^ _number(name))
        case _:
            return lambda name, a, b, _c: (1 - share(name)) * a + share(name) * b


def ties(a: Tensor, b: Tensor, c: Tensor, share: float, density: float) -> Tensor:
    """TIES: of the changes of A and B from C only the largest ``density`` is kept (trim), each number follows the sign
    that weighs more (elect), and those that agree are averaged with the weights 1 - ``share`` and ``share`` (disjoint
    merge). In A's type.
    """
    changes = torch.stack([trimmed(one.float() - c.float(), density) for one in (a, b)])
    weights = torch.tensor([1 - share, share], device=changes.device).reshape(2, *[1] * a.dim())
    elected = torch.sign((changes * weights).sum(0))
    agree = (torch.sign(changes) == elected) & (changes != 0)
    total = (weights * agree).sum(0)
    mean = (changes * weights * agree).sum(0) / torch.where(total == 0, 1.0, total)
    return (c.float() + mean).to(a.dtype)


def trimmed(change: Tensor, density: float) -> Tensor:
    """``change`` with all but its largest ``density`` (by magnitude) set to zero."""
    kept = round(change.numel() * density)
    if kept >= change.numel() or change.is_meta:
        return change
    if kept == 0:
        return torch.zeros_like(change)
    magnitudes = change.abs().flatten()
    smallest = magnitudes.kthvalue(change.numel() - kept + 1).values
    return torch.where(change.abs() >= smallest, change, 0.0)


def dare(a: Tensor, b: Tensor, c: Tensor, share: float, density: float, seed: int) -> Tensor:
    """DARE: of the changes of A and B from C a random ``density`` is kept and made as much larger; then they are summed
    with the weights 1 - ``share`` and ``share``. In A's type.
    """
    if a.is_meta:
        return a
    generator = torch.Generator().manual_seed(seed)
    total = c.float()
    for one, weight in ((a, 1 - share), (b, share)):
        kept = torch.rand(one.shape, generator=generator) < density
        total = total + weight * (one.float() - c.float()) * kept / max(density, 1e-6)
    return total.to(a.dtype)


def _number(name: str) -> int:
    """The same for a name on every machine: no two tensors lose the same places."""
    return zlib.crc32(name.encode())
