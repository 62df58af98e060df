"""Sentences about the options that the program is started with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sdcolab.core.launching import Why
from sdcolab.core.words.base import Sentence

SENTENCES: Mapping[str, Sentence] = {
    "launch.option_refused": Sentence("«{option}» no se puede usar aquí: {why}.", "Quita esa opción y abre otra vez."),
    "launch.value_missing": Sentence("Falta el valor de «{option}».", "Escríbelo detrás, separado por un espacio."),
    "launch.unreadable": Sentence(
        "En «{text}» hay unas comillas que no se cierran.", "Ciérralas, o quítalas si la ruta no tiene espacios."
    ),
}

REASONS: Mapping[str, str] = {
    Why.MEMORY: "el ahorro de memoria es automático y se ajusta a tu tarjeta",
    Why.ATTENTION: "se usa siempre la atención más rápida que tu tarjeta permite",
    Why.PRECISION: "la precisión se elige sola, y una imagen negra se repite con más",
    Why.API: "la API está siempre abierta",
    Why.EXTENSIONS: "no hay extensiones que instalar: todo viene incluido",
    Why.STARTING: "al abrir no se comprueba ni se instala nada",
    Why.FOLDERS: "las carpetas son las de --carpeta; para usar las que ya tienes, «sdcolab carpetas RUTA»",
    Why.INTERFACE: "la página ya funciona así",
    Why.OLD: "tampoco hace nada ya en AUTOMATIC1111",
    Why.UNSAFE: "quitaría una protección que te cubre frente a archivos o servidores ajenos",
    Why.CODE: "dejaría que quien entre en la página ejecute código en tu equipo",
    Why.SERVER: "este servidor no tiene ese modo",
    Why.ONE_USER: "aquí entra un solo usuario, escrito nombre:clave y sin comas",
    Why.SECRET_FILE: "las contraseñas no se leen de un archivo; usa --usuario nombre:clave o SDCOLAB_USUARIO",
}
"""Why an option changes nothing, or is refused."""


def needless(options: Iterable[tuple[str, Why]]) -> list[str]:
    """A line for each reason, with the options that it explains."""
    grouped: dict[Why, list[str]] = {}
    for option, why in options:
        grouped.setdefault(why, []).append(option)
    return [
        f"ℹ️ {', '.join(names)} {'no hace falta' if len(names) == 1 else 'no hacen falta'}: {REASONS[why]}."
        for why, names in grouped.items()
    ]
