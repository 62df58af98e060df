"""A plan as a TOML file that sd-scripts reads too. The standard library only reads TOML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sdcolab.core.files import atomic_write
from sdcolab.training.plan import TrainingPlan


def plan_text(plan: TrainingPlan) -> str:
    """The fields of ``plan`` that differ from their defaults, one a line."""
    return "".join(f"{name} = {toml_value(value)}\n" for name, value in plan.as_arguments().items())


def write_plan(path: Path, plan: TrainingPlan) -> None:
    """Write ``plan`` to ``path``. Raises ``StorageError``."""
    with atomic_write(path) as file:
        file.write(plan_text(plan).encode("utf-8"))


def toml_value(value: Any) -> str:
    """``value`` as TOML writes it: numbers, texts, switches and lists of them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(one) for one in value)}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
