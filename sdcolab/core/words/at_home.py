"""Advice for who runs the program outside Colab: it names no cell, no Drive folder and no menu of Colab's."""

from __future__ import annotations

from collections.abc import Mapping

_KEY = "guárdala como variable de entorno con el nombre {token}, y vuelve a abrir el programa."
_BY_YOURSELF = "o descárgalo por tu cuenta y pon aquí su ruta."

ADVICE: Mapping[str, str] = {
    "control.model_not_chosen": (
        "Elige en Model uno del mismo tipo que el preprocessor. Si la lista está vacía, descarga uno en la pestaña "
        "Descargas y pulsa «Actualizar»."
    ),
    "download.local_missing": "Comprueba la ruta: tiene que ser la de un archivo de este equipo, entera.",
    "download.drive_refused": f"Compártelo con «Cualquier persona con el enlace», {_BY_YOURSELF}",
    "download.unsupported_host": f"Busca el mismo archivo en civitai o huggingface, {_BY_YOURSELF}",
    "download.region_blocked": f"Busca el mismo archivo en huggingface, {_BY_YOURSELF}",
    "download.token_needed": f"Crea una clave (API key o token) en tu cuenta de {{host}}, {_KEY}",
    "download.link_token_rejected": f"Quita esa parte del enlace (token=…). Si tienes una clave, {_KEY}",
    "download.gated": f"Entra con tu cuenta, acéptalas y crea una clave (token): {_KEY}",
    "download.archive": "Descomprímelo y pon aquí la ruta de lo que hay dentro.",
    "host.web_gave_up": (
        "Lee las últimas líneas de abajo y vuelve a abrir el programa; el registro completo está en «{log}»."
    ),
    "host.packages_too_old": (
        "Ponlos al día con «pip install --upgrade», o pulsa ▶️ en la celda «⬆️ Poner al día los paquetes», que no toca "
        "torch, y vuelve a empezar."
    ),
    "machine.memory_low": "Cierra otros programas, o elige un modelo más pequeño.",
    "machine.no_cuda": "Comprueba que la tarjeta tiene su controlador; sin ella cada imagen tarda minutos.",
    "model.too_big_for_card": (
        "Elige un modelo más pequeño (los basados en Stable Diffusion 1.5 ocupan unos 2 GB) y cierra otros programas "
        "que usen la tarjeta."
    ),
    "model.too_big_for_ram": (
        "Cierra otros programas, elige la versión .safetensors «pruned» del modelo, o uno más pequeño. Sin tarjeta, "
        "«bf16» en «Precisión en el procesador» ocupa casi la mitad."
    ),
}
"""By code, with the facts of its error."""
