"""Token merging: similar tokens of the picture are averaged before self attention and copied apart after it (Bolya &
Hoffman 2023, arXiv:2303.17604), as A1111 has it: only at full resolution, the first token of every 2x2 cell stays and
takes in others, which are those most like it by the cosine of the block's input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from sdcolab.core.resolved import ResolvedRequest
from sdcolab.engine.attention import Attend, AttentionSite
from sdcolab.engine.calls import UNetCall
from sdcolab.engine.feature import Active, Feature

CELL = 2
"""Side in tokens of the cells of which one token each takes in others."""

_ATTENTION = ".attn1"


class TokenMerging(Feature):
    """``first`` and ``hires``: the share of the tokens that is merged away in each kind of pass."""

    def __init__(self, first: float, hires: float) -> None:
        self._first = first
        self._hires = hires
        self._inputs: dict[str, Tensor] = {}

    @classmethod
    def asked(cls, asked: ResolvedRequest) -> Self | None:
        tuning = asked.request.tuning
        first, hires = tuning.token_merging, tuning.token_merging_hires or tuning.token_merging
        return cls(first, hires) if first or (hires and asked.request.hires) else None

    @contextmanager
    def patch(self, active: Active) -> Iterator[None]:
        """What goes into each block is remembered: by that tokens are compared."""
        unet: nn.Module = active.checkpoint.model.unet
        blocks = [(name, module) for name, module in unet.named_modules() if hasattr(module, "attn1")]
        hooks = [block.register_forward_pre_hook(self._remembering(name), with_kwargs=True) for name, block in blocks]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
            self._inputs.clear()

    def before_unet(self, call: UNetCall) -> UNetCall:
        ratio = self._first if call.step.round.one.base_calls is None else self._hires
        height, width = call.x.shape[2:]

        def attend(site: AttentionSite, go_on: Attend, hidden: Tensor, context: Tensor | None) -> Tensor:
            if site.crosses or hidden.shape[1] != height * width:
                return go_on(hidden, context)
            known = self._inputs.get(site.name.removesuffix(_ATTENTION))
            gone = int(hidden.shape[1] * ratio)
            if known is None or known.shape != hidden.shape or gone < 1:
                return go_on(hidden, context)
            matches = matched(known, height, width, gone)
            return matches.apart(go_on(matches.together(hidden), context))

        return call.with_attention(attend) if ratio else call

    def _remembering(self, name: str) -> Callable[..., None]:
        def hook(_block: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
            self._inputs[name] = inputs[0] if inputs else named["hidden_states"]

        return hook


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Which tokens are merged, for rows [N]. ``stays`` [d] and ``others`` [s] are places of tokens; of the others,
    ``alone`` [N, u] are left as they are and ``merged`` [N, r] go into ``into`` [N, r], which counts within ``stays``.
    """

    stays: Tensor
    others: Tensor
    alone: Tensor
    merged: Tensor
    into: Tensor

    def together(self, tokens: Tensor) -> Tensor:
        """``tokens`` [N, n, C] with the merged ones averaged: [N, u + d, C]."""
        stays, others = tokens[:, self.stays], tokens[:, self.others]
        into = _wide(self.into, tokens)
        averaged = stays.scatter_reduce(1, into, others.gather(1, _wide(self.merged, tokens)), reduce="mean")
        return torch.cat([others.gather(1, _wide(self.alone, tokens)), averaged], dim=1)

    def apart(self, tokens: Tensor) -> Tensor:
        """Tokens [N, u + d, C] copied to all places: [N, n, C]."""
        alone, stays = tokens.split([self.alone.shape[1], len(self.stays)], dim=1)
        others = tokens.new_empty(len(tokens), len(self.others), tokens.shape[2])
        others.scatter_(1, _wide(self.alone, tokens), alone)
        others.scatter_(1, _wide(self.merged, tokens), stays.gather(1, _wide(self.into, tokens)))
        whole = tokens.new_empty(len(tokens), len(self.stays) + len(self.others), tokens.shape[2])
        whole[:, self.stays], whole[:, self.others] = stays, others
        return whole


def matched(tokens: Tensor, height: int, width: int, gone: int) -> Matches:
    """Which ``gone`` of the ``tokens`` [N, height * width, C] are merged into which. A last odd row or column of tokens
    belongs to no cell, and none of it takes in others."""
    first = torch.zeros(height, width, dtype=torch.uint8, device=tokens.device)
    first[: height // CELL * CELL : CELL, : width // CELL * CELL : CELL] = 1
    cells = (height // CELL) * (width // CELL)
    # Sorted and not picked by what they hold: a card would have to say how many there are before anything goes on.
    others, stays = first.flatten().argsort(stable=True).split([height * width - cells, cells])
    units = tokens / tokens.norm(dim=-1, keepdim=True)
    likeness, nearest = (units[:, others] @ units[:, stays].transpose(1, 2)).max(dim=-1)
    order = likeness.argsort(dim=-1, descending=True)
    gone = min(gone, len(others))
    merged = order[:, :gone]
    return Matches(stays, others, order[:, gone:], merged, nearest.gather(1, merged))


def _wide(places: Tensor, tokens: Tensor) -> Tensor:
    return places[..., None].expand(-1, -1, tokens.shape[2])
