"""sdcolab: estudio de Stable Diffusion en español, para Google Colab y para tu computadora.

For other programs::

    from sdcolab import GenerationRequest, Hires, open_engine

    engine = open_engine()
    result = engine.generate(GenerationRequest(prompt="gato", seed=7, hires=Hires(scale=1.5)))
    result.images[0].image.save("gato.png")

``GenerationRequest`` and its parts say everything that changes a picture; every field's range stands in their
docstrings and in ``FIELDS``. ``Engine.generate`` returns a ``GenerationResult``, and what can go wrong is a
``SdcolabError``, which ``explain`` puts in Spanish. ``request_of`` reads the request that made a picture. The others
are what the notebook's cells call.

Importing the package loads neither torch nor gradio; its public names load what they need on first use (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdcolab.core.errors import SdcolabError as SdcolabError
    from sdcolab.core.events import CancelToken as CancelToken
    from sdcolab.core.request import FIELDS as FIELDS
    from sdcolab.core.request import GenerationRequest as GenerationRequest
    from sdcolab.core.request import Hires as Hires
    from sdcolab.core.request import InitImage as InitImage
    from sdcolab.core.request import Inpaint as Inpaint
    from sdcolab.core.request import Refiner as Refiner
    from sdcolab.core.request import Variation as Variation
    from sdcolab.core.result import GeneratedImage as GeneratedImage
    from sdcolab.core.result import GenerationResult as GenerationResult
    from sdcolab.core.tuning import Tuning as Tuning
    from sdcolab.core.words import explain as explain
    from sdcolab.engine.engine import Engine as Engine
    from sdcolab.wiring.notebook import actualizar as actualizar
    from sdcolab.wiring.notebook import cerrar as cerrar
    from sdcolab.wiring.notebook import empezar as empezar
    from sdcolab.wiring.notebook import informe as informe
    from sdcolab.wiring.notebook import panel as panel
    from sdcolab.wiring.public import open_engine as open_engine
    from sdcolab.wiring.public import request_of as request_of
    from sdcolab.wiring.trainer import cocinar_lora as cocinar_lora
    from sdcolab.wiring.trainer import configurar_lora as configurar_lora
    from sdcolab.wiring.trainer import editar_etiquetas as editar_etiquetas
    from sdcolab.wiring.trainer import etiquetar_imagenes as etiquetar_imagenes
    from sdcolab.wiring.trainer import instalar_entrenador as instalar_entrenador
    from sdcolab.wiring.trainer import montar_drive as montar_drive
    from sdcolab.wiring.trainer import preparar_imagenes as preparar_imagenes
    from sdcolab.wiring.trainer import probar_lora as probar_lora
    from sdcolab.wiring.trainer import prueba_rapida_lora as prueba_rapida_lora

__version__ = "0.1.0"

_NAMES = {
    "sdcolab.core.errors": ("SdcolabError",),
    "sdcolab.core.events": ("CancelToken",),
    "sdcolab.core.request": ("FIELDS", "GenerationRequest", "Hires", "InitImage", "Inpaint", "Refiner", "Variation"),
    "sdcolab.core.result": ("GeneratedImage", "GenerationResult"),
    "sdcolab.core.tuning": ("Tuning",),
    "sdcolab.core.words": ("explain",),
    "sdcolab.engine.engine": ("Engine",),
    "sdcolab.wiring.notebook": ("actualizar", "cerrar", "empezar", "informe", "panel"),
    "sdcolab.wiring.public": ("open_engine", "request_of"),
    "sdcolab.wiring.trainer": (
        "cocinar_lora",
        "configurar_lora",
        "editar_etiquetas",
        "etiquetar_imagenes",
        "instalar_entrenador",
        "montar_drive",
        "preparar_imagenes",
        "probar_lora",
        "prueba_rapida_lora",
    ),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}

__all__ = [
    "FIELDS",
    "CancelToken",
    "Engine",
    "GeneratedImage",
    "GenerationRequest",
    "GenerationResult",
    "Hires",
    "InitImage",
    "Inpaint",
    "Refiner",
    "SdcolabError",
    "Tuning",
    "Variation",
    "__version__",
    "actualizar",
    "cerrar",
    "cocinar_lora",
    "configurar_lora",
    "editar_etiquetas",
    "empezar",
    "etiquetar_imagenes",
    "explain",
    "informe",
    "instalar_entrenador",
    "montar_drive",
    "open_engine",
    "panel",
    "preparar_imagenes",
    "probar_lora",
    "prueba_rapida_lora",
    "request_of",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
