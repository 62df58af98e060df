"""The tab "Guía": the road from the first model to a LoRA of one's own, a short text a step and what does it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """A base prompt to begin with: what the guide recommends for a kind of picture."""

    title: str
    prompt: str
    negative: str


PRESETS: tuple[Preset, ...] = (
    Preset(
        "Anime",
        "2d, masterpiece, best quality, anime, highly detailed face, highly detailed background, perfect lighting",
        "EasyNegative, worst quality, low quality, 3d, realistic, photorealistic, (loli, child, teen, baby face), "
        "zombie, animal, multiple views, text, watermark, signature, artist name, artist logo, censored",
    ),
    Preset(
        "Fotorrealismo",
        "best quality, 4k, 8k, ultra highres, raw photo in hdr, sharp focus, intricate texture, skin imperfections",
        "EasyNegative, worst quality, low quality, normal quality, child, painting, drawing, sketch, cartoon, anime, "
        "render, 3d, blurry, deformed, disfigured, morbid, mutated, bad anatomy, bad art",
    ),
)
"""The guide's base prompts, at one tap beside the prompt."""


@dataclass(frozen=True, slots=True)
class Act:
    """A button of a step. ``tab`` is opened; ``section`` is the id of the part of the form to unfold there, ``script``
    one to choose. ``prompt`` and ``negative`` go into the prompt. ``download`` names files of the catalogue."""

    label: str
    tab: str = ""
    section: str = ""
    script: str = ""
    prompt: str = ""
    negative: str = ""
    download: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A stop on the road: paragraphs, buttons, and the name of its icon in lucide."""

    id: str
    title: str
    text: tuple[str, ...]
    acts: tuple[Act, ...] = ()
    icon: str = "book-open"


ROAD: tuple[Step, ...] = (
    Step(
        "modelo",
        "Elige un modelo",
        (
            "El modelo (checkpoint) es el cerebro: de él depende qué sabe dibujar y con qué estilo. El que ves al "
            "empezar es de demostración y solo dibuja emojis, para que pruebes sin descargar nada.",
            "Para anime, 7th Heaven Mix o AOM3; para arte en general, DreamShaper; para fotos, Deliberate. Si un sitio "
            "ofrece varias versiones de un archivo, la más pequeña (pruned, fp16) dibuja lo mismo. Prefiere "
            "«.safetensors». Cuando termine, búscalo arriba, en «Modelo».",
        ),
        (
            Act("Descargar 7th Heaven Mix (anime)", download=("7th Heaven Mix",)),
            Act("Descargar DreamShaper (arte)", download=("DreamShaper",)),
            Act("Descargar Deliberate (fotos)", download=("Deliberate (versión de la guía)",)),
            Act("Ver todo el catálogo", tab="descargas"),
        ),
        "layers",
    ),
    Step(
        "vae",
        "Ponle un VAE",
        (
            "El VAE convierte lo que el modelo imagina en una imagen que se puede ver. Si tus imágenes salen grises o "
            "lavadas, falta uno. Casi todo el anime usa el de orangemix; las fotos, vae-ft-mse; kl-f8-anime2 da "
            "colores más vivos.",
            "«Automático» usa el que se llama como el modelo o el que viene dentro; elige otro arriba, en «VAE».",
        ),
        (
            Act(
                "Descargar los tres VAE",
                download=("anything vae (orangemix)", "vae-ft-mse-840000", "kl-f8-anime2"),
            ),
        ),
        "palette",
    ),
    Step(
        "prompt",
        "Escribe el prompt",
        (
            "Escribe en inglés lo que quieres ver, separado por comas, y en el prompt negativo lo que no. Sé concreto: "
            "empieza con un prompt base y añade lo tuyo. Mientras escribes aparecen las etiquetas que el modelo "
            "conoce, también por su nombre en español, y «Traducir» hace el resto.",
            "(así) pesa 1,1 veces más, [así] menos y (así:1.4) lo que digas; Ctrl+↑ y Ctrl+↓ lo escriben por ti. "
            "EasyNegative es una palabra mágica para el negativo que resume muchas cosas malas.",
        ),
        (
            *(
                Act(f"Poner el prompt base: {one.title}", tab="txt2img", prompt=one.prompt, negative=one.negative)
                for one in PRESETS
            ),
            Act("Descargar EasyNegative", download=("EasyNegative",)),
        ),
        "sparkles",
    ),
    Step(
        "opciones",
        "Ajusta y genera",
        (
            "El sampler es la forma de dibujar: Euler a casi siempre acierta, y DPM++ 2M y DPM++ SDE con Karras dan "
            "muy buen resultado. De 20 a 50 pasos; más no siempre es mejor. CFG 7, o entre 4 y 10.",
            "Trabaja al tamaño del modelo (512 en los clásicos, 1024 en SDXL): mucho más grande se deforma. La semilla "
            "-1 cambia cada vez; con el botón de la semilla, debajo de una imagen, repites la suya y solo cambia "
            "lo que toques.",
        ),
        (Act("Ir a los ajustes", tab="txt2img", section="parameters"),),
        "sliders-horizontal",
    ),
    Step(
        "hires",
        "Hazla grande sin deformarla",
        (
            "Hires fix dibuja primero pequeño y luego amplía con detalle nuevo. Pásala al doble, con la mitad de pasos "
            "y una fuerza de 0.2 a 0.6: cerca de 0 no añade nada; cerca de 1 hace otra imagen.",
            "Con una imagen que ya te gusta basta el botón «Mejorar», debajo de ella. Remacri y R-ESRGAN 4x+ son "
            "buenos upscalers para empezar.",
        ),
        (
            Act("Abrir Hires fix", tab="txt2img", section="hires"),
            Act("Descargar Remacri y R-ESRGAN 4x+", download=("Remacri", "R-ESRGAN 4x+")),
        ),
        "expand",
    ),
    Step(
        "img2img",
        "Parte de otra imagen",
        (
            "En img2img el dibujo empieza en una imagen tuya: la fuerza (denoising) dice cuánto puede cambiar. Con "
            "inpaint pintas encima y solo eso se vuelve a dibujar: caras, manos o lo que sobre.",
            "En la página web, suelta una imagen en cualquier sitio y elige qué hacer con ella.",
        ),
        (Act("Ir a img2img", tab="img2img"),),
        "image",
    ),
    Step(
        "loras",
        "Añade LoRA",
        (
            "Un LoRA es un modelo pequeño que se suma al grande: un personaje, un estilo, una ropa. En 🎴 Cartas lo "
            "pones con un toque; en el prompt queda <lora:nombre:1>, y el número es su peso. Muchos necesitan su "
            "palabra de activación, que también se pone sola.",
            "Tiene que ser de la misma familia que el modelo: uno de SDXL no sirve en uno clásico.",
        ),
        (
            Act("Descargar Thicker Lines (estilo anime)", download=("Thicker Lines Anime Style",)),
            Act("Abrir las cartas 🎴", tab="cartas"),
        ),
        "puzzle",
    ),
    Step(
        "scripts",
        "Compara con scripts",
        (
            "X/Y/Z plot hace una cuadrícula cambiando lo que elijas: pasos, samplers, modelos, el peso de un LoRA. Con "
            "Prompt S/R pones una palabra del prompt y las que la sustituyen. Prompt matrix combina lo que separes "
            "con |.",
            "Los prompts dinámicos eligen al azar entre {rojo|azul} o en una lista tuya, __así__.",
        ),
        (
            Act("Abrir X/Y/Z plot", tab="txt2img", section="scripts", script="xyz"),
            Act("Mis listas (comodines)", tab="comodines"),
        ),
        "grid-3x3",
    ),
    Step(
        "controlnet",
        "Guía la pose con ControlNet",
        (
            "ControlNet copia de otra imagen lo que le pidas: contornos (canny), profundidad (depth), la pose "
            "(openpose) o tu propio boceto (scribble). Enciende una unidad, sube la imagen y elige preprocessor y "
            "modelo del mismo nombre.",
            "Con varias unidades a la vez sumas, por ejemplo, la pose de una y el fondo de otra. En «Mapas» ves lo que "
            "ControlNet entiende de tu imagen antes de generar.",
        ),
        (
            Act("Abrir ControlNet", tab="txt2img", section="controlnet"),
            Act(
                "Descargar canny, depth, openpose y scribble",
                download=("ControlNet canny", "ControlNet depth", "ControlNet openpose", "ControlNet scribble"),
            ),
            Act("Ver un mapa", tab="mapas"),
        ),
        "scan",
    ),
    Step(
        "grandes",
        "Imágenes enormes",
        (
            "Ultimate SD upscale va más allá de lo que cabe en tu tarjeta: divide la imagen en cuadros y los mejora "
            "uno a uno. Envía una imagen a img2img, baja la fuerza a 0.1-0.4 y elige el tipo Chess.",
            "Si solo quieres más píxeles sin cambiar el dibujo, usa «Ampliar (Extras)».",
        ),
        (
            Act("Abrir Ultimate SD upscale", tab="img2img", section="scripts", script="ultimate"),
            Act("Ir a Ampliar", tab="extras"),
        ),
        "maximize",
    ),
    Step(
        "taller",
        "Mezcla y aligera modelos",
        (
            "«Convertir» deja en 2 GB un modelo de 4 o 7 GB sin que se note al generar. «Mezclar» hace un modelo nuevo "
            "con dos o tres. Los originales nunca se tocan.",
        ),
        (
            Act("Convertir un modelo", tab="convertir"),
            Act("Mezclar modelos", tab="mezclar"),
            Act("Reducir o sumar LoRA", tab="sumar"),
        ),
        "wrench",
    ),
    Step(
        "entrenar",
        "Entrena tu propio LoRA",
        (
            "Junta de 10 a 50 imágenes variadas de un personaje o un estilo, ponlas en la carpeta del proyecto, revisa "
            "sus etiquetas y entrena. Luego compara los epochs: uno antes de tiempo queda crudo; uno de más, recocido.",
        ),
        (
            Act("Preparar las imágenes", tab="imagenes"),
            Act("Revisar sus etiquetas", tab="etiquetas"),
            Act("Entrenar", tab="entrenar"),
            Act("Probar tus resultados", tab="probar"),
            Act("Comparar los epochs", tab="txt2img", section="scripts", script="xyz"),
        ),
        "graduation-cap",
    ),
)
"""In the guide's order."""

ROAD_TITLE = "El camino, paso a paso"
ROAD_HINT = "Cada paso se puede hacer desde aquí. No hace falta seguirlos en orden."
DOWNLOAD_ASKED = "Descargando {names}. Lo ves en la pestaña Descargas; cuando termine estará en su lista."
MORE_THAN = "más de {size}"
