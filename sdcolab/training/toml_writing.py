"""A plan as a TOML file that sd-scripts reads too. The standard library only reads TOML."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdcolab.core.files import atomic_write
from sdcolab.core.training import PLAN_ENDING
from sdcolab.training.plan import PATH_FIELDS, TrainingPlan


def plan_text(plan: TrainingPlan) -> str:
    """The fields of ``plan`` that differ from their defaults, one a line."""
    return "".join(f"{name} = {toml_value(value)}\n" for name, value in plan.as_arguments().items())


def write_plan(path: Path, plan: TrainingPlan) -> None:
    """Write ``plan`` to ``path``. Raises ``StorageError``."""
    with atomic_write(path) as file:
        file.write(plan_text(plan).encode("utf-8"))


def keep_plan(made: Path, plan: TrainingPlan, seed: int, dataset: str) -> None:
    """Write beside the LoRA ``made`` what repeats it: its ``plan``, wherever it was read, with the ``seed`` that it had
    and the hash of its pictures. Raises ``StorageError``.
    """
    given = {name: own for name in PATH_FIELDS if (own := getattr(plan, name))}
    paths: dict[str, Any] = {name: str(Path(own).absolute()) for name, own in given.items()} | {"resume": None}
    kept = replace(plan, **paths, seed=seed, dataset_sha256=dataset)
    write_plan(made.with_name(made.stem + PLAN_ENDING), kept)


def toml_value(value: Any) -> str:
    """``value`` as TOML writes it: numbers, texts, switches and lists of them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(one) for one in value)}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
