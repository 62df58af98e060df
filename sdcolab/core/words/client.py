"""Advice for who reads an error in the answer of the API, or in the program that asked: no button, tab, list, cell or
command is named there, but routes, fields and folders."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from sdcolab.core.words.explain import explain as _explain

_GET = "Descárgalo en el servidor"
_LIGHTER = "Usa un modelo más pequeño (fp16, «pruned»), una imagen más pequeña o un batch_size menor"

ADVICE: Mapping[str, str] = {
    "unexpected": "Repite la petición; si vuelve a fallar, hay más en el registro del servidor. Detalle: {detail}.",
    "control.image_missing": "Envía su imagen en «image», codificada en base64, o pon «enabled» en false.",
    "control.model_not_chosen": (
        "Pon en «model» uno de GET /controlnet/model_list, del mismo tipo que el preprocessor («module»)."
    ),
    "control.clip_vision_missing": f"{_GET} y repite la petición: {{links}}",
    "control.clip_vision_unknown": "Ponlo en la carpeta {folder} del servidor.",
    "control.preprocessor_file_missing": f"{_GET} y repite la petición: {{links}}",
    "control.unit_file_missing": f"{_GET} y repite la petición: {{links}}",
    "details.detector_missing": "Pide otro, o ponlo en su carpeta del servidor ({size}): {link}",
    "details.face_file_missing": f"{_GET} y repite la petición: {{link}}",
    "details.classes_unknown": "Deja vacío «ad_model_classes», o escribe una de las suyas: {known}.",
    "grids.nothing_to_compare": "Escribe su nombre entre los argumentos del script.",
    "grids.script_needs_picture": "Envíalo a /sdapi/v1/img2img, con la imagen en «init_images».",
    "grids.script_unknown": "{suggestions}GET /sdapi/v1/scripts dice cuáles hay.",
    "grids.script_option": "{suggestions}GET /sdapi/v1/script-info dice los argumentos de cada script.",
    "grids.wildcard_missing": "{suggestions}Crea la lista en la carpeta wildcards del servidor, o revisa el nombre.",
    "grids.symbol_without_script": "Pon en «script_name» {script}, o quita el signo del prompt.",
    "grids.axis_without_effect": "Enciende esa parte en la petición (por ejemplo, «enable_hr») o elige otro eje.",
    "host.engine_killed": f"{_LIGHTER}. Ya se está abriendo otra vez; lo que espera en la cola seguirá.",
    "host.job_lost": f"{_LIGHTER}, y repite la petición. Lo que esperaba en la cola sigue.",
    "host.engine_gave_up": "Prueba con otro modelo; si se repite, mira el registro del servidor, «{log}».",
    "machine.memory_low": "Espera a que termine lo que hay en la cola, o cierra otros programas del servidor.",
    "machine.no_cuda": "Sin ella cada imagen tarda minutos.",
    "model.none": f"{_GET}: GET /sdapi/v1/sd-models dice los que hay.",
    "model.without_vae": "Pon uno de GET /sdapi/v1/sd-vae como «sd_vae» en «override_settings».",
    "model.vae_other_architecture": ("Pon en «sd_vae» uno hecho para Stable Diffusion 1.x, 2.x o SDXL, o «Automatic»."),
    "model.tiny_vae_missing": (
        "Ponlo con ese nombre en la carpeta {folder} del servidor, o pide «Full» en «sd_vae_decode_method» y "
        "«sd_vae_encode_method»."
    ),
    "model.too_big_for_card": "Pide un modelo más pequeño: los basados en Stable Diffusion 1.5 ocupan unos 2 GB.",
    "model.too_big_for_ram": "Pide la versión .safetensors «pruned» del modelo, o uno más pequeño.",
    "request.init_image_missing": (
        "Envíala codificada en base64: en «init_images», o en «controlnet_input_images» si pides un mapa."
    ),
    "request.mask_missing": "Envíala en «mask», codificada en base64: blanco donde la imagen debe cambiar.",
    "request.few_steps_too_guided": (
        "Prueba con sampler_name «{sampler}», scheduler «{schedule}», steps {steps} y cfg_scale {wanted}."
    ),
    "request.not_option": "{suggestions}La página /docs tiene los valores posibles de cada campo.",
    "request.unknown_name": "{suggestions}La página /docs dice qué rutas dan los nombres que hay.",
    "request.unknown_file": "{suggestions}Comprueba que el archivo está en su carpeta del servidor.",
    "request.name_not_chosen": "Escribe su nombre en la petición.",
    "request.not_downloaded": f"{_GET}, o pide otro.",
    "request.lora_missing": f"{{suggestions}}{_GET}, o quítalo del prompt.",
    "request.embedding_missing": f"{_GET}, o quítalo del prompt.",
    "request.hypernetwork_missing": "{suggestions}Descárgala en el servidor, o quítala del prompt.",
}

explain = partial(_explain, elsewhere=ADVICE)
"""The sentence and the advice for an error, for the answers of the API."""
