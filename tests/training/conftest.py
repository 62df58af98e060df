"""A miniature model, a handful of pictures, and a training over them that takes a second."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from sdcolab.training.plan import TrainingPlan

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # for tools.make_random_sd15, whatever started pytest

DEMO = ROOT / "sdcolab" / "demo" / "emoji-128.safetensors"

PICTURES = {
    "3_gato sks/a": ((128, 128), "sks gato, Rojo, mesa"),
    "3_gato sks/b": ((128, 192), "sks gato, azul"),
    "3_gato sks/c": ((200, 120), None),
    "3_gato sks/d": ((128, 128), "sks gato, rojo"),
    "2_fondo/e": ((128, 128), "fondo"),
}


@pytest.fixture(scope="session")
def mini_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 MB of seeded random weights with SD 1.x's names."""
    from tools.make_random_sd15 import MINI, write

    path = tmp_path_factory.mktemp("mini") / "mini.safetensors"
    write(path, MINI)
    return path


@pytest.fixture(scope="session")
def mini_sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 MB of seeded random weights with SDXL's names."""
    from tools.make_random_families import MINIATURES, write

    path = tmp_path_factory.mktemp("mini") / "sdxl.safetensors"
    write(path, MINIATURES["sdxl"], inpaint=False)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The folders of the reference trainer's recorded runs."""
    folder = tmp_path / "train"
    for number, (name, (size, caption)) in enumerate(PICTURES.items()):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        gradient = Image.linear_gradient("L").resize(size)
        Image.merge("RGB", [gradient, gradient.rotate(180), Image.new("L", size, 40 * number)]).save(path)
        if caption is not None:
            path.with_suffix(".txt").write_text(caption, encoding="utf-8")
    return folder


MakePlan = Callable[..., TrainingPlan]


@pytest.fixture
def make_plan(tmp_path: Path, pictures: Path, mini_checkpoint: Path) -> MakePlan:
    """The plan of the recorded runs, over the miniature model."""
    plan = TrainingPlan(
        pretrained_model_name_or_path=str(mini_checkpoint),
        train_data_dir=str(pictures),
        output_dir=str(tmp_path / "output"),
        output_name="mi_lora",
        network_module="networks.lora",
        resolution="128",
        min_bucket_reso=64,
        max_bucket_reso=256,
        enable_bucket=True,
        caption_extension=".txt",
        seed=42,
        learning_rate=1e-3,
        optimizer_type="AdamW",
        network_dim=4,
        network_alpha=2,
        max_train_epochs=3,
        save_every_n_epochs=1,
        train_batch_size=2,
    )

    small = replace(plan, resolution="64", min_bucket_reso=64, train_batch_size=4, max_train_epochs=2)

    def made(**changes: object) -> TrainingPlan:
        return replace(small, **changes)  # type: ignore[arg-type]

    return made
