"""What the surface for pictures says (``studio/assets/canvas.js``), by the names that it uses."""

from __future__ import annotations

from collections.abc import Mapping

CANVAS_WORDS: Mapping[str, str] = {
    "picture": "Imagen",
    "second": "Imagen con la que se compara",
    "view_label": "Imagen: Ctrl y la rueda, o dos dedos, para acercarla",
    "mask_label": "Máscara: pinta la zona que quieres cambiar",
    "draw_label": "Dibujo",
    "boxes_label": "Zonas: arrastra para dibujar un rectángulo",
    "compare_label": "Comparar: mueve la línea para ver una imagen u otra",
    "view_hint": "Aquí se verá la imagen.",
    "mask_hint": "Elige una imagen y pinta aquí, con el dedo o el mouse, la zona que quieres cambiar.",
    "draw_hint": "Dibuja aquí con el dedo o el mouse.",
    "boxes_hint": "Elige una imagen y arrastra sobre ella para marcar una zona.",
    "compare_hint": "Elige dos imágenes para compararlas.",
    "paint_keys": "Con el teclado: las flechas mueven el pincel (con Mayús, más deprisa) e Intro empieza y termina el "
    "trazo.",
    "boxes_keys": "Con el teclado: las flechas mueven la esquina (con Mayús, más deprisa) e Intro empieza y termina el "
    "rectángulo.",
    "tools": "Herramientas",
    "size": "Tamaño del pincel",
    "brush": "Pincel (B)",
    "erase": "Borrador (E)",
    "undo": "Deshacer (Ctrl+Z)",
    "redo": "Rehacer (Ctrl+Y)",
    "clear": "Limpiar",
    "invert": "Invertir la máscara",
    "load": "Subir una máscara: blanco es lo que se pinta",
    "remove": "Quitar el rectángulo elegido (Supr)",
    "out": "Alejar (-)",
    "in": "Acercar (+)",
    "fit": "Ver entera (0)",
    "full": "Pantalla completa (F)",
}
