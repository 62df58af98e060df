"""Advice for who reads an error in a terminal: no button, tab or list of the page is named there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from sdcolab.core.words.explain import explain as _explain

_GET = "Descárgalo con: sdcolab descargar ENLACE"
_GET_THIS = "Descárgalo con: sdcolab descargar {link}"
_GET_THESE = "Descárgalo con: sdcolab descargar {links}"

ADVICE: Mapping[str, str] = {
    "unexpected": (
        "Vuelve a intentarlo; si se repite, pide ayuda con lo que guarda «sdcolab diagnostico --informe». "
        "Detalle: {detail}."
    ),
    "control.image_missing": "Añade su imagen a la unidad: --control imagen=ARCHIVO,…",
    "control.model_not_chosen": f"Pon en la unidad modelo=NOMBRE, uno del mismo tipo que el preprocessor. {_GET}",
    "control.clip_vision_missing": 'Descárgalo con: sdcolab descargar "{links}"',
    "control.preprocessor_file_missing": _GET_THESE,
    "control.unit_file_missing": _GET_THESE,
    "details.detector_missing": "Elige otro, o descárgalo ({size}) con: sdcolab descargar {link}",
    "details.face_file_missing": _GET_THIS,
    "grids.axis_unknown": "{suggestions}«sdcolab cuadricula --help» explica cómo se escriben los ejes.",
    "grids.axis_without_effect": "Añade una opción de esa parte (de Hires fix, por ejemplo, --hires-escala 2).",
    "grids.axis_empty": "Escríbelos separados por comas, detrás del signo =.",
    "grids.axis_value_unknown": "{suggestions}Revisa cómo está escrito.",
    "grids.script_needs_picture": "Añade la imagen inicial con --imagen ARCHIVO.",
    "grids.script_unknown": "{suggestions}Revisa cómo está escrito.",
    "grids.wildcard_missing": "{suggestions}Crea la lista en la carpeta wildcards, o revisa el nombre.",
    "model.none": _GET,
    "model.too_big_for_ram": (
        "Cierra otros programas o elige un modelo más pequeño. Sin tarjeta, --precision-procesador bf16 ocupa "
        "casi la mitad."
    ),
    "request.few_steps_too_guided": (
        'Prueba con --sampler "{sampler}" --schedule "{schedule}" --pasos {steps} --cfg {wanted}.'
    ),
    "request.init_image_missing": "Añádela con --imagen ARCHIVO.",
    "request.mask_missing": "Añádela con --mascara ARCHIVO: blanco donde la imagen debe cambiar.",
    "request.not_option": "{suggestions}Añade --help al comando para ver los valores posibles.",
    "request.unknown_name": "{suggestions}Revisa cómo está escrito.",
    "request.unknown_file": "{suggestions}Comprueba que el archivo está en su carpeta.",
    "request.name_not_chosen": "Escribe su nombre.",
    "request.not_downloaded": 'Descárgalo con: sdcolab descargar "{name}". O elige otro.',
    "request.lora_missing": f"{{suggestions}}{_GET}, o quítalo del prompt.",
    "request.embedding_missing": f"{_GET}, o quítalo del prompt.",
    "request.hypernetwork_missing": f"{{suggestions}}{_GET}, o quítala del prompt.",
    "request.infotext_file_missing": (
        "Búscalo en civitai o huggingface por su nombre o su hash y descárgalo con: sdcolab descargar ENLACE. O elige "
        "otro con --modelo, --vae o la opción que sea."
    ),
    "request.infotext_needs_picture": (
        "Se hace solo con el texto; para repetirla añade la imagen inicial (--imagen), y la máscara si la tenía."
    ),
    "training.killed": "Repite el comando y continuará desde lo último guardado; si se repite, baja la resolución.",
    "training.crashed": "Repite el comando y continuará desde lo último guardado. Detalle: {detail}.",
    "training.caption_unreadable": "Ábrelas con un editor de texto y guárdalas eligiendo la codificación UTF-8.",
    "training.diverged": (
        "Lo último bueno es: {kept}. Baja --unet_lr (1e-4 o 1e-5); si sigue pasando con 16 bits, prueba con "
        "--mixed_precision no o con otro modelo base."
    ),
    "training.loss_jumped": "Si el resultado sale quemado, entrena otra vez con --unet_lr más bajo: 1e-4 o 1e-5.",
    "training.nothing_to_train": "Pon --unet_lr o --text_encoder_lr mayor que 0.",
    "training.captions_missing": (
        "Crea un archivo .txt con el mismo nombre junto a cada imagen; «sdcolab ampliar IMAGEN --describir "
        "wd-vit-tagger-v3» también los escribe."
    ),
    "training.unsaved_captions": "Guarda o descarta los cambios donde las editas.",
    "training.base_missing": "Escribe la ruta de un modelo base, o descárgalo con: sdcolab descargar ENLACE",
    "workshop.needs_model": "Escríbelo, o usa otro método.",
    "workshop.unlike": "Elige dos modelos enteros de la misma familia; para meter un LoRA en un modelo está --loras.",
}

explain = partial(_explain, elsewhere=ADVICE)
"""The sentence and the advice for an error, for who reads them in a terminal."""
