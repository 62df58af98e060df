"""What a user asks for: one frozen object that holds everything that changes a pixel.

``GenerationRequest`` has the fields that every picture needs; each further ability is a part of its own (``Hires``,
``InitImage`` with its ``Inpaint``, ``Refiner``, ``Variation``, ``Tuning``) that is absent or neutral by default. Field
names in errors are dotted paths ("hires.steps").
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

from PIL import Image

from sdcolab.core.checks import check_range
from sdcolab.core.errors import FieldNotMultiple, InitImageMissing
from sdcolab.core.tuning import Tuning

MAX_SEED = 2**64 - 1
"""Seeds are Philox's 64-bit key (hechos/a1111.md 2.2)."""

MAX_RANDOM_SEED = 4_294_967_293
"""A random seed is at most this, as in AUTOMATIC1111 (hechos/a1111.md 2.1)."""

RANDOM_SEED = -1
SIZE_STEP = 8
"""Width and height are multiples of this: the VAE's downscale factor."""

AUTOMATIC = "Automatic"
"""A1111's word for "let the sampler choose its schedule" and "let the checkpoint choose its VAE"."""

SAME = ""
"""In a hires pass: what the first pass uses."""

INSIDE = "None"
"""A1111's word for the VAE inside the checkpoint."""


class NoiseOrigin(StrEnum):
    """Whose random numbers make the noise (infotext ``RNG``; hechos/a1111.md 2.2)."""

    NV = "NV"
    CPU = "CPU"
    GPU = "GPU"


class ResizeMode(StrEnum):
    """How an initial image takes the wanted size (hechos/a1111.md 5.1); in A1111's order, 0 to 3."""

    STRETCH = "stretch"
    CROP = "crop"
    FILL = "fill"
    LATENT = "latent"


class MaskedContent(StrEnum):
    """What lies under the mask before painting (hechos/a1111.md 5.2), in A1111's order, 0 to 3, and its words."""

    FILL = "fill"
    ORIGINAL = "original"
    LATENT_NOISE = "latent noise"
    LATENT_NOTHING = "latent nothing"


class RefinerPasses(StrEnum):
    """Which passes of a hires generation end with the refiner (A1111's words)."""

    FIRST = "first pass"
    SECOND = "second pass"
    BOTH = "both passes"


@dataclass(frozen=True, slots=True)
class Variation:
    """The seed's extras (hechos/a1111.md 2.3): ``strength`` 0..1 of the noise of ``seed`` (-1 is a random one) in the
    first noise; both resize sides above 0 draw that noise at that size and paste it in the middle.
    """

    seed: int = RANDOM_SEED
    strength: float = 0.0
    resize_width: int = 0
    resize_height: int = 0

    def __post_init__(self) -> None:
        check_range("variation.seed", self.seed, RANDOM_SEED, MAX_SEED)
        check_range("variation.strength", self.strength, 0.0, 1.0)
        check_range("variation.resize_width", self.resize_width, 0, 2048)
        check_range("variation.resize_height", self.resize_height, 0, 2048)

    @property
    def resizes(self) -> bool:
        """Whether the noise is drawn at another size."""
        return self.resize_width > 0 and self.resize_height > 0

    def resolved(self) -> Self:
        """The same with a definite seed, if it is used at all."""
        return replace(self, seed=_settled(self.seed)) if self.strength else self


@dataclass(frozen=True, slots=True)
class Hires:
    """A second pass at a larger size (hechos/a1111.md 4).

    ``upscaler`` is a latent mode or an upscaler's name. ``steps`` 0 means as many as the first pass. The size is
    ``scale`` times the first one, or what ``width`` and ``height`` say where they are above 0. Empty names and prompts
    (``SAME``) and a ``cfg_scale`` of None mean the first pass's.
    """

    upscaler: str = "Latent"
    steps: int = 0
    strength: float = 0.7
    scale: float = 2.0
    width: int = 0
    height: int = 0
    checkpoint: str = SAME
    sampler: str = SAME
    schedule: str = SAME
    prompt: str = SAME
    negative_prompt: str = SAME
    cfg_scale: float | None = None

    def __post_init__(self) -> None:
        check_range("hires.steps", self.steps, 0, 150)
        check_range("hires.strength", self.strength, 0.0, 1.0)
        check_range("hires.scale", self.scale, 1.0, 8.0)
        check_range("hires.width", self.width, 0, 4096)
        check_range("hires.height", self.height, 0, 4096)
        if self.cfg_scale is not None:
            check_range("hires.cfg_scale", self.cfg_scale, 0.0, 30.0)


@dataclass(frozen=True, slots=True)
class Inpaint:
    """Paint only where ``mask`` is white (hechos/a1111.md 5.2). Any mode and size; blur and padding in pixels.

    ``inverted``: only where it is black. ``only_masked``: work on the masked area, with ``padding``, at full size.
    ``rounded``: the mask of the latents is hard. ``condition_weight`` 0..1: how much an inpainting checkpoint is told
    to forget under the mask. ``overlay``: put the untouched original back around the mask.
    """

    mask: Image.Image
    blur_x: int = 4
    blur_y: int = 4
    inverted: bool = False
    content: MaskedContent = MaskedContent.ORIGINAL
    only_masked: bool = False
    padding: int = 32
    rounded: bool = True
    condition_weight: float = 1.0
    overlay: bool = True

    def __post_init__(self) -> None:
        check_range("init.inpaint.blur_x", self.blur_x, 0, 64)
        check_range("init.inpaint.blur_y", self.blur_y, 0, 64)
        check_range("init.inpaint.padding", self.padding, 0, 256)
        check_range("init.inpaint.condition_weight", self.condition_weight, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class InitImage:
    """Start from pictures instead of noise (hechos/a1111.md 5).

    ``images``: one for all, or one for each image of a batch; any mode and size. ``strength`` 0..1 is A1111's denoising
    strength. ``upscaler`` enlarges small pictures ("None": Lanczos). ``exact_steps``: run as many steps as were asked
    for, whatever the strength. ``background`` (#rrggbb) shows through transparent pictures.

    Raises ``InitImageMissing``.
    """

    images: tuple[Image.Image, ...]
    strength: float = 0.75
    resize_mode: ResizeMode = ResizeMode.STRETCH
    upscaler: str = "None"
    noise_multiplier: float = 1.0
    exact_steps: bool = False
    color_correction: bool = False
    background: str = "#ffffff"
    inpaint: Inpaint | None = None

    def __post_init__(self) -> None:
        if not self.images:
            raise InitImageMissing()
        check_range("init.strength", self.strength, 0.0, 1.0)
        check_range("init.noise_multiplier", self.noise_multiplier, 0.0, 1.5)


@dataclass(frozen=True, slots=True)
class Refiner:
    """Another checkpoint for the last part of the steps (hechos/a1111.md 3.7): from ``switch_at`` (0.01..1) of the
    noise levels on, or with ``by_steps`` of the denoiser calls.
    """

    checkpoint: str
    switch_at: float = 0.8
    by_steps: bool = False
    passes: RefinerPasses = RefinerPasses.SECOND

    def __post_init__(self) -> None:
        check_range("refiner.switch_at", self.switch_at, 0.01, 1.0)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A picture as asked for. Values are checked on construction, so a request that exists can be run.

    ``checkpoint`` and ``vae`` are names in the model library (``core.library``); an empty checkpoint means the engine's
    default. ``width``/``height`` of None mean the checkpoint's native size. ``seed`` -1 means a random one;
    ``resolved`` settles it. ``tiling`` makes pictures that repeat without seams. With an initial image ``hires`` means
    nothing.

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
    tiling: bool = False
    variation: Variation = field(default_factory=Variation)
    hires: Hires | None = None
    init: InitImage | None = None
    refiner: Refiner | None = None
    tuning: Tuning = field(default_factory=Tuning)

    def __post_init__(self) -> None:
        check_range("steps", self.steps, 1, 150)
        check_range("cfg_scale", self.cfg_scale, 0.0, 30.0)
        check_range("seed", self.seed, RANDOM_SEED, MAX_SEED)
        check_range("batch_size", self.batch_size, 1, 8)
        check_range("batch_count", self.batch_count, 1, 100)
        check_range("clip_skip", self.clip_skip, 1, 12)
        for name, value in (("width", self.width), ("height", self.height)):
            if value is not None:
                check_range(name, value, 64, 2048)
                if value % SIZE_STEP:
                    raise FieldNotMultiple(field=name, value=value, step=SIZE_STEP)

    @property
    def image_count(self) -> int:
        """How many images this request makes."""
        return self.batch_size * self.batch_count

    def resolved(self, *, checkpoint: str, native_size: int) -> Self:
        """The same request with nothing left open: definite seeds, size and checkpoint."""
        return replace(
            self,
            seed=_settled(self.seed),
            variation=self.variation.resolved(),
            width=self.width or native_size,
            height=self.height or native_size,
            checkpoint=checkpoint,
        )

    def seed_of(self, index: int) -> int:
        """Seed of image ``index`` (from 0, over all batches): consecutive seeds, but one for all of them when a
        variation is asked for (hechos/a1111.md 2.1).
        """
        return self.seed if self.variation.strength else (self.seed + index) & MAX_SEED

    def variation_seed_of(self, index: int) -> int:
        """Variation seed of image ``index``: always consecutive."""
        return (self.variation.seed + index) & MAX_SEED


def _settled(seed: int) -> int:
    return secrets.randbelow(MAX_RANDOM_SEED + 1) if seed == RANDOM_SEED else seed
