"""Training as work: what the faces ask for. Pictures and files are below one folder, found by the project's name
alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from sdcolab.core.checks import check_range
from sdcolab.core.errors import FieldNotNumber
from sdcolab.core.fields import check, fact
from sdcolab.core.folders import Folders


class NetworkKind(StrEnum):
    """Which layers learn, and how their change is written."""

    LORA = "LoRA"
    LOCON = "LoCon"
    LOHA = "LoHa"
    LOKR = "LoKr"
    DORA = "DoRA"


class PictureWork(StrEnum):
    """What is done with a project's pictures."""

    LOOK = "look"
    DOUBLES = "doubles"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class TrainLora:
    """Train a LoRA over the pictures of ``project``. ``resolution`` 0 is the base model's; ``checkpoint`` "" the first
    one. ``api`` has the names that the guide's notebook gives the fields.

    ``repeats`` counts only for pictures that are in no folder with a number; ``scheduler_value`` is the number of
    restarts, or the power, of the schedules that have one; ``warmup`` a share of the steps. ``samples`` has a prompt a
    line, drawn whenever an epoch is saved.
    """

    code: ClassVar[str] = "train"

    project: str = fact("", choices="training_projects", api=("nombre_proyecto",))
    checkpoint: str = fact("", choices="checkpoints")
    epochs: int = fact(15, low=1, high=500, api=("epochs",))
    batch_size: int = fact(2, low=1, high=16, api=("batch_size",))
    save_every: int = fact(2, low=0, high=100, api=("guardar_cada_cuantos_epochs",))
    save_last: int = fact(0, low=0, high=100, api=("guardar_solo_ultimos_epochs",))
    resolution: int = fact(0, low=0, high=2048, step=64, control="number", api=("resolucion",))
    repeats: int = fact(10, low=1, high=500, api=("num_repeats",))
    flip: bool = fact(False, api=("flip_aug",))
    shuffle: bool = fact(True, api=("mezclar_tags",))
    keep_tokens: int = fact(1, low=0, high=3, api=("keep_tokens",))
    unet_rate: float = fact(1e-3, low=0, high=10, step=1e-5, control="number", api=("unet_aprendizaje",))
    text_rate: float = fact(1e-4, low=0, high=10, step=1e-5, control="number", api=("text_encoder_aprendizaje",))
    scheduler: str = fact("cosine_with_restarts", choices="training_schedules", api=("scheduler",))
    scheduler_value: int = fact(3, low=1, high=20, api=("valor_de_scheduler",))
    warmup: float = fact(0.05, low=0, high=0.5, api=("calentamiento",))
    min_snr: bool = fact(True, api=("min_snr_gamma",))
    optimizer: str = fact("AdamW8bit", choices="training_optimizers", api=("optimizador",))
    network: NetworkKind = fact(NetworkKind.LORA, api=("lora_type",))
    dim: int = fact(16, low=1, high=128, api=("dim",))
    alpha: float = fact(8, low=0, high=128, step=1, api=("alpha",))
    conv_dim: int = fact(8, low=1, high=64, api=("conv_dim",))
    conv_alpha: float = fact(4, low=0, high=64, step=1, api=("conv_alpha",))
    samples: str = fact("", control="lines", api=("prompts_de_muestra",))
    seed: int = fact(42, low=0, high=2**32 - 1, control="number", api=("semilla",))

    def __post_init__(self) -> None:
        check(self, self.code)


@dataclass(frozen=True, slots=True)
class PreparePictures:
    """Look at the pictures of ``project``, set doubles aside, or write their captions; ``only_bare``: of those that
    have none. ``undesired`` is a list of tags separated by commas. The tag editor changes captions.
    """

    code: ClassVar[str] = "pictures"

    project: str = fact("", choices="training_projects")
    work: PictureWork = fact(PictureWork.LOOK)
    tagger: str = fact("wd-vit-tagger-v3", choices="captioners")
    threshold: float = fact(0.25, low=0, high=1, step=0.01)
    characters: bool = fact(False)
    undesired: str = fact("")
    only_bare: bool = fact(False)

    def __post_init__(self) -> None:
        check(self, self.code)


@dataclass(frozen=True, slots=True)
class TryLora:
    """Compare the epochs of the LoRA of ``project``: ``count`` pictures of each at each of the ``weights`` (numbers
    separated by commas), and without LoRA. ``prompt`` "": the captions of training pictures.
    """

    code: ClassVar[str] = "try_lora"

    project: str = fact("", choices="trained_projects")
    prompt: str = fact("")
    weights: str = fact("1")
    count: int = fact(3, low=1, high=8)
    steps: int = fact(20, low=1, high=150)

    def __post_init__(self) -> None:
        check(self, self.code)


_ZERO_AND_SOMETHING = re.compile(r"-?0,[0-9]+")
MOST_WEIGHTS = 8
"""Weights that are compared at once."""


def weights_of(text: str) -> tuple[float, ...]:
    """Numbers separated by commas, semicolons or blanks: "0.6, 0.8, 1", and "0,6; 0,8", whose commas are decimal ones
    since something else separates. Raises ``FieldNotNumber``, ``FieldOutOfRange``.
    """
    parts = [part.strip(",") for part in text.replace(";", " ").split()]
    alone = len(parts) == 1 and not _ZERO_AND_SOMETHING.fullmatch(parts[0])
    if alone or any("." in part for part in parts):
        parts = [one for part in parts for one in part.split(",")]
    found = []
    for part in [part for part in parts if part][:MOST_WEIGHTS]:
        try:
            found.append(float(part.replace(",", ".")))
        except ValueError:
            raise FieldNotNumber(field="try_lora.weights", value=part) from None
        check_range("try_lora.weights", found[-1], -4, 4)
    return tuple(found) or (1.0,)


def training_home(folders: Folders) -> Path:
    """Where ``lora_training`` is: the user's Drive where Colab has it beside the program's folder, else that folder."""
    drive = folders.root.parent / "drive" / "MyDrive"
    return drive if drive.is_dir() else folders.root


def training_projects(folders: Folders) -> tuple[str, ...]:
    """Projects that have a folder of pictures, in ``lora_training/datasets`` or ``Loras/NAME/dataset``."""
    home = training_home(folders)
    return tuple(
        sorted({*_folders(home / "lora_training" / "datasets"), *_with_dataset(home / "Loras")}, key=str.casefold)
    )


PLAN_ENDING = "-plan.toml"
"""What the plan that made a LoRA is called, after its name and beside it."""


def trained_projects(folders: Folders) -> tuple[str, ...]:
    """Projects whose training ended, by the plans beside their LoRAs."""
    home = training_home(folders)
    outputs = [
        home / "lora_training" / "output",
        *(home / "Loras" / name / "output" for name in _folders(home / "Loras")),
    ]
    found = {path.name.removesuffix(PLAN_ENDING) for output in outputs for path in output.glob(f"*{PLAN_ENDING}")}
    return tuple(sorted(found, key=str.casefold))


def _folders(parent: Path) -> list[str]:
    try:
        return [path.name for path in parent.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))]
    except OSError:
        return []


def _with_dataset(parent: Path) -> list[str]:
    return [name for name in _folders(parent) if (parent / name / "dataset").is_dir()]
