"""What the notebook's cells print: starting, Google Drive, keys, links, closing, and the page of the diagnosis."""

from __future__ import annotations

from collections.abc import Sequence

from sdcolab.core.words.base import Template, counted

# --- Starting ---------------------------------------------------------------------------------------------------------

DEMO_MODEL = "Demostración (emojis)"
"""What the notebook's list of models calls the one that ships with the package."""

PANEL_MODE = "Panel en el cuaderno"
LINK_MODE = "Enlace público"
NGROK_MODE = "Enlace público con ngrok"
"""The ways to open it, as the form's list has them."""

VERSION = "🎨 sdcolab {version}"
NEWER = "🆕 Hay una versión nueva, la {version}. Esta copia sigue con la suya; si la quieres, abre {link}"
INSTALLING_MISSING = "📦 Instalando lo que falta aquí: {names}…"
INSTALLING = "📦 Instalando {names}…"
STILL_INSTALLING = "Instalando todavía"
CLOSING_FORMER = "Cerrando la sesión anterior"
FORMER_CLOSED = "♻️ La sesión anterior se cerró."
CARD = "✅ Tarjeta gráfica: {card}"
CARDS = Template("✅ Tarjeta gráfica: {card} ({count:tarjeta, un motor|tarjetas, un motor en cada una})")
KAGGLE_CARD = "Elige GPU T4 x2 en Session options, a la derecha, y vuelve a pulsar ▶️."
SLOWER_WITHOUT = "Sin ella también funciona, pero mucho más despacio."
DOWNLOADING = "📥 Descargando…"
STILL_DOWNLOADING = "Descargando"
DEMO_APART = "🎨 El modelo de demostración no va dentro de este cuaderno: si falta, se descarga."
DEMO_NOT_HERE = (
    "El modelo de demostración no va dentro de este cuaderno, ni dice de dónde descargarlo: elige otro en «modelo» y "
    "vuelve a pulsar ▶️, o descarga uno desde la pestaña Descargas."
)
OTHER_MODEL = "ℹ️ El modelo elegido no llegó: se abre con «{name}». Puedes elegir o descargar otro dentro."
HAD_ALSO = "📦 En otra sesión descargaste también: {names}. Tráelo desde la pestaña «Mi sesión»."
TO_PASTE = "   Para tenerlo otra vez, pega esto en enlaces_adicionales y pulsa ▶️:"
PANEL_OPEN = "✅ El panel está abierto aquí abajo. Las imágenes aparecen en él a medida que se crean."
INTERRUPTED = "\n⏹️ Interrumpido. Pulsa ▶️ para volver a empezar."
INTERRUPTED_HERE = "⏹️ Interrumpido: vuelve a pulsar ▶️ en esta celda para terminar."
RENEWED = "✅ Listo: {names}. Ahora pulsa ▶️ en «Empezar aquí 🚀»."
NOTHING_OLD = "✅ Aquí no hay nada demasiado antiguo. Pulsa ▶️ en «Empezar aquí 🚀»."
WAITED = "   ⏳ {what} ({seconds} s)"


def all_controlnets(count: int, size: str) -> str:
    """How much the box of every ControlNet model will bring."""
    what = f"{counted(count, 'archivo', 'archivos')} (los modelos y lo que usan sus preprocessors)"
    return f"📥 todos_modelos_controlnet: {what}, unos {size} en total; ⏹️ los deja para otro día."


def resources_came(names: Sequence[str], *, listed: bool) -> str:
    """What the guide says is installed is here: in the lists already, or after the button that looks again."""
    where = "Ya están en las listas." if listed else "Pulsa «Actualizar» para verlos en las listas."
    return f"📦 Recursos de la guía listos: {', '.join(names)}. {where}"


def resources_missing(names: Sequence[str]) -> str:
    """What the guide says is installed and did not come, and where it is."""
    came, are = ("llegaron", "están") if len(names) > 1 else ("llegó", "está")
    return f"⚠️ De los recursos de la guía no {came} {', '.join(names)}: {are} en Descargas, en el catálogo."


def left_in_queue(count: int) -> str:
    """What another session had not done, and where it is."""
    what = counted(count, "trabajo", "trabajos")
    return f"⏸️ La sesión anterior dejó {what} en la cola: sigue con ella desde la pestaña «Mi sesión»."


# --- Downloads in the cell --------------------------------------------------------------------------------------------

PART_OF = "{percent} % de {size}"
TIME_LEFT = "faltan {time}"

# --- Google Drive -----------------------------------------------------------------------------------------------------

WITHOUT_DRIVE = "ℹ️ Las imágenes se quedan en Colab y se borran al terminar la sesión: descarga las que quieras."
IMAGES_STAY = "⚠️ Las imágenes se quedan aquí y se borran al cerrar la sesión: descarga las que quieras."
CONNECTING_DRIVE = "📂 Conectando tu Google Drive: acepta la ventana de permisos que abre Google…"
WAITING_FOR_DRIVE = "Esperando a Google Drive; si ves su ventana de permisos, acéptala"
READING_SETTINGS = "Leyendo tu configuración de Google Drive"
LOOKING_FOR_MODELS = "Buscando modelos en tu Google Drive"
SLOW_FOR_SETTINGS = "⚠️ Google Drive va lento: se empieza sin esperar a la configuración guardada."
SLOW_FOR_MODELS = "⚠️ Google Drive va lento: los modelos que tengas allí aparecerán más tarde o en otra sesión."
MODELS_ON_DRIVE = "📂 Modelos en tu Drive listos para usar: {count}."
SAVING = "💾 Guardando en Google Drive…"
STILL_SAVING = "Guardando en Google Drive"
STILL_UPLOADING = "Google Drive sigue subiendo lo que tiene"
NOT_COPIED = Template(
    "⚠️ {count:imagen no está todavía|imágenes no están todavía} en tu Drive. Lo que falta sigue en {folder}; al pulsar "
    "▶️ se copia."
)
CLOSE_AGAIN = "🔁 Cuando lo arregles, vuelve a pulsar ▶️ en esta celda. Hasta entonces no cierres la sesión."
ALL_SAVED = "✅ Todo está guardado en Google Drive."
DRIVE_IS_BACK = "✅ Google Drive volvió: todo lo pendiente está copiado."
DRIVE_HAS_ALL = "✅ Google Drive confirmó que todo está subido."
NOTHING_PENDING = "✅ No había nada pendiente en Drive."
KEPT_HERE = "✅ Todo está en {folder}."
KAGGLE_KEEPS = "Pulsa Save Version para que Kaggle lo conserve."
CLOSING_INTERRUPTED = "⏹️ Interrumpido: puede faltar algo en Drive. Vuelve a pulsar ▶️ en esta celda para terminar."
NOT_CONNECTED = "no está conectado"
CUT_COPY = "la copia quedó incompleta"
NUMBER_TAKEN = "Tu Drive ya tiene imágenes de hoy hasta este número; esta nota evita repetirlos.\n"


def connected(*, images: bool, settings: bool, folder: str) -> str:
    """What goes to Drive from now on."""
    what = " y ".join([*["las imágenes"] * images, *["la configuración"] * settings])
    kept = "se guardan" if images else "se guarda"
    return f"✅ Google Drive conectado: {what} {kept} en Mi unidad/{folder}."


# --- Keys -------------------------------------------------------------------------------------------------------------

KEYS_FOUND = "🔑 Claves encontradas: {names}"
ASKING_FOR_KEYS = "Preguntando a Colab por tus claves"
NO_KEYS = "🔑 No hay claves guardadas ({names}): solo hacen falta si un sitio las pide."

# --- The page and its links -------------------------------------------------------------------------------------------

OPENING = "⏳ Abriendo la página… (un minuto, más o menos)"
STILL_OPENING = "Abriendo la página"
OPENING_SLOWLY = "⏳ Está tardando más de lo normal. Sigue en marcha; el registro está en {log}."
PAGE_IS_BACK = "✅ La página vuelve a estar abierta en el mismo enlace."
PAGE_HERE = "✅ En este equipo: {url}"
PUBLIC_LINK = "\n✅ ¡Listo! Abre este enlace en una pestaña nueva y deja esta abierta:"
RUNNING_ON = "Running on public URL: {url}"
NGROK_ASKS = "ℹ️ La primera vez, ngrok muestra un aviso en inglés: pulsa «Visit Site»."
ASKING_FOR_LINK = "Pidiendo a Colab su propio enlace"
MEANWHILE = "🔗 Mientras tanto puedes usar este enlace, solo en este navegador y con esta pestaña abierta: {url}"
OWN_LINK = "🔗 Solo para ti, en este navegador y con esta pestaña abierta: {url}"
ACCESS = "Usuario: {user}  Contraseña: {password}"
PAGE_IN_CELL = "Ver la página aquí mismo (si el navegador acepta cookies de terceros)"

# --- Closing ----------------------------------------------------------------------------------------------------------

CLOSING = "\n⏹️ Cerrando sdcolab…"
STILL_CLOSING = "Cerrando"
CLOSED = "👋 sdcolab está cerrado. Pulsa ▶️ para volver a abrirlo."
PANEL_CLOSED = "👋 El panel está cerrado."
CLOSED_UNSAVED = "⚠️ Cerrado sin esperar a Google Drive (sin copiar: {count})."

# --- The diagnosis and the report -------------------------------------------------------------------------------------

EXAMINING = "🩺 Mirando este equipo…"
STILL_EXAMINING = "Mirando todavía"
REPORT_SAVED = "🩺 Informe guardado en {path}: adjúntalo cuando pidas ayuda. No contiene claves ni contraseñas."
DOWNLOAD_REPORT = "⬇️ Descargar {name}"
HIDDEN = "[oculto]"
DIAGNOSIS = "🩺 Diagnóstico de sdcolab {version}"
ALL_WELL = "Todo está bien."
SYSTEM = "Sistema"
SYSTEM_TEXT = "Python {version} en {system}"
NOT_INSTALLED = "no instalado"
PACKAGES = "Paquetes"
PAGE_IN_COLAB = "Página dentro de Colab"
OLD_GRADIO = "gradio {version} es anterior a la 6.27 y confunde la dirección de Colab; sdcolab lo corrige solo"
GRAPHICS_CARD = "Tarjeta gráfica"
NO_CARD = "ninguna"
MEMORY = "Memoria RAM"
MEMORY_TEXT = "{free} libres de {size}"
DISK = "Disco"
DISK_TEXT = "{free} libres"
OWN_FOLDER = "Carpeta del programa"
IMAGES_FOLDER = "Imágenes"
FOLDER_LATER = "{folder} (se creará al usarla)"
MODEL_FILES = "Archivos de modelos"
NONE = "ninguno"
ONLY_DEMO = "ninguno (se puede usar el de demostración)"
DRIVE = "Google Drive"
DRIVE_ONLY_COLAB = "solo se usa en Colab"
DRIVE_CONNECTED = "conectado; carpeta {folder}"
DRIVE_NOT_CONNECTED = "no conectado (se conecta al pulsar ▶️ con sus casillas activadas)"
KEYS = "Claves"
KEY_SET = "{name} puesta"
KEY_NOT_SET = "{name} no puesta"
ANSWERS = "responde"
DOES_NOT_ANSWER = "no responde"
NO_ANSWER = "sin respuesta"
LINK_SERVICE = "Servicio del enlace público"
LOGS = "Registros"
NO_LOGS = "ninguno todavía"


def problems(count: int) -> str:
    """The last line of a diagnosis that found something."""
    return f"Hay {count} cosa{'s' if count > 1 else ''} que mirar (⚠️)."
