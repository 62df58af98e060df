"""What the list of jobs says."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import counted

QUEUE_WORDS: Mapping[str, str] = {
    "pause": "Pausar",
    "resume": "Seguir",
    "paused": "La cola está en pausa: lo que ya empezó sigue, y lo demás espera.",
    "repeat": "Generar sin parar",
    "repeating": "Se repite la última generación hasta que lo quites.",
    "empty": "Vaciar la cola",
    "hold": "Pausar",
    "go_on": "Seguir",
    "cancel": "Cancelar",
    "earlier": "Antes",
    "later": "Después",
    "nothing": "No hay ningún trabajo. Pulsa «Generar» y aparecerá aquí.",
    "now": "Ahora y después",
    "before": "Terminados",
}
"""The labels of its buttons and headings, by what they do."""

WAITING = "En espera"
HELD = "La cola está en pausa: pulsa «Seguir» en la pestaña Cola."
NEXT = "El siguiente"
DONE = "Terminado"
CANCELLED = "Cancelado"
ASKED_BY = "Lo pidió {who}"
PAUSED = "⏸️ En pausa: lo hecho está guardado"
PAUSE_JOB = "Pausar"
GO_ON = "Seguir"


def images_made(count: int) -> str:
    """How many pictures a job has made."""
    return counted(count, "imagen", "imágenes")


def files_made(count: int) -> str:
    """How many files a job has made."""
    return counted(count, "archivo", "archivos")
