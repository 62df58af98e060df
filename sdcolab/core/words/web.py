"""Sentences of the page and its queue."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Sentence

SENTENCES: Mapping[str, Sentence] = {
    "web.port_busy": Sentence(
        "El puerto {port} ya lo usa otro programa.", "Cierra ese programa o elige otro puerto con --puerto."
    ),
    "web.port_forbidden": Sentence(
        "El sistema no permite usar el puerto {port}.",
        "Los puertos por debajo de 1024 son suyos: elige otro con --puerto.",
    ),
    "web.queue_closed": Sentence("Está cerrado: ya no se puede pedir nada.", "Ábrelo otra vez y repítelo."),
    "web.queue_full": Sentence(
        "Ya hay {limit} trabajos en espera.", "Espera a que termine alguno antes de pedir otro."
    ),
}
