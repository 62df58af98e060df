"""Words of describing pictures."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Words

GROUPS: Mapping[str, Mapping[str, Words]] = {
    "Describir": {
        "describe.pictures": Words("Imágenes"),
        "describe.tagger": Words("Tagger", "Para anime; la primera vez se descarga"),
        "describe.threshold": Words("Umbral", "Más bajo = más etiquetas, menos seguras"),
    },
}
