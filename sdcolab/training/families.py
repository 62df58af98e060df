"""What training knows of each family of models that it can train, one row each. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sdcolab.core.detect import ModelFamily
from sdcolab.core.memory_plan import WeightCounts


@dataclass(frozen=True, slots=True)
class TrainedFamily:
    """``name`` and ``architecture`` are those of metadata (``ss_base_model_version``, ModelSpec), ``architecture_v`` of
    checkpoints that predict v. ``stability``: whether ModelSpec names Stability's code and not diffusers.
    ``cache_suffix`` ends the names of kept latents, as sd-scripts writes them. ``full``: numbers in the parts of a
    whole checkpoint. ``per_rank``: numbers of a LoRA for each of its ranks (hechos/extensiones.md 11). ``per_pixel``:
    bytes of activations in half precision that the way back needs, per pixel of a batch's pictures.
    """

    name: str
    architecture: str
    full: WeightCounts
    per_rank: int
    per_pixel: int
    architecture_v: str = ""
    stability: bool = False
    cache_suffix: str = "_sd"


TRAINABLE: Mapping[ModelFamily, TrainedFamily] = MappingProxyType(
    {
        ModelFamily.SD1: TrainedFamily(
            name="sd_v1",
            architecture="stable-diffusion-v1",
            full=WeightCounts(unet=859_520_964, text=123_060_480, vae=83_653_863),
            per_rank=590_000,
            per_pixel=9_500,
        ),
        ModelFamily.SD2: TrainedFamily(
            name="sd_v2",
            architecture="stable-diffusion-v2-512",
            architecture_v="stable-diffusion-v2-768-v",
            full=WeightCounts(unet=865_910_724, text=340_387_840, vae=83_653_863),
            per_rank=590_000,
            per_pixel=9_500,
        ),
        ModelFamily.SDXL: TrainedFamily(
            name="sdxl_base_v1-0",
            architecture="stable-diffusion-xl-v1-base",
            full=WeightCounts(unet=2_567_463_684, text=817_719_808, vae=83_653_863),
            per_rank=1_420_000,
            per_pixel=13_500,
            stability=True,
            cache_suffix="_sdxl",
        ),
    }
)
