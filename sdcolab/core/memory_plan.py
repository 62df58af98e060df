"""Whether a checkpoint fits in this machine, and how, told before loading it from its header alone.

Weights are mapped from disk and go to their device tensor by tensor, so on a GPU the machine's own memory needs room
for little more than CUDA itself: 12.7 GB of RAM and a T4 open an SDXL checkpoint. Figures are bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdcolab.core.errors import ModelTooBigForCard, ModelTooBigForRam
from sdcolab.core.tensors import TensorHeader

GB = 1_000_000_000

_FULL_BYTES = 4
"""Of a number in float32."""

UNMAPPED_RAM = int(2.5 * GB)
"""RAM that loading needs on a GPU besides the file, for CUDA itself and for weights on their way; measured on SDXL with
tools/bench/card.py."""

STREAMED_SHARE = 4
"""A UNet that is streamed has less than this part of its weights on the card: a block, and what lies between blocks
(SD 1.5 15 %, XL 7 %)."""


@dataclass(frozen=True, slots=True)
class WorkMemory:
    """Memory beside the weights for one image of a family's native size: ``least`` with every saving of the engine,
    ``comfortable`` without any.
    """

    least: int = GB
    comfortable: int = 3 * GB


class Placement(StrEnum):
    """Where the weights go, the fastest way first."""

    GPU = "gpu"
    GPU_SPARING = "gpu_sparing"
    """On the card, working with the engine's savings (split guidance, tiled decoding)."""
    TURNS = "turns"
    """Text encoders, UNet and VAE wait in the machine's memory and are on the card one at a time."""
    STREAMED = "streamed"
    """The same, and of the UNet only a block at a time is there."""
    CPU = "cpu"

    @property
    def waits(self) -> bool:
        """Whether the weights wait in the machine's memory for their turn."""
        return self in (Placement.TURNS, Placement.STREAMED)


@dataclass(frozen=True, slots=True)
class MemoryChoice:
    """What somebody chose: the fastest way to place weights that is taken, how many checkpoints stay in memory where
    there is room for them, the one at work among them, and whether a card records the calls of a UNet and replays
    them, which takes more of it."""

    fastest: Placement = Placement.GPU
    checkpoints: int = 1
    graphs: bool = False


ONE_MODEL = MemoryChoice()


@dataclass(frozen=True, slots=True)
class WeightCounts:
    """How many numbers each part of a checkpoint has."""

    unet: int
    text: int
    vae: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.unet + self.text + self.vae


@dataclass(frozen=True, slots=True)
class FreeMemory:
    """Free bytes now; ``vram`` None without a card, ``ram`` None where the system does not say."""

    ram: int | None
    vram: int | None


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How to load. ``ram`` and ``vram`` are what it is going to take, work included."""

    placement: Placement
    ram: int
    vram: int


def count_weights(header: TensorHeader) -> WeightCounts:
    """Numbers in each part, by the tensors' names; copies that are not loaded (``model_ema.``) do not count."""
    counts = {"unet": 0, "text": 0, "vae": 0}
    for name, info in header.tensors.items():
        if not name.startswith("model_ema."):
            counts[_part_of(name)] += math.prod(info.shape)
    return WeightCounts(**counts)


def plan_memory(
    path: Path,
    weights: WeightCounts,
    work: WorkMemory,
    free: FreeMemory,
    *,
    element_bytes: int,
    other_bytes: int = 0,
    unmapped_bytes: int = 0,
    beside: int = 0,
    with_unet: int = 0,
    fastest: Placement = Placement.GPU,
) -> MemoryPlan:
    """The best way to load ``path``.

    ``element_bytes`` is the size of a weight of the UNet where it works (2 on a card, 4 or 2 on a CPU, 1 in 8 bits);
    all the others have ``other_bytes`` on a card (0: the same) and 4 on a CPU. ``unmapped_bytes`` is what of the file
    must be read into RAM at once (old pickles cannot be mapped), or stays there in copies. ``beside``: what else the
    same request has yet to load. ``with_unet``: networks that are there while the UNet is (ControlNet), whatever its
    place. ``fastest``: ways before it are passed over. Raises ``ModelTooBigForCard`` or
    ``ModelTooBigForRam``.
    """
    other_bytes = other_bytes or element_bytes
    unet = weights.unet * element_bytes
    every = unet + (weights.text + weights.vae) * other_bytes
    scaled = 2 * unet + GB // 5  # a miniature model works with little
    least, comfortable = min(work.least, scaled), min(work.comfortable, scaled)
    if free.vram is None:
        every = unet + with_unet + (weights.text + weights.vae) * _FULL_BYTES
        _require_ram(path, free.ram, max(every + least, unmapped_bytes + every))
        return MemoryPlan(Placement.CPU, ram=every + least, vram=0)
    ram = UNMAPPED_RAM + unmapped_bytes
    for placement, needed in ((Placement.GPU, every + comfortable), (Placement.GPU_SPARING, every + least)):
        if free.vram >= needed + with_unet + beside and not fastest.waits:
            _require_ram(path, free.ram, ram)
            return MemoryPlan(placement, ram=ram, vram=needed + with_unet)
    others, waiting = max(weights.text, weights.vae) * other_bytes, ram + every
    for placement, largest in ((Placement.TURNS, unet), (Placement.STREAMED, unet // STREAMED_SHARE)):
        needed = max(largest + with_unet, others) + least
        chosen = placement is Placement.STREAMED or fastest is not Placement.STREAMED
        if chosen and free.vram >= needed and (free.ram is None or free.ram >= waiting):
            return MemoryPlan(placement, ram=waiting, vram=needed)
    raise ModelTooBigForCard(path=path, needed=every + with_unet + least, free=free.vram)


def memory_bytes(path: Path = Path("/proc/meminfo")) -> tuple[int, int] | None:
    """Total and available RAM (proc(5)), or None on other systems."""
    try:
        pairs = (line.split(":", 1) for line in path.read_text(encoding="ascii").splitlines() if ":" in line)
        values = {name: int(value.split()[0]) * 1024 for name, value in pairs}
        return values["MemTotal"], values["MemAvailable"]
    except (OSError, KeyError, ValueError, IndexError):
        return None


def _part_of(name: str) -> str:
    if name.startswith(("first_stage_model.", "vae.")):
        return "vae"
    if name.startswith(("cond_stage_model.", "conditioner.", "text_encoder", "text_model.")):
        return "text"
    return "unet"


def _require_ram(path: Path, free: int | None, needed: int) -> None:
    if free is not None and free < needed:
        raise ModelTooBigForRam(path=path, needed=needed, free=free)
