"""Words of describing pictures."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Words

GROUPS: Mapping[str, Mapping[str, Words]] = {
    "Describir": {
        "describe.pictures": Words("Imágenes"),
        "describe.tagger": Words(
            "Tagger", "wd y pixai ponen tags de anime; Florence-2 y BLIP, oraciones. La primera vez se descarga"
        ),
        "describe.threshold": Words("Umbral", "Más bajo = más etiquetas, menos seguras"),
    },
}
