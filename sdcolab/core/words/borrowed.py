"""Sentences about the folders of other programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdcolab.core.detect import ModelKind
from sdcolab.core.words.base import Sentence, counted
from sdcolab.core.words.labels import KIND_NAMES

SENTENCES: Mapping[str, Sentence] = {
    "borrow.not_known": Sentence(
        "En «{path}» no hay carpetas de modelos de AUTOMATIC1111, Forge ni ComfyUI.",
        "Escribe la carpeta del programa, la que tiene dentro otra llamada «models».",
    ),
    "borrow.ours": Sentence(
        "«{path}» es la propia carpeta de sdcolab.", "Sus modelos ya están en la lista: no hace falta enlazarla."
    ),
}


def linked(name: str, kind: ModelKind, target: Path) -> str:
    """One folder is in use from now on."""
    return f"✅ {KIND_NAMES[kind]}: «{name}» usa {target}"


def listed(name: str, kind: ModelKind, target: Path, *, is_there: bool) -> str:
    """One folder that is in use."""
    told = "" if is_there else f" (ahora no está; para quitarla: sdcolab carpetas --quitar «{name}»)"
    return f"{name} · {KIND_NAMES[kind]}: {target}{told}"


def none_linked() -> str:
    """There is none."""
    return "No usas carpetas de otros programas. Para añadir una: sdcolab carpetas RUTA"


def given_back(name: str, count: int) -> str:
    """A folder is no longer in use."""
    if not count:
        return f"No hay ninguna carpeta «{name}»: mira sus nombres con «sdcolab carpetas»."
    return f"«{name}» ya no se usa. Sus modelos siguen donde estaban."


def read_once(styles: int, defaults: int) -> str:
    """What was taken from the program's settings."""
    taken = (
        counted(styles, "estilo", "estilos") if styles else "",
        counted(defaults, "valor por defecto", "valores por defecto") if defaults else "",
    )
    told = " y ".join(filter(None, taken))
    return f"De sus ajustes se {'tomó' if styles + defaults == 1 else 'tomaron'} {told}." if told else NOTHING_TAKEN


NOTHING_TAKEN = "De sus ajustes no se tomó nada: lo que decían ya estaba aquí o no existe."
