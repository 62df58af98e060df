"""The plan that a training asked for means, and where its files are. No torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from json import dumps
from pathlib import Path
from typing import Any

from sdcolab.core.errors import AlphaAboveDim, FieldNotOption, PlanOptionUnknown, ProjectMissing, ProjectName
from sdcolab.core.fields import Field, table_of
from sdcolab.core.files import atomic_write
from sdcolab.core.registry import closest
from sdcolab.core.training import NetworkKind, TrainLora
from sdcolab.core.words.kitchen import BY_CATEGORY, BY_PROJECT
from sdcolab.training.bases import Base
from sdcolab.training.dataset import PICTURE_SUFFIXES, mask_of
from sdcolab.training.plan import TrainingPlan, as_bool, as_number

_BAD_NAME = re.compile(r"""[\s.()"'\\/:*?<>|]""")
SAMPLES_FILE = "muestras.txt"
_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Places:
    """Where a project's files are."""

    pictures: Path
    output: Path
    config: Path
    log: Path

    @classmethod
    def of(cls, home: Path, project: str, structure: str) -> Places:
        """Those of ``project`` below the user's Drive or folder ``home``, in one of the two ways that people know."""
        if structure == BY_PROJECT:
            own = home / "Loras" / project
            return cls(own / "dataset", own / "output", own, home / "Loras" / "_logs")
        common = home / "lora_training"
        return cls(common / "datasets" / project, common / "output", common / "config" / project, common / "log")


def asked_by(values: Mapping[str, Any]) -> TrainLora:
    """The training that the notebook's fields ask for, under the guide's names. Raises ``PlanOptionUnknown``,
    ``FieldWrongType``, ``FieldNotNumber``, ``FieldNotOption``, ``FieldOutOfRange``.
    """
    known = {name: field for field in table_of(TrainLora).values() for name in field.api}
    for name in values:
        if name not in known:
            raise PlanOptionUnknown(name=name, suggestions=closest(name, list(known)))
    return TrainLora(**{known[name].path: _read(name, known[name], value) for name, value in values.items()})


def _read(name: str, field: Field, value: Any) -> Any:
    """``value`` of the notebook's field ``name`` as its type."""
    if field.is_choice:
        words = [str(one) for one in field.kind]
        if value not in words:
            raise FieldNotOption(field=name, value=str(value), suggestions=closest(str(value), words))
        return field.kind(value)
    if field.kind is bool:
        return as_bool(name, value)
    return as_number(name, value, field.kind) if field.is_number else str(value)


def structure_of(home: Path, project: str) -> str | None:
    """Which of the two ways of keeping projects ``project`` follows; None where there is no such project."""
    ways = (BY_CATEGORY, BY_PROJECT)
    return next((way for way in ways if Places.of(home, project, way).pictures.is_dir()), None)


def check_name(name: str) -> str:
    """The project's name, which is a folder's too. Raises ``ProjectMissing``, ``ProjectName``."""
    name = name.strip()
    if not name:
        raise ProjectMissing()
    if len(name) > _MAX_NAME or _BAD_NAME.search(name):
        raise ProjectName(name=name)
    return name


def plan_of(
    task: TrainLora, base: Base, model: Path, places: Places, *, gpu: bool, has: Callable[[str], bool]
) -> TrainingPlan:
    """The plan that ``task`` means; ``has`` tells whether a package is installed. Raises ``ProjectName``,
    ``AlphaAboveDim``, ``RequestError``.
    """
    name = check_name(task.project)
    if task.alpha > task.dim:
        raise AlphaAboveDim(alpha=task.alpha, dim=task.dim)
    resolution = task.resolution or base.resolution
    small, loose = resolution < 256, has_loose_pictures(places.pictures)
    least, most = _bucket_sides(resolution)
    plan = TrainingPlan(
        pretrained_model_name_or_path=str(model),
        sdxl=base.sdxl,
        v_parameterization=base.v,
        zero_terminal_snr=base.v,
        output_dir=str(places.output),
        output_name=name,
        save_precision="fp16",
        save_every_n_epochs=task.save_every or None,
        save_last_n_epochs=task.save_last or None,
        keep_state=True,
        train_data_dir=None if loose else str(places.pictures),
        dataset_config=str(places.config / "dataset_config.toml") if loose else None,
        resolution=str(resolution),
        enable_bucket=True,
        min_bucket_reso=least,
        max_bucket_reso=most,
        bucket_reso_steps=32 if small else 64,
        train_batch_size=task.batch_size,
        masked_loss=has_masks(places.pictures),
        caption_extension=".txt",
        shuffle_caption=task.shuffle,
        keep_tokens=task.keep_tokens,
        flip_aug=task.flip,
        cache_latents=True,
        network_module="networks.lora",
        network_dim=task.dim,
        network_alpha=task.alpha,
        network_args=_network_args(task),
        network_train_unet_only=not task.text_rate,
        learning_rate=task.unet_rate,
        unet_lr=task.unet_rate,
        text_encoder_lr=(task.text_rate,) if task.text_rate else None,
        max_train_epochs=task.epochs,
        min_snr_gamma=5.0 if task.min_snr else None,
        mixed_precision="auto" if gpu else "no",
        gradient_checkpointing=base.sdxl,
        max_token_length=75 if small else 225,
        clip_skip=base.clip_skip,
        seed=task.seed,
        sample_prompts=str(places.config / SAMPLES_FILE) if task.samples.strip() else None,
        sample_every_n_epochs=max(1, task.save_every) if task.samples.strip() else None,
        sample_sampler="euler_a",
        logging_dir=str(places.log) if has("tensorboard") else None,
    )
    return _with_rates(plan, task, bitsandbytes=gpu and has("bitsandbytes"))


def _with_rates(plan: TrainingPlan, task: TrainLora, *, bitsandbytes: bool) -> TrainingPlan:
    """``plan`` with how it learns: an optimiser of 8 bits only where there is one."""
    optimiser = task.optimizer if bitsandbytes or "8bit" not in task.optimizer.lower() else "AdamW"
    plan = replace(
        plan,
        optimizer_type=optimiser,
        lr_scheduler=task.scheduler,
        lr_scheduler_num_cycles=task.scheduler_value if task.scheduler == "cosine_with_restarts" else 1,
        lr_scheduler_power=task.scheduler_value if task.scheduler == "polynomial" else 1,
        lr_warmup_steps=0 if task.scheduler == "constant" else task.warmup,
    )
    return _for_prodigy(plan) if optimiser.lower() == "prodigy" else plan


def _bucket_sides(resolution: int) -> tuple[int, int]:
    """The shortest and longest sides of the buckets around a resolution."""
    if resolution < 256:
        return 64, 2 * resolution
    if resolution > 640:
        return 320, 2048 if resolution > 1024 else 1280
    return 256, 1024


def _network_args(task: TrainLora) -> tuple[str, ...] | None:
    match task.network:
        case NetworkKind.LOCON:
            return (f"conv_dim={task.conv_dim}", f"conv_alpha={task.conv_alpha:g}")
        case NetworkKind.LOHA | NetworkKind.LOKR:
            return (f"algo={task.network.value.lower()}",)
        case NetworkKind.DORA:
            return ("dora_wd=true",)
        case NetworkKind.LORA:
            return None


def has_loose_pictures(folder: Path) -> bool:
    """Whether pictures lie right in ``folder`` and not in folders with their repeats; then ``num_repeats`` counts."""
    return folder.is_dir() and any(path.suffix in PICTURE_SUFFIXES for path in folder.iterdir() if path.is_file())


def has_masks(folder: Path) -> bool:
    """Whether a picture in ``folder`` or right below has a mask beside it, which is there to be used."""
    below = [folder, *(path for path in folder.iterdir() if path.is_dir())] if folder.is_dir() else []
    return any(mask_of(path) for one in below for path in one.iterdir() if path.suffix in PICTURE_SUFFIXES)


def write_beside(plan: TrainingPlan, task: TrainLora, places: Places) -> None:
    """Write the files that ``plan`` names: the dataset's, where pictures are in no folder with a number, and the
    prompts of the samples. Raises ``StorageError``.
    """
    texts = {
        plan.dataset_config: loose_pictures_config(places.pictures, task.repeats, task.project.strip()),
        plan.sample_prompts: task.samples,
    }
    for path, content in texts.items():
        if path:
            with atomic_write(Path(path)) as file:
                file.write(content.encode("utf-8"))


def loose_pictures_config(pictures: Path, repeats: int, name: str) -> str:
    """A dataset file for pictures that lie right in a folder."""
    return (
        "[[datasets]]\n\n  [[datasets.subsets]]\n"
        f"  image_dir = {dumps(str(pictures), ensure_ascii=False)}\n  num_repeats = {repeats}\n"
        f"  class_tokens = {dumps(name, ensure_ascii=False)}\n"
    )


def _for_prodigy(plan: TrainingPlan) -> TrainingPlan:
    """What the notebooks set for an optimiser that finds its own rate (hechos/lanzadores.md 2a, "Extras")."""
    return replace(
        plan,
        learning_rate=0.5,
        unet_lr=0.5,
        text_encoder_lr=None if plan.network_train_unet_only else (0.5,),
        network_alpha=float(plan.network_dim or 16),
        lr_scheduler="constant_with_warmup",
        lr_scheduler_num_cycles=1,
        optimizer_args=(
            *("decouple=True", "weight_decay=0.01", "betas=[0.9,0.999]"),
            *("d_coef=2", "use_bias_correction=True", "safeguard_warmup=True"),
        ),
    )
