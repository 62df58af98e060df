"""What is told of a training: what is found before it, and how it goes."""

from __future__ import annotations

from sdcolab.core.words.base import Template

# --- Before it --------------------------------------------------------------------------------------------------------

REGULARISATION = " (Regularización)"
FOUND = Template(
    "📈 {count:Se encontró # imagen|Se encontraron # imágenes} con {repeats:repetición|repeticiones}: "
    "{total} por epoch."
)
SIZES = "🪣 Tamaños en que se entrenan: {sizes}."
BATCHES = Template("📉 Con batch size {batch} {steps:es # paso|son # pasos} por epoch.")
EPOCHS = Template("🔮 Habrá {epochs:epoch|epochs}, para un total de {steps:paso|pasos}.")
ESTIMATE = "⏱️ Tiempo aproximado {place}: {time}."
ON_T4 = "en una tarjeta T4 de Colab"
WITHOUT_CARD = "sin tarjeta gráfica"
NO_CAPTION = "(sin descripción)"
REPEATS = "repeticiones"
MASKED = Template("🎭 {count:imagen tiene|imágenes tienen} máscara (_mask): se aprende solo lo blanco.")

# --- While it goes ----------------------------------------------------------------------------------------------------

STAGE_COUNT = ": {done} de {total}"
TRAINING = Template("⭐ Entrenando {pictures:imagen|imágenes} en {steps:paso|pasos} ({where}).")
GOES_ON_FROM = " Continúa desde el paso {step}."
CARD = "tarjeta gráfica"
PROCESSOR = "procesador"
STEP = "🔥 {share} % · paso {step} de {total} · epoch {epoch} · pérdida {loss:.4f} · tasa {rate:.2g} · faltan {left}"
LORA_DONE = "✅ LoRA terminado: {name}"
LORA_SAVED = "💾 Guardado: {name}"
STATE_SAVED = "📌 Si se corta la sesión, continuará desde el paso {step}."
SAMPLE = "🖼️ Muestra: {name}"
PAUSED = "⏸️ En pausa."
GOES_ON = "▶️ Continúa."
TRAINED = "✅ Entrenamiento terminado."
LOSS = "pérdida"
RATE = "tasa de aprendizaje"
CURVE = "Pérdida {loss:.4f} y tasa de aprendizaje {rate:.2g} en el paso {step} de {total}"
CURVE_STEP = "paso {step} de {total}"

# --- After it ---------------------------------------------------------------------------------------------------------

LISTED = "✅ Tu LoRA está en {path}. Ya puedes elegirlo en la lista de LoRA."
RAW, RIGHT, OVERCOOKED = "crudo", "en su punto", "recocido"
MEASURED = (
    "{name}: {sentence} (parecido {closeness:.0f} ± {error:.0f} %, copias {copies:.0f} %, variedad {variety:.0f} %) "
    "{advice}"
)
MEASURED_ONCE = (
    "{name}: {sentence} (parecido {closeness:.0f} %, de una sola imagen: haz más para saber cuánto fiarte) {advice}"
)
LIKENESS = (
    "Parecido: 0 % como sin LoRA, 100 % como tus imágenes entre sí. Con pocas imágenes es solo una pista: mira la hoja."
)
PLAIN_COLUMN = "sin LoRA"

# --- Why a saved state, a plan or a file cannot be used -------------------------------------------------------------

PRECISIONS = {"no": "de 32 bits", "fp16": "de 16 bits (fp16)", "bf16": "de 16 bits (bf16)"}
OF_CARD, OF_MACHINE = "de la tarjeta gráfica", "del equipo"
NOTHING_KEPT = "ninguno todavía"
OTHER_OPTIONS = "es de un entrenamiento con otras opciones u otro modelo base"
OTHER_SEED = "es de un entrenamiento con otra semilla"
OTHER_PICTURES = "las imágenes o sus descripciones cambiaron"
OTHER_NETWORK = "es de otra red"
OTHER_LAYERS = "no es un LoRA con estas capas y este dim"
INCOMPLETE = "está incompleto o dañado"
TOO_LARGE = "es demasiado grande"
NO_IMAGE_DIR = "a una carpeta le falta image_dir"
NO_DATASETS = "no tiene ningún [[datasets]]"
NO_LIST_OF_TABLES = "{name} debe ser una lista de tablas"
NO_TABLE = "una sección no es una tabla"
