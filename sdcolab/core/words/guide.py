"""What to say of the guide's links to extensions and to repositories that are gone."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Sentence

EXTENSIONS: Mapping[str, str] = {
    "image_browser": "El navegador de imágenes ya viene incluido: está en la pestaña Galería.",
    "tagcomplete": "Todavía no hay una lista de etiquetas al escribir el prompt: escríbelas enteras, con comas.",
    "controlnet": "ControlNet ya viene incluido: está en txt2img y en img2img, en la sección ControlNet.",
    "ultimate": "Ultimate SD upscale ya viene incluido: está en img2img, en Script.",
    "two_shot": "Para dos personajes sin mezclar, separa sus partes del prompt con AND.",
    "dynamic_prompts": "Los prompts dinámicos ya vienen incluidos: elígelos en Script y escribe {rojo|azul}.",
    "converter": "El conversor de modelos ya viene incluido: está en la pestaña Convertir.",
    "tagger": "El etiquetador ya viene incluido: está en la pestaña Imágenes de entrenamiento.",
    "tag_editor": "El editor de etiquetas ya viene incluido: está en la pestaña Imágenes de entrenamiento.",
}
"""Where this program has what an extension does, by the keys of ``downloads.guide``."""

SENTENCES: Mapping[str, Sentence] = {
    "guide.extension": Sentence(
        "Ese enlace es de una extensión de AUTOMATIC1111, y aquí no hace falta instalar ninguna.", "{extension}"
    ),
    "guide.moved": Sentence(
        "Ese repositorio ya no existe: {link}.",
        "El mismo archivo está hoy en otro sitio. Si lo quieres de ahí, pega este enlace: {home}",
    ),
}
