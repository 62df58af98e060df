"""The words of the tab "Ajustes"."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.machine import MemoryUse
from sdcolab.core.words.base import Words

SAVING, BAR, PAGE = "Guardar imágenes", "Barra de arriba", "Página y avisos"
FOLDERS, MACHINE = "Carpetas", "Equipo y acceso"

PREFERENCE_WORDS: Mapping[str, Words] = {
    "image_format": Words(
        "Formato", "PNG no pierde nada; JPEG y WebP ocupan mucho menos. Todos llevan los datos dentro.", SAVING
    ),
    "quality": Words("Calidad de JPEG y WebP", "De 1 a 100. Con 80 apenas se nota la diferencia.", SAVING),
    "file_pattern": Words(
        "Nombre de los archivos",
        "Va detrás del número. Vacío: la semilla. Usa los códigos de A1111: [seed], [model_name], [prompt_words], "
        "[steps], [cfg], [sampler], [width], [height], [datetime]…",
        SAVING,
    ),
    "folder_pattern": Words(
        "Carpeta", "Dentro de la de su clase. [date] hace una por día; con / pones una dentro de otra.", SAVING
    ),
    "save_text": Words("Guardar también un .txt con los datos", "Un archivo de texto junto a cada imagen.", SAVING),
    "grid_format": Words(
        "Formato de las cuadrículas", "Las de los scripts, como X/Y/Z plot. Las muy grandes se guardan en PNG.", SAVING
    ),
    "preview": Words("Vista previa", "Enseñar la imagen mientras se genera. Quitarla ahorra un poco de tiempo.", PAGE),
    "translate": Words(
        "Traducir el prompt al generar",
        "Lo que escribas en español se envía en inglés; debajo del prompt se ve cómo. La imagen guarda los dos.",
        PAGE,
    ),
    "adult": Words(
        "Modelos para adultos en el catálogo",
        "Los que llevan 🔞 en Descargas. Si la desmarcas, no salen. Cambia la próxima vez que abras sdcolab.",
        PAGE,
    ),
    "bar": Words(
        "Siempre a la vista (Quicksettings)",
        "Los controles de la barra de arriba de la página. En el panel cambian la próxima vez que pulses ▶️.",
        BAR,
    ),
    "control_units": Words(
        "Unidades de ControlNet",
        "De 2 a 10: cuántas puedes usar a la vez. Cambia la próxima vez que abras sdcolab.",
        PAGE,
    ),
    "look": Words("Aspecto", "Claro, oscuro o el de tu sistema.", PAGE),
    "sound": Words("Sonido al terminar", "Un aviso corto cuando la imagen está lista.", PAGE),
    "notify": Words(
        "Avisar con una notificación",
        "Si la página está en segundo plano. El navegador pide permiso la primera vez.",
        PAGE,
    ),
}

TOLD_WORDS: Mapping[str, Words] = {
    "outputs": Words(
        "Imágenes",
        "Aquí se guardan; en Colab se copian además a tu Drive. Se puede usar una carpeta nueva o vacía, o una que ya "
        "tenga imágenes de sdcolab o de AUTOMATIC1111. Vacío: la del programa. Vale desde la próxima vez que lo abras.",
        FOLDERS,
    ),
    "models": Words("Modelos", "Cada clase tiene su carpeta dentro, con los nombres de AUTOMATIC1111.", FOLDERS),
    "linked": Words(
        "Modelos de otros programas",
        "La carpeta de AUTOMATIC1111, Forge o ComfyUI: sus modelos se usan donde están, sin copiarlos. Pulsa "
        "«Actualizar» para verlos en las listas.",
        FOLDERS,
    ),
    "memory": Words(
        "Memoria",
        "«Automática» usa lo que quepa en tu tarjeta. Con las otras, el modelo ocupa menos y tarda más. Vale desde la "
        "próxima vez que abras el programa.",
        MACHINE,
    ),
    "checkpoints": Words(
        "Modelos en memoria",
        "Cuántos se quedan cargados mientras quepan, para volver a ellos al momento. Con 1, solo el que usas. Vale "
        "desde la próxima vez que abras el programa.",
        MACHINE,
    ),
    "graphs": Words(
        "Grabar los pasos (CUDA graphs, experimental)",
        "La tarjeta graba un paso y lo repite sin esperar al procesador: las imágenes pequeñas pueden tardar bastante "
        "menos, y ocupa más memoria. Todavía nadie lo probó en una tarjeta: se comprueba solo, y si algo no cuadra se "
        "apaga y te lo dice. Con LoRA por zonas, «Rápido» o «Equilibrado» no se usa. Vale desde la próxima vez que "
        "abras el programa.",
        MACHINE,
    ),
    "speed": Words(
        "Velocidad", "La de un formulario nuevo. Fiel hace la imagen de siempre; las otras tardan menos.", MACHINE
    ),
    "password": Words(
        "Contraseña de la página",
        "La pide al entrar desde la próxima vez que la abras, también por un enlace público. «--usuario» manda más. "
        "Nunca se enseña ni va a tu Drive.",
        MACHINE,
    ),
}
"""What is no preference of its own: told, or kept with the form's defaults."""

PASSWORD_OF_NOTEBOOK = "En el cuaderno es la que sale bajo el enlace"
"""Told where there is no page."""

NO_PASSWORD = "Ahora no hay ninguna"
HAS_PASSWORD = "Hay una guardada, de «{user}»"

CHOICES: Mapping[str, Mapping[str, str]] = {
    "image_format": {"png": "PNG", "jpg": "JPEG", "webp": "WebP", "avif": "AVIF"},
    "grid_format": {"png": "PNG", "jpg": "JPEG", "webp": "WebP", "avif": "AVIF"},
    "look": {"system": "El del sistema", "light": "Claro", "dark": "Oscuro"},
}

MEMORY_NAMES: Mapping[MemoryUse, str] = {
    MemoryUse.AUTO: "Automática",
    MemoryUse.TURNS: "Por turnos (--medvram)",
    MemoryUse.STREAMED: "Lo mínimo (--lowvram)",
}

TRANSLATOR_HERE = "✅ El traductor está listo: «Traducir» ya entiende frases enteras."
"""Said when its files are there."""

IMPORT_TITLE = "Traer los ajustes de AUTOMATIC1111"
IMPORT_HELP = (
    "Elige tu config.json o tu ui-config.json: lo que exista aquí se pone en estos ajustes y en los valores "
    "predeterminados del formulario. O tu styles.csv: sus estilos se añaden a los tuyos."
)
IMPORTED = "Ajustes que se trajeron: {used}. {left}"
NOT_USED = "No existen aquí: {names}."
EVERYTHING_USED = "Todo lo que cambia una imagen estaba aquí."
NOTHING_TO_IMPORT = "En ese archivo no hay ningún ajuste que exista aquí."


def styles_imported(new: int, known: int) -> str:
    """What a file of styles brought."""
    brought = f"Estilos que se añadieron: {new}."
    return (
        f"{brought} Los {known} cuyo nombre ya tenías no cambiaron."
        if known > 1
        else (f"{brought} Uno tenía el nombre de otro tuyo, que no cambió." if known else brought)
    )
