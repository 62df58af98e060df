"""How to spend memory: a policy chosen from what is free, and the savings to try, one by one, when it runs out."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from sdcolab.core.memory_plan import (
    FreeMemory,
    MemoryPlan,
    Placement,
    WorkMemory,
    count_weights,
    memory_bytes,
    plan_memory,
)
from sdcolab.core.tensors import TensorHeader
from sdcolab.engine.stored import WHOLE, Storage

_OUT_OF_MEMORY_TEXTS = (
    "can't allocate memory",
    "not enough memory",
    "CUDA out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


class Stage(StrEnum):
    """What ran out of memory."""

    SAMPLING = "sampling"
    DECODING = "decoding"


@dataclass(frozen=True, slots=True)
class MemoryPolicy:
    """``split_guidance``: prompt and negative prompt in separate UNet calls. ``slice_attention``: attention head by
    head.

    ``max_batch``: images denoised at once. ``tile_decode``: VAE in overlapping tiles. None of them changes an image
    visibly.
    """

    split_guidance: bool = False
    slice_attention: bool = False
    max_batch: int = 8
    tile_decode: bool = False


SPARING = MemoryPolicy(split_guidance=True, max_batch=1, tile_decode=True)
"""All but the slow saving."""


def choose_policy(free_vram: int | None, work: WorkMemory) -> MemoryPolicy:
    """The policy to start with; ``free_vram`` in bytes after loading the weights, None on a CPU."""
    return MemoryPolicy() if free_vram is None or free_vram >= work.comfortable else SPARING


def relieved(policy: MemoryPolicy, stage: Stage, batch_size: int) -> MemoryPolicy | None:
    """The next saving to try after ``stage`` ran out with ``batch_size`` images at once; None when all were tried."""
    if stage is Stage.DECODING:
        return None if policy.tile_decode else replace(policy, tile_decode=True)
    if not policy.split_guidance:
        return replace(policy, split_guidance=True)
    at_once = min(policy.max_batch, batch_size)
    if at_once > 1:
        return replace(policy, max_batch=at_once // 2)
    return None if policy.slice_attention else replace(policy, slice_attention=True)


def free_vram(device: torch.device) -> int | None:
    """Bytes that this process can still use of a CUDA device, None for others. What torch keeps for its next tensors is
    free too: after one picture it keeps most of the card.
    """
    if device.type != "cuda":
        return None
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept


def require_room(
    path: Path,
    header: TensorHeader,
    work: WorkMemory,
    device: torch.device,
    dtype: torch.dtype,
    *,
    storage: Storage = WHOLE,
    beside: int = 0,
    with_unet: int = 0,
    fastest: Placement = Placement.GPU,
) -> MemoryPlan:
    """How the checkpoint fits here, before loading it, when ``beside`` bytes of others have yet to come and
    ``with_unet`` bytes more work at its UNet's side, no faster than ``fastest``. Raises ``ModelTooBigForCard`` or
    ``ModelTooBigForRam``.
    """
    ram = memory_bytes()
    free = FreeMemory(ram=ram[1] if ram else None, vram=free_vram(device))
    mapped = path.suffix.lower() == ".safetensors" or zipfile.is_zipfile(path)
    counts = count_weights(header)
    return plan_memory(
        path,
        counts,
        work,
        free,
        element_bytes=1 if storage.bits else dtype.itemsize,
        other_bytes=dtype.itemsize,
        unmapped_bytes=(0 if mapped else path.stat().st_size) + (counts.unet + counts.text) * 2 * storage.copies,
        beside=beside,
        with_unet=with_unet,
        fastest=fastest,
    )


@contextmanager
def sliced_attention(unet: UNet2DConditionModel, enabled: bool) -> Iterator[None]:
    """While it lasts, ``unet`` computes attention one head at a time if ``enabled``."""
    if not enabled:
        yield
        return
    before = unet.attn_processors
    unet.set_attention_slice("max")
    try:
        yield
    finally:
        unet.set_attn_processor(before)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch raised this because memory ran out (on a CPU it has no class of its own)."""
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in _OUT_OF_MEMORY_TEXTS)


def card_memory() -> dict[str, object] | None:
    """What the graphics card holds, in the words of A1111's ``memory`` route (bytes); None without a card."""
    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info()
    stats = torch.cuda.memory_stats()

    def of(kind: str) -> dict[str, int]:
        return {word: stats.get(f"{kind}.all.{word}", 0) for word in ("current", "peak")}

    return {
        "system": {"free": free, "used": total - free, "total": total},
        "active": of("active_bytes"),
        "allocated": of("allocated_bytes"),
        "reserved": of("reserved_bytes"),
        "inactive": of("inactive_split_bytes"),
        "events": {"retries": stats.get("num_alloc_retries", 0), "oom": stats.get("num_ooms", 0)},
    }
