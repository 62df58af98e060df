"""What the tag editor says (``studio/assets/rooms/etiquetas.js``)."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Template

CHANGED = Template("{count:descripción cambiada|descripciones cambiadas}. Pulsa «Guardar» para escribir los cambios.")
UNCHANGED = "Ninguna descripción cambió."
FOREIGN = Template(
    "{count:descripción no estaba|descripciones no estaban} en UTF-8 y se leen como las escribe Windows. Mira que las "
    "tildes estén bien y pulsa «Guardar»."
)
SAVED = Template(
    "✅ {count:descripción guardada|descripciones guardadas}. La copia de antes está junto a cada imagen (.000)."
)
RESTORED = Template("↩️ {count:descripción como estaba|descripciones como estaban} antes de guardar.")
PUT_ASIDE = Template("{count:imagen apartada|imágenes apartadas} en {folder}. No se borró ninguna.")
MASK_SAVED = "✅ Máscara guardada: {name}. Al entrenar, lo que queda sin pintar no se aprende."
MASK_DROPPED = "Máscara apartada: se aprende la imagen entera."
UPLOADED = Template("✅ {count:archivo|archivos} en {folder}.")

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
    "upload_failed": "{count:# archivo no se subió|# archivos no se subieron} ({names}): {reason}",
    "save": "Guardar",
    "saving": "Guardando…",
    "undo": "Deshacer",
    "reload": "Descartar los cambios",
    "reload_sure": "¿Descartar los cambios que no guardaste?",
    "restore": "Volver a la copia anterior",
    "restore_sure": "¿Dejar las descripciones como estaban antes de la última vez que guardaste?",
    "unsaved": "{count} sin guardar",
    "count": "{shown} de {total:imagen|imágenes} · {place}",
    "bare": "Sin descripción: {count}",
    "every_folder": "Todas las carpetas",
    "filter": "Filtrar por etiquetas",
    "search": "Buscar etiqueta (pelo azul, hair…)",
    "by_name": "A-Z",
    "filter_hint": "Toca una etiqueta: primero + la exige, luego − la excluye, y al final la suelta.",
    "mode_all": "Con todas las de +",
    "mode_some": "Con alguna de +",
    "clear": "Quitar el filtro",
    "more_tags": "Y {count} más: usa la búsqueda.",
    "chosen": "{count:elegida|elegidas}",
    "choose_all": "Elegir todas las que se ven",
    "choose_none": "Ninguna",
    "aside": "Apartar",
    "aside_sure": "¿Apartar {count:imagen|imágenes} del entrenamiento? Nada se borra: todo va a la carpeta _apartadas.",
    "batch": "Editar a la vez (Batch Edit Captions)",
    "batch_chosen": "{count:Se cambia la elegida|Se cambian las # elegidas}.",
    "batch_shown": "{count:Se cambia la que se ve|Se cambian las # que se ven}.",
    "tags": "Etiquetas, separadas por comas",
    "first": "Poner al principio",
    "first_hint": "Así se añade la palabra de activación: es «Prepend additional tags» en la guía. Luego entrena con "
    "keep_tokens a 1.",
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
    "tagger": "Etiquetar (Tagger)",
    "tagger_name": "Tagger: wd y pixai ponen tags de anime; Florence-2 y BLIP, oraciones para fotos",
    "threshold": "Umbral: la guía usa 0.2 o mayor; 0.5 para estilos",
    "only_bare": "Solo las que no tienen descripción",
    "tagger_start": "Interrogate (empezar)",
    "tagging": "Etiquetando… {percent} %",
    "tagging_waits": "Preparando el tagger… La primera vez se descarga.",
    "mask": "Máscara",
    "mask_hint": "Pinta lo que el LoRA debe aprender. Lo demás no cuenta al entrenar.",
    "mask_empty": "Todavía no pintaste nada: pinta sobre la imagen lo que el LoRA debe aprender.",
    "mask_save": "Guardar la máscara",
    "mask_drop": "Quitar la máscara",
    "mask_back": "Volver a la descripción",
    "mask_mark": "Tiene máscara",
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
