"""sdcolab: estudio de Stable Diffusion en español, para Google Colab y para tu computadora.

Importing the package loads neither torch nor gradio; its public names load what they need on first use (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdcolab.core.request import GenerationRequest as GenerationRequest
    from sdcolab.engine.engine import Engine as Engine
    from sdcolab.wiring.notebook import cerrar as cerrar
    from sdcolab.wiring.notebook import empezar as empezar
    from sdcolab.wiring.notebook import informe as informe
    from sdcolab.wiring.notebook import panel as panel

__version__ = "0.1.0"

_HOMES = {
    "Engine": "sdcolab.engine.engine",
    "GenerationRequest": "sdcolab.core.request",
    "cerrar": "sdcolab.wiring.notebook",
    "empezar": "sdcolab.wiring.notebook",
    "informe": "sdcolab.wiring.notebook",
    "panel": "sdcolab.wiring.notebook",
}

__all__ = ["Engine", "GenerationRequest", "__version__", "cerrar", "empezar", "informe", "panel"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
