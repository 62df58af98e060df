"""Sentences of model files."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Sentence

SENTENCES: Mapping[str, Sentence] = {
    "model.none": Sentence(
        "No hay ningún modelo en «{folder}».",
        "Descarga uno desde la pestaña Descargas, o copia un archivo .safetensors a esa carpeta, y pulsa «Actualizar».",
    ),
    "model.unreadable": Sentence(
        "No se puede leer el modelo «{path}»: {reason}.",
        "Elige otro archivo; este puedes moverlo a otra carpeta o borrarlo.",
    ),
    "model.unsafe": Sentence(
        "El archivo «{path}» no es seguro: además de datos contiene instrucciones que podrían ejecutarse en tu equipo.",
        "No se abrió. Busca la versión .safetensors del mismo modelo.",
    ),
    "model.wrong_kind": Sentence(
        "El archivo «{path}» es {found} y aquí hace falta {expected}.",
        "Muévelo a su carpeta o elige otro archivo.",
    ),
    "model.family_unsupported": Sentence(
        "«{path}» es para modelos {family}: es otra arquitectura, que esta versión todavía no sabe usar.",
        "Elige un archivo hecho para Stable Diffusion 1.x, 2.x o SDXL (también Pony, Illustrious y NoobAI).",
    ),
    "model.picture_wanted": Sentence(
        "El modelo «{checkpoint}» trabaja sobre una imagen y no le diste ninguna: solo siguió el prompt.",
        "Úsalo en img2img, con una imagen inicial.",
    ),
    "model.depth_file_missing": Sentence(
        "El modelo «{path}» necesita saber la profundidad de tu imagen, y le falta el archivo que la mide: {file} "
        "({size}).",
        "Pega este enlace en Descargas y se guardará en su carpeta: {link}. Después vuelve a generar.",
    ),
    "model.part_alone": Sentence(
        "El archivo «{path}» es {found}: una parte de un modelo, que sola no sirve aquí.",
        "Elige otro archivo: un modelo completo trae UNet, codificador de texto y VAE juntos.",
    ),
    "model.vae_other_architecture": Sentence(
        "El VAE «{path}» es de otra arquitectura ({family}) y no encaja con este modelo.",
        "Elige «Automático», o un VAE hecho para Stable Diffusion 1.x, 2.x o SDXL.",
    ),
    "model.incomplete": Sentence(
        "Al modelo «{path}» le faltan piezas ({count}; la primera es {tensor}).",
        "Seguramente el archivo está incompleto o es de otro tipo: descárgalo otra vez.",
    ),
    "model.without_vae": Sentence(
        "El modelo «{path}» no trae VAE.",
        "Elige uno como VAE. Si no tienes ninguno, busca en el catálogo: para Stable Diffusion 1.5, vae-ft-mse o "
        "kl-f8-anime2.",
    ),
    "model.too_big_for_card": Sentence(
        "El modelo «{path}» no cabe en la tarjeta gráfica: necesita {needed} y quedan {free}.",
        "Elige un modelo más pequeño (los basados en Stable Diffusion 1.5 ocupan unos 2 GB) o una tarjeta "
        "con más memoria.",
    ),
    "model.too_big_for_ram": Sentence(
        "El modelo «{path}» no cabe en la memoria: necesita {needed} y quedan {free}.",
        "Usa una tarjeta gráfica (Entorno de ejecución → Cambiar tipo de entorno de ejecución → T4 GPU), la "
        "versión .safetensors «pruned» del modelo, o uno más pequeño. Sin tarjeta, «bf16» en «Precisión en el "
        "procesador» ocupa casi la mitad.",
    ),
    "model.lora_no_layers": Sentence(
        "El LoRA «{path}» no tiene ninguna capa que exista en este modelo.",
        "Comprueba en su página para qué modelos sirve, o quítalo del prompt.",
    ),
    "model.lora_wrong_family": Sentence(
        "El LoRA «{path}» es para modelos {family} y el que usas es {model_family}.",
        "Cambia de modelo, busca la versión del LoRA para {model_family}, o quítalo del prompt.",
    ),
    "model.lora_misfit": Sentence(
        "El LoRA «{path}» no encaja en este modelo: su capa {layer} tiene otro tamaño.",
        "Se hizo para otro tipo de modelo: cambia de modelo o quítalo del prompt.",
    ),
    "model.lora_format": Sentence(
        "El LoRA «{path}» es de un tipo que esta versión no conoce (capa {layer}: {tensors}).",
        "Quítalo del prompt o busca otra versión del archivo.",
    ),
    "model.lora_partly_used": Sentence(
        "Del LoRA «{path}» {used:se usa #|se usan #} de sus {layers:capa|capas}: lo demás no sirve para este modelo.",
        "Si el resultado no es el esperado, comprueba para qué modelos sirve.",
    ),
    "model.embedding_unreadable": Sentence(
        "El embedding «{path}» no se puede leer y no se usó: {reason}.",
        "Descárgalo otra vez, mejor en .safetensors, o borra el archivo si no lo quieres.",
    ),
    "model.embedding_skipped": Sentence(
        "El embedding «{path}» es para otro tipo de modelo (ancho {width} en lugar de {model_width}) y no se usó.",
        "Busca la versión para este modelo o quita su nombre del prompt.",
    ),
}
