"""What the rooms' modules say (``studio/assets/rooms/NAME.js``), by room and by the name that its module gives each.

``studio.look.room_module`` puts them at the head of the module. {0}, {1}... are facts, in order.
"""

from __future__ import annotations

from collections.abc import Mapping

ROOM_WORDS: Mapping[str, Mapping[str, str]] = {
    "sesion": {
        "goOn": "Continuar donde lo dejaste",
        "formKept": "El formulario ya está como en la última generación.",
        "fetch": "⬇️ Traer {0}{1}",
        "absent": "De otra sesión faltan aquí:",
        "undone": "La cola no llegó a hacer:",
        "resume": "▶️ Hacer lo que quedó ({0})",
        "forget": "Olvidarlo",
        "halfGrid": "Una cuadrícula quedó a medias:",
        "goOnGrid": "▦ Continuar «{0}»",
        "nothingHalf": "No quedó nada más a medias.",
        "chooseDelete": "Elige qué borrar",
        "sure": "¿Seguro? Sí, borrar {0} ({1})",
        "delete": "🧹 Borrar {0} ({1})",
        "onDrive": "en tu Drive: bórralo allí",
        "space": "¿Qué ocupa sitio?",
        "used": "Esta carpeta usa {0}; quedan libres {1}. Las imágenes guardadas nunca se borran desde aquí.",
        "measure": "Medir otra vez",
        "tooLarge": "Ese archivo es demasiado grande para ser de ajustes.",
        "own": "Mis ajustes en un archivo",
        "ownHelp": "Valores predeterminados, estilos, último formulario, lista de descargas y comodines. "
        "No lleva claves.",
        "export": "⬇️ Exportar mis ajustes",
        "import": "⬆️ Importar…",
        "about": " (unos {0})",
    },
    "ajustes": {
        "search": "Buscar un ajuste",
        "saved": "Guardado: {0}.",
        "fine": "Ajustes finos",
        "file": "Archivo de ajustes de AUTOMATIC1111",
        "choose": "Elegir archivo",
        "resetHelp": "Volver a los ajustes con que viene el programa.",
        "wasReset": "Los ajustes están como al principio.",
        "reset": "Restablecer",
    },
    "palabras": {
        "suggestions": "Sugerencias",
        "noRecent": "Aquí aparecerán los prompts con que generes.",
        "base": "Prompt base: {0}",
        "recent": "Recientes",
        "recentHelp": "Los prompts de tus últimas generaciones",
        "mendHelp": "Los pesos llevan punto: con coma se leen como texto. Ctrl+Z lo deshace.",
        "mend": "Cambiar comas por puntos",
        "translateHelp": "Traducir al inglés lo que esté en español; pesos, LoRA y comodines no cambian. "
        "Ctrl+Z lo deshace.",
        "translate": "Traducir",
        "nothing": "Nada que traducir",
        "translated": "Traducido",
    },
}
