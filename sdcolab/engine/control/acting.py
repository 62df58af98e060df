"""What each sort of control model does to a call of the UNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from diffusers import ControlNetUnionModel, T2IAdapter
from torch import Tensor
from torch.nn import functional

from sdcolab.core.control import ADAPTER_SOFT, ControlMode, ControlUnit, is_soft, soft_scales
from sdcolab.core.control_files import UNION_ORDER, union_type
from sdcolab.engine.attention import Attend, AttentionSite, level_of
from sdcolab.engine.calls import UNetCall
from sdcolab.engine.control.ip_adapter import IpAdapter
from sdcolab.engine.control.lllite import Shift, shifted
from sdcolab.engine.control.loading import Control, ControlNet
from sdcolab.engine.precision import autocast


@dataclass(frozen=True, slots=True, eq=False)
class Acting:
    """A unit at work in one pass.

    ``hints`` [1 or images, 3, H, W] in 0..1 (or masked), one set for each picture that acts at once; ``weight`` is the
    share of each. ``region`` [1, 1, H, W] in 0..1: where it acts. ``tokens``: what an IP-Adapter reads of each picture
    that acts at once, and of no picture, [1 or images, m, C] each. ``conditions``: computed once a round.
    """

    unit: ControlUnit
    control: Control
    hints: tuple[Tensor, ...]
    weight: float
    hires: bool
    region: Tensor | None = None
    tokens: tuple[tuple[Tensor, Tensor], ...] = ()
    conditions: dict[str, Tensor] = field(default_factory=dict)

    def part(self, rows: slice) -> Acting:
        """For some images of the batch."""
        tokens = tuple((_part(picture, rows), nothing) for picture, nothing in self.tokens)
        return replace(self, hints=tuple(_part(one, rows) for one in self.hints), tokens=tokens, conditions={})

    def act(self, call: UNetCall) -> UNetCall:
        """``call`` with what the unit adds."""
        net = self.control.net
        if isinstance(net, T2IAdapter):
            return self._adapt(call, net)
        if isinstance(net, IpAdapter):
            return call.with_attention(_PictureRead(self, net, call))
        if isinstance(net, tuple):
            return call.with_attention(_Shifted(self, net, call))
        for hint in self.hints:
            down, mid = self._residuals(call, net, hint)
            call = call.with_residuals(down, mid)
        return call

    # --- ControlNet ---------------------------------------------------------------------------------------------------

    @property
    def _positive_only(self) -> bool:
        """Whether the negative prompt goes without."""
        return self.control.averages or self.unit.mode is ControlMode.CONTROL

    def _residuals(self, call: UNetCall, net: ControlNet, hint: Tensor) -> tuple[list[Tensor], Tensor]:
        """Residuals [N, ...] for every row; where only the prompt's rows count, only those are computed."""
        places = [number for number, share in enumerate(call.shares) if not (self._positive_only and share.negative)]
        weight = self.weight if places else 0.0
        places = places or list(range(len(call.shares)))
        chosen = call.rows_of(places, call.for_rows(hint.to(call.x))) if len(hint) > 1 else hint.to(call.x)
        found = _asked(net, call, places, chosen, self.unit)
        scales = soft_scales(len(found)) if is_soft(self.unit, hires=self.hires) else (1.0,) * len(found)
        whole = [self._spread(one * (weight * scale), places, call) for one, scale in zip(found, scales, strict=True)]
        return whole[:-1], whole[-1]

    def _spread(self, residual: Tensor, places: Sequence[int], call: UNetCall) -> Tensor:
        """``residual`` of the rows at ``places`` for every row: nothing for the others."""
        if self.control.averages:
            residual = residual.mean(dim=(2, 3), keepdim=True).expand_as(residual)
        if self.region is not None:
            residual = residual * self._region_over(self.region, residual)
        if len(places) == len(call.shares):
            return residual
        nothing = torch.zeros_like(residual[: call.images])
        of_shares = dict(zip(places, residual.chunk(len(places)), strict=True))
        return torch.cat([of_shares.get(number, nothing) for number in range(len(call.shares))])

    def _region_over(self, region: Tensor, like: Tensor) -> Tensor:
        """How much the unit acts at each place of ``like`` [N, C, h, w]: [1, 1, h, w]. Computed once a round."""
        key = f"region {tuple(like.shape[-2:])} {like.dtype}"
        if key not in self.conditions:
            size, sent = (like.shape[-2], like.shape[-1]), region.to(like, non_blocking=True)
            self.conditions[key] = functional.interpolate(sent, size=size, mode="bilinear")
        return self.conditions[key]

    # --- T2I-Adapter --------------------------------------------------------------------------------------------------

    def _adapt(self, call: UNetCall, net: T2IAdapter) -> UNetCall:
        scales = ADAPTER_SOFT if is_soft(self.unit, hires=self.hires) else (1.0,) * len(ADAPTER_SOFT)
        strength = _strength(self, call)[..., None]
        for number, hint in enumerate(self.hints):
            told = self._features(number, hint.to(call.x), net)
            features = [call.for_rows(one) * (strength * scale) for one, scale in zip(told, scales, strict=False)]
            if self.region is not None:
                features = [one * self._region_over(self.region, one) for one in features]
            call = call.with_adapter(features)
        return call

    def _features(self, number: int, hint: Tensor, net: T2IAdapter) -> list[Tensor]:
        """What the adapter says of a picture, one feature a level. Computed once a round: it knows nothing of steps."""
        levels = [f"adapter {number} {level}" for level in range(len(ADAPTER_SOFT))]
        if levels[0] not in self.conditions:
            picture = hint.clamp(0, 1)
            if net.config.in_channels == 1:
                picture = picture.mean(dim=1, keepdim=True)
            self.conditions.update(zip(levels, net(picture), strict=False))
        return [self.conditions[level] for level in levels if level in self.conditions]


def _asked(net: ControlNet, call: UNetCall, places: Sequence[int], hint: Tensor, unit: ControlUnit) -> list[Tensor]:
    """What a ControlNet answers for the rows of some shares: its residuals, the middle's last."""
    x, timesteps, context = (call.rows_of(places, one) for one in (call.x, call.timesteps, call.context))
    added = {name: call.rows_of(places, one) for name, one in call.added.items()} or None
    with autocast(net):
        if isinstance(net, ControlNetUnionModel):
            index = UNION_ORDER.index(union_type(unit.module, unit.kind))
            kinds = torch.zeros(len(x), net.config.num_control_type, device=x.device, dtype=x.dtype)
            kinds[:, index] = 1
            hint = hint.expand(len(x), *hint.shape[1:])  # it sets the map beside each row
            down, mid = net(x, timesteps, context, [hint], kinds, [index], added_cond_kwargs=added, return_dict=False)
        else:
            down, mid = net(x, timesteps, context, hint, added_cond_kwargs=added, return_dict=False)
    return [*down, mid]


def _strength(acting: Acting, call: UNetCall) -> Tensor:
    """The unit's weight for every row, [N, 1, 1]; none for the negative prompt where ControlNet is more important."""
    weights = torch.full((len(call.x),), acting.weight, device=call.x.device, dtype=call.x.dtype)
    if acting.unit.mode is ControlMode.CONTROL:
        weights = torch.where(call.is_negative, torch.zeros_like(weights), weights)
    return weights[:, None, None]


def _part(of_images: Tensor, rows: slice) -> Tensor:
    return of_images if len(of_images) == 1 else of_images[rows]


def _strength_at(acting: Acting, call: UNetCall, hidden: Tensor) -> Tensor:
    """The unit's weight for every row and place of what an attention layer reads, ``hidden`` [N, n, C]: [N, 1 or n, 1].
    Merged tokens have no places: there a unit acts everywhere."""
    strength, region = _strength(acting, call).to(hidden), acting.region
    level = None if region is None else level_of((call.x.shape[2], call.x.shape[3]), hidden.shape[1])
    if region is None or level is None:
        return strength
    key = f"region {level}"
    if key not in acting.conditions:
        acting.conditions[key] = (
            functional.adaptive_avg_pool2d(region, level).flatten()[None, :, None].to(hidden, non_blocking=True)
        )
    return strength * acting.conditions[key]


@dataclass(frozen=True, slots=True, eq=False)
class _PictureRead:
    """Cross-attention that reads the pictures beside the text."""

    acting: Acting
    net: IpAdapter
    call: UNetCall

    def __call__(self, site: AttentionSite, attend: Attend, hidden: Tensor, context: Tensor | None) -> Tensor:
        out = attend(hidden, context)
        if not site.crosses or site.index >= len(self.net.keys):
            return out
        strength = _strength_at(self.acting, self.call, hidden)
        for picture, nothing in self.acting.tokens:
            rows = self.call.for_rows(picture.to(hidden))
            rows = torch.where(self.call.is_negative[:, None, None], nothing.to(hidden), rows)
            out = out + self.net.attend(site.module, site.index, hidden, rows) * strength
        return out


@dataclass(frozen=True, slots=True, eq=False)
class _Shifted:
    """Attention whose layers read shifted inputs (ControlLLLite)."""

    acting: Acting
    shifts: tuple[Shift, ...]
    call: UNetCall

    def __call__(self, site: AttentionSite, attend: Attend, hidden: Tensor, context: Tensor | None) -> Tensor:
        own = [shift for shift in self.shifts if shift.layer.startswith(site.name + ".")]
        if not own:
            return attend(hidden, context)
        with shifted(site, own, self._conditions, _strength_at(self.acting, self.call, hidden)):
            return attend(hidden, context)

    def _conditions(self, shift: Shift) -> list[Tensor]:
        """Of every picture; computed once a round for each layer."""
        known, made = self.acting.conditions, []
        for number, hint in enumerate(self.acting.hints):
            key = f"{number} {shift.layer}"
            if key not in known:
                known[key] = shift.condition(hint.to(self.call.x) * 2 - 1)
            made.append(known[key])
        return made
