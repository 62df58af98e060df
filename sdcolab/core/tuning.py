"""The fine adjustments of a picture: what AUTOMATIC1111 keeps in its settings and we keep in the request.

Beside each field stand its range, A1111's settings key (``override_settings``, ``config.json``) and the label that
infotexts use, in their order; see ``core.fields``. Source: hechos/a1111.md Appendix A.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sdcolab.core.fields import check, fact


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


class CpuPrecision(StrEnum):
    """Numbers of the UNet where a processor runs it; a graphics card has its own."""

    AUTOMATIC = "Automatic"
    """bfloat16 for ``Speed.FAST``, where the processor multiplies it faster."""
    FULL = "Full"
    BFLOAT16 = "bf16"


class Fp8(StrEnum):
    """Which models keep their weights in 8 bits (A1111's words)."""

    DISABLE = "Disable"
    SDXL = "Enable for SDXL"
    ENABLE = "Enable"


class EightBits(StrEnum):
    """What those 8 bits are."""

    FP8 = "FP8"
    """A number each, with a point that moves: what A1111 has."""
    INT8 = "INT8"
    """Whole numbers with a scale for each row: less than a third of the error."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Adjustments with A1111's neutral values as defaults. Zero means "not set" where A1111 says so.

    Prompt: ``emphasis``; ``comma_backtrack`` tokens (0 to 74) that a chunk may give back to end at a comma;
    ``old_prompt_editing`` timelines; ``pad_conditions``/``pad_conditions_v0`` make both prompts equally long.
    Sampler: ``eta`` of ancestral samplers, ``eta_ddim``, ``tcd_gamma``, ``ensd`` added to the seed after the first
    noise, ``sigma_churn``/``tmin``/``tmax`` (0 is infinite)/``noise``, UniPC's. Schedule: ``schedule_*`` replace
    the range and the rho, ``old_karras_sigmas`` is the range 0.1 to 10, ``beta_*`` shape Beta;
    ``discard_penultimate`` sigma; ``sgm_noise_multiplier``; ``quantize`` rounds timesteps. Guidance: below the
    sigma ``ngms`` the negative prompt is skipped every other step (``ngms_all``: every one), and in the first
    ``skip_early_cfg`` of the steps; ``cfg_rescale`` brings the spread of what guidance predicts back towards the
    prompt's own.
    Speed: ``token_merging``, the share of the tokens that is merged before self attention, and in hires passes
    ``token_merging_hires`` where it is not 0; ``forecast``, the share of the steps that is forecast, in place of
    what the request's speed says; ``cpu_precision``. Model: ``noise_schedule``, ``downcast_alphas``; ``fp8`` keeps
    weights in 8 bits, ``eight_bits`` says which, with ``cache_fp16`` and in float16 too, which LoRAs are then added
    to; ``sdxl_*`` and aesthetic scores are SDXL's size conditioning.
    ``extra_noise`` is added in img2img and hires passes. ``classic_inpainting``: what a mask keeps goes its own way, as
    in AUTOMATIC1111; otherwise it is noised afresh before each call, as in Forge (hechos/a1111.md 13).
    """

    emphasis: Emphasis = fact(Emphasis.ORIGINAL, label="Emphasis", codec="emphasis", key="emphasis")
    comma_backtrack: int = fact(20, low=0, high=74, key="comma_padding_backtrack", control="number")
    old_prompt_editing: bool = fact(False, label="Old prompt editing timelines", key="use_old_scheduling")
    pad_conditions: bool = fact(False, label="Pad conds", key="pad_cond_uncond")
    pad_conditions_v0: bool = fact(False, label="Pad conds v0", key="pad_cond_uncond_v0")

    eta: float = fact(1.0, low=0, high=10, label="Eta", key="eta_ancestral", control="number")
    eta_ddim: float = fact(0.0, low=0, high=1, label="Eta DDIM", key="eta_ddim", control="number")
    tcd_gamma: float = fact(0.3, low=0, high=1, step=0.05, label="TCD gamma", key="sdcolab_tcd_gamma", control="number")
    ensd: int = fact(
        0, low=-(2**63), high=2**63, label="ENSD", codec="ensd", key="eta_noise_seed_delta", control="seed"
    )
    sigma_churn: float = fact(0.0, low=0, high=100, label="Sigma churn", key="s_churn", control="number")
    sigma_tmin: float = fact(0.0, low=0, high=10, label="Sigma tmin", key="s_tmin", control="number")
    sigma_tmax: float = fact(0.0, low=0, high=999, label="Sigma tmax", key="s_tmax", control="number")
    sigma_noise: float = fact(1.0, low=0, high=2, label="Sigma noise", key="s_noise", control="number")
    unipc_variant: UniPCVariant = fact(UniPCVariant.BH1, label="UniPC variant", key="uni_pc_variant")
    unipc_skip_type: UniPCSkipType = fact(UniPCSkipType.TIME_UNIFORM, label="UniPC skip type", key="uni_pc_skip_type")
    unipc_order: int = fact(3, low=1, high=50, label="UniPC order", key="uni_pc_order", control="number")
    unipc_lower_order_final: bool = fact(True, label="UniPC lower order final", key="uni_pc_lower_order_final")

    schedule_min_sigma: float = fact(
        0.0, low=0, high=10_000, label="Schedule min sigma", key="sigma_min", control="number"
    )
    schedule_max_sigma: float = fact(
        0.0, low=0, high=10_000, label="Schedule max sigma", key="sigma_max", control="number"
    )
    schedule_rho: float = fact(0.0, low=0, high=1000, step=0.1, label="Schedule rho", key="rho", control="number")
    old_karras_sigmas: bool = fact(False, key="use_old_karras_scheduler_sigmas")
    beta_alpha: float = fact(
        0.6, low=0.01, high=10, label="Beta schedule alpha", key="beta_dist_alpha", control="number"
    )
    beta_beta: float = fact(0.6, low=0.01, high=10, label="Beta schedule beta", key="beta_dist_beta", control="number")
    discard_penultimate: bool = fact(False, label="Discard penultimate sigma", key="always_discard_next_to_last_sigma")
    sgm_noise_multiplier: bool = fact(False, label="SGM noise multiplier", key="sgm_noise_multiplier")
    quantize: bool = fact(False, label="Quantize timesteps", key="enable_quantization")

    ngms: float = fact(
        0.0, low=0, high=15, step=0.1, label="NGMS", api=("s_min_uncond",), key="s_min_uncond", control="number"
    )
    ngms_all: bool = fact(False, label="NGMS all steps", key="s_min_uncond_all")
    skip_early_cfg: float = fact(0.0, low=0, high=1, label="Skip Early CFG", key="skip_early_cond", control="number")
    cfg_rescale: float = fact(0.0, low=0, high=1, step=0.05, label="CFG Rescale", key="sdcolab_cfg_rescale")
    extra_noise: float = fact(0.0, low=0, high=1, label="Extra noise", key="img2img_extra_noise", control="number")
    classic_inpainting: bool = fact(False, label="Classic inpainting", key="classic_inpainting")

    token_merging: float = fact(0.0, low=0, high=0.9, step=0.05, label="Token merging ratio", key="token_merging_ratio")
    token_merging_hires: float = fact(
        0.0, low=0, high=0.9, step=0.05, label="Token merging ratio hr", key="token_merging_ratio_hr"
    )

    forecast: float = fact(0.0, low=0, high=0.75, step=0.05, label="Step forecast", key="sdcolab_forecast")
    cpu_precision: CpuPrecision = fact(CpuPrecision.AUTOMATIC, label="CPU precision", key="sdcolab_cpu_precision")

    noise_schedule: NoiseSchedule = fact(NoiseSchedule.DEFAULT, label="Noise Schedule", key="sd_noise_schedule")
    downcast_alphas: bool = fact(False, label="Downcast alphas_cumprod", key="use_downcasted_alpha_bar")
    fp8: Fp8 = fact(Fp8.DISABLE, label="FP8 weight", codec="fp8", key="fp8_storage")
    eight_bits: EightBits = fact(EightBits.FP8, label="8-bit format", codec="eight_bits", key="sdcolab_8bit_format")
    cache_fp16: bool = fact(False, label="Cache FP16 weight for LoRA", codec="fp8", key="cache_fp16_weight")
    sdxl_crop_top: int = fact(0, low=0, high=4096, key="sdxl_crop_top", control="number")
    sdxl_crop_left: int = fact(0, low=0, high=4096, key="sdxl_crop_left", control="number")
    sdxl_clip_l_skip: bool = fact(False, key="sdxl_clip_l_skip")
    refiner_low_score: float = fact(
        2.5, low=0, high=10, step=0.1, key="sdxl_refiner_low_aesthetic_score", control="number"
    )
    refiner_high_score: float = fact(
        6.0, low=0, high=10, step=0.1, key="sdxl_refiner_high_aesthetic_score", control="number"
    )
    vae_encoder: VaeMethod = fact(VaeMethod.FULL, label="VAE Encoder", key="sd_vae_encode_method")
    vae_decoder: VaeMethod = fact(VaeMethod.FULL, label="VAE Decoder", key="sd_vae_decode_method")

    def __post_init__(self) -> None:
        check(self, "tuning")
