"""Sentences of scripts: grids, matrices, tiles and prompts with random parts."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Sentence

SENTENCES: Mapping[str, Sentence] = {
    "grids.axis_unknown": Sentence(
        "No existe el eje «{name}».", "{suggestions}Los más usados: pasos, sampler, CFG, modelo, semilla y S/R."
    ),
    "grids.axis_of_other_tab": Sentence("El eje «{axis}» solo existe en {tab}.", "Elige otro eje."),
    "grids.axis_unavailable": Sentence(
        "El eje «{axis}» cambia algo que esta versión todavía no sabe hacer.", "Elige otro eje."
    ),
    "grids.axis_without_effect": Sentence(
        "El eje «{axis}» no cambia nada aquí: esa parte está apagada.",
        "Enciéndela (por ejemplo, Hires fix, Refiner o «Pesos del modelo en 8 bits») o elige otro eje.",
    ),
    "grids.axis_without_lora": Sentence(
        "El eje «{axis}» no cambia nada: tu prompt no tiene ningún LoRA.",
        "Añádelo al prompt, o escribe su nombre delante de los pesos: nombre:0.2-1 [5].",
    ),
    "grids.nothing_to_compare": Sentence("Falta elegir el LoRA.", "Elígelo en su lista."),
    "grids.axis_empty": Sentence(
        "El eje «{axis}» no tiene valores.", "Escríbelos separados por comas; por ejemplo: 20, 30."
    ),
    "grids.axis_value_unreadable": Sentence(
        "No se entiende «{value}» en el eje «{axis}».",
        "Separa los valores con comas. Los números pueden ser un rango: 1-5, 1-10 (+2) o 1-10 [4].",
    ),
    "grids.axis_size_unreadable": Sentence(
        "«{value}» no es un tamaño en el eje «{axis}».", "Escribe ancho y alto con una x: 512x768, 768x512."
    ),
    "grids.axis_switch_unreadable": Sentence(
        "No se entiende «{value}» en el eje «{axis}».", "Escribe True (sí) o False (no), separados por comas."
    ),
    "grids.axis_decimal_comma": Sentence(
        "En el eje «{axis}» se leyeron estos valores: {values}.", "Si querías decimales, usa punto: 0.5, no 0,5."
    ),
    "grids.too_many_orders": Sentence(
        "El eje «{axis}» admite {limit} frases como mucho: con más serían miles de imágenes.", "Deja menos frases."
    ),
    "grids.axis_value_unknown": Sentence(
        "El eje «{axis}» no conoce «{value}».", "{suggestions}Con * se usan todos los que hay."
    ),
    "grids.too_many_axis_values": Sentence(
        "El eje «{axis}» tiene más de {limit} valores.", "Usa un paso mayor, por ejemplo 1-100 (+10)."
    ),
    "grids.too_many_cells": Sentence(
        "Serían {count:imagen|imágenes}, y el máximo es {limit}.", "Quita valores de algún eje o del prompt."
    ),
    "grids.result_too_large": Sentence(
        "La imagen tendría {megapixels} megapíxeles, y el máximo es {limit}.", "Elige una escala o un tamaño menor."
    ),
    "grids.search_text_missing": Sentence(
        "Prompt S/R busca «{text}» y no está en tu prompt ni en el prompt negativo.",
        "El primer valor debe ser una parte de tu prompt, escrita igual, con sus mayúsculas.",
    ),
    "grids.matrix_without_parts": Sentence(
        "El prompt elegido en Prompt matrix no tiene partes separadas por |: sale una sola imagen.",
        "Escríbelas (gato|hierba|noche), o elige el otro prompt, positivo o negativo.",
    ),
    "grids.script_needs_picture": Sentence(
        "El script «{script}» trabaja sobre una imagen.", "Ve a img2img, sube una imagen y elige allí el script."
    ),
    "grids.script_empty": Sentence("El script «{script}» no tiene nada que hacer.", "Escribe al menos una línea."),
    "grids.direction_missing": Sentence(
        "Falta elegir hacia dónde continúa la imagen.", "Elige al menos una dirección."
    ),
    "grids.script_not_planned": Sentence(
        "En el script «{script}» cada imagen sale de la anterior, así que no hay lista que exportar.",
        "Exporta una cuadrícula (X/Y/Z plot), una Prompt matrix o una lista de prompts.",
    ),
    "grids.script_unknown": Sentence("No existe el script «{name}».", "{suggestions}Elige un script de la lista."),
    "grids.script_option": Sentence(
        "«{value}» no es un valor posible de «{option}» en el script «{script}».",
        "{suggestions}Revisa cómo está escrito.",
    ),
    "grids.line_options_unread": Sentence(
        "No se entienden las opciones de «{line}», así que toda la línea se usa como prompt.",
        "Pon el prompt entre comillas y revisa cómo se llama cada opción; la primera es la del prompt.",
    ),
    "grids.script_has_no_option": Sentence(
        "El script «{script}» no tiene el ajuste «{option}».", "Los que tiene: {known}."
    ),
    "grids.plan_not_chosen": Sentence(
        "Falta elegir la cuadrícula que quieres continuar.",
        "Elígela en «Cuadrícula a medias»; si la lista está vacía, no queda ninguna a medias.",
    ),
    "grids.plan_unreadable": Sentence(
        "«{path}» no es el plan de una cuadrícula, o está dañado.",
        "Elige el archivo .jsonl que está junto a la cuadrícula.",
    ),
    "grids.cell_failed": Sentence(
        "No se pudo hacer la imagen «{cell}» y su lugar queda vacío.", "Las demás se hacen igual. Detalle: {detail}."
    ),
    "grids.cells_failed": Sentence(
        "No se pudieron hacer {count:imagen|imágenes} por lo mismo, la primera «{cell}», y sus lugares quedan vacíos.",
        "Las demás se hacen igual. Detalle: {detail}.",
    ),
    "grids.wildcard_missing": Sentence(
        "No existe la lista «{name}», así que se deja escrita tal cual.",
        "{suggestions}Créala en la pestaña Comodines, o revisa el nombre.",
    ),
    "grids.variable_missing": Sentence(
        "El prompt usa la variable «{name}» y no le da ningún valor, así que se deja escrita tal cual.",
        "Dale uno antes de usarla, o con dos puntos donde la usas.",
    ),
    "grids.prompt_too_deep": Sentence(
        "Los prompts dinámicos se repiten dentro de sí mismos o crecen demasiado.",
        "Revisa si una lista se nombra a sí misma; lo que sobra se deja escrito tal cual.",
    ),
    "grids.template_broken": Sentence(
        "La plantilla Jinja2 tiene un error.", "Corrígela o apaga Jinja2. Detalle: {detail}."
    ),
    "grids.wildcard_refused": Sentence(
        "La lista «{name}» no se puede guardar.",
        "Usa un nombre sin «..», que acabe en .txt, .yaml o .json, y un texto de 1 MB como mucho.",
    ),
    "grids.symbol_without_script": Sentence(
        "El signo {mark} no hace nada aquí sin {script}: se lee como texto.",
        "Elige {script} en «Script», o quita el signo del prompt.",
    ),
}

SCRIPT_NAMES: Mapping[str, str] = {
    "dynamic": "los prompts dinámicos",
    "matrix": "Prompt matrix",
}
"""What features are called in the middle of a sentence, by their codes; the others go by A1111's titles."""

# --- Why a Jinja template was stopped ---------------------------------------------------------------------------------

HUGE_NUMBER = "número demasiado grande"
LONG_TEXT = "texto demasiado largo"
NO_FORMAT = "formato no permitido"
SLOW_TEMPLATE = "la plantilla tarda demasiado"
NO_PICTURE_HERE = "Aquí no hay imagen."
"""In the page of a plot, of a cell that was not made."""
