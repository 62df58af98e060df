"""Sentences of the detail pass."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.faces import DETECTOR, RESTORER
from sdcolab.core.words.base import Sentence

SENTENCES: Mapping[str, Sentence] = {
    "details.package_missing": Sentence(
        "El repaso de detalles y de caras necesita el paquete de Python {package}, que no está instalado.",
        'Instálalo con: pip install "sdcolab[controlnet]" y vuelve a abrir sdcolab.',
    ),
    "details.detector_missing": Sentence(
        "El detector «{model}» no está en la carpeta {folder}.",
        "Elige otro en «Repaso de detalles», o pega esto en Descargas ({size}) y pulsa «Actualizar»: {link}",
    ),
    "details.face_file_missing": Sentence(
        "Para restaurar caras falta el archivo {file} ({size}).",
        "Pega este enlace en Descargas y se guardará en su carpeta: {link}. Después vuelve a generar.",
    ),
    "details.other_model": Sentence(
        "No está el modelo «{name}», con el que se hizo la imagen: sus detalles se repasan con «{used}».",
        "Si quieres el mismo estilo, descarga ese modelo y vuelve a intentarlo.",
    ),
    "details.codeformer_absent": Sentence(
        "CodeFormer no viene en sdcolab: su licencia (S-Lab License 1.0) no permite usos comerciales.",
        "Usa GFPGAN (gfpgan_visibility), cuya licencia es libre (Apache 2.0).",
    ),
    "details.upscaler_left_out": Sentence(
        "El upscaler «{path}» no se puede usar: {reason}. Se amplió con Lanczos.",
        "Descárgalo otra vez, o elige otro.",
    ),
    "details.classes_unknown": Sentence(
        "El detector «{model}» no conoce «{classes}».",
        "Deja vacío «Solo estas clases», o escribe una de las suyas: {known}.",
    ),
}

NOTHING_FOUND = "El detector «{model}» no encontró nada que repasar en la imagen {number}."
"""Under a picture that is left as it is."""

DETECTOR_NAMES: Mapping[str, str] = {
    "face": "Detector de caras (anime)",
    "hand": "Detector de manos (anime)",
    "person": "Detector de personas (anime)",
}
"""What the catalogue calls detectors, by what they find."""

DETECTOR_NOTE = "Para el repaso de detalles (ADetailer)"

FACE_NAMES: Mapping[str, str] = {
    RESTORER.file: "GFPGAN v1.4 (restaurar caras)",
    DETECTOR.file: "YuNet (encontrar caras de fotos)",
}
"""What the catalogue calls the files that restoring faces needs."""

FACE_NOTE = "Hacen falta los dos, GFPGAN y YuNet, para «Restaurar caras»"
