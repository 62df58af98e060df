"""What the "?" beside a control tells: the guide's advice on it, in our words, and what it does to a picture.

The pictures are made on the demo model by ``tools/ayuda.py`` from ``Help.examples``, and stand in
``studio/assets/help``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Help:
    """Paragraphs, and examples: what is written under each picture, with the values of a request that make it."""

    text: tuple[str, ...]
    examples: tuple[tuple[str, Mapping[str, Any]], ...] = ()


FIRST: Mapping[str, Any] = {"prompt": "una pizza, fondo amarillo"}
"""What pictures made from another begin with."""

BASE: Mapping[str, Any] = {"prompt": "un gato, fondo azul", "seed": 7, "steps": 20, "cfg_scale": 7.0}
"""What every example begins with."""

_FACES = (
    "Busca las caras de una foto y las vuelve a dibujar con GFPGAN, que es gratis y de licencia libre (Apache 2.0). "
    "Con caras de anime no acierta: para esas está el repaso de detalles.",
    "CodeFormer, la otra opción de AUTOMATIC1111, no viene en sdcolab: su licencia (S-Lab License 1.0) no permite "
    "usos comerciales.",
)

HELP: Mapping[str, Help] = {
    "prompt": Help(
        (
            "Di lo que quieres ver con palabras o frases cortas separadas por comas, mejor en inglés y lo más "
            "importante primero. Empieza con un prompt base (los botones de debajo) y añade lo tuyo.",
            "(así) pesa 1,1 veces más, [así] menos y (así:1.4) lo que digas. Con Ctrl+↑ y Ctrl+↓ cambias el peso de lo "
            "que esté seleccionado.",
        ),
        (
            ("un gato", {"prompt": "un gato, fondo azul"}),
            ("un perro", {"prompt": "un perro, fondo azul"}),
            ("una pizza", {"prompt": "una pizza, fondo azul"}),
            ("fondo rosa", {"prompt": "un gato, fondo rosa"}),
        ),
    ),
    "negative_prompt": Help(
        (
            "Lo que no quieres que aparezca. La imagen se aleja de lo que pongas aquí, con la fuerza del CFG. Los "
            "prompts base traen uno bueno; EasyNegative resume muchas cosas malas en una palabra.",
        ),
    ),
    "restore_faces": Help(_FACES),
    "enlargement.gfpgan_visibility": Help(_FACES),
    "checkpoint": Help(
        (
            "El modelo es lo que sabe dibujar: de él depende el estilo. Se guarda en la carpeta Stable-diffusion; si "
            "acabas de descargar uno y no sale, pulsa el botón de actualizar que está al lado.",
        ),
    ),
    "vae": Help(
        (
            "Convierte lo que el modelo imagina en colores. Si tus imágenes salen grises o lavadas, pon uno: el de "
            "orangemix para anime, vae-ft-mse para fotos, kl-f8-anime2 para colores más vivos.",
        ),
    ),
    "clip_skip": Help(
        (
            "Cuántas capas se salta el lector del prompt. Con 1 lo entiende entero; muchos modelos de anime se "
            "entrenaron con 2 y obedecen mejor así. Mira lo que recomienda la página de tu modelo.",
        ),
    ),
    "sampler": Help(
        (
            "La forma de quitar el ruido en cada paso. Euler a casi siempre acierta; DPM++ 2M y DPM++ SDE dan mucho "
            "detalle. Los que llevan una «a» añaden ruido en cada paso: con más pasos la imagen sigue cambiando.",
        ),
    ),
    "schedule": Help(
        (
            "Cómo se reparte el trabajo entre los pasos. «Automático» pone el que va con cada sampler. Karras dedica "
            "más pasos al detalle fino y suele mejorar los DPM++.",
        ),
    ),
    "steps": Help(
        (
            "Cuántas veces se limpia el ruido. De 20 a 50 es lo normal: con menos, la imagen queda a medio hacer; con "
            "más, tarda más y casi no mejora.",
        ),
        tuple((str(steps), {"steps": steps}) for steps in (3, 8, 20, 40)),
    ),
    "cfg_scale": Help(
        (
            "Cuánto se obedece al prompt. 7 va bien casi siempre; entre 4 y 10 hay margen. Con poco, la imagen hace lo "
            "que quiere; con mucho, se queman los colores.",
        ),
        tuple((str(scale), {"cfg_scale": float(scale)}) for scale in (1, 4, 7, 20)),
    ),
    "width": Help(
        (
            "Trabaja cerca del tamaño con que se entrenó el modelo (512 en los clásicos, 1024 en SDXL): mucho más "
            "grande, se repiten cuerpos y caras. Para imágenes grandes usa Hires fix.",
        ),
        (
            ("cuadrada", {}),
            ("retrato", {"width": 128, "height": 192}),
            ("paisaje", {"width": 192, "height": 128}),
            ("demasiado grande", {"width": 320, "height": 320}),
        ),
    ),
    "seed": Help(
        (
            "El ruido del que sale la imagen. -1 es uno distinto cada vez. El botón de la semilla que "
            "está debajo de una imagen pone el suyo: así, si cambias otra cosa, ves solo lo que esa cosa hace.",
        ),
        tuple((str(seed), {"seed": seed}) for seed in (7, 8, 9, 10)),
    ),
    "batch_count": Help(
        (
            "Cuántos lotes se hacen, uno detrás de otro. No gasta más memoria: pide muchas, vete a tomar algo y elige "
            "la mejor.",
        ),
    ),
    "batch_size": Help(
        ("Cuántas imágenes se hacen a la vez en cada lote. Va más rápido que una a una, pero gasta más memoria.",),
    ),
    "speed": Help(
        (
            "«Fiel» calcula cada paso, como siempre. Los otros adivinan algunos a partir de los anteriores: tardan "
            "bastante menos y apenas se nota. Con menos de 10 pasos, o con LCM, TCD o DPM adaptive, no se adivina "
            "ninguno.",
        ),
    ),
    "hires": Help(
        (
            "Dibuja pequeño, que es como el modelo compone bien, y luego amplía añadiendo detalle. Pásala al doble, "
            "con la mitad de pasos y una fuerza de 0.2 a 0.6.",
        ),
    ),
    "hires.upscaler": Help(
        (
            "Quién amplía antes de añadir detalle. Remacri y R-ESRGAN 4x+ son buenos para casi todo; los que se llaman "
            "Latent necesitan una fuerza de 0.5 o más, o queda borroso.",
        ),
    ),
    "hires.strength": Help(
        (
            "Cuánto puede cambiar la imagen al ampliarla. De 0.2 a 0.4 la respeta; hasta 0.6 añade detalle; cerca de 1 "
            "hace otra.",
        ),
    ),
    "init.strength": Help(
        (
            "Cuánto puede cambiar la imagen inicial: con 0 no cambia nada y con 1 no queda nada de ella. Empieza en "
            "0.5 y mueve poco a poco.",
        ),
        tuple((str(share).replace(".", ","), {"init": {"strength": share}}) for share in (0.2, 0.5, 0.7, 0.95)),
    ),
    "init.inpaint": Help(
        (
            "Pinta encima de lo que quieras cambiar y solo eso se dibuja otra vez. «Trabajar solo en la zona "
            "pintada» la dibuja en grande: es lo mejor para caras y manos.",
        ),
    ),
    "refiner": Help(
        ("Empieza la imagen con un modelo y la termina con otro. SDXL trae uno hecho para el último quinto.",),
    ),
    "freeu": Help(("Cambia el peso de lo que el modelo lleva dentro: suele dar más contraste y mejor acabado.",)),
    "variation.strength": Help(
        (
            "Mezcla el ruido de tu semilla con el de otra. Con 0.1 sale casi la misma imagen con pequeños cambios: "
            "sirve para afinar una que ya te gusta.",
        ),
        tuple(
            (str(share).replace(".", ","), {"seed": 8, "variation": {"seed": 7, "strength": share}})
            for share in (0.0, 0.2, 0.4, 0.7)
        ),
    ),
    "tiling": Help(
        ("Los bordes encajan con los de enfrente, así que la imagen se puede repetir como un azulejo o un papel.",),
    ),
    "control.0": Help(
        (
            "ControlNet copia de otra imagen lo que le pidas: contornos (canny), profundidad (depth), la pose "
            "(openpose) o tu boceto (scribble). Elige preprocessor y modelo del mismo nombre.",
        ),
    ),
    "enlargement.upscaler": Help(
        (
            "Remacri y R-ESRGAN 4x+ inventan detalle creíble; R-ESRGAN 4x+ Anime6B es para dibujos. Lanczos solo "
            "amplía, sin descargar nada.",
        ),
    ),
}
"""By the path of the field, or of the part whose switch it stands beside."""

ABOUT = "Ayuda: {name}"
CLOSE = "Cerrar"
