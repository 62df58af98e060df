"""What the tag editor says (``studio/assets/rooms/etiquetas.js``)."""

from __future__ import annotations

from collections.abc import Mapping

CHANGED = "{count} descripciones cambiadas. Pulsa «Guardar» para escribirlas."
SAVED = "✅ {count} descripciones guardadas. La copia de antes está junto a cada imagen (.000)."
RESTORED = "↩️ {count} descripciones como estaban antes de guardar."
PUT_ASIDE = "{count} imágenes apartadas en {folder}. No se borró ninguna."
UPLOADED = "✅ {count} archivos en {folder}."

EDITOR_WORDS: Mapping[str, str] = {
    "project": "Proyecto",
    "choose": "Elige un proyecto…",
    "none": "Todavía no hay ningún proyecto. Pulsa «Nuevo proyecto», ponle un nombre y sube tus imágenes, o un zip.",
    "create": "Nuevo proyecto",
    "name": "¿Cómo se llama? Letras, números y guiones, sin espacios.",
    "upload": "Subir imágenes o un zip",
    "upload_hint": "Imágenes, sus .txt o un .zip con todo. También puedes soltarlos aquí.",
    "target": "¿En qué carpeta? El número del principio son sus repeticiones.",
    "uploading": "Subiendo {name}: {percent} %",
    "upload_failed": "No se pudo subir {name}: {reason}",
    "save": "Guardar",
    "undo": "Deshacer",
    "reload": "Descartar los cambios",
    "reload_sure": "¿Descartar los cambios que no guardaste?",
    "restore": "Volver a la copia anterior",
    "restore_sure": "¿Dejar las descripciones como estaban antes de la última vez que guardaste?",
    "unsaved": "{count} sin guardar",
    "count": "{shown} de {total} imágenes · {place}",
    "bare": "Sin descripción: {count}",
    "every_folder": "Todas las carpetas",
    "filter": "Filtrar por etiquetas",
    "search": "Buscar etiqueta (pelo azul, hair…)",
    "by_name": "A-Z",
    "filter_hint": "Toca una etiqueta: primero + la exige, luego − la excluye, y al final la suelta.",
    "mode_all": "Con todas las de +",
    "mode_some": "Con alguna de +",
    "clear": "Quitar el filtro",
    "more_tags": "Y {count} más: busca para encontrarlas.",
    "chosen": "{count} elegidas",
    "choose_all": "Elegir todas las que se ven",
    "choose_none": "Ninguna",
    "aside": "Apartar",
    "aside_sure": "¿Apartar {count} imágenes del entrenamiento? No se borran: van a la carpeta _apartadas.",
    "batch": "Editar a la vez",
    "batch_chosen": "Se cambian las {count} elegidas.",
    "batch_shown": "Se cambian las {count} que se ven.",
    "tags": "Etiquetas, separadas por comas",
    "first": "Poner al principio",
    "first_hint": "Así se añade la palabra de activación. Luego entrena con keep_tokens a 1.",
    "last": "Añadir al final",
    "remove": "Quitar",
    "new": "Por estas",
    "replace": "Reemplazar",
    "replace_every": "Solo donde estén todas",
    "old_text": "Texto dentro de las etiquetas",
    "new_text": "Por este texto",
    "rename": "Cambiar el texto",
    "sort": "Ordenar A-Z",
    "sort_hint": "La primera se queda en su sitio.",
    "once": "Quitar repetidas",
    "often": "Estas etiquetas están en más del 80 % de las imágenes. Si son rasgos fijos de tu personaje (pelo, ojos), "
    "quítalas para que las absorba la palabra de activación:",
    "caption": "Descripción",
    "tokens": "{count} de {room} tokens",
    "accept": "Aceptar",
    "cancel": "Cancelar",
    "close": "Cerrar (Esc)",
    "previous": "La anterior",
    "next": "La siguiente",
    "changed_mark": "Cambiada y sin guardar",
    "bare_mark": "Sin descripción",
    "damaged": "No se puede abrir",
    "nothing": "Ninguna imagen es así: quita algún filtro.",
    "empty": "Aquí no hay imágenes: súbelas, o ponlas en {place}.",
    "leave": "Hay descripciones sin guardar.",
}
