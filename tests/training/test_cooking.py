"""Training a written plan: what is kept beside the LoRA."""

from __future__ import annotations

from pathlib import Path

from sdcolab.core.errors import SdcolabError
from sdcolab.training.cooking import cook
from sdcolab.training.plan import TrainingPlan, plan_from_file
from sdcolab.training.toml_writing import write_plan


def test_the_plan_is_kept_beside_the_lora_even_when_its_file_goes_away_meanwhile(tmp_path: Path) -> None:
    plan = TrainingPlan(output_dir=str(tmp_path / "salida"), output_name="mi_zorro", max_train_epochs=3)
    path, made = tmp_path / "plan.toml", tmp_path / "salida" / "mi_zorro.safetensors"
    write_plan(path, plan)
    told: list[SdcolabError] = []

    def run(running: Path) -> Path:
        assert plan_from_file(running).max_train_epochs == 3
        path.unlink()  # as when Drive is emptied while it trains
        made.parent.mkdir()
        made.write_bytes(b"lora")
        return made

    assert cook(plan, path, run, told.append) == made
    assert plan_from_file(made.with_name("mi_zorro-plan.toml")).max_train_epochs == 3
    assert told == [] and not list(tmp_path.glob(".*"))
