"""Orders: what a list asks for, one after another, read only when its turn comes.

Pictures and prompts of a long list may be more than fits in memory, so that an order remembers where its request
stands and what it takes to switch to it, and reads it again when an engine is free.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sdcolab.core.prompt import extract_networks
from sdcolab.core.request import MAX_RANDOM_SEED, RANDOM_SEED, GenerationRequest

Setup = tuple[str, ...]
"""What an engine has loaded for a request, the costliest switch first."""

CHECKPOINTS = 2
"""How many of a setup's first entries are models of gigabytes."""


@dataclass(frozen=True, slots=True)
class Order:
    """Request number ``number`` (from 0) of a list. ``digest`` tells whether it is the same as last time; ``load``
    reads it and raises ``SdcolabError``."""

    number: int
    setup: Setup
    digest: str
    load: Callable[[], GenerationRequest]


def setup_of(request: GenerationRequest) -> Setup:
    """What an engine loads for ``request``: checkpoints, VAE, LoRAs, ControlNets, and the size, which decides what
    compiled code and memory can be used again. Its pictures do not matter."""
    hires = request.hires.checkpoint if request.hires else ""
    refiner = request.refiner.checkpoint if request.refiner else ""
    tags = sorted(str(tag.source) for tag in extract_networks(request.prompt)[1])
    units = sorted(unit.model for unit in request.control if unit.enabled)
    size = f"{request.width or 0:05}x{request.height or 0:05}"
    return (
        request.checkpoint,
        "\n".join(filter(None, (refiner, hires))),
        request.vae,
        "\n".join(tags),
        "\n".join(units),
        size,
    )


def digest_of(*parts: str | bytes) -> str:
    """A short fingerprint of what an order was read from."""
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:16]


def with_seeds(request: GenerationRequest, draws: int, number: int) -> GenerationRequest:
    """``request`` with definite seeds, which follow from the list's ``draws`` and the request's ``number``: whoever
    makes it, and however often, makes the same picture."""
    drawn = random.Random(f"{draws}-{number}")
    seed, other = drawn.randint(0, MAX_RANDOM_SEED), drawn.randint(0, MAX_RANDOM_SEED)
    if request.seed == RANDOM_SEED:
        request = replace(request, seed=seed)
    if request.variation.seed == RANDOM_SEED:
        request = replace(request, variation=replace(request.variation, seed=other))
    return request


def switches(setups: Iterable[Setup]) -> int:
    """How often whoever works through ``setups`` in this order loads checkpoints, the first time too."""
    count, now = 0, None
    for setup in setups:
        if setup[:CHECKPOINTS] != now:
            count, now = count + 1, setup[:CHECKPOINTS]
    return count
