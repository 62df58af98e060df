"""What the fields of ControlNet's units and of regions are called."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sdcolab.core.control import ControlMode, ControlPasses, ControlPictures, ControlResize, ControlType
from sdcolab.core.words.base import Words
from sdcolab.core.words.control import CONTROL_TYPE_LABELS

GROUPS: Mapping[str, Mapping[str, Words]] = {
    "ControlNet": {
        "control.enabled": Words("Activar (Enable)", option="activar"),
        "control.images": Words(
            "Imagen de muestra",
            "Lo que se va a seguir. En img2img, si falta, vale la inicial",
            option="imagen",
        ),
        "control.drawing": Words(
            "O dibújala", "Trazos negros sobre blanco; ocupan el lugar de la muestra", option="dibujo"
        ),
        "control.kind": Words(
            "Tipo de control (Control Type)", "Deja solo lo que sirve para él", option="tipo-de-control"
        ),
        "control.module": Words("Preprocessor", "Saca de la muestra el mapa que lee el modelo", option="tipo"),
        "control.model": Words("Model", "Del mismo tipo que el preprocessor", option="modelo"),
        "control.weight": Words("Peso", "0 = no cuenta; 1 = lo normal", option="peso"),
        "control.start": Words("Empieza en", "Parte de los pasos, de 0 a 1", option="inicio"),
        "control.end": Words("Termina en", "Parte de los pasos, de 0 a 1", option="fin"),
        "control.pixel_perfect": Words("Pixel perfect", "Elige la resolución del preprocessor", option="pixel-perfect"),
        "control.mode": Words("Quién manda (Control Mode)", option="modo"),
        "control.resize": Words("Ajuste de la muestra (Resize Mode)", option="ajuste"),
    },
    "ControlNet: más opciones": {
        "control.resolution": Words("Resolución del preprocessor", "-1 = 512", option="resolucion"),
        "control.threshold_a": Words("Umbral A", "-1 = el del preprocessor", option="umbral-a"),
        "control.threshold_b": Words("Umbral B", "-1 = el del preprocessor", option="umbral-b"),
        "control.passes": Words("Con Hires fix", option="pasadas"),
        "control.mask": Words("Máscara para inpaint", "Blanco = lo que se pinta de nuevo", option="mascara"),
        "control.region": Words("Zona donde actúa", "Blanco = actúa; vacío = en toda la imagen", option="zona"),
        "control.pictures": Words("Si hay varias muestras", option="varias"),
        "control.crop_to_mask": Words("Recortar la muestra a la zona pintada", option="recortar"),
        "control.loopback": Words("Cada imagen es la muestra de la siguiente", option="bucle"),
        "control.save_map": Words("Enseñar el mapa junto al resultado", option="mapa"),
        "control.title": Words("Nombre de la unidad", option="nombre"),
    },
    "Mapas de ControlNet": {
        "detect.pictures": Words("Imágenes"),
        "detect.module": Words("Preprocessor", "El que saca el mapa"),
        "detect.resolution": Words("Resolución", "Píxeles del lado corto"),
        "detect.threshold_a": Words("Umbral A", "-1 = el del preprocessor"),
        "detect.threshold_b": Words("Umbral B", "-1 = el del preprocessor"),
    },
    "Zonas (Latent Couple)": {
        "regions.divisions": Words(
            "Divisiones", "filas:columnas, una por cada parte del prompt separada con AND", option="zonas"
        ),
        "regions.positions": Words(
            "Posiciones", "fila:columna desde 0; se puede poner un tramo, como 0:0-2", option="zonas-posiciones"
        ),
        "regions.weights": Words(
            "Pesos", "Cuánto manda cada parte en su zona; mejor que en cada punto sumen 1", option="zonas-pesos"
        ),
        "regions.end": Words(
            "Hasta el paso", "Desde ese paso cada parte vuelve a valer en toda la imagen", option="zonas-hasta"
        ),
    },
}

PARTS: Mapping[str, str] = {"control": "ControlNet", "regions": "Zonas (Latent Couple)"}

OPTIONS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    ControlType: CONTROL_TYPE_LABELS,
    ControlMode: {
        ControlMode.BALANCED: "Equilibrado (Balanced)",
        ControlMode.PROMPT: "Manda más el prompt",
        ControlMode.CONTROL: "Manda más ControlNet",
    },
    ControlResize: {
        ControlResize.JUST: "Estirar",
        ControlResize.CROP: "Recortar y ajustar",
        ControlResize.FILL: "Ajustar y rellenar",
    },
    ControlPasses: {
        ControlPasses.BOTH: "En las dos pasadas",
        ControlPasses.LOW: "Solo en la primera",
        ControlPasses.HIGH: "Solo en la de hires",
    },
    ControlPictures: {
        ControlPictures.TOGETHER: "Todas a la vez, repartiendo el peso",
        ControlPictures.IN_TURN: "Una por imagen, por turnos",
    },
}
