"""The kinds of work and who asks for it, as the list of jobs shows them."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.describing import Describe
from sdcolab.core.scripts import IN_PARTS, JOB_UNITS, Grid
from sdcolab.core.training import PreparePictures, TryLora

TASK_NAMES: Mapping[str, str] = {
    "generate": "Generar imágenes",
    "enlarge": "Ampliar imágenes",
    "describe": "Describir imágenes",
    "detect": "Sacar mapas de ControlNet",
    "grid": "Script: cuadrículas y series",
    "download": "Descargar",
    "fetch_translator": "Descargar el traductor",
    "train": "Entrenar un LoRA",
    "try_lora": "Probar un LoRA",
    "pictures": "Preparar imágenes",
    "preload": "Cargar el modelo",
    "merge": "Mezclar modelos",
    "try_merge": "Probar una mezcla",
    "convert": "Convertir un modelo",
    "extract": "Extraer un LoRA",
    "combine": "Reducir o sumar LoRA",
    "unload": "Quitar el modelo de la memoria",
}
"""Spanish name of each kind of work, by its code."""

ORIGIN_NAMES: Mapping[str, str] = {
    "page": "la página",
    "panel": "el panel",
    "api": "otro programa (API)",
}
"""Who asked, by the value of ``core.tasks.Origin``."""


OF_PICTURES = (Describe, PreparePictures, TryLora)
"""Work that goes from picture to picture."""


def how_far(task: object, step: int, total: int) -> str:
    """How far a job is: of a script, which of its pictures is being made, or which part of its picture."""
    if not isinstance(task, Grid):
        return f"{'imagen' if isinstance(task, OF_PICTURES) else 'paso'} {step} de {total}"
    jobs = max(1, total // JOB_UNITS)
    name = "parte" if isinstance(task.script, IN_PARTS) else "imagen"
    return f"{name} {min(step // JOB_UNITS + 1, jobs)} de {jobs}"
