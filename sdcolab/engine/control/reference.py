"""Following a picture without any control model (reference_only, reference_adain): the UNet first looks at the picture,
noised like the image being made, and then draws while it remembers what it saw.

Lvmin Zhang's "reference" preprocessors of sd-webui-controlnet (discussions 1236 and 1280; hechos/extensiones.md 3);
adaptive instance normalisation is Huang & Belongie 2017 (arXiv:1703.06868), equation 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sdcolab.core.control import ControlMode, ControlUnit
from sdcolab.engine.attention import Attend, AttentionSite
from sdcolab.engine.calls import UNetCall
from sdcolab.engine.denoise import answered

_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Referring:
    """A unit at work without a model: ``latents`` [1 or images, C, h, w] of its picture in the UNet's scale.

    ``fidelity`` (0..1): how much the negative prompt goes without the picture, which makes the prompt follow it more.
    ``attends``: self-attention reads the picture's tokens too. ``matches``: blocks take its means and deviations.
    ``seed`` fixes the noise that is put on the picture.
    """

    unit: ControlUnit
    latents: Tensor
    fidelity: float
    attends: bool
    matches: bool
    seed: int

    def part(self, rows: slice) -> Referring:
        """For some images of the batch."""
        return self if len(self.latents) == 1 else replace(self, latents=self.latents[rows])

    def act(self, call: UNetCall) -> UNetCall:
        """``call`` with what the UNet remembers of the picture."""
        seen = replace(call, x=self._noised(call), down=(), mid=None, adapter=(), attention=(), around=())
        memory = Memory(self.unit.weight, call, self.fidelity)
        if self.attends:
            seen, call = seen.with_attention(memory.look), call.with_attention(memory.recall)
        if self.matches:
            seen = replace(seen, around=(partial(memory.looking, call.predictor.unet),))
            call = replace(call, around=(*call.around, partial(memory.matching, call.predictor.unet)))
        answered(seen)
        return call

    def _noised(self, call: UNetCall) -> Tensor:
        """The picture at the noise of the step, as the UNet reads it: its variance is kept."""
        chance = torch.Generator("cpu").manual_seed(self.seed % 2**63 + call.step.call)
        noise = torch.randn(self.latents.shape, generator=chance).to(self.latents, non_blocking=True)
        scaled = (self.latents + noise * call.step.sigma) / (1 + call.step.sigma**2) ** 0.5
        return call.for_rows(scaled.to(call.x))


def fidelity_of(mode: ControlMode, slider: float) -> float:
    """The style fidelity: the slider's when neither side is more important (sd-webui-controlnet)."""
    return {ControlMode.PROMPT: 0.0, ControlMode.CONTROL: 1.0}.get(mode, slider)


class Memory:
    """What the layers of a UNet saw in a picture. ``weight`` (0..2) says how many take part, the widest first."""

    def __init__(self, weight: float, call: UNetCall, fidelity: float) -> None:
        self._weight = weight
        self._negative, self._has_negative = call.is_negative, call.has_negative
        self._fidelity = fidelity
        self._tokens: dict[str, tuple[AttentionSite, Tensor]] = {}
        self._moments: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        self._chosen: frozenset[str] | None = None

    # --- Attention ----------------------------------------------------------------------------------------------------

    def look(self, site: AttentionSite, attend: Attend, hidden: Tensor, context: Tensor | None) -> Tensor:
        """Remember what a self-attention layer reads."""
        if not site.crosses:
            self._tokens[site.name] = (site, hidden)
        return attend(hidden, context)

    def recall(self, site: AttentionSite, attend: Attend, hidden: Tensor, context: Tensor | None) -> Tensor:
        """Read it beside the image's own."""
        if self._chosen is None:
            self._chosen = widest((one for one, _ in self._tokens.values()), self._weight)
        if site.crosses or site.name not in self._chosen:
            return attend(hidden, context)
        both = attend(hidden, torch.cat([hidden, self._tokens[site.name][1]], dim=1))
        if self._fidelity == 0 or not self._has_negative:
            return both
        own = torch.where(self._negative[:, None, None], attend(hidden, None), both)
        return self._fidelity * own + (1 - self._fidelity) * both

    # --- Means and deviations -----------------------------------------------------------------------------------------

    @contextmanager
    def looking(self, unet: nn.Module) -> Iterator[None]:
        """While it lasts, the blocks of ``unet`` tell what they answer."""

        def keep(block: nn.Module, _given: object, out: Tensor) -> None:
            self._moments[block] = _moments(out)

        with _following(self._blocks(unet), keep):
            yield

    @contextmanager
    def matching(self, unet: nn.Module) -> Iterator[None]:
        """While it lasts, the blocks of ``unet`` answer with the picture's means and deviations."""

        def match(block: nn.Module, _given: object, out: Tensor) -> Tensor:
            mean, deviation = _moments(out)
            wanted_mean, wanted_deviation = self._moments[block]
            same = (out - mean) / deviation * wanted_deviation + wanted_mean
            own = torch.where(self._negative[:, None, None, None], out, same)
            return (self._fidelity * own + (1 - self._fidelity) * same).to(out.dtype)

        with _following(self._blocks(unet), match):
            yield

    def _blocks(self, unet: nn.Module) -> list[nn.Module]:
        return [block for block, least in blocks_by_weight(unet) if self._weight > least]


def widest(sites: Iterator[AttentionSite], weight: float) -> frozenset[str]:
    """The names of the layers that take part at ``weight``: all from 1 on, below it the widest ones."""
    ranked = sorted(sites, key=lambda site: -_width(site.module))
    return frozenset(site.name for place, site in enumerate(ranked) if weight > place / len(ranked))


def _width(layer: Any) -> int:
    width: int = layer.to_q.in_features
    return width


def blocks_by_weight(unet: Any) -> list[tuple[nn.Module, float]]:
    """The blocks whose means and deviations are matched, and the weight above which each takes part: the middle always,
    then those that are deeper. The first level of the way down and the last of the way up are left alone."""
    downs = [one for level in unet.down_blocks[1:] for one in _answers(level)]
    ups = [one for level in unet.up_blocks[:-1] for one in _answers(level)]
    ranked: list[tuple[nn.Module, float]] = [(unet.mid_block, 0.0)]
    ranked += [(one, 2 * (1 - place / len(downs))) for place, one in enumerate(downs)]
    return ranked + [(one, 2 * place / len(ups)) for place, one in enumerate(ups)]


def _answers(level: Any) -> list[nn.Module]:
    """The last module of each block of a level: its residual block where no attention follows."""
    attentions = list(getattr(level, "attentions", ()) or ())
    return attentions or list(level.resnets)


def _moments(out: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel of each row, [N, C, 1, 1]."""
    out = out.float()
    deviation = out.var(dim=(2, 3), keepdim=True, correction=0).clamp(min=_LEAST_DEVIATION).sqrt()
    return out.mean(dim=(2, 3), keepdim=True), deviation


@contextmanager
def _following(blocks: list[nn.Module], hook: object) -> Iterator[None]:
    def first(block: nn.Module, given: object, out: object) -> object:
        """Attention blocks answer a tuple of one tensor."""
        tensor = out[0] if isinstance(out, tuple) else out
        changed = hook(block, given, tensor)  # type: ignore[operator]
        if changed is None:
            return None
        return (changed, *out[1:]) if isinstance(out, tuple) else changed

    handles = [block.register_forward_hook(first) for block in blocks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
