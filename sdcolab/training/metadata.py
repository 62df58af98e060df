"""What a LoRA file says about itself, and what it is called: sd-scripts' keys and names, which A1111 and civitai read
(hechos/extensiones.md 11, "Metadata" and "Files"). No torch.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdcolab import __version__
from sdcolab.core.hashes import old_hash
from sdcolab.core.tensors import LENGTH_BYTES
from sdcolab.training.dataset import Dataset, DatasetPlan
from sdcolab.training.families import TrainedFamily
from sdcolab.training.network_rules import KOHYA_MODULE
from sdcolab.training.plan import TrainingPlan
from sdcolab.training.steps import StepCount

MINIMUM_KEYS = (
    *("ss_v2", "ss_base_model_version", "ss_network_module"),
    *("ss_network_dim", "ss_network_alpha", "ss_network_args"),
)
"""Keys that stay when metadata are not wanted."""

LORA_KEYS = frozenset(
    {
        *("ss_v2", "ss_base_model_version", "ss_sd_model_name", "ss_clip_skip", "ss_output_name", "ss_resolution"),
        *("ss_tag_frequency", "modelspec.architecture", "modelspec.prediction_type", "modelspec.title"),
    }
)
"""Keys that still hold when a LoRA was made smaller or added to others."""

SUFFIX = ".safetensors"
SESSION_KEY = "ss_session_id"
"""Which training made a file: the same for all its files, also where it was cut off and went on."""
_LEGACY_START, _LEGACY_BYTES, _LEGACY_DIGITS = 0x100000, 0x10000, 8
_BLOCK = 1 << 22


# --- Names ------------------------------------------------------------------------------------------------------------


def epoch_file(name: str, epoch: int) -> str:
    """The file of a finished epoch that is not the last."""
    return f"{name}-{epoch:06}{SUFFIX}"


def step_file(name: str, step: int) -> str:
    """The file saved after a number of steps."""
    return f"{name}-step{step:08}{SUFFIX}"


def last_file(name: str) -> str:
    """The finished LoRA."""
    return name + SUFFIX


PROGRESS = "train_state.json"
"""The file of a state that tells where the training is."""


def state_folder(file: str) -> str:
    """The folder of the state saved with ``file``."""
    return f"{file.removesuffix(SUFFIX)}-state"


def outdated_epoch(epoch: int, every: int, keep: int) -> int | None:
    """The epoch whose file is deleted after that of ``epoch`` was saved, if any."""
    number = epoch - every * keep
    return number if number > 0 else None


def outdated_step(step: int, every: int, keep: int) -> int | None:
    """The step whose file is deleted after that of ``step`` was saved, if any."""
    number = step - keep - 1
    number -= number % every
    return number if number > 0 else None


# --- Metadata ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BaseFile:
    """The base model's (or VAE's) name and hashes."""

    name: str
    legacy_hash: str
    sha256: str

    @classmethod
    def of(cls, path: Path) -> BaseFile:
        """Read ``path`` whole. Raises ``OSError``."""
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return cls(path.name, old_hash(path), digest.hexdigest())


@dataclass(frozen=True, slots=True)
class Facts:
    """What metadata tell beside the plan. Times are seconds since 1970."""

    plan: TrainingPlan
    datasets: Sequence[Dataset]
    steps: StepCount
    session: int
    started: float
    optimiser: str
    seed: int
    family: TrainedFamily
    """"sd_v1", "sd_v2" or "sdxl_base_v1-0"."""
    v: bool = False
    base: BaseFile | None = None
    vae: BaseFile | None = None
    processes: int = 1
    extra: dict[str, str] = field(default_factory=dict)


def metadata_of(facts: Facts, *, epoch: int, step: int, finished: float) -> dict[str, str]:
    """Everything that the file of ``epoch`` and ``step`` tells; all values are text. Hashes of the tensors come
    later.
    """
    plan = facts.plan
    rules = plan.network()
    values: dict[str, Any] = {
        SESSION_KEY: facts.session,
        "ss_training_started_at": facts.started,
        "ss_training_finished_at": finished,
        "ss_output_name": plan.output_name,
        "ss_learning_rate": plan.learning_rate,
        "ss_text_encoder_lr": _rates(plan.text_encoder_lr),
        "ss_unet_lr": plan.unet_lr,
        "ss_num_train_images": sum(dataset.train_images for dataset in facts.datasets),
        "ss_num_reg_images": sum(dataset.reg_images for dataset in facts.datasets),
        "ss_num_validation_images": 0,
        "ss_num_batches_per_epoch": facts.steps.batches,
        "ss_num_epochs": facts.steps.epochs,
        "ss_epoch": epoch,
        "ss_steps": step,
        "ss_max_train_steps": facts.steps.total,
        "ss_lr_warmup_steps": plan.lr_warmup_steps,
        "ss_lr_scheduler": plan.lr_scheduler,
        "ss_network_module": plan.network_module or rules.module,
        "ss_network_dim": plan.network_dim or rules.dim,
        "ss_network_alpha": float(plan.network_alpha),
        "ss_v2": plan.v2,
        "ss_base_model_version": facts.family.name,
        "ss_seed": facts.seed,
        "ss_optimizer": facts.optimiser,
        "ss_sd_scripts_commit_hash": f"(sdcolab {__version__})",
        **{f"ss_{name}": getattr(plan, name) for name in _AS_IN_PLAN},
        **_DEFAULTS,
        "ss_debiased_estimation": plan.debiased_estimation_loss,
        **_datasets(facts),
        **modelspec(facts, finished),
        **facts.extra,
    }
    if plan.network_args or rules.module != KOHYA_MODULE:
        arguments = dict(one.split("=", 1) for one in plan.network_args or ())
        values["ss_network_args"] = json.dumps(arguments)
    for prefix, file in (("ss_sd_model", facts.base), ("ss_vae", facts.vae)):
        if file:
            values[f"{prefix}_name"] = file.name
            values[f"{prefix}_hash"] = file.legacy_hash
            values["ss_new_" + prefix.removeprefix("ss_") + "_hash"] = file.sha256
    texts = {name: value if isinstance(value, str) else str(value) for name, value in values.items()}
    if plan.no_metadata:
        return {name: texts[name] for name in MINIMUM_KEYS if name in texts}
    return texts


_AS_IN_PLAN = (
    *("gradient_checkpointing", "gradient_accumulation_steps", "network_dropout", "mixed_precision", "full_fp16"),
    *("clip_skip", "max_token_length", "cache_latents", "noise_offset", "noise_offset_random_strength"),
    *("adaptive_noise_scale", "multires_noise_iterations", "multires_noise_discount", "ip_noise_gamma"),
    *("ip_noise_gamma_random_strength", "zero_terminal_snr", "training_comment", "max_grad_norm"),
    *("caption_dropout_rate", "caption_dropout_every_n_epochs", "caption_tag_dropout_rate", "prior_loss_weight"),
    *("min_snr_gamma", "scale_weight_norms", "loss_type", "huber_schedule", "huber_c", "huber_scale"),
)
"""Options that metadata tell as they are."""

_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("ss_lowram", "ss_fp8_base", "ss_fp8_base_unet"), False),
    **dict.fromkeys(("ss_face_crop_aug_range", "ss_validation_seed", "ss_validate_every_n_epochs"), None),
    **dict.fromkeys(("ss_validate_every_n_steps", "ss_max_validation_steps", "ss_resize_interpolation"), None),
    "ss_validation_split": 0.0,
}
"""Options of sd-scripts that are always off here, and that readers expect to find."""


def _rates(rates: tuple[float, ...] | None) -> float | list[float] | None:
    return None if not rates else rates[0] if len(rates) == 1 else list(rates)


def _datasets(facts: Facts) -> dict[str, Any]:
    """What the folders held: as one dataset where there is one, else also a list of them."""
    train: dict[str, dict[str, int]] = {}
    reg: dict[str, dict[str, int]] = {}
    tags: dict[str, dict[str, int]] = {}
    for dataset in facts.datasets:
        for subset, count, frequency in dataset.found:
            if count or not subset.regularisation:
                (reg if subset.regularisation else train)[subset.folder.name] = {
                    "n_repeats": subset.repeats,
                    "img_count": count,
                }
            tags[subset.folder.name] = frequency
    train = {name: entry for name, entry in train.items() if entry["img_count"]}
    values: dict[str, Any] = {
        "ss_dataset_dirs": json.dumps(train),
        "ss_reg_dataset_dirs": json.dumps(reg),
        "ss_tag_frequency": json.dumps(tags),
    }
    if len(facts.datasets) > 1:
        values["ss_datasets"] = json.dumps([_dataset_entry(dataset) for dataset in facts.datasets])
        return values
    plan, dataset = facts.plan, facts.datasets[0]
    own = dataset.plan
    subset = own.subsets[0]
    return {
        **values,
        "ss_batch_size_per_device": own.batch_size,
        "ss_total_batch_size": own.batch_size * facts.processes * plan.gradient_accumulation_steps,
        **{f"ss_{name}": value for name, value in _rules(own).items()},
        "ss_resolution": str(own.rules.area),
        "ss_color_aug": subset.colour,
        "ss_flip_aug": subset.flip,
        "ss_random_crop": subset.random_crop,
        "ss_shuffle_caption": subset.captions.shuffle,
        "ss_keep_tokens": subset.captions.keep_tokens,
        "ss_bucket_info": json.dumps(bucket_info(dataset)),
    }


def _rules(plan: DatasetPlan) -> dict[str, Any]:
    rules = plan.rules.adjusted()
    bounds = {"min_bucket_reso": rules.shortest, "max_bucket_reso": rules.longest}
    return {
        "enable_bucket": rules.enabled,
        "bucket_no_upscale": rules.no_upscale,
        **(bounds if rules.enabled else dict.fromkeys(bounds)),
    }


def bucket_info(dataset: Dataset) -> dict[str, Any] | None:
    """Buckets with their counts, as metadata have them; None where every picture has one size."""
    if not dataset.plan.rules.enabled:
        return None
    buckets = {
        str(index): {"resolution": list(size), "count": len(entries)}
        for index, (size, entries) in enumerate(dataset.buckets.items())
    }
    return {"buckets": buckets, "mean_img_ar_error": dataset.ratio_error}


def _dataset_entry(dataset: Dataset) -> dict[str, Any]:
    return {
        "is_dreambooth": True,
        "batch_size_per_device": dataset.plan.batch_size,
        "num_train_images": dataset.train_images,
        "num_reg_images": dataset.reg_images,
        "resolution": list(dataset.plan.rules.area),
        **_rules(dataset.plan),
        "tag_frequency": {subset.folder.name: tags for subset, _, tags in dataset.found},
        "bucket_info": bucket_info(dataset),
        "subsets": [
            {
                "img_count": count,
                "num_repeats": subset.repeats,
                "color_aug": subset.colour,
                "flip_aug": subset.flip,
                "random_crop": subset.random_crop,
                "shuffle_caption": subset.captions.shuffle,
                "keep_tokens": subset.captions.keep_tokens,
                "keep_tokens_separator": subset.captions.keep_tokens_separator,
                "image_dir": subset.folder.name,
                "class_tokens": subset.class_tokens,
                "is_reg": subset.regularisation,
            }
            for subset, count, _ in dataset.found
        ],
    }


_STABILITY = "https://github.com/Stability-AI/generative-models"


def modelspec(facts: Facts, finished: float) -> dict[str, str]:
    """ModelSpec 1.0.1 fields (github.com/Stability-AI/ModelSpec)."""
    plan, family = facts.plan, facts.family
    architecture = (facts.v and family.architecture_v) or family.architecture
    width, height = plan.size()
    spec: dict[str, str | None] = {
        "architecture": f"{architecture}/lora",
        "implementation": _STABILITY if family.stability else "diffusers",
        "title": plan.metadata_title or plan.output_name,
        "resolution": f"{width}x{height}",
        "sai_model_spec": "1.0.1",
        "date": datetime.datetime.fromtimestamp(int(finished)).isoformat(),
        "prediction_type": "v" if facts.v else "epsilon",
        "implementation_version": f"sdcolab/{__version__}",
        "author": plan.metadata_author,
        "description": plan.metadata_description,
        "license": plan.metadata_license,
        "tags": plan.metadata_tags,
        "encoder_layer": None if plan.clip_skip is None else str(plan.clip_skip),
    }
    if plan.min_timestep is not None or plan.max_timestep is not None:
        spec["timestep_range"] = f"{plan.min_timestep or 0},{plan.max_timestep or 1000}"
    return {f"modelspec.{name}": value for name, value in spec.items() if value is not None}


def session_of(plan: str, dataset: str, seed: int) -> int:
    """What ``SESSION_KEY`` says, by the hashes of a training's plan and pictures and its seed."""
    return int(hashlib.sha256(f"{plan} {dataset} {seed}".encode()).hexdigest()[:8], 16)


# --- Hashes -----------------------------------------------------------------------------------------------------------


def tensor_hashes(data: bytes) -> tuple[str, str]:
    """``sshs_model_hash`` and ``sshs_legacy_hash`` of a safetensors file's bytes, written with its ``ss_`` metadata
    only: the SHA-256 of what follows the header, and 8 digits of that of 64 KiB from the second megabyte.
    """
    start = int.from_bytes(data[:LENGTH_BYTES], "little") + LENGTH_BYTES
    model = hashlib.sha256(memoryview(data)[start:]).hexdigest()
    legacy = hashlib.sha256(data[_LEGACY_START : _LEGACY_START + _LEGACY_BYTES]).hexdigest()
    return model, legacy[:_LEGACY_DIGITS]
