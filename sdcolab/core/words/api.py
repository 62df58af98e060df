"""What the API's own page says."""

from __future__ import annotations

from collections.abc import Mapping

TITLE = "API de sdcolab"
INTRODUCTION = (
    "Otros programas pueden usar sdcolab como usan AUTOMATIC1111: con las mismas rutas y los mismos campos. Si la "
    "página pide contraseña, envía tu usuario y tu contraseña con cada petición (HTTP Basic)."
)
EXAMPLE = "Prueba desde una terminal:"
COMMAND = """curl -u usuario:contraseña -H 'Content-Type: application/json' \\
  -d '{"prompt": "un gato", "steps": 20}' http://127.0.0.1:7860/sdapi/v1/txt2img"""
GENERATE = "Generar"
READ = "Consultar y cambiar"
FIELDS = "Campos"
FIELD, KIND, DEFAULT, MEANING = "Campo", "Qué admite", "Si falta", "Qué es"
SETTINGS = "Ajustes que se pueden poner en override_settings"
MACHINE = "La misma descripción para programas:"

NO_ROUTE = "Este servidor no tiene la ruta {method} {path}."

TYPES: Mapping[str, str] = {
    "integer": "número entero",
    "number": "número",
    "boolean": "true o false",
    "array": "lista",
    "object": "objeto",
    "string": "texto",
    "": "lo que sea",
}


def span(low: float, high: float) -> str:
    """The range of a number."""
    shown = (f"{one:.0f}" if one == int(one) else f"{one:g}" for one in (low, high))
    return f"de {next(shown)} a {next(shown)}"


ROUTES: Mapping[str, str] = {
    "txt2img": "Genera imágenes a partir de un texto.",
    "img2img": "Genera imágenes a partir de otra; con máscara, cambia solo una parte.",
    "extra-single-image": "Amplía una imagen.",
    "extra-batch-images": "Amplía varias imágenes.",
    "png-info": "Lee los datos que guarda una imagen.",
    "interrogate": "Describe una imagen: con una oración (model «clip») o con etiquetas («deepdanbooru»).",
    "progress": "Cuenta cómo va lo que se está haciendo.",
    "interrupt": "Detiene lo que se está haciendo.",
    "skip": "Salta a la imagen siguiente.",
    "options": "Lee los ajustes, o cambia los que envíes.",
    "samplers": "Los samplers que hay.",
    "schedulers": "Los schedules que hay.",
    "upscalers": "Los upscalers que hay.",
    "latent-upscale-modes": "Las formas de ampliar en los latents.",
    "sd-models": "Los modelos que hay.",
    "sd-vae": "Los VAE que hay.",
    "loras": "Los LoRA que hay.",
    "embeddings": "Los embeddings que hay.",
    "hypernetworks": "Las hypernetworks que hay.",
    "prompt-styles": "Los estilos guardados.",
    "scripts": "Los scripts que hay.",
    "script-info": "Los argumentos de cada script.",
    "cmd-flags": "Con qué opciones se abrió el programa.",
    "memory": "La memoria libre y la ocupada.",
    "unload-checkpoint": "Quita el modelo de la memoria.",
    "reload-checkpoint": "Vuelve a cargar el modelo.",
    "controlnet/version": "La versión de ControlNet que entienden los programas.",
    "controlnet/model_list": "Los modelos de ControlNet que hay.",
    "controlnet/module_list": "Los preprocessors que hay.",
    "controlnet/control_types": "Qué preprocessors y modelos van con cada tipo.",
    "controlnet/settings": "Cuántas unidades de ControlNet hay.",
    "controlnet/detect": "Aplica un preprocessor a una imagen.",
    "internal/ping": "Dice si el servidor responde.",
    "internal/pending-tasks": "Los trabajos con nombre que esperan.",
    "internal/progress": "Cuenta cómo va un trabajo por su nombre (force_task_id).",
}
"""By the route without its root. Those that only answer so that other programs go on are not told."""
