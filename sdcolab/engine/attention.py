"""Hooks around the attention layers of a UNet: they compose, and nothing of them stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from diffusers.models.attention_processor import Attention
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, eq=False)
class AttentionSite:
    """An attention layer: its ``name`` in the UNet ("mid_block.attentions.0.transformer_blocks.0.attn1") and the
    ``module``. ``index`` counts the layers of its kind in the UNet's order, from 0.
    """

    name: str
    module: nn.Module
    index: int

    @property
    def crosses(self) -> bool:
        """Whether it reads the prompt (attn2) or the picture itself (attn1)."""
        return self.name.endswith("attn2")


_FORWARD = "forward"

Attend = Callable[[Tensor, Tensor | None], Tensor]
"""(hidden [N, n, C], context [N, m, D] or None for itself) -> [N, n, C]."""

AttentionHook = Callable[[AttentionSite, Attend, Tensor, Tensor | None], Tensor]
"""(site, go on, hidden, context) -> [N, n, C]: calls ``go on`` as often as it likes, with what it likes. Other hooks
and the layer itself lie beyond it."""


class AttentionSites:
    """The attention layers of ``unet``, found when somebody asks for the first time."""

    def __init__(self, unet: nn.Module) -> None:
        self._unet = unet
        self._found: tuple[AttentionSite, ...] | None = None

    def all(self) -> tuple[AttentionSite, ...]:
        """In the order of the UNet's modules: the way down, the way up, the middle."""
        if self._found is None:
            self._found = attention_sites(self._unet)
        return self._found


def attention_sites(unet: nn.Module) -> tuple[AttentionSite, ...]:
    """Every attn1 and attn2 of ``unet``."""
    counts = {"attn1": 0, "attn2": 0}
    found: list[AttentionSite] = []
    for name, module in unet.named_modules():
        kind = name.rpartition(".")[2]
        if isinstance(module, Attention) and kind in counts:
            found.append(AttentionSite(name, module, counts[kind]))
            counts[kind] += 1
    return tuple(found)


def level_of(size: tuple[int, int], tokens: int) -> tuple[int, int] | None:
    """Height and width of the level of a UNet that has so many ``tokens``, for latents of ``size``: each level has half
    the sides of the one above, rounded up. None where there is no such level (merged tokens)."""
    height, width = size
    while height * width > tokens:
        height, width = (height + 1) // 2, (width + 1) // 2
    return (height, width) if height * width == tokens else None


@contextmanager
def hooked(sites: Sequence[AttentionSite], hooks: Sequence[AttentionHook]) -> Iterator[None]:
    """While it lasts, each of ``sites`` answers through ``hooks``, the first outermost."""
    before = [site.module.__dict__.get(_FORWARD) for site in sites]
    for site in sites:
        site.module.__dict__[_FORWARD] = _through(site, hooks, site.module.forward)
    try:
        yield
    finally:
        for site, forward in zip(sites, before, strict=True):
            if forward is None:
                del site.module.__dict__[_FORWARD]  # the class's own is beneath it
            else:
                site.module.__dict__[_FORWARD] = forward


def _through(
    site: AttentionSite, hooks: Sequence[AttentionHook], forward: Callable[..., Tensor]
) -> Callable[..., Tensor]:
    def answer(
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        def attend(hidden: Tensor, context: Tensor | None) -> Tensor:
            return forward(hidden, encoder_hidden_states=context, attention_mask=attention_mask, **options)

        for hook in reversed(hooks):
            attend = partial(hook, site, attend)
        return attend(hidden_states, encoder_hidden_states)

    return answer
