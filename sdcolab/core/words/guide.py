"""What to say of the guide's links to extensions and to repositories that are gone."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Sentence

EXTENSIONS: Mapping[str, str] = {
    "image_browser": "El navegador de imágenes ya viene incluido: está en la pestaña Galería.",
    "tagcomplete": "Las palabras que ayudan al escribir (TagComplete) ya vienen incluidas: empieza a escribir en el "
    "Prompt y elige de la lista.",
    "controlnet": "ControlNet ya viene incluido: está en txt2img y en img2img, en la sección ControlNet.",
    "ultimate": "Ultimate SD upscale ya viene incluido: está en img2img, en Script.",
    "two_shot": "Dos personajes sin mezclar (Two Shot) ya viene incluido: activa la sección Zonas (Latent Couple) y "
    "separa las partes del prompt con AND.",
    "dynamic_prompts": "Los prompts dinámicos ya vienen incluidos: elige en Script «Prompts dinámicos (Dynamic "
    "Prompts)» y escribe {rojo|azul}. Tus listas están en la pestaña Comodines.",
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
    "guide.ldsr": Sentence(
        "El archivo project.yaml de LDSR aquí no hace falta: basta con model.ckpt.",
        "Para descargarlo, escribe LDSR donde se pegan los enlaces; después elígelo como upscaler.",
    ),
}
