"""What the steps after enlarging are called."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sdcolab.core.finishing import CropObjective
from sdcolab.core.words.base import Words

GROUPS: Mapping[str, Mapping[str, Words]] = {
    "Dividir las imágenes largas": {
        "split.width": Words("Ancho de cada parte", option="dividir-ancho"),
        "split.height": Words("Alto de cada parte", option="dividir-alto"),
        "split.threshold": Words(
            "Umbral para dividir", "Más alto = también se dividen las que son poco largas", option="dividir-umbral"
        ),
        "split.overlap": Words("Cuánto comparten las partes", option="dividir-solape"),
    },
    "Recortar lo importante": {
        "focal.width": Words("Ancho del recorte", option="recorte-ancho"),
        "focal.height": Words("Alto del recorte", option="recorte-alto"),
        "focal.faces": Words(
            "Peso de las caras", "Si el detector de caras está descargado; solo fotos", option="recorte-caras"
        ),
        "focal.entropy": Words("Peso de la parte más variada", option="recorte-variedad"),
        "focal.edges": Words("Peso de los bordes", option="recorte-bordes"),
    },
    "Recortar al tamaño que mejor encaje": {
        "sized.low": Words("Lado más corto posible", option="encaje-minimo"),
        "sized.high": Words("Lado más largo posible", option="encaje-maximo"),
        "sized.min_area": Words("Área mínima", "En píxeles: ancho × alto", option="encaje-area-minima"),
        "sized.max_area": Words("Área máxima", "En píxeles: ancho × alto", option="encaje-area-maxima"),
        "sized.objective": Words("Qué se prefiere", option="encaje"),
        "sized.error": Words(
            "Diferencia de forma permitida",
            "Si ninguna medida cabe, la imagen se queda como está",
            option="encaje-error",
        ),
    },
    "Copias volteadas": {
        "flip.horizontal": Words("De izquierda a derecha", option="voltear-horizontal"),
        "flip.vertical": Words("De arriba abajo", option="voltear-vertical"),
        "flip.both": Words("De las dos formas a la vez", option="voltear-ambos"),
    },
    "Descripción en un .txt": {
        "caption.tagger": Words(
            "Tagger",
            "wd y pixai ponen tags de anime; Florence-2 y BLIP, oraciones. La primera vez se descarga",
            option="describir",
        ),
        "caption.threshold": Words("Umbral", "Más bajo = más etiquetas, menos seguras", option="describir-umbral"),
    },
}

PARTS: Mapping[str, str] = {
    "split": "Dividir las imágenes largas (Split oversized)",
    "focal": "Recortar lo importante (Auto focal point crop)",
    "sized": "Recortar al tamaño que mejor encaje (Auto-sized crop)",
    "flip": "Añadir copias volteadas (Flipped copies)",
    "caption": "Escribir una descripción junto a cada imagen (Caption)",
}

OPTIONS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    CropObjective: {CropObjective.AREA: "La imagen más grande", CropObjective.ERROR: "La forma más parecida"},
}
