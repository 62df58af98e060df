"""What the notebook's panel says: its buttons, its news and its empty places."""

from __future__ import annotations

from sdcolab.core.words.base import Template, counted

# --- The panel itself -------------------------------------------------------------------------------------------------

GENERATE = "🎨 Generar"
INTERRUPT = "⏹️ Interrumpir"
EMPTY_QUEUE = "🗑️ Vaciar la cola"
SAVE_ALL = "💾 Cerrar y guardar todo"
SAVING_ALL = "💾 Guardando…"
SAVED_ALL = "💾 Guardado y cerrado"
SHUT = "💾 Cerrado"
MAKE_REPORT = "🩺 Guardar informe"
DOWNLOAD = "📥 Descargar"

STARTING = "El motor se está preparando; ya puedes pulsar «Generar»."
CLOSED = "<b>👋 El panel está cerrado.</b> Pulsa ▶️ en la celda para volver a abrirlo."
PANEL_GONE = "Este panel ya no responde: el entorno se reinició. Pulsa ▶️ en la celda para abrir otro."
INTERRUPTING = "⏹️ Interrumpiendo: se detiene al acabar el paso en que está."
SAVE_AGAIN = "💾 Para intentarlo otra vez, pulsa ▶️ en la celda «Cerrar y guardar todo»."
DRIVE_HAS_ALL = "✅ Google Drive confirmó que todo está subido."


def queue_emptied(count: int) -> str:
    """What is said when those that waited were taken away."""
    return f"🗑️ Cola vaciada: {counted(count, 'en espera quitado', 'en espera quitados')}."


def queue_goes_on(count: int) -> str:
    """What is said when a panel takes over what the former one had not done."""
    what = counted(count, "el trabajo que quedaba", "los # trabajos que quedaban")
    return f"▶️ La cola sigue con {what}."


# --- What happens -----------------------------------------------------------------------------------------------------

INTERRUPTED = "⏹️ Interrumpido."
FAILED = "❌ No se pudo terminar; el motivo está abajo."
DONE = "✅ Listo."
IN_VAIN = "⚠️ No salió ninguna imagen: mira los avisos."
PREPARING = "⏳ Preparando el motor y el modelo; la primera vez tarda un poco más{queued}"
QUEUED = " · {count} en espera"


def images_ready(count: int) -> str:
    """What is said when a generation is done."""
    return f"✅ {counted(count, 'imagen lista', 'imágenes listas')}."


# --- Downloads --------------------------------------------------------------------------------------------------------

DOWNLOAD_AGAIN = "📥 Lo que tenías en otra sesión está en la pestaña Descargas: pulsa «Descargar» para recuperarlo."

# --- Pictures ---------------------------------------------------------------------------------------------------------

SEND_TEXT = "Enviar a txt2img"
SEND_IMAGE = "Enviar a img2img"
SEND_INPAINT = "Enviar a inpaint"
SHOWN_TO_IMAGE = "🖼️ Enviar a img2img"
SHOWN_TO_INPAINT = "🎨 Enviar a inpaint"
SHOWN_TO_EXTRAS = "🔍 Enviar a Ampliar"
ENHANCE = "✨ Mejorar esta imagen"
USE_SEED = "🎲 Usar su semilla"
USE_DATA = "♻️ Usar sus datos"

CHOOSE_PICTURE = "Elegir una imagen"
SAVED_DATA = "Datos guardados"
NO_PICTURE_YET = "Elige una imagen: aquí aparecerán el prompt y los parámetros que guarda."

PREVIOUS = "◀ Anterior"
NEXT = "Siguiente ▶"
COMPARE = "Comparar"
DOWNLOAD_PICTURE = "⬇️ Descargar"
DATA = "Datos"
DATA_HINT = "Prompt y datos"
SAVE_FILE = "Guardar {name}"
SHOW_PICTURE = "Ver {number}"
PLACE_OF_PICTURE = "{number} de {count} · {name}"

PICTURES = Template("{count:imagen|imágenes}")
TAKE_AWAY = "Quitar"

# --- The form ---------------------------------------------------------------------------------------------------------

REFRESH = "🔃 Actualizar"
READ_DATA = "↙️ Leer los datos del prompt"
DATA_READ = "✅ Los datos están en el formulario."
NO_PARAMETERS = "ℹ️ El texto no trae parámetros: se queda como prompt."
RANDOM = "🎲 Al azar"
SIZE_OF_PICTURE = "📐 Usar el tamaño de la imagen"
RESET_TUNING = "Restablecer los ajustes finos"
PUT_DEFAULTS = "Poner los valores predeterminados"
SAVE_DEFAULTS = "Guardar como valores predeterminados"
DEFAULTS_SAVED = "💾 Valores predeterminados guardados."
TOKENS = "Tokens del prompt: cada 75 forman un bloque"


def tokens(prompt: tuple[int, int], negative: tuple[int, int]) -> str:
    """How many tokens both prompts have, and how many fit in their blocks."""
    first, second = (f"{count}/{limit}" for count, limit in (prompt, negative))
    return f'<span class="sd-tokens" title="{TOKENS}">{first} · negativo {second}</span>'


STYLES = "Estilos"
STYLE_NAME = "Nombre del estilo"
STYLE_TO_PROMPT = "📋 Pasar al prompt"
STYLE_SAVE = "💾 Guardar estilo"
STYLE_DELETE = "🗑️ Borrar estilos"
STYLE_WITHOUT_NAME = "⚠️ Falta el nombre del estilo. Escríbelo en su casilla."
STYLE_SAVED = "💾 Estilo «{name}» guardado."
STYLES_DELETED = "🗑️ Estilos borrados: {names}."
ADD_LORA = "Añadir un LoRA al prompt"
SCRIPT = "Script"
NO_SCRIPT = "Ninguno"
FORECAST = "¿Cuántas imágenes serán?"
FILL_AXIS = "📒 Todos ({axis})"
COMPARE_LORAS = "📊 Comparar LoRA"

# --- Wildcard lists ---------------------------------------------------------------------------------------------------

LIST = "Lista"
LIST_NAME = "Nombre"
LIST_NAME_HINT = "ropa/sombreros.txt"
LIST_HINT = "Una opción por línea"
LIST_SAVE = "Guardar lista"
LIST_DELETE = "Borrar lista"
LIST_CHOOSE = "Elige una lista"
LIST_MENTION = "Se escribe así en el prompt: <code>{mention}</code>"
