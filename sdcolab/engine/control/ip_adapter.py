"""IP-Adapters (Ye et al. 2023, arXiv:2308.06721): a picture read as if it were a prompt.

Plain ones read the vector of the whole picture; "plus" ones and those for whole faces read every patch of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from sdcolab.core.errors import ModelIncomplete
from sdcolab.engine.control.filling import built, renamed_weights
from sdcolab.engine.convert import HEAD_WIDTH
from sdcolab.engine.stored import used_weight
from sdcolab.engine.weights import Weights

_PROJECTION, _ATTENTION = "image_proj.", "ip_adapter."


class PooledProjection(nn.Module):
    """The vector of the whole picture [B, D] -> ``tokens`` tokens [B, tokens, C]."""

    def __init__(self, clip: int, context: int, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.proj = nn.Linear(clip, tokens * context)
        self.norm = nn.LayerNorm(context)

    def forward(self, picture: Tensor) -> Tensor:
        projected: Tensor = self.norm(self.proj(picture).unflatten(1, (self.tokens, -1)))
        return projected


class PatchProjection(nn.Module):
    """Every patch [B, n, D] -> a token each [B, n, C]."""

    def __init__(self, clip: int, inner: int, context: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.Linear(clip, inner), nn.GELU(), nn.Linear(inner, context), nn.LayerNorm(context))

    def forward(self, patches: Tensor) -> Tensor:
        projected: Tensor = self.proj(patches)
        return projected


class _PerceiverAttention(nn.Module):
    """Latents read patches and themselves (Jaegle et al. 2021; Alayrac et al. 2022)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        inner = heads * HEAD_WIDTH
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)

    def forward(self, patches: Tensor, latents: Tensor) -> Tensor:
        patches, latents = self.norm1(patches), self.norm2(latents)
        key, value = self.to_kv(torch.cat([patches, latents], dim=1)).chunk(2, dim=-1)
        query, key, value = (x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in (self.to_q(latents), key, value))
        out = nn.functional.scaled_dot_product_attention(query, key, value)
        read: Tensor = self.to_out(out.transpose(1, 2).flatten(2))
        return read


class Resampler(nn.Module):
    """Every patch [B, n, D] -> a few tokens [B, m, C] ("plus")."""

    def __init__(self, clip: int, width: int, context: int, tokens: int, depth: int, heads: int, feed: int) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.empty(1, tokens, width))
        self.proj_in, self.proj_out = nn.Linear(clip, width), nn.Linear(width, context)
        self.norm_out = nn.LayerNorm(context)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    _PerceiverAttention(width, heads),
                    nn.Sequential(
                        nn.LayerNorm(width), nn.Linear(width, feed, bias=False), nn.GELU(),
                        nn.Linear(feed, width, bias=False),
                    ),
                ]
            )
            for _ in range(depth)
        )  # fmt: skip

    def forward(self, patches: Tensor) -> Tensor:
        latents = self.latents.expand(len(patches), -1, -1)
        patches = self.proj_in(patches)
        for index in range(len(self.layers)):
            latents = self.get_submodule(f"layers.{index}.0")(patches, latents) + latents
            latents = self.get_submodule(f"layers.{index}.1")(latents) + latents
        tokens: Tensor = self.norm_out(self.proj_out(latents))
        return tokens


@dataclass(frozen=True, slots=True, eq=False)
class IpAdapter:
    """``projection`` makes tokens of what CLIP sees; ``keys`` and ``values`` [C_out, C] of each cross-attention, in the
    UNet's order. ``patches``: whether it reads every patch (the last but one layer) or the whole picture's vector.
    """

    projection: nn.Module
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    patches: bool

    def attend(self, attention: nn.Module, index: int, hidden: Tensor, tokens: Tensor) -> Tensor:
        """What cross-attention number ``index`` adds: ``hidden`` [N, n, C] reads ``tokens`` [N, m, D]."""
        if not isinstance(attention, Attention):
            raise TypeError(f"no attention layer: {type(attention).__name__}")
        heads, query = attention.heads, attention.to_q(hidden)
        key = nn.functional.linear(tokens, self.keys[index])
        value = nn.functional.linear(tokens, self.values[index])
        query, key, value = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (query, key, value))
        out = nn.functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        last = used_weight(attention.get_submodule("to_out.0"))
        return nn.functional.linear(out, last.to(out.dtype))


def load_ip_adapter(weights: Weights, device: torch.device, dtype: torch.dtype) -> IpAdapter:
    """The adapter in ``weights``. Raises ``ModelIncomplete``."""
    inner = renamed_weights(
        weights, lambda name: name.removeprefix(_PROJECTION) if name.startswith(_PROJECTION) else None
    )
    numbers = sorted(
        int(match[1])
        for name in weights.header.tensors
        if (match := re.fullmatch(r"ip_adapter\.(\d+)\.to_k_ip\.weight", name))
    )
    if not numbers:
        raise ModelIncomplete(path=weights.path, tensor="ip_adapter.1.to_k_ip.weight", count=1)

    def stored(kind: str) -> tuple[Tensor, ...]:
        names = (f"{_ATTENTION}{number}.to_{kind}_ip.weight" for number in numbers)
        return tuple(weights.get(name).to(device=device, dtype=dtype) for name in names)

    try:
        module, patches = _projection(inner.shapes)
    except LookupError as missing:
        raise ModelIncomplete(path=weights.path, tensor=_PROJECTION + str(missing.args[0]), count=1) from missing
    return IpAdapter(built(module, inner, device, dtype), stored("k"), stored("v"), patches)


def _projection(shapes: Mapping[str, tuple[int, ...]]) -> tuple[Callable[[], nn.Module], bool]:
    """(how to make the projection, whether it reads patches). Raises ``LookupError``."""
    if "latents" in shapes:
        _, tokens, width = shapes["latents"]
        clip, context = shapes["proj_in.weight"][1], shapes["proj_out.weight"][0]
        heads = shapes["layers.0.0.to_q.weight"][0] // HEAD_WIDTH
        feed = shapes["layers.0.1.1.weight"][0]
        depth = 0
        while f"layers.{depth}.0.to_q.weight" in shapes:
            depth += 1
        return (lambda: Resampler(clip, width, context, tokens, depth, heads, feed)), True
    if "proj.0.weight" in shapes:
        hidden, clip = shapes["proj.0.weight"]
        context = shapes["proj.2.weight"][0]
        return (lambda: PatchProjection(clip, hidden, context)), True
    out, clip = shapes["proj.weight"]
    context = shapes["norm.weight"][0]
    return (lambda: PooledProjection(clip, context, math.ceil(out / context))), False
