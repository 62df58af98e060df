"""A training's plan: everything that decides the result, as one frozen value. No torch.

Fields have sd-scripts' names and defaults (hechos/extensiones.md 11, "Defaults"), so that its configuration files and
command lines are plans as they are; what they ask for and this program does not have is refused by name.
"""

from __future__ import annotations

import ast
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdcolab.core.checks import check_range
from sdcolab.core.errors import (
    CannotRead,
    FieldNotNumber,
    FieldNotOption,
    FieldWrongType,
    PlanConflict,
    PlanOptionUnknown,
    PlanOptionUnserved,
    TrainingPlanUnreadable,
)
from sdcolab.core.files import system_reason
from sdcolab.core.registry import closest
from sdcolab.core.toml_faults import TomlFault, read_toml_text
from sdcolab.core.words import training_progress as words
from sdcolab.training.buckets import Size
from sdcolab.training.network_rules import NetworkRules, network_rules
from sdcolab.training.rates import RatePlan, parse_steps

MAX_PLAN_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Fields without a comment mean what their name says in sd-scripts. None: not used, or decided by something else.

    ``dataset_sha256`` is what ``dataset_hash`` gave when it was trained: other pictures are told. ``keep_state`` keeps
    one state, that of the last epoch, from which the training can go on. ``ema_decay`` averages
    the weights over the steps. ``mixed_precision`` "auto" takes bf16 where the card has it, fp16 on other cards, and
    full precision on a CPU.
    """

    # The base model
    pretrained_model_name_or_path: str | None = None
    vae: str | None = None
    v2: bool = False
    v_parameterization: bool = False
    sdxl: bool = False
    # What is made
    output_dir: str | None = None
    output_name: str | None = None
    save_precision: str | None = None
    save_model_as: str = "safetensors"
    save_every_n_epochs: int | None = None
    save_every_n_steps: int | None = None
    save_last_n_epochs: int | None = None
    save_last_n_steps: int | None = None
    save_state: bool = False
    save_state_on_train_end: bool = False
    keep_state: bool = False
    resume: str | None = None
    no_metadata: bool = False
    training_comment: str | None = None
    metadata_title: str | None = None
    metadata_author: str | None = None
    metadata_description: str | None = None
    metadata_license: str | None = None
    metadata_tags: str | None = None
    logging_dir: str | None = None
    # The pictures
    train_data_dir: str | None = None
    reg_data_dir: str | None = None
    dataset_config: str | None = None
    dataset_sha256: str | None = None
    resolution: str | None = None
    train_batch_size: int = 1
    enable_bucket: bool = False
    min_bucket_reso: int = 256
    max_bucket_reso: int = 1024
    bucket_reso_steps: int = 64
    bucket_no_upscale: bool = False
    caption_extension: str = ".caption"
    shuffle_caption: bool = False
    caption_separator: str = ","
    keep_tokens: int = 0
    keep_tokens_separator: str = ""
    secondary_separator: str | None = None
    enable_wildcard: bool = False
    caption_prefix: str | None = None
    caption_suffix: str | None = None
    caption_dropout_rate: float = 0.0
    caption_dropout_every_n_epochs: int = 0
    caption_tag_dropout_rate: float = 0.0
    token_warmup_min: int = 1
    token_warmup_step: float = 0
    flip_aug: bool = False
    color_aug: bool = False
    random_crop: bool = False
    alpha_mask: bool = False
    masked_loss: bool = False
    cache_latents: bool = False
    cache_latents_to_disk: bool = False
    cache_text_encoder_outputs: bool = False
    cache_text_encoder_outputs_to_disk: bool = False
    # The network
    network_module: str | None = None
    network_dim: int | None = None
    network_alpha: float = 1
    network_dropout: float | None = None
    network_args: tuple[str, ...] | None = None
    network_weights: str | None = None
    network_train_unet_only: bool = False
    network_train_text_encoder_only: bool = False
    scale_weight_norms: float | None = None
    # Learning
    optimizer_type: str = ""
    optimizer_args: tuple[str, ...] | None = None
    learning_rate: float = 2e-06
    unet_lr: float | None = None
    text_encoder_lr: tuple[float, ...] | None = None
    lr_scheduler: str = "constant"
    lr_scheduler_args: tuple[str, ...] | None = None
    lr_warmup_steps: float = 0
    lr_decay_steps: float = 0
    lr_scheduler_num_cycles: int = 1
    lr_scheduler_power: float = 1
    lr_scheduler_timescale: int | None = None
    lr_scheduler_min_lr_ratio: float | None = None
    max_train_steps: int = 1600
    max_train_epochs: int | None = None
    gradient_accumulation_steps: int = 1
    gradient_checkpointing: bool = False
    max_grad_norm: float = 1.0
    mixed_precision: str = "no"
    full_fp16: bool = False
    full_bf16: bool = False
    ema_decay: float = 0.0
    seed: int | None = None
    max_token_length: int | None = None
    clip_skip: int | None = None
    # The recipe
    noise_offset: float | None = None
    noise_offset_random_strength: bool = False
    adaptive_noise_scale: float | None = None
    multires_noise_iterations: int | None = None
    multires_noise_discount: float = 0.3
    ip_noise_gamma: float | None = None
    ip_noise_gamma_random_strength: bool = False
    zero_terminal_snr: bool = False
    min_timestep: int | None = None
    max_timestep: int | None = None
    min_snr_gamma: float | None = None
    debiased_estimation_loss: bool = False
    scale_v_pred_loss_like_noise_pred: bool = False
    v_pred_like_loss: float | None = None
    prior_loss_weight: float = 1.0
    loss_type: str = "l2"
    huber_schedule: str = "snr"
    huber_c: float = 0.1
    huber_scale: float = 1.0
    # Pictures on the way
    sample_prompts: str | None = None
    sample_every_n_epochs: int | None = None
    sample_every_n_steps: int | None = None
    sample_at_first: bool = False
    sample_sampler: str = "ddim"

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None:
                check_range(name, value, low, high)
        for name, options in CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in options:
                raise FieldNotOption(field=name, value=str(value), suggestions=tuple(str(one) for one in options))
        check_conflicts(self)

    # What the parts of the plan are ---------------------------------------------------------------------------------

    @property
    def epochs(self) -> int | None:
        """Epochs to train, where they decide and not the steps."""
        return self.max_train_epochs

    def size(self) -> Size:
        """Width and height of the resolution."""
        return parse_resolution(self.resolution or ("1024" if self.sdxl else "512"))

    def network(self) -> NetworkRules:
        """The network to train. Raises ``PlanOptionUnknown``, ``RequestError``."""
        return network_rules(
            self.network_dim,
            self.network_alpha,
            key_values(self.network_args or ()),
            dropout=self.network_dropout,
            sdxl=self.sdxl,
        )

    @property
    def rate_unet(self) -> float:
        """Learning rate of the UNet's network; 0 where it has none."""
        if self.network_train_text_encoder_only:
            return 0.0
        return self.learning_rate if self.unet_lr is None else self.unet_lr

    def rate_text(self, index: int = 0) -> float:
        """Learning rate of the network of a text encoder; 0 where it has none."""
        if self.network_train_unet_only:
            return 0.0
        rates = self.text_encoder_lr
        return self.learning_rate if not rates else rates[min(index, len(rates) - 1)]

    def rates(self, steps: int) -> RatePlan:
        """The learning rate schedule over ``steps`` optimiser steps."""
        arguments = key_values(self.lr_scheduler_args or ())
        return RatePlan(
            name=self.lr_scheduler,
            steps=steps,
            warmup=self.lr_warmup_steps,
            decay=self.lr_decay_steps,
            cycles=self.lr_scheduler_num_cycles,
            power=self.lr_scheduler_power,
            min_ratio=self.lr_scheduler_min_lr_ratio or 0.0,
            timescale=self.lr_scheduler_timescale,
            rules=str(arguments.get("step_rules", "")),
            rate=self.rate_unet or self.rate_text() or 1.0,
        )

    def as_arguments(self) -> dict[str, Any]:
        """The fields that differ from their defaults, for a TOML or JSON file."""
        default = asdict(TrainingPlan())
        return {name: value for name, value in asdict(self).items() if value != default[name]}


def check_conflicts(plan: TrainingPlan) -> None:
    """What excludes each other; and what is kept must not change from step to step. Raises ``PlanConflict``."""
    for one, other in CONFLICTS:
        if getattr(plan, one) and getattr(plan, other):
            raise PlanConflict(name=one, other=other)
    if plan.cache_text_encoder_outputs:
        for name in ("shuffle_caption", "caption_dropout_rate", "caption_tag_dropout_rate", "enable_wildcard"):
            if getattr(plan, name):
                raise PlanConflict(name="cache_text_encoder_outputs", other=name)
        if not plan.network_train_unet_only:
            raise PlanConflict(name="cache_text_encoder_outputs", other="network_train_unet_only = false")


RANGES: Mapping[str, tuple[float, float]] = {
    "train_batch_size": (1, 256),
    "min_bucket_reso": (1, 4096),
    "max_bucket_reso": (1, 8192),
    "bucket_reso_steps": (8, 512),
    "keep_tokens": (0, 100),
    "network_dim": (1, 1024),
    "network_alpha": (0, 4096),
    "learning_rate": (0, 100),
    "unet_lr": (0, 100),
    "max_train_steps": (1, 10_000_000),
    "max_train_epochs": (1, 100_000),
    "gradient_accumulation_steps": (1, 10_000),
    "max_grad_norm": (0, 1e6),
    "seed": (0, 2**32 - 1),
    "clip_skip": (1, 12),
    "min_timestep": (0, 1000),
    "max_timestep": (1, 1000),
    "noise_offset": (0, 10),
    "multires_noise_iterations": (0, 100),
    "ema_decay": (0, 0.999999),
    "prior_loss_weight": (0, 1000),
    "huber_c": (1e-6, 1e6),
    "save_every_n_epochs": (0, 100_000),
    "save_last_n_epochs": (0, 100_000),
}
"""Least and greatest value of numbers."""

CHOICES: Mapping[str, tuple[Any, ...]] = {
    "save_precision": ("float", "fp16", "bf16"),
    "save_model_as": ("safetensors",),
    "mixed_precision": ("no", "fp16", "bf16", "auto"),
    "max_token_length": (75, 150, 225),
    "loss_type": ("l2", "l1", "huber", "smooth_l1"),
    "huber_schedule": ("constant", "exponential", "snr"),
}
"""Values of fields that take one of a few. Unpickling is never needed for our own files, so they are safetensors."""

CONFLICTS = (
    ("network_train_unet_only", "network_train_text_encoder_only"),
    ("cache_latents", "color_aug"),
    ("cache_latents", "random_crop"),
    ("noise_offset", "multires_noise_iterations"),
    ("full_fp16", "full_bf16"),
)
"""Fields that exclude each other."""

_WITHOUT_EFFECT = """
    console_log_level console_log_file console_log_simple tokenizer_cache_dir cache_info debug_dataset
    skip_cache_check mem_eff_attn xformers sdpa max_data_loader_n_workers persistent_data_loader_workers lowram
    highvram log_with log_prefix log_tracker_name log_config output_config ddp_timeout
    ddp_gradient_as_bucket_view ddp_static_graph wandb_run_name dynamo_backend lr_scheduler_type
    caption_extention skip_until_initial_step config_file cpu_offload_checkpointing dim_from_weights fp8_base
    fp8_base_unet disable_mmap_load_safetensors vae_batch_size no_half_vae
"""
WITHOUT_EFFECT = frozenset(_WITHOUT_EFFECT.split())
"""sd-scripts' options about how it works, not about what comes out: taken and not needed. The VAE always encodes one
picture at a time and in full precision."""

_UNSERVED = """
    face_crop_aug_range dataset_class in_json dataset_repeats huggingface_repo_id huggingface_repo_type
    async_upload huggingface_path_in_repo huggingface_token huggingface_repo_visibility
    save_state_to_huggingface resume_from_huggingface save_n_epoch_ratio save_last_n_epochs_state
    save_last_n_steps_state torch_compile wandb_api_key log_tracker_config metadata_usage_hint
    metadata_thumbnail metadata_merged_from metadata_trigger_phrase metadata_preprocessor
    metadata_is_negative_embedding resize_interpolation conditioning_data_dir deepspeed zero_stage
    offload_optimizer_device offload_optimizer_nvme_path offload_param_device offload_param_nvme_path
    zero3_init_flag zero3_save_16bit_model fp16_master_weights_and_gradients use_8bit_adam use_lion_optimizer
    fused_backward_pass weighted_captions base_weights base_weights_multiplier initial_epoch initial_step
    validation_seed validation_split validate_every_n_steps validate_every_n_epochs max_validation_steps
    network_multiplier
"""
UNSERVED = frozenset(_UNSERVED.split())
"""sd-scripts' options that this program does not have; refused when they ask for something."""

_PLAIN: tuple[Any, ...] = (None, False, 0, "", (), [])


# --- Reading plans ----------------------------------------------------------------------------------------------------


def plan_from_file(path: Path, arguments: Sequence[str] = ()) -> TrainingPlan:
    """A plan from a TOML file with sd-scripts' options, in any sections, and flags over it. A file that has datasets
    in it is its own ``dataset_config``; paths in it are relative to it.

    Raises ``CannotRead``, ``TrainingPlanUnreadable``, ``TrainingError``, ``RequestError``.
    """
    table = read_toml(path)
    options: dict[str, Any] = {}
    for name, value in table.items():
        if name in ("general", "datasets"):
            options["dataset_config"] = str(path)
        elif isinstance(value, dict):
            options |= value
        else:
            options[name] = value
    for name in PATH_FIELDS:
        if isinstance(options.get(name), str):
            place = path.parent / Path(options[name]).expanduser()
            if name != BASE_FIELD or place.exists():  # else it is a name of the library
                options[name] = str(place)
    return plan_from_options({**options, **_flags(arguments)})


BASE_FIELD = "pretrained_model_name_or_path"
PATH_FIELDS = (
    *(BASE_FIELD, "vae", "output_dir", "resume", "train_data_dir", "reg_data_dir"),
    *("dataset_config", "network_weights", "sample_prompts", "logging_dir"),
)


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file. Raises ``CannotRead`` or ``TrainingPlanUnreadable``."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PLAN_BYTES + 1)
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    if len(data) > MAX_PLAN_BYTES:
        raise TrainingPlanUnreadable(path=path, detail=words.TOO_LARGE)
    try:
        return read_toml_text(data)
    except TomlFault as error:
        raise TrainingPlanUnreadable(path=path, detail=str(error)) from error


def plan_from_options(options: Mapping[str, Any]) -> TrainingPlan:
    """A plan from options by name, of TOML's types or as text. Raises ``PlanOptionUnknown``, ``PlanOptionUnserved``,
    ``FieldWrongType``, ``FieldNotNumber`` and what the plan itself raises.
    """
    hints = typing.get_type_hints(TrainingPlan)
    given: dict[str, Any] = {}
    for name, value in options.items():
        if name in hints:
            given[name] = _converted(name, value, hints[name])
        elif name in UNSERVED:
            if value not in _PLAIN:
                raise PlanOptionUnserved(name=name)
        elif name not in WITHOUT_EFFECT:
            raise PlanOptionUnknown(name=name, suggestions=closest(name, sorted(hints)))
    return TrainingPlan(**given)


def _flags(arguments: Sequence[str]) -> dict[str, Any]:
    """``--name value``, ``--name=value``, ``--switch`` and lists, by name. Values are text; of several, a list."""
    found: dict[str, Any] = {}
    name = ""
    for argument in arguments:
        if argument.startswith("--"):
            flag, equals, value = argument[2:].partition("=")
            name = flag.replace("-", "_")
            found[name] = [value] if equals else []
        elif name:
            found[name].append(argument)
        else:
            raise PlanOptionUnknown(name=argument)
    return {name: True if not values else values[0] if len(values) == 1 else values for name, values in found.items()}


_STEPS_OR_SHARE = frozenset({"lr_warmup_steps", "lr_decay_steps", "token_warmup_step"})


def _converted(name: str, value: Any, hint: Any) -> Any:
    """``value`` as the field's type. Raises ``FieldWrongType`` or ``FieldNotNumber``."""
    if isinstance(hint, types.UnionType):
        if value is None or value == "":
            return None
        hint = next(option for option in typing.get_args(hint) if option is not types.NoneType)
    if typing.get_origin(hint) is tuple:
        values = value if isinstance(value, list | tuple) else [value]
        return tuple(_converted(name, one, typing.get_args(hint)[0]) for one in values)
    if hint is bool:
        return as_bool(name, value)
    if hint is str:
        if isinstance(value, list | tuple) and name == "resolution":
            return ",".join(str(one) for one in value)
        if isinstance(value, bool | dict | list | tuple):
            raise FieldWrongType(field=name, value=str(value), expected="text")
        return str(value)
    if name in _STEPS_OR_SHARE and isinstance(value, str):
        try:
            return parse_steps(value)
        except ValueError:
            raise FieldNotNumber(field=name, value=value) from None
    return as_number(name, value, hint)


def as_bool(name: str, value: Any) -> bool:
    """A switch. Raises ``FieldWrongType``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise FieldWrongType(field=name, value=str(value), expected="flag")


def as_number(name: str, value: Any, kind: type) -> Any:
    """A finite number, whole where ``kind`` is int. Raises ``FieldWrongType`` or ``FieldNotNumber``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise FieldWrongType(field=name, value=str(value), expected="number")
    try:
        number = float(value)
    except ValueError:
        raise FieldNotNumber(field=name, value=str(value)) from None
    if not math.isfinite(number) or (kind is int and not number.is_integer()):
        raise FieldNotNumber(field=name, value=str(value))
    return int(number) if kind is int else value if isinstance(value, int | float) else number


def parse_resolution(text: str) -> Size:
    """``"512"`` or ``"768,512"`` (width, height). Raises ``FieldNotNumber``."""
    parts = [part.strip() for part in str(text).replace("x", ",").split(",")]
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        raise FieldNotNumber(field="resolution", value=text) from None
    if len(numbers) not in (1, 2):
        raise FieldNotNumber(field="resolution", value=text)
    for number in numbers:
        check_range("resolution", number, 64, 4096)
    return numbers[0], numbers[-1]


def key_values(arguments: Sequence[str]) -> dict[str, Any]:
    """``["key=value"]`` as a dictionary of texts. Raises ``FieldWrongType``."""
    found = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals:
            raise FieldWrongType(field="args", value=argument, expected="text")
        found[key.strip()] = value.strip()
    return found


def literals(arguments: Sequence[str]) -> dict[str, Any]:
    """``["betas=0.9,0.99"]`` with Python literals as values; what is none stays text."""
    found: dict[str, Any] = {}
    for key, text in key_values(arguments).items():
        try:
            found[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            found[key] = text
    return found
