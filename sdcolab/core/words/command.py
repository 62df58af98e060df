"""What the command says that is no error of the program: its help, and its complaints about how it was written."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Template

DESCRIPTION = "Estudio de Stable Diffusion en español. Sin subcomando, abre la página web en este equipo."
ARGUMENTS, OPTIONS, COMMANDS = "argumentos", "opciones", "subcomandos"
USAGE = "uso: "
LOOK_AT_OPTIONS = " Mira las opciones con: {program} --help"

SUBCOMMANDS: Mapping[str, str] = {
    "generar": "crea imágenes a partir de un prompt",
    "cuadricula": "compara imágenes cambiando una, dos o tres cosas",
    "lote": "crea una lista larga de imágenes, aquí o en varias máquinas",
    "ampliar": "amplía imágenes terminadas, arregla caras y prepara imágenes para entrenar",
    "descargar": "descarga enlaces en su carpeta",
    "entrenar": "entrena un LoRA con tus imágenes",
    "lora": "reduce, mezcla o extrae LoRA",
    "convertir": "reduce, repara o cambia de formato un modelo",
    "extraer": "saca un LoRA de lo que un modelo tiene y otro no",
    "mezclar": "hace un modelo nuevo mezclando otros",
    "lanzar": "elige en una página cómo abrir sdcolab",
    "carpetas": "usa los modelos de AUTOMATIC1111, Forge o ComfyUI sin copiarlos",
    "diagnostico": "revisa este equipo y explica qué falla",
}

HELP: Mapping[str, Mapping[str, str]] = {
    "": {
        "--version": "muestra la versión",
        "--puerto": "puerto de la página (7860)",
        "--compartir": "crea un enlace público, siempre con contraseña",
        "--usuario": "pide este usuario y esta contraseña al entrar",
        "--modelo": "archivo o nombre del modelo con el que empezar",
        "--vae": "archivo o nombre del VAE con el que empezar",
        "--escuchar": "permite entrar desde otros equipos de tu red",
        "--tema": "sistema, claro u oscuro (sistema)",
        "--un-proceso": "genera en el mismo proceso que la página, sin vigilarlo",
        "--tarjetas": "cuántas tarjetas gráficas, un motor en cada una (1)",
        "--permitir-web": "webs que pueden usar la API desde el navegador, separadas por comas: http://localhost:5173",
    },
    "carpetas": {
        "ruta": "la carpeta de AUTOMATIC1111, Forge o ComfyUI que ya tienes",
        "--nombre": "cómo se llamará la subcarpeta (el nombre de la carpeta)",
        "--quitar": "deja de usar una carpeta; sus modelos no se tocan",
        "--sin-ajustes": "no lee sus estilos ni sus ajustes",
    },
    "convertir": {
        "modelos": "archivo o nombre del modelo, o una carpeta: todos los que tenga",
        "--salida": "dónde guardar (la carpeta de modelos)",
    },
    "cuadricula": {
        "prompt": "lo que quieres ver",
        "--x": 'lo que cambia por columnas: "Steps=10,20"',
        "--y": 'lo que cambia por filas: "Steps=10,20"',
        "--z": 'lo que cambia por hojas: "Steps=10,20"',
        "--separacion": "píxeles entre imágenes (0)",
        "--sin-rotulos": "sin rótulos en la hoja",
        "--continuar": "sigue una cuadrícula a medias: su archivo .jsonl",
        "--salida": "dónde guardar las imágenes y las hojas",
        "--formato": "png, jpg, webp o avif (png)",
        "--exportar": "no genera: escribe la lista de imágenes como JSON Lines",
        "--html": "guarda también una página con un mando por eje",
        "--contar": "no genera: dice cuántas imágenes serían",
        "--ejes": "no genera: dice qué se puede comparar",
        "--modelo": "archivo o nombre del modelo",
        "--dinamicos": "el prompt tiene partes al azar: {rojo|azul}, __poses__",
        "--json": "escribe el resultado como JSON",
    },
    "descargar": {
        "enlaces": "enlaces separados por comas, espacios o líneas",
        "--json": "escribe el informe como JSON",
    },
    "diagnostico": {
        "--sin-red": "no prueba la conexión con los sitios",
        "--informe": "guarda un informe con los registros, sin secretos",
    },
    "entrenar": {
        "plan": "archivo con las opciones, de sdcolab o de sd-scripts",
        "--ejemplo": "escribe un plan de ejemplo en PLAN.toml, con cada opción explicada",
        "--solo-revisar": "enseña qué se va a entrenar, sin entrenarlo",
        "--probar": "compara los epochs ya entrenados con este prompt",
        "--pesos": "pesos del LoRA al probar, separados por comas (1)",
        "--imagenes": "imágenes por epoch al probar (2)",
        "opciones": "opciones de sd-scripts que ganan a las del archivo, como --unet_lr 5e-4",
    },
    "extraer": {
        "--salida": "dónde guardar (la carpeta de LoRA)",
    },
    "generar": {
        "prompt": "lo que quieres ver",
        "--infotext": "repite una imagen guardada, o una cuadrícula entera (PNG, JPEG, WebP, AVIF… o sus datos en un "
        ".txt; - es la entrada estándar); lo que digan otras opciones gana a lo suyo",
        "--modelo": "archivo o nombre del modelo",
        "--salida": "dónde guardar las imágenes",
        "--formato": "png, jpg, webp o avif (png)",
        "--json": "escribe el resultado como JSON",
        "--guion": 'script: "Ultimate SD upscale", Loopback, "Prompt matrix"…',
        "--guion-valor": "un ajuste del script (se puede repetir): scale=2, redraw=Chess, text=lista.txt",
        "--dinamicos": "el prompt tiene partes al azar: {rojo|azul}, __poses__",
        "--contar": "con un script, no genera: dice cuántas imágenes serían",
        "--exportar": "con un script, no genera: escribe la lista de imágenes como JSON Lines",
    },
    "lanzar": {
        "--sin-navegador": "no abre el navegador: escribe la dirección",
    },
    "lora": {
        "accion": "reducir LORA; mezclar LORA:PESO LORA:PESO… (para extraer uno de dos modelos: sdcolab extraer)",
        "archivos": "archivos o nombres, cada uno con su peso si no es 1",
        "--salida": "el LoRA que se escribe",
        "--dim": "rango del resultado, como mucho (16)",
        "--precision": "precisión (fp16)",
    },
    "lote": {
        "lista": "un .jsonl (como el de «cuadricula --exportar»), un .csv con una columna por opción "
        "(prompt, pasos, semilla…), un .txt con un prompt por línea, o una carpeta de imágenes",
        "--salida": "dónde guardar: una carpeta, s3://…, gs://… (outputs/lotes/LISTA)",
        "--desde-imagenes": "con una carpeta: cada imagen es la de partida; si no, cada una se repite con sus datos",
        "--modelo": "archivo o nombre del modelo para todas",
        "--motores": "cuántos motores a la vez (uno por GPU)",
        "--ray": "reparte entre las máquinas de un clúster de Ray: auto, o su dirección",
        "--gpu": "con --ray: parte de una GPU por motor (1)",
        "--carpeta-remota": "con --ray: la carpeta del programa en cada máquina",
    },
    "ampliar": {
        "imagenes": "imágenes, o carpetas con imágenes",
        "--salida": "dónde guardar (outputs/extras-images)",
    },
    "mezclar": {
        "--receta": "los pasos de una mezcla, en TOML, o un modelo que los lleve; sin más opciones que las de probarla",
        "--salida": "dónde guardar (la carpeta de modelos)",
    },
}
"""What each option is for, by its subcommand ("": opening the page) and by its first name."""

EVERYWHERE: Mapping[str, str] = {
    "-h": "muestra esta ayuda",
    "--carpeta": "carpeta del programa ($SDCOLAB_CARPETA o ~/sdcolab)",
}
"""Options that every subcommand has."""

# --- Complaints about how it was written ----------------------------------------------------------------------------

UNKNOWN = r"No existe la opción «\1»."
OR_MAYBE = " ¿Querías decir «--{name}»?"
MISSING = r"Falta escribir \1."
VALUE_MISSING = r"Falta el valor de \1."
NO_SUBCOMMAND = r"No existe el subcomando «\1»."
NO_CHOICE = r"\1 no puede ser «\2»: elige entre \3."
NO_VALUE_WANTED = r"La opción \1 no lleva valor («\2»)."
BADLY_WRITTEN = "El comando está mal escrito ({message})."
NOT_UTF8 = "el texto tiene letras que no se pueden leer: escríbelo en UTF-8."
NO_PORT = "«{text}» no es un puerto: escribe un número entre 1 y 65535."
NO_FOLDER = "--salida es la carpeta donde guardar y «{text}» es el nombre de un archivo: escribe solo la carpeta."
NO_LOGIN = "escribe el usuario y la contraseña así: nombre:contraseña."
NO_COUNT = "«{text}» no es un número de 1 a {most}."
NO_ORIGIN = "«{text}» no es la dirección de una web, como http://localhost:5173."
ONLY_TO_OPEN = "--{option} solo sirve para abrir la página, sin subcomando."
ONLY_WITH = "--{option} solo sirve con --{needed}."
AXIS_NEEDED = '--x es necesario: escribe qué cambia, por ejemplo --x "Steps=10,20".'
AXIS_WRITTEN = '--{letter} se escribe EJE=VALORES, por ejemplo --{letter} "Steps=10,20".'
ONE_MODEL = "--nombre solo sirve con un modelo."
ONE_LORA = "Se reduce un LoRA cada vez; para sumar varios: sdcolab lora mezclar."
MODEL_MISSING = "{option} dice de qué modelos se extrae, y falta."
RECIPE_ALONE = "--receta ya dice todo: no lleva las opciones de una mezcla."
TRIAL_MISSING = "--probar dice qué dibujar para probar la mezcla, y falta."
MERGE_MISSING = "--a dice qué modelo se mezcla, y falta."
ENGINES = "--motores va de 1 en adelante."
GPU_SHARE = "--gpu es una parte de una GPU (0.5, 0.25…) o varias enteras."
NO_LINK = "No hay ningún enlace: pon al menos uno, completo, desde https://."
FIELD_MISSING = "falta {name}=VALOR."
NO_FIELD = "«{name}» no es ninguno de sus campos: {known}."
REPEATS = "se puede repetir; campos: {fields}"
RANGE = "de {low:.10g} a {high:.10g}"
DEFAULT = "por defecto, {value}"
SHARE_OF = " de {total}"
STEP_OF = "Paso {step} de {total}"
PICTURES = Template("{count:imagen|imágenes}")
REPORT_SAVED = "Informe guardado en {path}"
YES = ("", "1", "si", "sí", "true")
NO = ("0", "no", "false")
"""How an option's "yes" and "no" may be written."""

# --- Why a batch's list cannot be read ------------------------------------------------------------------------------

WORKBOOK_LIST = "es un libro de Excel o un zip; en tu hoja de cálculo usa «Guardar como» y elige CSV"
NO_COLUMN = "no existe la columna «{name}»"
DID_YOU_MEAN = " (¿querías decir «{name}»?)"
NO_BATCH_TASK = "un trabajo «{code}» no se puede hacer en un lote"
NO_REQUEST = "no dice qué generar"
NO_JSON = "no es JSON"
NO_OBJECT = "no es un objeto entre llaves"

# --- While it is open -------------------------------------------------------------------------------------------------

OPEN_AT = "✅ sdcolab está abierto en {url}"
PUBLIC_URL = "Running on public URL: {url}"
LOGIN = "Usuario: {user}  Contraseña: {password}"
SAVED_PASSWORD = "la que guardaste en Ajustes"
"""In the place of one that is not to be read."""

OPEN_TO_NETWORK = "⚠️ Cualquiera en tu red puede entrar. Para pedir contraseña usa --usuario nombre:contraseña."
HOW_TO_CLOSE = "Para cerrarlo pulsa Ctrl+C."
CLOSED = "👋 sdcolab está cerrado."
