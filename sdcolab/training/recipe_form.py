"""The training form with the guide's fields and defaults, and the plan that it makes. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from json import dumps
from pathlib import Path

from sdcolab.core.errors import PlanConflict, ProjectName
from sdcolab.core.files import atomic_write
from sdcolab.training.bases import Base
from sdcolab.training.dataset import PICTURE_SUFFIXES
from sdcolab.training.plan import TrainingPlan

BY_CATEGORY = "Organizar por categoría (MyDrive/lora_training/datasets/nombre_proyecto)"
BY_PROJECT = "Organizar por proyecto (MyDrive/Loras/nombre_proyecto/dataset)"

_BAD_NAME = re.compile(r"""[\s.()"'\\/:*?<>|]""")
_LOCON = "LoCon"
_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Places:
    """Where a project's files are."""

    pictures: Path
    output: Path
    config: Path

    @classmethod
    def of(cls, home: Path, project: str, structure: str) -> Places:
        """Those of ``project`` below the user's Drive or folder ``home``, in one of the two ways that people know."""
        if structure == BY_PROJECT:
            own = home / "Loras" / project
            return cls(own / "dataset", own / "output", own)
        common = home / "lora_training"
        return cls(common / "datasets" / project, common / "output", common / "config" / project)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingForm:
    """What the notebook's form asks for, under the guide's names."""

    nombre_proyecto: str
    estructura_de_carpetas: str = BY_CATEGORY
    # Archivos
    carpeta_de_imagenes: str = ""
    resolucion: int = 0
    flip_aug: bool = False
    mezclar_tags: bool = True
    num_repeats: int = 10
    # Pasos
    epochs: int = 15
    batch_size: int = 2
    guardar_cada_cuantos_epochs: int = 2
    guardar_solo_ultimos_epochs: int = 0
    # Entrenamiento
    unet_aprendizaje: float = 1e-3
    text_encoder_aprendizaje: float = 1e-4
    scheduler: str = "cosine_with_restarts"
    valor_de_scheduler: int = 3
    calentamiento: float = 0.05
    min_snr_gamma: bool = True
    lora_type: str = "LoRA"
    dim: int = 16
    alpha: float = 8
    conv_dim: int = 8
    conv_alpha: float = 4
    keep_tokens: int = 1
    optimizador: str = "AdamW8bit"
    prompts_de_muestra: str = ""
    semilla: int = 42


def check_name(name: str) -> str:
    """The project's name, which is a folder's too. Raises ``ProjectName``."""
    name = name.strip()
    if not name or len(name) > _MAX_NAME or _BAD_NAME.search(name):
        raise ProjectName(name=name)
    return name


def plan_of(
    form: TrainingForm, base: Base, model: Path, places: Places, *, gpu: bool, bitsandbytes: bool
) -> TrainingPlan:
    """The plan that ``form`` means. Raises ``ProjectName``, ``PlanConflict``, ``RequestError``."""
    name = check_name(form.nombre_proyecto)
    if form.alpha > form.dim:
        raise PlanConflict(name="alpha", other=f"dim = {form.dim}")
    resolution = form.resolucion or base.resolution
    optimiser = form.optimizador if bitsandbytes or "8bit" not in form.optimizador.lower() else "AdamW"
    pictures = Path(form.carpeta_de_imagenes).expanduser() if form.carpeta_de_imagenes.strip() else places.pictures
    small, loose = resolution < 256, has_loose_pictures(pictures)
    least, most = _bucket_sides(resolution)
    plan = TrainingPlan(
        pretrained_model_name_or_path=str(model),
        sdxl=base.sdxl,
        v_parameterization=base.v,
        zero_terminal_snr=base.v,
        output_dir=str(places.output),
        output_name=name,
        save_precision="fp16",
        save_every_n_epochs=form.guardar_cada_cuantos_epochs or None,
        save_last_n_epochs=form.guardar_solo_ultimos_epochs or None,
        keep_state=True,
        train_data_dir=None if loose else str(pictures),
        dataset_config=str(places.config / "dataset_config.toml") if loose else None,
        resolution=str(resolution),
        enable_bucket=True,
        min_bucket_reso=least,
        max_bucket_reso=most,
        bucket_reso_steps=32 if small else 64,
        train_batch_size=form.batch_size,
        caption_extension=".txt",
        shuffle_caption=form.mezclar_tags,
        keep_tokens=form.keep_tokens,
        flip_aug=form.flip_aug,
        cache_latents=True,
        network_module="networks.lora",
        network_dim=form.dim,
        network_alpha=form.alpha,
        network_args=_network_args(form),
        network_train_unet_only=not form.text_encoder_aprendizaje,
        optimizer_type=optimiser,
        learning_rate=form.unet_aprendizaje,
        unet_lr=form.unet_aprendizaje,
        text_encoder_lr=(form.text_encoder_aprendizaje,) if form.text_encoder_aprendizaje else None,
        lr_scheduler=form.scheduler,
        lr_scheduler_num_cycles=form.valor_de_scheduler if form.scheduler == "cosine_with_restarts" else 1,
        lr_scheduler_power=form.valor_de_scheduler if form.scheduler == "polynomial" else 1,
        lr_warmup_steps=0 if form.scheduler == "constant" else form.calentamiento,
        max_train_epochs=form.epochs,
        min_snr_gamma=5.0 if form.min_snr_gamma else None,
        mixed_precision="auto" if gpu else "no",
        gradient_checkpointing=base.sdxl,
        max_token_length=75 if small else 225,
        clip_skip=base.clip_skip,
        seed=form.semilla,
    )
    if optimiser.lower() == "prodigy":
        plan = _for_prodigy(plan)
    return plan


def _bucket_sides(resolution: int) -> tuple[int, int]:
    """The shortest and longest sides of the buckets around a resolution."""
    if resolution < 256:
        return 64, 2 * resolution
    if resolution > 640:
        return 320, 2048 if resolution > 1024 else 1280
    return 256, 1024


def _network_args(form: TrainingForm) -> tuple[str, ...] | None:
    return (f"conv_dim={form.conv_dim}", f"conv_alpha={form.conv_alpha:g}") if form.lora_type == _LOCON else None


def has_loose_pictures(folder: Path) -> bool:
    """Whether pictures lie right in ``folder`` and not in folders with their repeats; then ``num_repeats`` counts."""
    return folder.is_dir() and any(path.suffix in PICTURE_SUFFIXES for path in folder.iterdir() if path.is_file())


def write_loose(plan: TrainingPlan, form: TrainingForm, places: Places) -> None:
    """Write the dataset file that ``plan`` names, where pictures are in no folder with a number. Raises
    ``StorageError``.
    """
    if plan.dataset_config:
        pictures = Path(form.carpeta_de_imagenes) if form.carpeta_de_imagenes.strip() else places.pictures
        text = loose_pictures_config(pictures, form.num_repeats, form.nombre_proyecto.strip())
        with atomic_write(Path(plan.dataset_config)) as file:
            file.write(text.encode("utf-8"))


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
