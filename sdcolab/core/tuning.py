"""The fine adjustments of a picture: what AUTOMATIC1111 keeps in its settings and we keep in the request.

``TUNING`` is the one table between a field, A1111's settings key (``override_settings``, ``config.json``) and the label
that infotexts use. Source: hechos/a1111.md Appendix A.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sdcolab.core.checks import check_range


class Emphasis(StrEnum):
    """What ``(word:1.3)`` does (hechos/a1111.md 1.9)."""

    ORIGINAL = "Original"
    NO_NORM = "No norm"
    IGNORE = "Ignore"
    NONE = "None"


class NoiseSchedule(StrEnum):
    """Whether the model's last timestep is pure noise (hechos/a1111.md 3.7)."""

    DEFAULT = "Default"
    ZERO_TERMINAL_SNR = "Zero Terminal SNR"


class VaeMethod(StrEnum):
    """Which network turns latents into pictures or back."""

    FULL = "Full"
    TAESD = "TAESD"


class UniPCVariant(StrEnum):
    """The B(h) of UniPC (Zhao et al. 2023, arXiv:2302.04867)."""

    BH1 = "bh1"
    BH2 = "bh2"
    VARY_COEFF = "vary_coeff"


class UniPCSkipType(StrEnum):
    """How UniPC spaces its times."""

    TIME_UNIFORM = "time_uniform"
    TIME_QUADRATIC = "time_quadratic"
    LOG_SNR = "logSNR"


@dataclass(frozen=True, slots=True)
class Tuning:
    """Adjustments with A1111's neutral values as defaults. Zero means "not set" where A1111 says so.

    Prompt: ``emphasis``; ``comma_backtrack`` tokens (0 to 74) that a chunk may give back to end at a comma;
    ``old_prompt_editing`` timelines; ``pad_conditions``/``pad_conditions_v0`` make both prompts equally long.
    Sampler: ``eta`` of ancestral samplers, ``eta_ddim``, ``ensd`` added to the seed after the first noise,
    ``sigma_churn``/``tmin``/``tmax`` (0 is infinite)/``noise``, UniPC's. Schedule: ``schedule_*`` replace the range and
    the rho, ``old_karras_sigmas`` is the range 0.1 to 10, ``beta_*`` shape Beta; ``discard_penultimate`` sigma;
    ``sgm_noise_multiplier``; ``quantize`` rounds timesteps. Guidance: below the sigma ``ngms`` the negative prompt is
    skipped every other step (``ngms_all``: every one), and in the first ``skip_early_cfg`` of the steps.
    Model: ``noise_schedule``, ``downcast_alphas``; ``sdxl_*`` and aesthetic scores are SDXL's size conditioning.
    ``extra_noise`` is added in img2img and hires passes. ``classic_inpainting``: what a mask keeps goes its own way, as
    in AUTOMATIC1111; otherwise it is noised afresh before each call, as in Forge (hechos/a1111.md 13).
    """

    emphasis: Emphasis = Emphasis.ORIGINAL
    comma_backtrack: int = 20
    old_prompt_editing: bool = False
    pad_conditions: bool = False
    pad_conditions_v0: bool = False

    eta: float = 1.0
    eta_ddim: float = 0.0
    ensd: int = 0
    sigma_churn: float = 0.0
    sigma_tmin: float = 0.0
    sigma_tmax: float = 0.0
    sigma_noise: float = 1.0
    unipc_variant: UniPCVariant = UniPCVariant.BH1
    unipc_skip_type: UniPCSkipType = UniPCSkipType.TIME_UNIFORM
    unipc_order: int = 3
    unipc_lower_order_final: bool = True

    schedule_min_sigma: float = 0.0
    schedule_max_sigma: float = 0.0
    schedule_rho: float = 0.0
    old_karras_sigmas: bool = False
    beta_alpha: float = 0.6
    beta_beta: float = 0.6
    discard_penultimate: bool = False
    sgm_noise_multiplier: bool = False
    quantize: bool = False

    ngms: float = 0.0
    ngms_all: bool = False
    skip_early_cfg: float = 0.0
    extra_noise: float = 0.0
    classic_inpainting: bool = False

    noise_schedule: NoiseSchedule = NoiseSchedule.DEFAULT
    downcast_alphas: bool = False
    sdxl_crop_top: int = 0
    sdxl_crop_left: int = 0
    sdxl_clip_l_skip: bool = False
    refiner_low_score: float = 2.5
    refiner_high_score: float = 6.0
    vae_encoder: VaeMethod = VaeMethod.FULL
    vae_decoder: VaeMethod = VaeMethod.FULL

    def __post_init__(self) -> None:
        for field, (low, high) in _RANGES.items():
            check_range(f"tuning.{field}", getattr(self, field), low, high)


@dataclass(frozen=True, slots=True)
class TuningRow:
    """``key`` is A1111's settings key; ``label`` the infotext's, empty where A1111 writes nothing."""

    field: str
    key: str
    label: str = ""


_RANGES = {
    "comma_backtrack": (0, 74),
    "eta": (0.0, 10.0),
    "eta_ddim": (0.0, 1.0),
    "ensd": (-(2**63), 2**63),
    "sigma_churn": (0.0, 100.0),
    "sigma_tmin": (0.0, 10.0),
    "sigma_tmax": (0.0, 999.0),
    "sigma_noise": (0.0, 2.0),
    "unipc_order": (1, 50),
    "schedule_min_sigma": (0.0, 10_000.0),
    "schedule_max_sigma": (0.0, 10_000.0),
    "schedule_rho": (0.0, 1000.0),
    "beta_alpha": (0.01, 10.0),
    "beta_beta": (0.01, 10.0),
    "ngms": (0.0, 15.0),
    "skip_early_cfg": (0.0, 1.0),
    "extra_noise": (0.0, 1.0),
    "sdxl_crop_top": (0, 4096),
    "sdxl_crop_left": (0, 4096),
    "refiner_low_score": (0.0, 10.0),
    "refiner_high_score": (0.0, 10.0),
}

TUNING: tuple[TuningRow, ...] = (
    TuningRow("emphasis", "emphasis", "Emphasis"),
    TuningRow("comma_backtrack", "comma_padding_backtrack"),
    TuningRow("old_prompt_editing", "use_old_scheduling", "Old prompt editing timelines"),
    TuningRow("pad_conditions", "pad_cond_uncond", "Pad conds"),
    TuningRow("pad_conditions_v0", "pad_cond_uncond_v0", "Pad conds v0"),
    TuningRow("eta", "eta_ancestral", "Eta"),
    TuningRow("eta_ddim", "eta_ddim", "Eta DDIM"),
    TuningRow("ensd", "eta_noise_seed_delta", "ENSD"),
    TuningRow("sigma_churn", "s_churn", "Sigma churn"),
    TuningRow("sigma_tmin", "s_tmin", "Sigma tmin"),
    TuningRow("sigma_tmax", "s_tmax", "Sigma tmax"),
    TuningRow("sigma_noise", "s_noise", "Sigma noise"),
    TuningRow("unipc_variant", "uni_pc_variant", "UniPC variant"),
    TuningRow("unipc_skip_type", "uni_pc_skip_type", "UniPC skip type"),
    TuningRow("unipc_order", "uni_pc_order", "UniPC order"),
    TuningRow("unipc_lower_order_final", "uni_pc_lower_order_final", "UniPC lower order final"),
    TuningRow("schedule_min_sigma", "sigma_min", "Schedule min sigma"),
    TuningRow("schedule_max_sigma", "sigma_max", "Schedule max sigma"),
    TuningRow("schedule_rho", "rho", "Schedule rho"),
    TuningRow("old_karras_sigmas", "use_old_karras_scheduler_sigmas"),
    TuningRow("beta_alpha", "beta_dist_alpha", "Beta schedule alpha"),
    TuningRow("beta_beta", "beta_dist_beta", "Beta schedule beta"),
    TuningRow("discard_penultimate", "always_discard_next_to_last_sigma", "Discard penultimate sigma"),
    TuningRow("sgm_noise_multiplier", "sgm_noise_multiplier", "SGM noise multiplier"),
    TuningRow("quantize", "enable_quantization"),
    TuningRow("ngms", "s_min_uncond", "NGMS"),
    TuningRow("ngms_all", "s_min_uncond_all", "NGMS all steps"),
    TuningRow("skip_early_cfg", "skip_early_cond", "Skip Early CFG"),
    TuningRow("extra_noise", "img2img_extra_noise", "Extra noise"),
    TuningRow("classic_inpainting", "classic_inpainting", "Classic inpainting"),
    TuningRow("noise_schedule", "sd_noise_schedule", "Noise Schedule"),
    TuningRow("downcast_alphas", "use_downcasted_alpha_bar", "Downcast alphas_cumprod"),
    TuningRow("sdxl_crop_top", "sdxl_crop_top"),
    TuningRow("sdxl_crop_left", "sdxl_crop_left"),
    TuningRow("sdxl_clip_l_skip", "sdxl_clip_l_skip"),
    TuningRow("refiner_low_score", "sdxl_refiner_low_aesthetic_score"),
    TuningRow("refiner_high_score", "sdxl_refiner_high_aesthetic_score"),
    TuningRow("vae_encoder", "sd_vae_encode_method", "VAE Encoder"),
    TuningRow("vae_decoder", "sd_vae_decode_method", "VAE Decoder"),
)
"""One row a field, in the order of infotexts."""
