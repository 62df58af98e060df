"""A plan to begin with: what the form's own defaults mean, with a word on each option."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdcolab.core.training import TrainLora
from sdcolab.core.words.kitchen import BY_CATEGORY
from sdcolab.core.words.training import EXAMPLE_HEAD, EXAMPLE_OPTIONS
from sdcolab.training.bases import Base
from sdcolab.training.recipe_form import Places, plan_of
from sdcolab.training.toml_writing import toml_value


def example_text() -> str:
    """The plan as TOML, its comments in Spanish. Paths in it are relative to where it is saved."""
    name = "mi_lora"
    places = Places.of(Path(), name, BY_CATEGORY)
    task = TrainLora(project=name, optimizer="AdamW")
    plan = plan_of(task, Base("", ""), Path("modelo.safetensors"), places, gpu=False, has=lambda _package: False)
    plan = replace(plan, train_data_dir="imagenes", output_dir="salida", mixed_precision="auto")
    options = (
        f"# {told}\n{option} = {toml_value(getattr(plan, option))}\n" for option, told in EXAMPLE_OPTIONS.items()
    )
    return "\n".join((EXAMPLE_HEAD, *options))
