"""What the page says that belongs to no field: its buttons, its messages and its empty places."""

from __future__ import annotations

from sdcolab.core.words.base import counted, human_bytes, human_time

# --- The form ---------------------------------------------------------------------------------------------------------

GENERATE = "Generar"
INTERRUPT = "Interrumpir"
EMPTY_QUEUE = "Vaciar la cola"
SETTINGS = "Ajustes"
CLOSE_SETTINGS = "Cerrar los ajustes"
LOOK = "Aspecto: claro, oscuro o el del sistema"
TOKENS = "Tokens del prompt: cada 75 forman un bloque"
STYLES = "Estilos"
STYLE_NAME = "Nombre del estilo"
STYLE_SAVED = "Estilo «{name}» guardado."
STYLES_DELETED = "Estilos borrados: {names}."
NO_STYLE_CHOSEN = "No hay ningún estilo elegido."
CHOOSE_STYLES = "Elige en «Estilos» los que quieras borrar."
ADD_LORA = "Añadir un LoRA al prompt"
SIZE_OF_PICTURE = "Usar el tamaño de la imagen"
RESET_TUNING = "Restablecer los ajustes finos"
PUT_DEFAULTS = "Poner los valores predeterminados"
SAVE_DEFAULTS = "Guardar como valores predeterminados"
DEFAULTS_SAVED = "Valores predeterminados guardados."
BACK_TO_DEFAULTS = (
    "Vuelves a ellos con «Poner los valores predeterminados»; al cambiar a un modelo de otra familia se ponen los que "
    "guardaste con ella."
)
SCRIPT = "Script"
NO_SCRIPT = "Ninguno"
COMPARED_LORA = "Comparar un LoRA"
COMPARED_LORA_HELP = "Sus epochs, con pesos de 0.2 a 1"
COMPARE_LORAS = "Comparar LoRA"

# --- Results ----------------------------------------------------------------------------------------------------------

SIGN_ERROR = "Error"
SIGN_WARNING = "Aviso"
SIGN_CALM = "Nota"
SIGN_GOOD = "Listo"
PROGRESS = "Progreso"
MORE, LESS = "Más", "Menos"
DOWNLOAD = "Descargar"
PICTURE_DATA = "Datos de la imagen"
PICTURE_DATA_HINT = "Aquí aparecen el prompt y los parámetros de la imagen elegida."
PREVIEW = "Vista previa de la imagen que se está generando"
PICTURES_OF_SESSION = "Imágenes de la sesión"
NO_PICTURE = "Todavía no hay ninguna imagen."
MAKE_OR_CHOOSE = "Primero genera o elige una."
JOB_REPORT = "Resultado del trabajo"
DONE = "Listo."
IN_VAIN = "No salió ninguna imagen: mira los avisos."


def images_saved(count: int) -> str:
    """What is said of a generation that is done."""
    return f"Listo: {counted(count, 'imagen guardada', 'imágenes guardadas')}."


def time_left(seconds: float) -> str:
    """How long something still takes."""
    return f"quedan {human_time(seconds)}"


def more_waiting(count: int) -> str:
    """How many jobs come after the one that runs."""
    return counted(count, "trabajo más en espera", "trabajos más en espera")


def queue_emptied(count: int) -> str:
    """What is said when those that waited were taken away."""
    return f"Cola vacía: {counted(count, 'trabajo quitado', 'trabajos quitados')}."


# --- Sending ----------------------------------------------------------------------------------------------------------

NOTHING_TO_READ = "No hay datos que leer."
PASTE_FIRST = "Pega en el prompt los datos de una imagen y vuelve a pulsar el botón."
GENERATE_FIRST = "Primero genera una imagen."
DATA_READ = "Los datos están en el formulario."
NO_PARAMETERS = "El texto no trae parámetros: se queda como prompt."
DATA_READ_EXCEPT = "Los demás datos están en el formulario. No se pudo usar tal cual:"
NOTHING_CHANGED = "El formulario sigue como estaba:"
SENT_TO = "La imagen está en {place}."
SENT_TO_EXTRAS = "La imagen está en Ampliar (Extras)."
PICTURE_WITH_DATA = "Imagen con datos de generación"
NO_PICTURE_YET = "Elige o arrastra una imagen: aquí aparecerán el prompt y los parámetros que guarda."
SEND_TEXT = "Enviar a txt2img"
SEND_IMAGE = "Enviar a img2img"
SEND_INPAINT = "Enviar a inpaint"

# --- Downloads --------------------------------------------------------------------------------------------------------

DOWNLOADS = "Descargas"
DOWNLOADS_REPORT = "Resultado de las descargas"
DOWNLOAD_OF = "Descarga de {name}"


def received_of(received: int, total: int) -> str:
    """How much of a file is here."""
    return f"{human_bytes(received)} de {human_bytes(total)}"


# --- Wildcard lists ---------------------------------------------------------------------------------------------------

LISTS_HINT = (
    "Con «Prompts dinámicos», <code>__poses__</code> se cambia por una línea al azar de la lista «poses». Puedes "
    "cambiar las listas que vienen con el programa: se guarda tu copia."
)
LIST = "Lista"
LIST_NAME = "Nombre"
LIST_NAME_HINT = "ropa/sombreros.txt"
LIST_TEXT = "Una opción por línea"
LIST_MENTION = "Se escribe así en el prompt"
LIST_SAVE = "Guardar lista"
LIST_DELETE = "Borrar lista"

# --- The door ---------------------------------------------------------------------------------------------------------

DESCRIPTION = "Estudio de Stable Diffusion en español"
TOO_LARGE = "Lo que enviaste ocupa demasiado. Envía menos imágenes o textos más cortos."
TOO_LONG = "Demasiado largo."
DATA_TOO_SLOW = "Los datos tardaron demasiado en llegar."
TOO_SLOW = "La petición tardó demasiado en llegar."
NOT_UNDERSTOOD = "La petición no se entiende."
NOT_ALLOWED = "No permitido."
WRONG_METHOD = "Esta dirección no admite ese método."
TOO_MANY_TRIES = "Demasiados intentos a la vez. Espera un minuto y vuelve a probar."
LOGIN_NEEDED = "Hace falta iniciar sesión."
LOGIN_TITLE = "sdcolab: iniciar sesión"
LOGIN_INTRO = "Escribe el usuario y la contraseña que aparecen junto al enlace."
LOGIN_USER, LOGIN_PASSWORD = "Usuario", "Contraseña"
LOGIN_ENTER = "Entrar"
WRONG_PASSWORD = "El usuario o la contraseña no son correctos."
