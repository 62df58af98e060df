"""What the page and the panel say that belongs to no field: buttons, places, first steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sdcolab.core.words.base import Words
from sdcolab.core.words.scripts import BACK_TO_SHEET, OPEN_CELL, PRESS_A_CELL


@dataclass(frozen=True, slots=True)
class ActionWords:
    """A button: what it says, what it does in a line, and its icon's name in lucide."""

    label: str
    help: str
    icon: str


@dataclass(frozen=True, slots=True)
class Example:
    """A first picture to try: a title and both prompts. ``demo``: in the words that the demo model knows, for while
    it is the one that draws."""

    title: str
    prompt: str
    negative: str
    demo: bool = False


ACTIONS: Mapping[str, ActionWords] = {
    "send-img2img": ActionWords("img2img", "Enviar a img2img: partir de esta imagen", "image"),
    "send-inpaint": ActionWords("inpaint", "Enviar a inpaint: pintar solo una parte de esta imagen", "paintbrush"),
    "send-extras": ActionWords("Ampliar", "Enviar a Ampliar (Extras)", "expand"),
    "send-control": ActionWords("ControlNet", "Enviar a ControlNet: que la próxima siga a esta imagen", "scan"),
    "enhance": ActionWords("Mejorar", "Mejorar esta imagen: la misma semilla con Hires fix", "wand-sparkles"),
    "seed-reuse": ActionWords("Semilla", "Reutilizar la semilla de esta imagen", "recycle"),
    "use-infotext": ActionWords("Usar sus datos", "Usar los datos de esta imagen en el formulario", "corner-down-left"),
    "copy": ActionWords("Copiar", "Copiar la imagen al portapapeles", "copy"),
    "compare": ActionWords("Comparar", "Comparar con la imagen anterior", "blend"),
}
"""What can be done with the picture on show."""

EMPTY_RESULTS = Words(
    "Tu primera imagen", "Escribe lo que quieres ver y pulsa «Generar», o prueba uno de estos ejemplos."
)
NOTHING_MADE = "Aquí sale lo que hagas con esta herramienta."
"""Beside a tool that has made nothing yet."""

RESPONSIBILITY = (
    "Tú respondes de lo que generas: sigue la licencia de cada modelo y no hagas contenido ilegal ni que dañe a nadie."
)
"""Read before anything is made, on every face."""

FILE_MADE = "Archivo: {path}"
DOWNLOAD_MADE = "⬇️ Descargar {name} ({size})"

FOLD_UNIT = "Plegar o desplegar la unidad"
"""What is inside a unit that stays on."""

MAP_OF_UNIT = "ControlNet {unit}: imagen preprocesada"
"""Under the map of a unit, by its name or number."""

EXAMPLES: tuple[Example, ...] = (
    Example(
        "Anime",
        "2d, masterpiece, best quality, anime, highly detailed face, perfect lighting, young woman in a garden",
        "worst quality, low quality, 3d, realistic, text, watermark, signature",
    ),
    Example(
        "Fotorrealismo",
        "best quality, 4k, raw photo in hdr, sharp focus, intricate texture, a red fox in the snow",
        "worst quality, low quality, painting, drawing, cartoon, blurry, deformed",
    ),
    Example(
        "Paisaje",
        "masterpiece, best quality, fantasy landscape, floating islands, waterfalls, sunset, highly detailed",
        "worst quality, low quality, text, watermark, blurry",
    ),
    Example("Un gato", "un gato, fondo azul", "", demo=True),
    Example("Una pizza", "pizza, fondo amarillo", "", demo=True),
    Example("Un sol que sonríe", "sol con cara, fondo rosa", "", demo=True),
)

SIZES: Mapping[str, ActionWords] = {
    "square": ActionWords("Cuadrado", "Los dos lados como los del modelo", "square"),
    "portrait": ActionWords("Retrato", "Más alto que ancho (2:3)", "rectangle-vertical"),
    "landscape": ActionWords("Paisaje", "Más ancho que alto (3:2)", "rectangle-horizontal"),
    "grow": ActionWords("×1,5", "Los dos lados por 1,5", "maximize"),
    "double": ActionWords("×2", "Los dos lados por 2", "maximize"),
    "swap": ActionWords("Girar", "Intercambiar ancho y alto", "arrow-up-down"),
}
"""The sizes to choose with one tap."""

BUTTON_NAMES: Mapping[str, str] = {
    "sd-refresh": "Actualizar las listas de modelos, VAE y LoRA",
    "sd-make-report": "Guardar el informe para pedir ayuda",
    "sd-paste": "Leer los datos de una imagen pegados en el prompt; con el prompt vacío, los de la última generación",
    "sd-style-apply": "Pasar los estilos elegidos a los prompts",
    "sd-style-save": "Guardar los dos prompts como estilo",
    "sd-style-delete": "Borrar los estilos elegidos",
    "sd-seed-random": "Semilla al azar (-1)",
    "sd-seed-last": "Reutilizar la semilla de la imagen elegida",
    "sd-fill-x": "Todos los valores de X",
    "sd-fill-y": "Todos los valores de Y",
    "sd-fill-z": "Todos los valores de Z",
    "sd-generate": "Generar (Ctrl+Enter)",
    "sd-interrupt": "Interrumpir (Esc)",
    **{f"sd-{name}": words.help for name, words in ACTIONS.items()},
    **{f"sd-size-{name}": words.help for name, words in SIZES.items()},
}
"""What buttons are called that only have an icon, and what others do, by their ids on the page."""

VIEWER_WORDS: Mapping[str, str] = {
    "place": "{0} de {1}",
    "picture": "Imagen {0} de {1}",
    "close": "Cerrar (Esc)",
    "sheet": PRESS_A_CELL,
    "zoom": "Ver más grande",
    "open": OPEN_CELL,
    "back": BACK_TO_SHEET,
    "use": ACTIONS["use-infotext"].label,
    "copied": "Imagen copiada: pégala donde quieras.",
    "notCopied": "Tu navegador no permite copiarla. Usa «Descargar».",
    "none": "Todavía no hay ninguna imagen. Genera una.",
    "alone": "Hace falta otra imagen con que compararla. Genera otra.",
}
"""What the results say (``web/assets/viewer.js``)."""

LOG_OUT = "Cerrar sesión"

DROP_QUESTION = "¿Usar sus datos, editarla, ampliarla o seguirla?"

DROP_CHOICES: Mapping[str, str] = {
    "use": "Usar sus datos",
    "img2img": "Editarla en img2img",
    "inpaint": "Pintar una parte (inpaint)",
    "extras": "Ampliarla",
    "control": "Seguirla con ControlNet",
    "none": "Nada",
}
"""What can be done with a picture that is dropped on the page."""

DROP_REFUSED = "«{name}» no es una imagen: aquí se sueltan {kinds}."
DROP_CLOSE = "Entendido"

NO_STYLES = "Aún no hay: escribe un prompt y guárdalo como estilo."
NO_LORAS = "Aún no hay ninguno: pega su enlace en Descargas."
"""What empty lists say."""

DOWNLOAD_QUEUED = "Se está descargando: mira cómo va en la pestaña Descargas. Cuando termine, pulsa «Actualizar»."
"""What is said when a link goes to the queue of downloads."""

MOVED_TO = "{name} está ahora en {folder}."
"""What is said when a model file was moved to the folder of its kind."""

CATALOG = Words("Catálogo", "Modelos, VAE, upscalers y ControlNet conocidos: elige los que quieras.")
LINKS = Words(
    "Enlaces",
    "Modelos, VAE, LoRA o embeddings de civitai, huggingface o enlaces directos. "
    "Sepáralos con comas o en líneas distintas.",
)
NO_LINKS = "No hay ningún enlace."
PASTE_LINKS = "Pega uno o más en la casilla, o elige algo del catálogo."
READING_LINKS = "Mirando los enlaces…"
CANCEL = "Cancelar"
