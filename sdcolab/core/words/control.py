"""Sentences and labels of ControlNet and of regions."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sdcolab.core.control import ControlType
from sdcolab.core.words.base import Sentence

DOWNLOAD_WEIGHTS = "⬇️ Descargarlo ahora"
"""Gets what a unit lacks."""

SENTENCES: Mapping[str, Sentence] = {
    "control.image_missing": Sentence(
        "Falta la imagen de muestra de ControlNet {units}.",
        "Súbela o dibújala ahí, o desactiva lo que no vayas a usar.",
    ),
    "control.without_effect": Sentence(
        "ControlNet {units} no cambia nada: su peso es 0, o termina antes de empezar.",
        "Revisa ahí «Peso», «Empieza en» y «Termina en».",
    ),
    "control.model_not_chosen": Sentence(
        "La unidad {unit} de ControlNet no tiene modelo elegido.",
        "Elige en Model uno del mismo tipo que el preprocessor. Si la lista está vacía, descarga uno (casilla "
        "todos_modelos_controlnet del cuaderno, o pestaña Descargas) y pulsa «Actualizar».",
    ),
    "control.model_taken": Sentence(
        "La unidad {unit} de ControlNet usa «{model}», el único modelo que hay para su tipo.",
        "",
    ),
    "control.family_wrong": Sentence(
        "El modelo de ControlNet «{path}» es para modelos {family} y el que usas es {checkpoint}.",
        "Elige un ControlNet para {checkpoint}, o cambia de modelo. Todavía no se generó nada.",
    ),
    "control.size_wrong": Sentence(
        "El modelo de ControlNet «{path}» no va con el que usas: sus capas son de otro tamaño.",
        "Elige otro ControlNet, o cambia de modelo: el de demostración solo va con «emoji-128-lineas», y ese, solo con "
        "él. Todavía no se generó nada.",
    ),
    "control.unserved": Sentence(
        "«{path}» es {sort}, que sdcolab no sabe usar.",
        "Elige otro modelo de ControlNet para este tipo de control.",
    ),
    "control.type_unknown": Sentence(
        "El modelo union «{path}» solo conoce {types} tipos de control y el que pides (Tile o Inpaint) no está entre "
        "ellos.",
        "Usa la versión «promax» del mismo modelo, que conoce los 8, o un modelo hecho para ese tipo.",
    ),
    "control.preprocessor_unserved": Sentence(
        "sdcolab no tiene el preprocessor «{name}».",
        "El más parecido es «{instead}»; o deja «none» y da un mapa hecho fuera.",
    ),
    "control.preprocessor_file_missing": Sentence(
        "Al preprocessor «{preprocessor}» le falta {files} ({size}).",
        "Pega esto en Descargas y, cuando termine, repítelo: {links}",
    ),
    "control.unit_file_missing": Sentence(
        "Al preprocessor «{preprocessor}» le falta {files} ({size}).",
        f"Pulsa «{DOWNLOAD_WEIGHTS}» en la unidad de ControlNet que lo usa, o pega esto en Descargas; cuando termine, "
        "vuelve a generar: {links}",
    ),
    "control.unit_weights_missing": Sentence(
        "Sin {files} ({size}) no hay vista previa de «{preprocessor}».",
        f"Pulsa «{DOWNLOAD_WEIGHTS}», en esta misma unidad, y repítela cuando termine.",
    ),
    "control.unit_weights_coming": Sentence(
        "Lo que necesita la vista previa de «{preprocessor}» se está descargando.",
        "La pestaña Cola dice cuánto falta. Cuando termine, repítela.",
    ),
    "control.preprocessor_package_missing": Sentence(
        "El preprocessor «{preprocessor}» necesita el paquete de Python {package}, que no está instalado.",
        'Instálalo con: pip install "sdcolab[controlnet]" y vuelve a abrir sdcolab.',
    ),
    "control.clip_vision_missing": Sentence(
        "Al IP-Adapter «{path}» le falta su archivo de CLIP vision, {file} ({size}).",
        f"Pulsa «{DOWNLOAD_WEIGHTS}» en la unidad de ControlNet que lo usa, o pega esto en Descargas; cuando termine, "
        "vuelve a generar: {links}",
    ),
    "control.clip_vision_unknown": Sentence(
        "Al IP-Adapter «{path}» le falta su archivo de CLIP vision (el de {width} canales).",
        "Búscalo en la página de donde lo descargaste y déjalo en {folder}.",
    ),
    "control.poses_malformed": Sentence(
        "Este archivo no tiene poses que se entiendan.",
        "Abre un JSON de OpenPose (con «people» y «canvas_width») o una imagen con personas.",
    ),
    "control.regions_malformed": Sentence(
        "No se entienden las zonas de Latent Couple: «{part}».",
        "Escribe divisiones como 1:1,1:2,1:2, posiciones como 0:0,0:0,0:1 y pesos como 0.2,0.8,0.8: una de cada por "
        "cada parte del prompt separada con AND.",
    ),
    "control.regions_at_work": Sentence(
        "Latent Couple está activado: {zones:parte del prompt se dibuja|partes del prompt se dibujan} solo en su zona.",
        "Si ya no lo quieres, desactívalo.",
    ),
    "control.regions_alone": Sentence(
        "Latent Couple está activado y el prompt no está dividido con AND: entero cuenta como la primera zona, con "
        "peso {weight}.",
        "Divide el prompt con AND, o desactívalo.",
    ),
}

WEIGHTS_MISSING = "Al preprocessor «{module}» le falta {files} ({size})."
CLIP_MISSING = "Al IP-Adapter «{model}» le falta su archivo de CLIP vision: {file}, de {size}, con licencia {licence}."
MODEL_MISSING = "Para {kind} falta un modelo de ControlNet: {file}{size}."
MODEL_NONE = "Para {kind} no hay ningún modelo de ControlNet que sirva a tu modelo."
OTHER_TYPES = " Con lo que hay puedes elegir {types}."
"""Of a unit without a model; ``size`` in brackets, where it is known."""
UNIT_LOST = "La unidad {number} de ControlNet se desactivó: su imagen ya no está. Súbela otra vez y actívala."
"""After a reload."""
SHOW_MAP = "Vista previa del preprocessor"
"""Makes the map of a unit's picture, and no image (A1111's 💥)."""
MAP_ASKED = "El mapa sale entre tus imágenes."
"""They may be out of sight of the unit: above it in a notebook, behind the sheet on a phone."""
WEIGHTS_DID_NOT_COME = "La última descarga no lo trajo."
WEIGHTS_COMING = "Se está descargando: la pestaña Cola dice cuánto falta. Cuando termine, genera."
"""Of a unit whose preprocessor cannot work yet."""

POSE_WORDS: Mapping[str, str] = {
    "hint": "Arrastra los puntos para cambiar la pose. Un doble toque en un punto lo quita o lo devuelve.",
    "keys": "Con el teclado, en el lienzo: Intro elige el punto siguiente (con Mayús, el anterior); las flechas lo "
    "mueven (con Mayús, más), Supr lo quita o lo devuelve y Ctrl+Z deshace.",
    "held": "Persona {person}: {name}, punto {point}.",
    "left": "mano izquierda",
    "right": "mano derecha",
    "picture": "Sacar la pose de una imagen",
    "open": "Abrir un JSON",
    "add": "Añadir persona",
    "remove": "Quitar persona",
    "all": "Mover entera",
    "hands": "Manos y cara",
    "undo": "Deshacer",
    "png": "Guardar PNG",
    "json": "Guardar JSON",
    "send": "Enviar a ControlNet",
    "canvas": "Poses: {count} en un lienzo de {width}×{height}",
    "looking": "Buscando personas…",
    "nobody": "No se encontró a nadie en la imagen.",
    "found": "Personas encontradas: {count}.",
    "unread": "Ese archivo no se puede leer.",
    "sent": "La pose está en una unidad de ControlNet del tipo Openpose.",
    "shape": "Lienzo",
}
"""Of the editor of poses (``rooms/poses.js``)."""

JOINT_NAMES = (
    "nariz", "cuello", "hombro derecho", "codo derecho", "muñeca derecha", "hombro izquierdo", "codo izquierdo",
    "muñeca izquierda", "cadera derecha", "rodilla derecha", "tobillo derecho", "cadera izquierda", "rodilla izquierda",
    "tobillo izquierdo", "ojo derecho", "ojo izquierdo", "oreja derecha", "oreja izquierda",
)  # fmt: skip
"""The points of a body, in OpenPose's order (``core.poses``)."""

REGION_WORDS: Mapping[str, str] = {
    "hint": "Arrastra para dibujar una zona; cada una tiene su prompt y su peso. Toca una para elegirla: entonces se "
    "mueve al arrastrarla, y sus esquinas cambian su tamaño. Así no se mezclan los colores y los "
    "rasgos de un personaje con los de otro (Two-shot). Un LoRA escrito en el prompt de una zona actúa solo en ella.",
    "keys": "Con el teclado, en el lienzo: Intro añade una zona; las flechas la mueven y, con Mayús, cambian su "
    "tamaño.",
    "templates": "Empezar con",
    "halves": "Izquierda y derecha",
    "thirds": "Tres columnas",
    "rows": "Arriba y abajo",
    "background": "Fondo y dos personajes",
    "shape": "Forma de la imagen",
    "square": "Cuadrada",
    "portrait": "Vertical (2:3)",
    "landscape": "Horizontal (3:2)",
    "canvas": "Zonas de la imagen",
    "zone": "Zona {number}",
    "prompt": "Prompt de la zona {number}",
    "weight": "Peso",
    "remove": "Quitar la zona {number}",
    "clear": "Quitar todas",
    "put": "Poner en el formulario",
    "empty": "Dibuja una zona o elige una plantilla.",
    "no_prompt": "Escribe el prompt de cada zona.",
    "done": "El prompt y las zonas están en el formulario: pulsa Generar.",
    "done_with_size": "El prompt, las zonas y el tamaño están en el formulario: pulsa Generar.",
}
"""Of the painter of areas (``rooms/zonas.js``)."""

SEND_TO_CONTROL = "Enviar a ControlNet"
SHOWN_TO_CONTROL = f"🕹️ {SEND_TO_CONTROL}"
SENT_TO_CONTROL = "La imagen es la muestra de «{unit}»: elige ahí el tipo de control."
SENT_POSE = "La pose es la muestra de «{unit}», del tipo Openpose."

MISFIT = "⚠️ {name} (no va con este modelo)"
UNSERVED_HERE = "⚠️ {name} (sdcolab no sabe usarlo)"
"""Of a control model in a unit's list."""

CLIP_NAMES: Mapping[str, str] = {
    "CLIP-ViT-H-14-laion2B-s32B-b79K": "CLIP vision (ViT-H)",
    "CLIP-ViT-bigG-14-laion2B-39B-b160k": "CLIP vision (ViT-bigG)",
}
"""What the catalogue calls what IP-Adapters read pictures with."""
CLIP_NOTE = "Lo que lee las imágenes de los IP-Adapter"

PREPROCESSOR_NOTE = "Lo necesitan en ControlNet: {users}"
"""Of a file in the catalogue."""

CONTROL_KIND_LABELS: Mapping[str, str] = {
    "controlnet": "un ControlNet",
    "union": "un ControlNet union",
    "control_lora": "un Control-LoRA",
    "t2i_adapter": "un T2I-Adapter",
    "t2i_style": "un T2I-Adapter de estilo",
    "lllite": "un ControlLLLite",
    "ip_adapter": "un IP-Adapter",
    "sparse": "un SparseCtrl (para animaciones)",
    "instant_id": "un InstantID (necesita InsightFace)",
    "face_id": "un IP-Adapter de caras (FaceID, InstantID) que necesita InsightFace",
    "foreign": "un modelo de control para otra arquitectura (Flux, SD 3, Qwen, Z-Image…)",
    "unknown": "un archivo que no es de ControlNet",
}
"""What a control file is, after "es"."""

CONTROL_TYPE_LABELS: Mapping[StrEnum, str] = {
    ControlType.ALL: "Todos",
    ControlType.CANNY: "Canny",
    ControlType.DEPTH: "Depth",
    ControlType.NORMAL: "NormalMap",
    ControlType.OPENPOSE: "Openpose",
    ControlType.MLSD: "MLSD",
    ControlType.LINEART: "Lineart",
    ControlType.SOFT_EDGE: "SoftEdge",
    ControlType.SCRIBBLE: "Scribble",
    ControlType.SEGMENTATION: "Segmentation",
    ControlType.SHUFFLE: "Shuffle",
    ControlType.TILE: "Tile",
    ControlType.INPAINT: "Inpaint",
    ControlType.INSTRUCT: "InstructP2P",
    ControlType.REFERENCE: "Reference",
    ControlType.RECOLOR: "Recolor",
    ControlType.ADAPTER: "T2I-Adapter",
    ControlType.IP_ADAPTER: "IP-Adapter",
}
"""The guide's words where it has them."""

SLIDER_LABELS: Mapping[str, str] = {
    "low": "Umbral bajo",
    "high": "Umbral alto",
    "xdog": "Umbral del trazo",
    "binary": "Umbral de blanco",
    "sigma": "Desenfoque",
    "rate": "Reducción",
    "gamma": "Gamma",
    "variation": "Variación",
    "sharpness": "Nitidez",
    "fidelity": "Fidelidad al estilo",
    "value": "Umbral de valor",
    "distance": "Umbral de distancia",
    "near": "Quitar lo cercano (%)",
    "background": "Quitar el fondo (%)",
    "safe": "Pasos",
}
"""The numbers of preprocessors."""
