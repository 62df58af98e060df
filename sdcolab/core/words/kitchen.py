"""What the training notebook's cells say."""

from __future__ import annotations

LOOKING = "💿 Revisando archivos…"
READY = "🍳 Todo listo: ahora pulsa ▶️ en 🔥 Cocinar el Lora."
WRITTEN = "📄 Configuración guardada en {path}"
NEEDS = "🧮 {base} es de la familia {family}: entrenar así necesita unos {needed} de memoria {where}."
ON_CARD = "en la tarjeta gráfica (hay: {card})"
ON_PROCESSOR = "del equipo, porque no hay tarjeta gráfica"
PREPARING = "🔄 Preparando {tagger}…"
DESCRIBED = "✅ {count} imágenes descritas. Revísalas en la pestaña Etiquetas."
JUDGING = "🎨 {files} archivos, {count} imágenes cada uno: {prompts}"
