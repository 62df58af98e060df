"""What a user asks for: one frozen object that holds everything that changes a pixel."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from sdcolab.core.errors import FieldNotMultiple, FieldOutOfRange

MAX_SEED = 2**64 - 1
"""Seeds are Philox's 64-bit key (hechos/a1111.md 2.2)."""

MAX_RANDOM_SEED = 4_294_967_293
"""A random seed is at most this, as in AUTOMATIC1111 (hechos/a1111.md 2.1)."""

RANDOM_SEED = -1
SIZE_STEP = 8
"""Width and height are multiples of this: the VAE's downscale factor."""

AUTOMATIC = "Automatic"
"""A1111's word for "let the sampler choose its schedule" and "let the checkpoint choose its VAE"."""

INSIDE = "None"
"""A1111's word for the VAE inside the checkpoint."""


class NoiseOrigin(StrEnum):
    """Whose random numbers make the noise (infotext ``RNG``; hechos/a1111.md 2.2)."""

    NV = "NV"
    CPU = "CPU"
    GPU = "GPU"


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A picture as asked for. Values are checked on construction, so a request that exists can be run.

    ``checkpoint`` and ``vae`` are names in the model library (``core.library``); an empty checkpoint means the engine's
    default. ``width``/``height`` of None mean the checkpoint's native size. ``seed`` -1 means a random one;
    ``resolved`` settles it.

    Raises ``FieldOutOfRange`` or ``FieldNotMultiple`` naming the field.
    """

    prompt: str = ""
    negative_prompt: str = ""
    sampler: str = "Euler a"
    schedule: str = AUTOMATIC
    steps: int = 20
    cfg_scale: float = 7.0
    seed: int = RANDOM_SEED
    width: int | None = None
    height: int | None = None
    batch_size: int = 1
    batch_count: int = 1
    clip_skip: int = 1
    noise_origin: NoiseOrigin = NoiseOrigin.NV
    checkpoint: str = ""
    vae: str = AUTOMATIC

    def __post_init__(self) -> None:
        _check_range("steps", self.steps, 1, 150)
        _check_range("cfg_scale", self.cfg_scale, 0.0, 30.0)
        _check_range("seed", self.seed, RANDOM_SEED, MAX_SEED)
        _check_range("batch_size", self.batch_size, 1, 8)
        _check_range("batch_count", self.batch_count, 1, 100)
        _check_range("clip_skip", self.clip_skip, 1, 12)
        for name, value in (("width", self.width), ("height", self.height)):
            if value is not None:
                _check_range(name, value, 64, 2048)
                if value % SIZE_STEP:
                    raise FieldNotMultiple(field=name, value=value, step=SIZE_STEP)

    @property
    def image_count(self) -> int:
        """How many images this request makes."""
        return self.batch_size * self.batch_count

    def resolved(self, *, checkpoint: str, native_size: int) -> Self:
        """The same request with nothing left open: a definite seed, size and checkpoint."""
        return replace(
            self,
            seed=secrets.randbelow(MAX_RANDOM_SEED + 1) if self.seed == RANDOM_SEED else self.seed,
            width=self.width or native_size,
            height=self.height or native_size,
            checkpoint=checkpoint,
        )

    def seed_of(self, index: int) -> int:
        """Seed of image ``index`` (from 0, over all batches): consecutive seeds (hechos/a1111.md 2.1)."""
        return (self.seed + index) & MAX_SEED


def _check_range(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also refuses NaN
        raise FieldOutOfRange(field=field, value=value, low=low, high=high)
