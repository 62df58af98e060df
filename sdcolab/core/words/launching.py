"""Sentences about the options that the program is started with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
    Why.ONE_USER: "aquí entra un solo usuario, escrito nombre:contraseña y sin comas",
    Why.SECRET_FILE: "las contraseñas no se leen de un archivo; usa --usuario nombre:contraseña o SDCOLAB_USUARIO",
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


@dataclass(frozen=True, slots=True)
class LaunchWords:
    """A field of the launcher: what it is called, and what it does and whether it is wanted."""

    label: str
    help: str


LAUNCH_FIELDS: Mapping[str, LaunchWords] = {
    "theme": LaunchWords("Aspecto", "Claro, oscuro, o como lo tenga tu equipo. Es el --theme de AUTOMATIC1111."),
    "model": LaunchWords(
        "Modelo con el que empezar", "Déjalo en «el de siempre»; también se cambia arriba en la página."
    ),
    "vae": LaunchWords(
        "VAE con el que empezar", "Déjalo en «el de siempre»; también se cambia arriba en la página (--vae-path)."
    ),
    "port": LaunchWords("Puerto", "Cámbialo solo si otro programa ya usa el 7860 (--port)."),
    "cards": LaunchWords(
        "Tarjetas gráficas", "Con varias, cada una hace imágenes por su cuenta. Deja 1 si tienes una."
    ),
    "listen": LaunchWords(
        "Abrir a tu red (--listen)",
        "Para entrar desde el teléfono u otra computadora de casa. Ponle contraseña si no eres el único.",
    ),
    "share": LaunchWords("Enlace público (--share)", "Para entrar desde fuera de casa; siempre lleva contraseña."),
    "user": LaunchWords("Usuario", "Vacío = sin contraseña. Es el --gradio-auth de AUTOMATIC1111."),
    "password": LaunchWords("Contraseña", "No se guarda: escríbela cada vez."),
    "extra": LaunchWords(
        "Opciones adicionales",
        "Pega aquí las que traiga una guía de AUTOMATIC1111, como --medvram --opt-channelslast: se traducen y se te "
        "dice qué hace cada una.",
    ),
}
"""The fields of the launcher, in order."""

LAUNCH_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ("theme", "model", "vae")),
    ("Entrar desde otros equipos", ("listen", "share", "user", "password")),
    ("Más opciones", ("port", "cards", "extra")),
)
"""Titles and fields; the first group has none."""

LAUNCH_THEMES: Mapping[str, str] = {"sistema": "Como el sistema", "claro": "Claro", "oscuro": "Oscuro"}

LAUNCH_TITLE = "sdcolab: antes de abrir"
LAUNCH_INTRO = "Revisa cómo quieres abrirlo y pulsa «Abrir». Si no sabes qué poner, no toques nada."
LAUNCH_OPEN = "Abrir sdcolab"
LAUNCH_USUAL_MODEL = "El de siempre"
LAUNCH_OPENING = "Abriendo sdcolab… La primera vez tarda unos segundos; esta página cambia sola."
LAUNCH_SLOW = "Está tardando más de lo normal. Mira la ventana negra: ahí dice qué pasa."
LAUNCH_MEMORY = "Memoria y precisión (--medvram, --lowvram, --no-half)"
LAUNCH_AUTOMATIC = (
    "No hay nada que elegir: se mide la memoria libre al cargar cada modelo y se usa la forma más rápida que quepa. "
    "Con lo que hay en este equipo:"
)
LAUNCH_NO_CARD = "Sin tarjeta NVIDIA: se usa el procesador, que funciona pero tarda minutos por imagen."
LAUNCH_CARD = "Tarjeta: {card}."
LAUNCH_RAM = "Memoria del equipo: {total} ({free} libres)."
LAUNCH_ADDRESS = "Elige cómo abrirlo en: {address}"
LAUNCH_ONLY_OPTIONS = "Aquí solo van opciones para abrir la página, que empiezan por dos guiones."
LAUNCH_UNDERSTOOD = "Se abrirá con: {options}"

PLACEMENTS: Mapping[str, str] = {
    "gpu": "entero en la tarjeta, a toda velocidad",
    "gpu_sparing": "entero en la tarjeta, ahorrando memoria al trabajar (lo que hacía --medvram)",
    "turns": "por turnos: cada parte entra en la tarjeta cuando le toca (lo que hacía --medvram)",
    "streamed": "a trozos: bastante más lento, pero cabe (lo que hacía --lowvram)",
    "cpu": "en el procesador",
    "none": "no cabe: usa un modelo más pequeño",
}
"""How a model of a family would be loaded."""

PLACED = "Un modelo {family}: {placement}."
"""One line of the recommendation."""

OF_SD1, OF_SDXL = "de Stable Diffusion 1.5", "de SDXL"
"""Which models the launcher tells the needs of."""
