"""What the fields of the detail pass are called."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sdcolab.core.details import DetailChoice, DetailMerge
from sdcolab.core.words.base import Words

GROUPS: Mapping[str, Mapping[str, Words]] = {
    "Repaso de detalles": {
        "details.enabled": Words("Activar", option="activar"),
        "details.model": Words(
            "Detector", "Qué se busca: caras, manos, personas… Los hay en Descargas", option="detector"
        ),
        "details.prompt": Words(
            "Prompt de lo que se repasa",
            "Vacío = el de la imagen. [SEP] separa el de cada cara y [SKIP] se salta una",
            option="prompt",
        ),
        "details.negative_prompt": Words("Prompt negativo", "Vacío = el de la imagen", option="negativo"),
        "details.strength": Words(
            "Fuerza del denoising",
            "Cerca de 0 apenas cambia; 0.4 arregla la cara sin cambiarla por otra",
            option="fuerza",
        ),
        "details.confidence": Words("Seguridad mínima", "Más alto = solo lo que se ve claro", option="seguridad"),
    },
    "Repaso de detalles: qué se repasa": {
        "details.classes": Words(
            "Solo estas clases", "De las que conoce el detector, separadas con comas; vacío = todas", option="clases"
        ),
        "details.most": Words("Como mucho", "0 = todo lo que se encuentre", option="maximo"),
        "details.choice": Words("Primero lo de más", option="orden"),
        "details.min_ratio": Words("Tamaño mínimo", "Parte de la imagen, de 0 a 1", option="tamano-min"),
        "details.max_ratio": Words("Tamaño máximo", "Parte de la imagen, de 0 a 1", option="tamano-max"),
        "details.grow": Words("Agrandar la máscara", "En píxeles; negativo la encoge", option="agrandar"),
        "details.x_offset": Words("Mover a la derecha", "En píxeles", option="mover-x"),
        "details.y_offset": Words("Mover hacia arriba", "En píxeles", option="mover-y"),
        "details.merge": Words("Si hay varias máscaras", option="varias"),
        "details.blur": Words("Desenfoque de la máscara", option="desenfoque"),
    },
    "Repaso de detalles: cómo se repasa": {
        "details.only_masked": Words(
            "Trabajar solo en la zona pintada",
            "Más detalle: la cara se hace a tamaño completo",
            option="solo-mascara",
        ),
        "details.padding": Words("Margen de la zona pintada", option="margen"),
        "details.width": Words("Ancho de trabajo", "0 = el de la imagen", option="ancho"),
        "details.height": Words("Alto de trabajo", "0 = el de la imagen", option="alto"),
        "details.steps": Words("Pasos", "0 = los de la imagen", option="pasos"),
        "details.cfg_scale": Words("CFG", "Vacío = el de la imagen", option="cfg"),
        "details.sampler": Words("Sampler", option="sampler"),
        "details.schedule": Words("Schedule", option="schedule"),
        "details.restore_faces": Words("Restaurar la cara después", "Con GFPGAN; solo fotos", option="restaurar"),
        "details.control_model": Words("ControlNet", "Para conservar la forma de lo que se repasa", option="control"),
        "details.control_module": Words("Preprocessor de ControlNet", option="control-tipo"),
        "details.control_weight": Words("Peso de ControlNet", option="control-peso"),
        "details.control_start": Words("ControlNet empieza en", "De 0 a 1", option="control-inicio"),
        "details.control_end": Words("ControlNet termina en", "De 0 a 1", option="control-fin"),
    },
}

PARTS: Mapping[str, str] = {"details": "Repaso de detalles (ADetailer)"}

OPTIONS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    DetailMerge: {
        DetailMerge.NONE: "Repasarlas una a una",
        DetailMerge.MERGE: "Unirlas",
        DetailMerge.INVERT: "Unirlas y repasar lo demás",
    },
    DetailChoice: {
        DetailChoice.AREA: "Tamaño",
        DetailChoice.CONFIDENCE: "Seguridad",
    },
}
