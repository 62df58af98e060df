"""Words of the faces' forms that belong to no single field."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import human_bytes

SAME_CHOICE = "El mismo"
"""In a hires pass: what the first pass uses."""

EMPTY_CHOICE = "Ninguno"

TO_DOWNLOAD = "⬇️ {name} (por descargar)"
"""In a list: what is offered although its file is not here."""


def offer_download(name: str, size: int) -> str:
    """What is said when somebody chooses a file that is not here; ``size`` in bytes, 0 when nobody says."""
    return f"«{name}» todavía no está en este equipo{f': son {human_bytes(size)}' if size else ''}."


def turn_off(part: str) -> str:
    """What a button says that turns off a part of the form."""
    return f"Desactivar {part}"


GET = "Descargar"

NAMES_TO_READ: Mapping[str, str] = {"Automatic": "Automático", "None": "Ninguno"}
"""Names that the program and A1111 write, as people read them in lists."""

SECTION_TITLES: Mapping[str, str] = {
    "source": "Imagen inicial",
    "mask-more": "Más sobre la máscara",
    "mask-soft": "Inpaint suave",
    "init-more": "Más sobre la imagen inicial",
    "hires-more": "Más opciones de Hires fix",
    "controlnet-more": "Más opciones de la unidad",
    "details-what": "Qué se repasa",
    "details-how": "Cómo se repasa",
    "advanced": "Avanzado",
    "variation": "Semilla: opciones",
    "tuning-prompt": "Ajustes finos: prompt",
    "tuning-sampler": "Ajustes finos: sampler",
    "tuning-schedule": "Ajustes finos: schedule",
    "tuning-negative": "Ajustes finos: prompt negativo y ruido",
    "tuning-speed": "Ajustes finos: velocidad",
    "tuning-model": "Ajustes finos: modelo y VAE",
    "tuning-sdxl": "Ajustes finos: SDXL",
    "extras-more": "Más opciones",
    "xyz-more": "Más opciones",
    "ultimate-seams": "Arreglo de costuras (Seams fix)",
    "train-steps": "Pasos",
    "train-learning": "Entrenamiento",
    "train-files": "Archivos",
    "train-more": "Más opciones",
    "pictures-tagger": "Descripciones",
}
"""By the id of the section."""

TAB_WORDS: Mapping[str, tuple[str, str]] = {
    "txt2img": ("txt2img", "De texto a imagen"),
    "img2img": ("img2img", "De imagen a imagen, e inpaint"),
    "extras": ("Ampliar (Extras)", "Ampliar imágenes terminadas"),
    "galeria": ("Galería", "Todas las imágenes guardadas: buscar, ordenar y enviar"),
    "cola": ("Cola", "Lo que se hace, lo que espera y quién lo pidió"),
    "pnginfo": ("PNG Info", "Datos de generación guardados en una imagen"),
    "cartas": ("Cartas 🎴", "Show extra networks: tus LoRA, embeddings y modelos"),
    "descargas": ("Descargas", "Descargar modelos y otros recursos"),
    "comodines": ("Comodines", "Listas para los prompts dinámicos"),
    "zonas": ("Zonas", "Un prompt para cada parte de la imagen (Two-shot, Latent Couple)"),
    "poses": ("Poses", "Editar esqueletos de Openpose para ControlNet"),
    "mapas": ("Mapas", "Lo que ControlNet ve en una imagen"),
    "describir": ("Describir (Interrogate)", "Las etiquetas de una imagen, listas para copiar en el prompt"),
    "mezclar": (
        "Mezclar",
        "Hacer un modelo nuevo mezclando otros (Checkpoint Merger); los originales no se tocan. La guía mezcló 7th "
        "Heaven Mix y AOM3: si los tienes, ya están puestos",
    ),
    "extraer": ("Extraer LoRA", "Sacar un LoRA de lo que un modelo tiene y su modelo base no"),
    "sumar": (
        "Reducir y sumar LoRA",
        "Con uno, el mismo LoRA más pequeño; con dos o tres, un LoRA nuevo que los suma. Los originales no se tocan",
    ),
    "convertir": (
        "Convertir",
        "Reducir, reparar o cambiar de formato un modelo (Model Converter); el original no se toca",
    ),
    "imagenes": (
        "Imágenes de entrenamiento",
        "Revisar las imágenes, apartar las repetidas y crear sus descripciones; se editan en Etiquetas",
    ),
    "etiquetas": ("Etiquetas", "Tus imágenes de entrenamiento con sus descripciones (Dataset Tag Editor)"),
    "entrenar": ("Entrenar", "Entrenar un LoRA con tus imágenes"),
    "probar": (
        "Probar LoRA",
        "Compara los epochs de tu LoRA, y sin él, con las mismas semillas: cuál está crudo, en su punto o recocido",
    ),
    "guia": ("Guía", "El camino entero, paso a paso, con un botón para cada cosa"),
    "sesion": ("Mi sesión", "Continuar donde lo dejaste, qué ocupa espacio y tus ajustes en un archivo"),
    "ajustes": ("Ajustes", "Cómo se guardan las imágenes, la barra, el aspecto y los avisos"),
}
"""By the id of the tab: its title, and in a line what it is for."""

VERBS: Mapping[str, str] = {
    "enlarge": "Ampliar",
    "merge": "Mezclar",
    "try_merge": "Probar",
    "extract": "Extraer",
    "combine": "Hacer el LoRA",
    "convert": "Convertir",
    "train": "🔥 Cocinar el Lora",
    "try_lora": "Probar tus resultados",
    "pictures": "Empezar",
    "describe": "Describir",
    "detect": "Sacar el mapa",
}
"""By the code of the task: what the button says that puts it in the queue."""
