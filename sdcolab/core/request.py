"""What a user asks for: one frozen object that holds everything that changes a pixel.

``GenerationRequest`` has the fields that every picture needs; each further ability is a part of its own (``Hires``,
``InitImage`` with its ``Inpaint``, ``Refiner``, ``Variation``, ``Tuning``) that is absent or neutral by default. Each
field's facts stand beside it (``core.fields``); ``FIELDS`` is their table. Field names in errors are dotted paths
("hires.steps").
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Self

from PIL import Image

from sdcolab.core.control import ControlUnit, in_their_places
from sdcolab.core.details import DetailUnit
from sdcolab.core.errors import InitImageMissing
from sdcolab.core.fields import Field, Part, check, fact, facts, parts_of, table_of
from sdcolab.core.freeu import FreeU
from sdcolab.core.inversion import Inversion
from sdcolab.core.regions import Regions
from sdcolab.core.speed import Speed
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

    seed: int = fact(
        RANDOM_SEED,
        low=RANDOM_SEED,
        high=MAX_SEED,
        label="Variation seed",
        codec="variation_seed",
        api=("subseed",),
        control="seed",
    )
    strength: float = fact(0.0, low=0, high=1, label="Variation seed strength", api=("subseed_strength",))
    resize_width: int = fact(
        0,
        low=0,
        high=2048,
        step=SIZE_STEP,
        label="Seed resize from",
        codec="whole_size",
        api=("seed_resize_from_w",),
        control="number",
    )
    resize_height: int = fact(
        0,
        low=0,
        high=2048,
        step=SIZE_STEP,
        label="Seed resize from",
        codec="whole_size",
        api=("seed_resize_from_h",),
        control="number",
    )

    def __post_init__(self) -> None:
        check(self, "variation")

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

    upscaler: str = fact(
        "Latent", label="Hires upscaler", codec="always", api=("hr_upscaler",), choices="hires_upscalers"
    )
    steps: int = fact(0, low=0, high=150, label="Hires steps", api=("hr_second_pass_steps",))
    strength: float = fact(0.7, low=0, high=1, label="Denoising strength", codec="always", api=("denoising_strength",))
    scale: float = fact(2.0, low=1, high=8, step=0.05, label="Hires upscale", codec="unless_resized", api=("hr_scale",))
    width: int = fact(
        0,
        low=0,
        high=4096,
        step=SIZE_STEP,
        label="Hires resize",
        codec="size",
        api=("hr_resize_x",),
        control="number",
    )
    height: int = fact(
        0,
        low=0,
        high=4096,
        step=SIZE_STEP,
        label="Hires resize",
        codec="size",
        api=("hr_resize_y",),
        control="number",
    )
    checkpoint: str = fact(
        SAME, label="Hires checkpoint", codec="title", api=("hr_checkpoint_name",), choices="checkpoints"
    )
    sampler: str = fact(SAME, label="Hires sampler", codec="unlike_first", api=("hr_sampler_name",), choices="samplers")
    schedule: str = fact(
        SAME, label="Hires schedule type", codec="unlike_first", api=("hr_scheduler",), choices="schedules"
    )
    prompt: str = fact(SAME, label="Hires prompt", codec="unlike_first", api=("hr_prompt",), control="prompt")
    negative_prompt: str = fact(
        SAME, label="Hires negative prompt", codec="unlike_first", api=("hr_negative_prompt",), control="prompt"
    )
    cfg_scale: float | None = fact(
        None, low=0, high=30, step=0.5, label="Hires CFG Scale", api=("hr_cfg",), control="number"
    )

    def __post_init__(self) -> None:
        check(self, "hires")


@dataclass(frozen=True, slots=True)
class Inpaint:
    """Paint only where ``mask`` is white (hechos/a1111.md 5.2). Any mode and size; blur and padding in pixels.

    ``inverted``: only where it is black. ``only_masked``: work on the masked area, with ``padding``, at full size.
    ``rounded``: the mask of the latents is hard. ``condition_weight`` 0..1: how much an inpainting checkpoint is told
    to forget under the mask. ``overlay``: put the untouched original back around the mask.
    ``latent_mask``: what of the latents is made anew where that is not the mask itself, at the size that is worked on.

    ``soft``: what the mask half covers is mixed of old and new (``engine.pictures.softness``), and no mask is hard.
    ``soft_bias`` above 1: the old is kept more at high noise levels; ``soft_preservation``: how much it is;
    ``soft_contrast``: how much of it the mixture keeps. The original goes back where the result is nearer to it than
    ``soft_threshold``, as sharply as ``soft_difference``, and as the mask says with ``soft_influence`` (0..1).
    """

    mask: Image.Image = field(metadata=facts(api=("mask",), control="mask"))
    blur_x: int = fact(4, low=0, high=64, label="Mask blur", codec="blur", api=("mask_blur_x", "mask_blur"))
    blur_y: int = fact(4, low=0, high=64, label="Mask blur", codec="blur", api=("mask_blur_y", "mask_blur"))
    inverted: bool = fact(False, label="Mask mode", codec="mask_mode", api=("inpainting_mask_invert",))
    content: MaskedContent = fact(
        MaskedContent.ORIGINAL, label="Masked content", api=("inpainting_fill",), control="radio"
    )
    only_masked: bool = fact(False, label="Inpaint area", codec="inpaint_area", api=("inpaint_full_res",))
    padding: int = fact(
        32,
        low=0,
        high=256,
        step=4,
        label="Masked area padding",
        codec="padding",
        api=("inpaint_full_res_padding",),
    )
    rounded: bool = fact(True, api=("mask_round",))
    condition_weight: float = fact(
        1.0, low=0, high=1, label="Conditional mask weight", codec="condition_weight", key="inpainting_mask_weight"
    )
    overlay: bool = fact(True, key="overlay_inpaint")
    latent_mask: Image.Image | None = fact(None, control="mask")
    soft: bool = fact(False, label="Soft inpainting enabled", api=("soft_inpainting",))
    soft_bias: float = fact(
        1.0, low=0, high=8, step=0.1, label="Soft inpainting schedule bias", codec="soft", api=("soft_bias",)
    )
    soft_preservation: float = fact(
        0.5,
        low=0,
        high=8,
        step=0.05,
        label="Soft inpainting preservation strength",
        codec="soft",
        api=("soft_preservation",),
    )
    soft_contrast: float = fact(
        4.0,
        low=1,
        high=32,
        step=0.5,
        label="Soft inpainting transition contrast boost",
        codec="soft",
        api=("soft_contrast",),
    )
    soft_influence: float = fact(
        0.0, low=0, high=1, step=0.05, label="Soft inpainting mask influence", codec="soft", api=("soft_influence",)
    )
    soft_threshold: float = fact(
        0.5,
        low=0,
        high=8,
        step=0.25,
        label="Soft inpainting difference threshold",
        codec="soft",
        api=("soft_threshold",),
    )
    soft_difference: float = fact(
        2.0,
        low=0,
        high=8,
        step=0.25,
        label="Soft inpainting difference contrast",
        codec="soft",
        api=("soft_difference",),
    )

    def __post_init__(self) -> None:
        check(self, "init.inpaint")


@dataclass(frozen=True, slots=True)
class InitImage:
    """Start from pictures instead of noise (hechos/a1111.md 5).

    ``images``: one for all, or one for each image of a batch; any mode and size. ``strength`` 0..1 is A1111's denoising
    strength. ``upscaler`` enlarges small pictures ("None": Lanczos). ``exact_steps``: run as many steps as were asked
    for, whatever the strength. ``background`` (#rrggbb) shows through transparent pictures. ``image_cfg_scale``: how
    hard the picture pulls in models that edit pictures (InstructPix2Pix); 1 neither adds nor takes.

    Raises ``InitImageMissing``.
    """

    images: tuple[Image.Image, ...] = field(metadata=facts(api=("init_images",), control="picture"))
    strength: float = fact(0.75, low=0, high=1, label="Denoising strength", codec="always", api=("denoising_strength",))
    resize_mode: ResizeMode = fact(ResizeMode.STRETCH, api=("resize_mode",), control="radio")
    upscaler: str = fact("None", key="upscaler_for_img2img", choices="upscalers")
    noise_multiplier: float = fact(
        1.0,
        low=0,
        high=1.5,
        label="Noise multiplier",
        api=("initial_noise_multiplier",),
        key="initial_noise_multiplier",
    )
    exact_steps: bool = fact(False, key="img2img_fix_steps")
    color_correction: bool = fact(False, key="img2img_color_correction")
    background: str = fact("#ffffff", key="img2img_background_color", control="colour")
    image_cfg_scale: float = fact(
        1.5, low=0, high=3, step=0.05, label="Image CFG scale", codec="image_cfg_scale", api=("image_cfg_scale",)
    )
    inpaint: Inpaint | None = None

    def __post_init__(self) -> None:
        if not self.images:
            raise InitImageMissing()
        check(self, "init")


@dataclass(frozen=True, slots=True)
class Refiner:
    """Another checkpoint for the last part of the steps (hechos/a1111.md 3.7): from ``switch_at`` (0.01..1) of the
    noise levels on, or with ``by_steps`` of the denoiser calls.
    """

    checkpoint: str = field(
        metadata=facts(label="Refiner", codec="title", api=("refiner_checkpoint",), choices="checkpoints")
    )
    switch_at: float = fact(
        0.8, low=0.01, high=1, label="Refiner switch at", codec="always", api=("refiner_switch_at",)
    )
    by_steps: bool = fact(False, label="Refiner switch by sampling steps", key="refiner_switch_by_sample_steps")
    passes: RefinerPasses = fact(
        RefinerPasses.SECOND, label="Hires refiner", key="hires_fix_refiner_pass", control="radio"
    )

    def __post_init__(self) -> None:
        check(self, "refiner")


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A picture as asked for. Values are checked on construction, so a request that exists can be run.

    ``checkpoint`` and ``vae`` are names in the model library (``core.library``); an empty checkpoint means the engine's
    default. ``width``/``height`` of None mean the checkpoint's native size. ``seed`` -1 means a random one;
    ``resolved`` settles it. ``tiling`` makes pictures that repeat without seams. With an initial image ``hires`` means
    nothing, and without one ``inversion``. ``original_prompt`` and ``original_negative_prompt`` are what the prompts
    were translated from: only infotexts say them.

    Raises ``FieldOutOfRange`` or ``FieldNotMultiple`` naming the field.
    """

    prompt: str = fact("", api=("prompt",), control="prompt")
    negative_prompt: str = fact("", api=("negative_prompt",), control="prompt")
    sampler: str = fact(
        "Euler a", label="Sampler", codec="always", api=("sampler_index", "sampler_name"), choices="samplers"
    )
    schedule: str = fact(AUTOMATIC, label="Schedule type", codec="schedule", api=("scheduler",), choices="schedules")
    steps: int = fact(20, low=1, high=150, label="Steps", codec="always", api=("steps",))
    cfg_scale: float = fact(7.0, low=0, high=30, step=0.5, label="CFG scale", codec="always", api=("cfg_scale",))
    seed: int = fact(
        RANDOM_SEED, low=RANDOM_SEED, high=MAX_SEED, label="Seed", codec="seed", api=("seed",), control="seed"
    )
    width: int | None = fact(None, low=64, high=2048, multiple=SIZE_STEP, label="Size", codec="size", api=("width",))
    height: int | None = fact(None, low=64, high=2048, multiple=SIZE_STEP, label="Size", codec="size", api=("height",))
    speed: Speed = fact(Speed.FAITHFUL, label="Speed", key="sdcolab_speed", control="radio")
    batch_size: int = fact(1, low=1, high=8, api=("batch_size",))
    batch_count: int = fact(1, low=1, high=100, api=("n_iter",))
    checkpoint: str = fact("", label="Model", codec="model", key="sd_model_checkpoint", choices="checkpoints")
    vae: str = fact(AUTOMATIC, label="VAE", codec="vae", key="sd_vae", choices="vaes")
    clip_skip: int = fact(1, low=1, high=12, label="Clip skip", key="CLIP_stop_at_last_layers")
    noise_origin: NoiseOrigin = fact(NoiseOrigin.NV, label="RNG", key="randn_source", control="radio")
    tiling: bool = fact(False, label="Tiling", api=("tiling",), key="tiling")
    restore_faces: bool = fact(
        False, label="Face restoration", codec="faces", api=("restore_faces",), key="face_restoration"
    )
    variation: Variation = field(default_factory=Variation)
    hires: Hires | None = fact(None, api=("enable_hr",))
    init: InitImage | None = None
    refiner: Refiner | None = None
    freeu: FreeU | None = fact(None, api=("freeu_enabled",))
    inversion: Inversion | None = None
    regions: Regions | None = fact(None, api=("alwayson_scripts.latent couple extension.args",))
    control: tuple[ControlUnit, ...] = fact((), label="ControlNet {}", api=("alwayson_scripts.controlnet.args",))
    details: tuple[DetailUnit, ...] = fact((), label="ADetailer", api=("alwayson_scripts.adetailer.args",))
    tuning: Tuning = field(default_factory=Tuning)
    original_prompt: str = fact("", label="Original prompt")
    original_negative_prompt: str = fact("", label="Original negative prompt")

    def __post_init__(self) -> None:
        check(self)

    @property
    def image_count(self) -> int:
        """How many images this request makes."""
        return self.batch_size * self.batch_count

    def resolved(self, *, checkpoint: str, native_size: int) -> Self:
        """The same request with nothing left open: definite seeds, size and checkpoint."""
        settled = self.settled(checkpoint=checkpoint)
        return replace(settled, width=self.width or native_size, height=self.height or native_size)

    def settled(self, *, checkpoint: str) -> Self:
        """The same request with definite seeds and ``checkpoint``, and without what units say that are turned off."""
        return replace(
            self,
            seed=_settled(self.seed),
            variation=self.variation.resolved(),
            checkpoint=checkpoint,
            control=in_their_places(self.control),
            details=tuple(unit for unit in self.details if unit.enabled),
            original_prompt=_other(self.original_prompt, self.prompt),
            original_negative_prompt=_other(self.original_negative_prompt, self.negative_prompt),
        )

    def seed_of(self, index: int) -> int:
        """Seed of image ``index`` (from 0, over all batches): consecutive seeds, but one for all of them when a
        variation is asked for (hechos/a1111.md 2.1).
        """
        return self.seed if self.variation.strength else (self.seed + index) & MAX_SEED

    def variation_seed_of(self, index: int) -> int:
        """Variation seed of image ``index``: always consecutive."""
        return (self.variation.seed + index) & MAX_SEED


def _other(original: str, prompt: str) -> str:
    """``original`` where it is not the prompt itself."""
    return "" if original == prompt else original


def _settled(seed: int) -> int:
    return secrets.randbelow(MAX_RANDOM_SEED + 1) if seed == RANDOM_SEED else seed


FIELDS: Final[Mapping[str, Field]] = table_of(GenerationRequest)
"""Every field of a request, by dotted path."""

PARTS: Final[Mapping[str, Part]] = parts_of(GenerationRequest)
"""The parts of a request that are dataclasses of their own, by dotted path."""
