"""Sentences of files and folders."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Sentence

SENTENCES: Mapping[str, Sentence] = {
    "storage.disk_full": Sentence(
        "No queda espacio en el disco de «{folder}» (libres: {free}; hacen falta: {needed}).",
        "Borra archivos que no uses y vuelve a intentarlo.",
    ),
    "storage.cannot_write": Sentence(
        "No se puede escribir «{path}»: {reason}.", "Comprueba que la carpeta existe y que tienes permiso."
    ),
    "storage.cannot_read": Sentence(
        "No se puede leer «{path}»: {reason}.", "Comprueba que el archivo existe y que tienes permiso."
    ),
    "storage.settings_unreadable": Sentence(
        "La configuración de «{path}» está dañada.",
        "Se usan los valores de siempre; el archivo antiguo queda guardado como «{backup}».",
    ),
    "storage.queue_unreadable": Sentence(
        "La lista de trabajos pendientes, «{path}», está dañada y no se pudo recuperar.",
        "Vuelve a pedir lo que faltaba; el archivo antiguo queda guardado como «{backup}».",
    ),
}
