"""What the fields of scripts are called, by their path below the script's code, and their choices."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from enum import StrEnum

from sdcolab.core.scripts import Curve, Delimiter, Direction, Forecast, Insert, Redraw, SeamsFix, Target, Which
from sdcolab.core.words.base import Words, counted

_AXIS_HELP = 'Separa los valores con comas. Rangos: 1-5, 1-10 (+2), 1-10 [4]. Con comas dentro: "a, b","c"'

GROUPS: Mapping[str, Mapping[str, Words]] = {
    "X/Y/Z plot": {
        "xyz.x_axis": Words("Tipo X", "Lo que cambia de columna en columna"),
        "xyz.x_values": Words("Valores X", _AXIS_HELP),
        "xyz.y_axis": Words("Tipo Y", "Lo que cambia de fila en fila"),
        "xyz.y_values": Words("Valores Y", _AXIS_HELP),
        "xyz.z_axis": Words("Tipo Z", "Lo que cambia de hoja en hoja"),
        "xyz.z_values": Words("Valores Z", _AXIS_HELP),
        "xyz.legend": Words("Dibujar los rótulos"),
        "xyz.sub_images": Words("Mostrar también cada imagen", "Se guardan siempre; así además salen en la galería"),
        "xyz.sub_grids": Words("Mostrar también la hoja de cada valor Z"),
        "xyz.keep_random": Words("Mantener -1 en las semillas", "Cada imagen con una semilla al azar"),
        "xyz.vary_seeds_x": Words("Otra semilla por columna (X)"),
        "xyz.vary_seeds_y": Words("Otra semilla por fila (Y)"),
        "xyz.vary_seeds_z": Words("Otra semilla por hoja (Z)"),
        "xyz.margin": Words("Margen entre imágenes (px)"),
        "xyz.webp": Words("Guardar la hoja en WebP", "Ocupa mucho menos que en PNG"),
        "xyz.page": Words("Guardar también una página HTML", "Con un mando por eje, para verla en cualquier navegador"),
    },
    "Prompt matrix": {
        "matrix.at_start": Words("Poner lo variable al principio del prompt"),
        "matrix.different_seeds": Words("Una semilla distinta para cada imagen"),
        "matrix.which": Words("Prompt", "El que tiene las partes separadas por |"),
        "matrix.delimiter": Words("Unir las partes con"),
        "matrix.margin": Words("Margen entre imágenes (px)"),
    },
    "Prompts from file or textbox": {
        "lines.text": Words(
            "Lista de prompts", 'Uno por línea; admite opciones como --steps 30 o --negative_prompt "feo"'
        ),
        "lines.insert": Words("Poner cada línea", "Con respecto al prompt del formulario"),
        "lines.iterate_seed": Words("Avanzar la semilla en cada línea"),
        "lines.same_random_seed": Words("La misma semilla al azar para todas las líneas"),
        "lines.combined": Words("Hacer también una cuadrícula con todas"),
    },
    "Loopback": {
        "loopback.loops": Words("Vueltas"),
        "loopback.final_strength": Words("Fuerza del denoising final", "La de la última vuelta"),
        "loopback.curve": Words("Curva del denoising", "Cómo se pasa de una fuerza a la otra"),
    },
    "img2img alternative test": {
        "alternative.prompt": Words("Prompt de la imagen", "Describe la imagen inicial tal como es"),
        "alternative.negative_prompt": Words("Prompt negativo de la imagen"),
        "alternative.steps": Words("Pasos hacia atrás (Decode steps)", "Los que buscan el ruido del que salió"),
        "alternative.cfg_scale": Words("CFG hacia atrás (Decode CFG scale)", "Lo mejor suele estar entre 0.1 y 3"),
        "alternative.randomness": Words("Azar", "0 = la misma imagen; más alto, más cambios"),
        "alternative.sigma_adjustment": Words(
            "Ajuste de sigma", "Busca el ruido con más exactitud; en A1111 viene quitado"
        ),
        "alternative.override_sampler": Words("Usar el sampler Euler", "El único que hace el camino de vuelta exacto"),
        "alternative.override_prompt": Words(
            "Usar el prompt de la imagen", "Quítalo para cambiar algo de ella con el prompt del formulario"
        ),
        "alternative.override_steps": Words("Los mismos pasos de ida que de vuelta"),
        "alternative.override_strength": Words("Denoising 1"),
    },
    "SD upscale": {
        "sd_upscale.overlap": Words("Solape entre cuadros (px)"),
        "sd_upscale.scale": Words("Ampliar por"),
        "sd_upscale.upscaler": Words("Upscaler", "Con «Ninguno» la imagen se repasa sin ampliarla"),
    },
    "Ultimate SD upscale": {
        "ultimate.target": Words("Tamaño final", "De dónde sale el tamaño de la imagen ampliada"),
        "ultimate.width": Words("Ancho a medida"),
        "ultimate.height": Words("Alto a medida"),
        "ultimate.scale": Words("Escala"),
        "ultimate.upscaler": Words("Upscaler", "Ninguno = Lanczos"),
        "ultimate.redraw": Words("Tipo (Type)", "El orden de los cuadros. La guía aconseja Chess"),
        "ultimate.tile_width": Words("Ancho del cuadro (Tile width)"),
        "ultimate.tile_height": Words("Alto del cuadro (Tile height)", "0 = igual que el ancho"),
        "ultimate.mask_blur": Words("Difuminado de la máscara"),
        "ultimate.padding": Words("Padding", "Píxeles de alrededor que se tienen en cuenta"),
        "ultimate.seams_fix": Words("Arreglo de costuras (Seams fix)", "Solo si se notan los bordes de los cuadros"),
        "ultimate.seams_strength": Words("Fuerza del denoising en las costuras"),
        "ultimate.seams_width": Words("Ancho de la costura (px)"),
        "ultimate.seams_mask_blur": Words("Difuminado en las costuras"),
        "ultimate.seams_padding": Words("Padding en las costuras"),
        "ultimate.save_upscaled": Words("Guardar también la imagen de antes de arreglar las costuras"),
    },
    "Outpainting mk2": {
        "outpainting.pixels": Words("Píxeles que se añaden"),
        "outpainting.mask_blur": Words("Difuminado de la máscara"),
        "outpainting.directions": Words("Direcciones"),
        "outpainting.falloff": Words("Caída del detalle", "Menor = más detalle en lo nuevo"),
        "outpainting.colour_variation": Words("Variación de color"),
    },
    "Poor man's outpainting": {
        "poor_mans.pixels": Words("Píxeles que se añaden"),
        "poor_mans.mask_blur": Words("Difuminado de la máscara"),
        "poor_mans.content": Words("Contenido de la zona nueva"),
        "poor_mans.directions": Words("Direcciones"),
    },
    "Prompts dinámicos": {
        "dynamic.combinatorial": Words("Todas las combinaciones", "En lugar de elegir al azar"),
        "dynamic.limit": Words("Máximo de imágenes", "0 = todas las combinaciones"),
        "dynamic.rounds": Words("Repetir las combinaciones", "Con otras semillas"),
        "dynamic.same_seed": Words("La misma semilla para todas"),
        "dynamic.unlinked": Words("No ligar el prompt a la semilla", "El prompt cambia aunque la semilla sea la misma"),
        "dynamic.only_positive": Words("No tocar el prompt negativo"),
        "dynamic.jinja": Words("Plantilla Jinja2"),
        "dynamic.ignore_whitespace": Words("Quitar los espacios de más"),
        "dynamic.keep_template": Words("Guardar la plantilla en los datos de la imagen"),
    },
    "Continuar una cuadrícula": {
        "continue.plan": Words("Cuadrícula a medias", "Se hacen solo las imágenes que faltan"),
    },
}
"""The fields of each script, under its title, in the order to show them."""

OPTIONS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    Which: {Which.POSITIVE: "Prompt", Which.NEGATIVE: "Prompt negativo"},
    Delimiter: {Delimiter.COMMA: "coma", Delimiter.SPACE: "espacio"},
    Insert: {Insert.START: "delante", Insert.END: "detrás"},
    Curve: {Curve.AGGRESSIVE: "Rápida (Aggressive)", Curve.LINEAR: "Recta (Linear)", Curve.LAZY: "Lenta (Lazy)"},
    Redraw: {Redraw.LINEAR: "Linear", Redraw.CHESS: "Chess", Redraw.NONE: "Ninguno (None)"},
    SeamsFix: {
        SeamsFix.NONE: "Ninguno (None)",
        SeamsFix.BAND: "Bandas (Band pass)",
        SeamsFix.HALF: "Cuadros a medio paso (Half tile offset pass)",
        SeamsFix.HALF_CROSS: "Cuadros a medio paso y cruces (… + intersections)",
    },
    Target: {
        Target.SCALE: "Según el tamaño de la imagen (escala)",
        Target.CUSTOM: "A medida",
        Target.IMG2IMG: "El ancho y el alto de img2img",
    },
    Direction: {
        Direction.LEFT: "izquierda",
        Direction.RIGHT: "derecha",
        Direction.UP: "arriba",
        Direction.DOWN: "abajo",
    },
}
"""What the choices of scripts are called."""


LINES_FILE = "Leerla de un archivo .txt"
"""Under the list of prompts."""

LIST_IMPORT = "Importar listas de un .zip"
LIST_SAVED = "Lista «{name}» guardada."
LIST_DELETED = "Lista «{name}» borrada. Lo que decía sigue aquí: con «Guardar lista» vuelve."
LIST_OURS_AGAIN = "Tu lista «{name}» está borrada, y vuelve la que trae sdcolab."
LIST_OURS = "«{name}» viene con sdcolab y no se borra; si la cambias y la guardas, la tuya se usa en su lugar."
NO_SUCH_LIST = "No hay ninguna lista «{name}»: elige una."
LISTS_IMPORTED = "Listas importadas: {count} ({names})."
NO_LISTS = "El .zip no tiene listas .txt, .yaml ni .json."
"""What the tab of lists says on both faces."""


def forecast_text(told: Forecast, time: str) -> str:
    """What is told before a script starts. ``time`` is empty where nobody knows."""
    made = counted(told.pictures, "Se hará # imagen", "Se harán # imágenes")
    if told.parts:
        made = f"La imagen se hará en {told.pictures} partes" if told.pictures > 1 else "La imagen se hará de una vez"
    return f"{made}; unos {time} en este equipo." if time else f"{made}."


def left_plan_text(title: str, done: int, total: int, when: datetime.datetime) -> str:
    """What is told of a plan that was begun in another session."""
    of = f" de {total}" if total else ""
    made = "1 imagen hecha" if done == 1 and not of else f"{done}{of} imágenes hechas"
    return f"Quedó a medias «{title}» ({made}, {when:%d/%m %H:%M}). Al continuar solo se hacen las que faltan."


CONTINUE_PLAN = "Continuar"
LEAVE_PLAN = "Dejarla así"
PLAN_CONTINUED = "La cuadrícula continúa."
PLAN_LEFT = "De acuerdo: la cuadrícula se queda como está y no se vuelve a ofrecer."
"""What is offered for such a plan, and what is told afterwards."""

SHEET = "Cuadrícula"
PRESS_A_CELL = "Pulsa una imagen para abrirla."
OPEN_CELL = "Abrir"
BACK_TO_SHEET = "Volver a la cuadrícula"
"""What is said of a sheet whose pictures can be opened."""

PICK_VALUE = "Añadir un valor"
SWAPS: Mapping[str, str] = {"xy": "⇄ X/Y", "yz": "⇄ Y/Z", "xz": "⇄ X/Z"}
"""What the controls of axes say."""

SCRIPT_TITLES: Mapping[str, str] = {
    "dynamic": "Prompts dinámicos (Dynamic Prompts)",
    "continue": "Continuar una cuadrícula a medias",
}
"""Of those that A1111's scripts do not name; by code."""

SCRIPT_NOTES: Mapping[str, str] = {
    "xyz": "Compara: la misma imagen cambiando una, dos o tres cosas.",
    "matrix": "Escribe en el prompt partes separadas por |. La primera está siempre; las demás se ponen y se quitan.",
    "lines": "Una imagen por cada línea, que puede llevar sus propias opciones.",
    "loopback": "La imagen pasa por img2img varias veces seguidas.",
    "alternative": "Rehace la imagen desde el ruido del que pudo salir: cambian los detalles, no la composición.",
    "sd_upscale": "Amplía la imagen y la repasa por cuadros del tamaño del formulario.",
    "ultimate": "Amplía sin límite de VRAM: repasa la imagen cuadro a cuadro. Usa un denoising de 0.1 a 0.4.",
    "outpainting": "Continúa la imagen más allá de sus bordes. Mejor con muchos pasos y un denoising de 0.8.",
    "dynamic": "Escribe {rojo|azul} o __poses__ en el prompt: cada imagen sale con una opción al azar.",
    "continue": "Las cuadrículas interrumpidas, o de una sesión que se perdió, se guardan con huecos.",
    "poor_mans": "Continúa la imagen más allá de sus bordes, de la forma más sencilla.",
}
"""What each script is for, in one sentence."""
