"""The kinds of work and who asks for it, as the list of jobs shows them."""

from __future__ import annotations

from collections.abc import Mapping

TASK_NAMES: Mapping[str, str] = {
    "generate": "Generar imágenes",
    "enlarge": "Ampliar imágenes",
    "describe": "Describir imágenes",
    "detect": "Sacar mapas de ControlNet",
    "grid": "Script: cuadrículas y series",
    "download": "Descargar",
    "train": "Entrenar un Lora",
    "try_lora": "Probar un Lora",
    "pictures": "Preparar imágenes",
    "preload": "Cargar el modelo",
    "merge": "Mezclar modelos",
    "convert": "Convertir un modelo",
    "extract": "Extraer un Lora",
    "unload": "Descargar el modelo de la memoria",
}
"""Spanish name of each kind of work, by its code."""

ORIGIN_NAMES: Mapping[str, str] = {
    "page": "la página",
    "panel": "el panel",
    "api": "otro programa (API)",
}
"""Who asked, by the value of ``core.tasks.Origin``."""
