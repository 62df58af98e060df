"""Words of the room «Mi sesión»: going on after a cut, what takes room on the disk, and the settings as one file."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Template

SPACE_GROUPS: Mapping[str, str] = {
    "checkpoint": "Modelos",
    "lora": "LoRA",
    "vae": "VAE",
    "embedding": "Embeddings",
    "controlnet": "ControlNet",
    "upscaler": "Upscalers",
    "hypernetwork": "Hypernetworks",
    "text_encoder": "Codificadores de texto",
    "unet": "UNet sueltas",
    "clip_vision": "CLIP vision (IP-Adapter)",
    "annotator": "Preprocessors de ControlNet",
    "detector": "Detectores de caras y manos",
    "faces": "Arreglo de caras (GFPGAN)",
    "tiny_vae": "TAESD (VAE rápidos)",
    "motion": "Módulos de AnimateDiff",
    "other": "Otros archivos de modelos",
    "partial": "Descargas a medias",
    "aside": "Descargas apartadas por seguridad",
    "temporary": "Copias temporales de la página",
    "outputs": "Imágenes guardadas (bórralas en la Galería)",
}
"""Title of each group of ``studio.space``."""

EXPORTED = "Tus ajustes están en {name}."
EXPORTED_WITHOUT = (
    "Tus ajustes están en {name}, menos lo que no cabe: {files}. Copia aparte esos archivos de la carpeta del programa."
)
IMPORTED = "Ajustes puestos: {files}. Los de antes están en config/{before}. Recarga la página o vuelve a pulsar ▶️."
NOTHING_INSIDE = "Ese archivo es de una instalación sin nada guardado: no cambia nada aquí."
FREED = "Listo: hay {size} más de espacio libre."
RESUMED = Template("{count:trabajo otra vez en la cola|trabajos otra vez en la cola}.")
FETCHING = Template("{count:archivo en la cola; míralo|archivos en la cola; míralos} en «Descargas» o en «Cola».")
