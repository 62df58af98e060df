"""Spanish labels of the words in ``core``: phases, kinds of files, kinds of values, reasons."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.detect import ModelKind
from sdcolab.core.events import Phase

PHASE_LABELS: Mapping[Phase, str] = {
    Phase.WAITING: "En espera",
    Phase.LOADING_LIBRARIES: "Preparando el motor",
    Phase.LOADING_MODEL: "Cargando modelo",
    Phase.ENCODING_PROMPT: "Leyendo el prompt",
    Phase.SAMPLING: "Generando",
    Phase.DECODING: "Convirtiendo a imagen (VAE)",
    Phase.UPSCALING: "Ampliando la imagen",
    Phase.DETAILING: "Repasando los detalles",
    Phase.RESTORING: "Restaurando caras",
    Phase.SAVING: "Guardando",
    Phase.TRAINING: "Entrenando el LoRA",
    Phase.DOWNLOADING: "Descargando",
    Phase.LOOKING: "Mirando las imágenes",
}

KIND_LABELS: Mapping[str, str] = {
    ModelKind.CHECKPOINT: "el modelo",
    ModelKind.LORA: "el LoRA",
    ModelKind.VAE: "el VAE",
    ModelKind.EMBEDDING: "el embedding",
    ModelKind.CONTROLNET: "el modelo de ControlNet",
    ModelKind.UPSCALER: "el upscaler",
    ModelKind.HYPERNETWORK: "la hypernetwork",
    ModelKind.TEXT_ENCODER: "el codificador de texto",
    ModelKind.UNET: "la UNet suelta",
    ModelKind.ANNOTATOR: "el archivo del preprocessor",
    ModelKind.CLIP_VISION: "el CLIP vision",
    ModelKind.DETECTOR: "el detector",
    ModelKind.FACES: "el restaurador de caras",
    ModelKind.TINY_VAE: "el TAESD",
    ModelKind.MOTION: "el módulo de AnimateDiff",
    ModelKind.OTHER: "el archivo",
    "sampler": "el sampler",
    "preprocessor": "el preprocessor",
    "tagger": "el tagger",
    "schedule": "el schedule",
    "style": "el estilo",
    "option": "la opción",
    "script": "el script",
    "axis": "el eje",
    "catalog": "en el catálogo el archivo",
    "provider": "el sitio",
}
"""What a registry or a kind of file is called in the middle of a sentence, with its article."""

KIND_WITH_ARTICLE: Mapping[str, str] = {
    ModelKind.CHECKPOINT: "un modelo",
    ModelKind.LORA: "un LoRA",
    ModelKind.VAE: "un VAE",
    ModelKind.EMBEDDING: "un embedding",
    ModelKind.CONTROLNET: "un modelo de ControlNet",
    ModelKind.UPSCALER: "un upscaler",
    ModelKind.HYPERNETWORK: "una hypernetwork",
    ModelKind.TEXT_ENCODER: "un codificador de texto",
    ModelKind.UNET: "una UNet suelta",
    ModelKind.ANNOTATOR: "un archivo de preprocessor",
    ModelKind.CLIP_VISION: "un CLIP vision",
    ModelKind.DETECTOR: "un detector",
    ModelKind.FACES: "un restaurador de caras",
    ModelKind.TINY_VAE: "un TAESD",
    ModelKind.MOTION: "un módulo de AnimateDiff",
    ModelKind.OTHER: "de un tipo desconocido",
}
"""What a file is, after "es" or "hace falta"."""

VALUE_KINDS: Mapping[str, str] = {
    "text": "un texto",
    "texts": "una lista de textos",
    "number": "un número",
    "whole": "un número entero",
    "flag": "verdadero o falso (true o false)",
    "list": "una lista",
    "object": "un objeto JSON",
    "colour": "un color como #ffffff",
}
"""What a field of a payload holds, after "debe ser"."""

KIND_NAMES: Mapping[ModelKind, str] = {
    ModelKind.CHECKPOINT: "modelo (checkpoint)",
    ModelKind.LORA: "LoRA",
    ModelKind.VAE: "VAE",
    ModelKind.EMBEDDING: "embedding",
    ModelKind.CONTROLNET: "ControlNet",
    ModelKind.UPSCALER: "upscaler",
    ModelKind.HYPERNETWORK: "hypernetwork",
    ModelKind.TEXT_ENCODER: "codificador de texto",
    ModelKind.UNET: "UNet suelta",
    ModelKind.ANNOTATOR: "preprocessor",
    ModelKind.CLIP_VISION: "CLIP vision",
    ModelKind.DETECTOR: "detector de caras o manos",
    ModelKind.FACES: "restaurador de caras",
    ModelKind.TINY_VAE: "TAESD",
    ModelKind.MOTION: "módulo de AnimateDiff (video)",
    ModelKind.OTHER: "otro archivo",
}
"""What a kind of file is called on its own, in lists and reports."""

UNKNOWN_FAMILY = "un modelo desconocido"
"""A family that nothing tells, in a sentence on what a file is for."""

UNREADABLE_REASONS: dict[str, str] = {
    "not_safetensors": "no es un archivo .safetensors",
    "truncated": "está cortado, le falta el final",
    "not_a_model": "no contiene ningún modelo conocido",
    "damaged": "está dañado",
    "empty": "está vacío",
    "lfs_pointer": "es solo una nota de git-lfs, sin el modelo",
    "gguf": "está en formato GGUF, que aquí no se usa; busca su versión .safetensors",
    "archive": "es un archivo comprimido, no un modelo",
    "unfinished": "es una descarga sin terminar",
    "other_format": "está en un formato que aquí no se usa; busca su versión .safetensors",
    "ending_sft": "su nombre termina en .sft",
    "folder": "es una carpeta de diffusers y no un archivo; busca su versión .safetensors de un solo archivo",
    "picture": "es una imagen",
    "document": "es un documento",
    "program": "es un programa",
    "video": "es un video",
    "sound": "es un archivo de sonido",
    "torrent": "es un archivo torrent; descarga con él el modelo y pon aquí su ruta",
    "zeros": "solo tiene ceros: la descarga se cortó",
    "text": "es un texto, quizá el aviso de un error",
    "web_page": "es una página web",
    "json": "es un mensaje de error o una configuración, no un modelo",
    "unsafe": "no es seguro, porque además de datos contiene instrucciones",
    "zip_broken": "no es un zip, o está dañado",
    "zip_password": "pide una contraseña",
    "zip_too_much": "tiene demasiadas cosas dentro",
    "quantized": "está cuantizado de una forma que aquí no se lee; busca su versión fp16 o fp8",
    "torchscript": "es un programa de TorchScript y no solo pesos; busca otra versión",
}

UNREADABLE_REMEDIES: dict[str, str] = {
    **dict.fromkeys(
        ("not_safetensors", "truncated", "damaged", "empty", "zeros"), "Descárgalo otra vez y reemplázalo."
    ),
    **dict.fromkeys(
        ("lfs_pointer", "web_page", "json", "text"),
        "Descárgalo con el botón de descarga de su página y reemplázalo.",
    ),
    "archive": "Descomprímelo y usa lo que hay dentro.",
    "unfinished": "Espera a que termine, o descárgalo otra vez.",
    "ending_sft": "Cambia esa terminación por .safetensors.",
    **dict.fromkeys(
        ("gguf", "other_format", "folder", "torchscript", "quantized"), "Mientras tanto, elige otro archivo."
    ),
}
"""What to do with a file that cannot be read, by the reason; of others, that is told where the sentence stands."""

SYSTEM_REASONS: dict[str, str] = {
    "EACCES": "no tienes permiso",
    "EPERM": "no tienes permiso",
    "EROFS": "el disco es de solo lectura",
    "ENOENT": "no existe",
    "EEXIST": "ya existe algo con ese nombre",
    "ENOTDIR": "una parte de la ruta es un archivo y no una carpeta",
    "EISDIR": "es una carpeta y no un archivo",
    "ENAMETOOLONG": "el nombre es demasiado largo",
    "EIO": "el disco falla",
    "EBUSY": "otro programa lo está usando",
    "ENOTCONN": "se perdió la conexión con el disco",
    "ESTALE": "se perdió la conexión con el disco",
    "ETIMEDOUT": "el disco tarda demasiado en responder",
    "ENOSPC": "no queda espacio en el disco",
    "EDQUOT": "no queda espacio en tu cuota del disco",
    "EFBIG": "el archivo es demasiado grande para ese disco",
    "EINVAL": "el nombre tiene letras que ese disco no admite, o el disco no permite esa operación",
    "EMFILE": "hay demasiados archivos abiertos a la vez",
    "ENFILE": "hay demasiados archivos abiertos a la vez",
    "ELOOP": "es un enlace que lleva a sí mismo",
    "ENODEV": "el disco ya no está",
    "ENXIO": "el disco ya no está",
    "ENOTEMPTY": "la carpeta no está vacía",
    "EXDEV": "está en otro disco",
}
"""Symbols of system errors, as ``core.files.system_reason`` gives them."""

UNREACHABLE_REASONS: dict[str, str] = {
    "dns": "no existe ese nombre en internet, o no hay conexión",
    "timeout": "tardó demasiado en responder",
    "connection": "la conexión se cortó",
    "certificate": "su certificado de seguridad no es válido",
}
