"""What the training notebook's cells say."""

from __future__ import annotations

from sdcolab.core.architectures import ModelFamily
from sdcolab.core.words.base import Template

LOOKING = "💿 Revisando archivos…"
READY = "🍳 Todo listo: ahora pulsa ▶️ en 🔥 Cocinar el Lora."
WRITTEN = "📄 Configuración guardada en {path}"
NEEDS = "🧮 {base} es de la familia {family}: entrenar así necesita unos {needed} de memoria {where}."
FAMILIES = {
    ModelFamily.SD1: "Stable Diffusion 1.5",
    ModelFamily.SD2: "Stable Diffusion 2",
    ModelFamily.SDXL: "SDXL",
}
ON_CARD = "en la tarjeta gráfica (hay: {card})"
ON_PROCESSOR = "del equipo, porque no hay tarjeta gráfica"
PREPARING = "🔄 Preparando {tagger}…"
ALL_CAPTIONED = "✅ Todas las imágenes tienen ya su descripción."
KEPT = "↩️ La descripción que ya tenía cada imagen se guarda a su lado, en un archivo .000."
COMMONEST = "Las etiquetas más comunes:"
NO_TAGS = Template(
    "⚠️ Con un umbral de {threshold}, {count:# imagen se quedó|# imágenes se quedaron} sin etiquetas. Bájalo y vuelve a "
    "etiquetar: la guía usa 0.2 o mayor."
)
TAGGED = Template("✅ {count:imagen etiquetada|imágenes etiquetadas}.")
DESCRIBED = Template(
    "✅ {count:imagen descrita|imágenes descritas}. Mira el resultado en la pestaña Etiquetas. Son oraciones: entrena "
    "sin «Mezclar tags», que cambiaría de sitio sus partes."
)
LEFT_OUT = Template(
    "📁 {count:Queda fuera # archivo, que es|Quedan fuera # archivos, que son} de otro entrenamiento con este nombre: "
    "{names}."
)
JUDGING = Template("🎨 {files:archivo|archivos}, {count:imagen|imágenes} con cada uno: {prompts}")

# --- 📂 and 💿 ------------------------------------------------------------------------------------------------------

DRIVE_CONNECTED = "✅ Google Drive conectado. Tus imágenes van en {drive}/lora_training/datasets/NOMBRE."
CARD = "✅ Tarjeta gráfica: {card}."
NO_CARD = (
    "⚠️ No hay tarjeta gráfica: aquí solo sirve la prueba rápida. En Colab: Entorno de ejecución → Cambiar tipo de "
    "entorno de ejecución → T4 GPU."
)
INSTALLED = "✅ Instalación completada."

# --- 🖼️, 🏷️ and ✏️ ----------------------------------------------------------------------------------------------------

UNPACKING = "📂 Descomprimiendo…"
UNPACKED = Template("✅ {count:archivo|archivos} en {folder}")
SEEKING_DOUBLES = "💿 Buscando imágenes repetidas…"
DOUBLES = Template("✅ {count:repetida, apartada|repetidas, apartadas} en {folder} (no se borró ninguna).")
NO_DOUBLES = "✅ No hay imágenes repetidas."
RESTORED = Template("↩️ {count:descripción como estaba|descripciones como estaban}.")
CHANGED = Template("✅ {count:descripción cambiada|descripciones cambiadas}. Las etiquetas más comunes:")
KEEP_TOKENS = "👉 En 📄 Configuración, pon `keep_tokens` a 1."
FOLDER = Template("📁 {name}: {count:imagen|imágenes} × {repeats:repetición|repeticiones} = {total} por epoch.")
LOOSE = Template("📁 {count:# imagen suelta|# imágenes sueltas}: cuentan las repeticiones que pongas al entrenar.")
IN_ALL = Template("📈 En total, {total:imagen|imágenes} por epoch.")
ONE_SIZE = "📐 Todas miden {least}."
MEASURES = "📐 Miden de {least} a {most}."
SUM = Template("📷 {count:imagen|imágenes}, {described} con descripción, en {folder}")

# --- 🔥, 🔍 and 🍳 ----------------------------------------------------------------------------------------------------

BASE_HERE = "🔄 El modelo ya está descargado: {name}."
BRINGING_BASE = "🔄 Descargando el modelo base…"
STOPPED = "⏹️ Parado."
STOPPED_AND_SAVED = "⏹️ Parado. Lo entrenado está guardado: si vuelves a pulsar ▶️, continúa donde estaba."
COPIED = "🎨 También está en models/Lora: puedes usarlo en el estudio con el botón de LoRA."
AGAIN = "🔁 El entrenamiento empieza de nuevo."
MADE = "✅ Tu LoRA está en {path}"
SHEET = "🖼️ La hoja está en {path}"
SHEET_ALT = "Comparación de los epochs"
QUICK_TEST = Template("🍳 Prueba rápida: {count:dibujo|dibujos} de «{word}», {steps:paso|pasos}.")

# --- Where a project's files are, and what it is trained on ---------------------------------------------------------

BY_CATEGORY = "Organizar por categoría (MyDrive/lora_training/datasets/nombre_proyecto)"
BY_PROJECT = "Organizar por proyecto (MyDrive/Loras/nombre_proyecto/dataset)"
FLORENCE_LARGE = "Florence-2 large (oraciones para fotos)"
FLORENCE_BASE = "Florence-2 base (oraciones para fotos)"
BLIP_LARGE = "BLIP large (oraciones para fotos)"
BLIP_BASE = "BLIP base (oraciones para fotos)"
