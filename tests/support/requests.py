"""Arbitrary requests for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from PIL import Image

from sdcolab.core.request import (
    MAX_SEED,
    GenerationRequest,
    Hires,
    InitImage,
    Inpaint,
    MaskedContent,
    NoiseOrigin,
    Refiner,
    RefinerPasses,
    ResizeMode,
    Variation,
)
from sdcolab.core.tuning import Emphasis, NoiseSchedule, Tuning, UniPCSkipType, UniPCVariant, VaeMethod

SAMPLERS = ("Euler a", "DPM++ 2M", "DDIM", "UniPC", "DPM++ 2M SDE Heun")
SCHEDULES = ("Automatic", "Karras", "SGM Uniform", "Beta")


def _floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


def pictures() -> st.SearchStrategy[Image.Image]:
    """Small pictures of one colour, in the modes that users bring."""
    return st.builds(
        lambda mode, side, colour: Image.new(mode, (side, side + 1), colour),
        st.sampled_from(("RGB", "L", "RGBA")),
        st.integers(1, 9),
        st.sampled_from(("black", "white", "red")),
    )


def variations() -> st.SearchStrategy[Variation]:
    return st.builds(
        Variation,
        seed=st.integers(-1, MAX_SEED),
        strength=_floats(0, 1),
        resize_width=st.integers(0, 2048),
        resize_height=st.integers(0, 2048),
    )


def hires(texts: st.SearchStrategy[str], names: st.SearchStrategy[str]) -> st.SearchStrategy[Hires]:
    return st.builds(
        Hires,
        upscaler=st.sampled_from(("Latent", "Lanczos", "4x-UltraSharp, (v2)")),
        steps=st.integers(0, 150),
        strength=_floats(0, 1),
        scale=_floats(1, 8),
        width=st.integers(0, 4096),
        height=st.integers(0, 4096),
        checkpoint=names,
        sampler=st.sampled_from(("", *SAMPLERS)),
        schedule=st.sampled_from(("", *SCHEDULES)),
        prompt=texts,
        negative_prompt=texts,
        cfg_scale=st.none() | _floats(0, 30),
    )


def inpaints() -> st.SearchStrategy[Inpaint]:
    return st.builds(
        Inpaint,
        mask=pictures(),
        blur_x=st.integers(0, 64),
        blur_y=st.integers(0, 64),
        inverted=st.booleans(),
        content=st.sampled_from(MaskedContent),
        only_masked=st.booleans(),
        padding=st.integers(0, 256),
        rounded=st.booleans(),
        condition_weight=_floats(0, 1),
        overlay=st.booleans(),
        latent_mask=st.none() | pictures(),
    )


def init_images() -> st.SearchStrategy[InitImage]:
    return st.builds(
        InitImage,
        images=st.lists(pictures(), min_size=1, max_size=3).map(tuple),
        strength=_floats(0, 1),
        resize_mode=st.sampled_from(ResizeMode),
        noise_multiplier=_floats(0, 1.5),
        exact_steps=st.booleans(),
        color_correction=st.booleans(),
        inpaint=st.none() | inpaints(),
    )


def refiners(names: st.SearchStrategy[str]) -> st.SearchStrategy[Refiner]:
    return st.builds(
        Refiner,
        checkpoint=names.filter(bool),
        switch_at=_floats(0.01, 1),
        by_steps=st.booleans(),
        passes=st.sampled_from(RefinerPasses),
    )


def tunings() -> st.SearchStrategy[Tuning]:
    return st.builds(
        Tuning,
        emphasis=st.sampled_from(Emphasis),
        comma_backtrack=st.integers(0, 74),
        old_prompt_editing=st.booleans(),
        pad_conditions=st.booleans(),
        pad_conditions_v0=st.booleans(),
        eta=_floats(0, 1),
        eta_ddim=_floats(0, 1),
        ensd=st.integers(-1000, 40_000),
        sigma_churn=_floats(0, 100),
        sigma_tmin=_floats(0, 10),
        sigma_tmax=_floats(0, 999),
        sigma_noise=_floats(0, 1.1),
        unipc_variant=st.sampled_from(UniPCVariant),
        unipc_skip_type=st.sampled_from(UniPCSkipType),
        unipc_order=st.integers(1, 50),
        unipc_lower_order_final=st.booleans(),
        schedule_min_sigma=_floats(0, 10),
        schedule_max_sigma=_floats(0, 100),
        schedule_rho=_floats(0, 20),
        old_karras_sigmas=st.booleans(),
        beta_alpha=_floats(0.01, 1),
        beta_beta=_floats(0.01, 1),
        discard_penultimate=st.booleans(),
        sgm_noise_multiplier=st.booleans(),
        quantize=st.booleans(),
        ngms=_floats(0, 15),
        ngms_all=st.booleans(),
        skip_early_cfg=_floats(0, 1),
        extra_noise=_floats(0, 1),
        classic_inpainting=st.booleans(),
        noise_schedule=st.sampled_from(NoiseSchedule),
        downcast_alphas=st.booleans(),
        sdxl_crop_top=st.integers(0, 4096),
        sdxl_crop_left=st.integers(0, 4096),
        sdxl_clip_l_skip=st.booleans(),
        refiner_low_score=_floats(0, 10),
        refiner_high_score=_floats(0, 10),
        vae_encoder=st.sampled_from(VaeMethod),
        vae_decoder=st.sampled_from(VaeMethod),
    )


def requests(
    texts: st.SearchStrategy[str] | None = None, names: st.SearchStrategy[str] | None = None
) -> st.SearchStrategy[GenerationRequest]:
    """Any request; ``texts`` are its prompts and ``names`` its models."""
    texts = st.text(max_size=40) if texts is None else texts
    names = st.sampled_from(("", "modelo", "sub/otro, (v2)")) if names is None else names
    sizes = st.none() | st.integers(8, 256).map(lambda blocks: blocks * 8)
    fields: dict[str, st.SearchStrategy[Any]] = {
        "prompt": texts,
        "negative_prompt": texts,
        "sampler": st.sampled_from(SAMPLERS),
        "schedule": st.sampled_from(SCHEDULES),
        "steps": st.integers(1, 150),
        "cfg_scale": _floats(0, 30),
        "seed": st.integers(-1, MAX_SEED),
        "width": sizes,
        "height": sizes,
        "batch_size": st.integers(1, 8),
        "batch_count": st.integers(1, 100),
        "clip_skip": st.integers(1, 12),
        "noise_origin": st.sampled_from(NoiseOrigin),
        "checkpoint": names,
        "vae": st.sampled_from(("Automatic", "None", "mse.safetensors")),
        "tiling": st.booleans(),
        "variation": st.just(Variation()) | variations(),
        "hires": st.none() | hires(texts, names),
        "init": st.none() | init_images(),
        "refiner": st.none() | refiners(names.filter(bool)),
        "tuning": st.just(Tuning()) | tunings(),
    }
    return st.builds(GenerationRequest, **fields)
