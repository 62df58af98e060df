"""What each field is called, what it is for, and with which others it goes: one row a field, by its path in the tables
(``core.fields``). The same on the page, in the notebook's panel, in the command and in error sentences.

A feature with many fields brings groups in a file of its own beside this one, merged in ``FIELD_WORDS``.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from sdcolab.core.fields import plain_path
from sdcolab.core.request import FIELDS, MaskedContent, NoiseOrigin, RefinerPasses, ResizeMode
from sdcolab.core.speed import Speed
from sdcolab.core.tuning import CpuPrecision, EightBits, Emphasis, Fp8, NoiseSchedule, UniPCSkipType, VaeMethod
from sdcolab.core.words import describing, fields_control, fields_details, finishing, scripts, training_fields, workshop
from sdcolab.core.words.base import Words

_GROUPS: Mapping[str, Mapping[str, Words]] = {
    "Prompt": {
        "prompt": Words("Prompt", "Lo que quieres ver, mejor en inglés"),
        "negative_prompt": Words("Prompt negativo", "Lo que no quieres que aparezca", option="negativo"),
        "original_prompt": Words("Prompt original", "Como se escribió, si se tradujo", option="original"),
        "original_negative_prompt": Words(
            "Prompt negativo original", "Como se escribió, si se tradujo", option="original-negativo"
        ),
    },
    "Modelo": {
        "checkpoint": Words("Modelo", option="modelo"),
        "vae": Words("VAE"),
    },
    "Parámetros": {
        "sampler": Words("Sampler"),
        "schedule": Words("Schedule"),
        "steps": Words("Pasos", option="pasos"),
        "width": Words("Ancho", option="ancho"),
        "height": Words("Alto", option="alto"),
        "cfg_scale": Words("CFG", option="cfg"),
        "speed": Words(
            "Velocidad",
            "Fiel hace la imagen de siempre; Equilibrado tarda cerca del 60 % y Rápido menos de la mitad, y con "
            "algunos prompts sale distinta",
            option="velocidad",
        ),
        "batch_count": Words("Cantidad de lotes", "Batch count: uno detrás de otro", option="cantidad"),
        "batch_size": Words("Tamaño del lote", "Batch size: imágenes a la vez", option="lote"),
        "seed": Words("Semilla", "Seed; -1 = al azar", option="semilla"),
    },
    "Semilla: opciones": {
        "variation.seed": Words("Semilla de variación", "-1 = al azar", option="variacion-semilla"),
        "variation.strength": Words(
            "Fuerza de la variación", "0 = la imagen de siempre; 1 = la de la otra semilla", option="variacion-fuerza"
        ),
        "variation.resize_width": Words("Ancho original de la semilla", "0 = no se usa", option="variacion-ancho"),
        "variation.resize_height": Words("Alto original de la semilla", "0 = no se usa", option="variacion-alto"),
        "noise_origin": Words("Origen del ruido", option="origen-ruido"),
    },
    "Más opciones": {
        "clip_skip": Words("Clip skip"),
        "restore_faces": Words(
            "Restaurar caras",
            "Con GFPGAN: arregla caras de fotos, no de dibujos",
            option="restaurar-caras",
        ),
        "tiling": Words("Mosaico sin bordes", "Tiling: para patrones que se repiten, como azulejos", option="mosaico"),
    },
    "Hires fix": {
        "hires.upscaler": Words("Upscaler de hires", "Ninguno = Lanczos", option="hires-upscaler"),
        "hires.scale": Words("Ampliar por", option="hires-escala"),
        "hires.strength": Words(
            "Fuerza del denoising de hires",
            "Entre 0.2 y 0.6 añade detalle sin cambiar la imagen",
            option="hires-fuerza",
        ),
        "hires.steps": Words("Pasos de hires", "0 = los mismos de la primera pasada", option="hires-pasos"),
    },
    "Más opciones de Hires fix": {
        "hires.width": Words("Ampliar hasta este ancho", "0 = según «Ampliar por»", option="hires-ancho"),
        "hires.height": Words("Ampliar hasta este alto", "0 = según «Ampliar por»", option="hires-alto"),
        "hires.checkpoint": Words("Modelo de hires", option="hires-modelo"),
        "hires.cfg_scale": Words("CFG de hires", option="hires-cfg"),
        "hires.sampler": Words("Sampler de hires", option="hires-sampler"),
        "hires.schedule": Words("Schedule de hires", option="hires-schedule"),
        "hires.prompt": Words("Prompt de hires", option="hires-prompt"),
        "hires.negative_prompt": Words("Prompt negativo de hires", option="hires-negativo"),
    },
    "Imagen inicial": {
        "init.images": Words("Imagen inicial", option="imagen"),
        "init.strength": Words(
            "Fuerza del denoising",
            "Cerca de 0 apenas cambia; cerca de 1 la imagen cambia por completo",
            option="fuerza",
        ),
        "init.resize_mode": Words("Modo de ajuste", option="ajuste"),
    },
    "Más sobre la imagen inicial": {
        "init.image_cfg_scale": Words(
            "CFG de la imagen inicial",
            "Solo con modelos instruct-pix2pix: más alto, el resultado se parece más a la imagen",
            option="imagen-cfg",
        ),
        "init.color_correction": Words("Conservar los colores de la imagen inicial", option="conservar-colores"),
        "init.exact_steps": Words("Hacer exactamente los pasos pedidos", option="pasos-exactos"),
        "init.upscaler": Words(
            "Upscaler para ampliar la imagen inicial", "Ninguno = Lanczos", option="imagen-upscaler"
        ),
        "init.noise_multiplier": Words("Multiplicador de ruido", option="imagen-ruido"),
        "init.background": Words("Color de fondo de las transparencias", option="fondo"),
    },
    "Inpaint": {
        "init.inpaint.mask": Words("Máscara", option="mascara"),
        "init.inpaint.content": Words("Contenido de la zona pintada", option="relleno"),
        "init.inpaint.only_masked": Words(
            "Trabajar solo en la zona pintada",
            "Más detalle: la zona pintada se hace a tamaño completo",
            option="solo-mascara",
        ),
        "init.inpaint.padding": Words("Margen de la zona pintada", option="margen"),
        "init.inpaint.inverted": Words("Pintar fuera de la máscara", option="invertir-mascara"),
        "init.inpaint.blur_x": Words("Desenfoque horizontal de la máscara", option="desenfoque-x"),
        "init.inpaint.blur_y": Words("Desenfoque vertical de la máscara", option="desenfoque-y"),
    },
    "Más sobre la máscara": {
        "init.inpaint.overlay": Words("No tocar lo que queda fuera de la máscara", option="conservar-fuera"),
        "init.inpaint.latent_mask": Words("Máscara de lo que se hace de nuevo", option="mascara-latente"),
        "init.inpaint.rounded": Words("Máscara de bordes duros", option="mascara-dura"),
        "init.inpaint.condition_weight": Words("Peso de la máscara en modelos de inpainting", option="peso-mascara"),
    },
    "Inpaint suave": {
        "init.inpaint.soft": Words(
            "Inpaint suave (soft inpainting)",
            "Lo nuevo se funde con lo de antes; usa mucho desenfoque de la máscara",
            option="inpaint-suave",
        ),
        "init.inpaint.soft_bias": Words(
            "Cuándo se conserva lo de antes", "Más de 1 = sobre todo en los primeros pasos", option="suave-cuando"
        ),
        "init.inpaint.soft_preservation": Words(
            "Cuánto se conserva lo de antes", "Más alto = gana lo de antes", option="suave-conservar"
        ),
        "init.inpaint.soft_contrast": Words(
            "Contraste de la transición", "Más alto = menos apagada la mezcla", option="suave-contraste"
        ),
        "init.inpaint.soft_influence": Words(
            "Peso de la máscara al juntar", "0 = solo cuenta cuánto cambió la imagen", option="suave-mascara"
        ),
        "init.inpaint.soft_threshold": Words(
            "Umbral de diferencia", "Cuánto puede cambiar y quedarse lo de antes", option="suave-umbral"
        ),
        "init.inpaint.soft_difference": Words(
            "Contraste de la diferencia", "Más alto = borde más marcado", option="suave-borde"
        ),
    },
    "Refiner": {
        "refiner.checkpoint": Words("Modelo refiner", option="refiner"),
        "refiner.switch_at": Words(
            "Cambiar al refiner en", "Parte de los pasos que hace el modelo principal", option="refiner-desde"
        ),
        "refiner.passes": Words("Pasadas con refiner", option="refiner-pasadas"),
        "refiner.by_steps": Words("Contar el cambio por pasos", option="refiner-por-pasos"),
    },
    "Inversión (img2img alternative test)": {
        "inversion.prompt": Words("Prompt de la imagen inicial", option="inversion-prompt"),
        "inversion.negative_prompt": Words("Prompt negativo de la imagen inicial", option="inversion-negativo"),
        "inversion.cfg_scale": Words("CFG hacia atrás", option="inversion-cfg"),
        "inversion.steps": Words("Pasos hacia atrás", option="inversion-pasos"),
        "inversion.randomness": Words("Azar", "0 = la misma imagen; más alto, más cambios", option="inversion-azar"),
        "inversion.sigma_adjustment": Words("Ajuste de sigma", option="inversion-sigma"),
    },
    "FreeU": {
        "freeu.b1": Words("Estructura, zonas grandes (b1)", "Más de 1 refuerza las formas", option="freeu-b1"),
        "freeu.b2": Words("Estructura, zonas medianas (b2)", "Más de 1 refuerza las formas", option="freeu-b2"),
        "freeu.s1": Words(
            "Detalle heredado, zonas grandes (s1)", "Menos de 1 quita manchas y velos", option="freeu-s1"
        ),
        "freeu.s2": Words(
            "Detalle heredado, zonas medianas (s2)", "Menos de 1 quita manchas y velos", option="freeu-s2"
        ),
    },
    "Ajustes finos: prompt": {
        "tuning.emphasis": Words("Modo de los pesos del prompt", option="pesos"),
        "tuning.comma_backtrack": Words(
            "No cortar frases (tokens)", "Cuántos puede retroceder hasta una coma: de 0 a 74", option="hasta-la-coma"
        ),
        "tuning.old_prompt_editing": Words("Edición de prompts a la antigua", option="edicion-antigua"),
        "tuning.pad_conditions": Words("Igualar la longitud de los prompts", option="igualar-prompts"),
        "tuning.pad_conditions_v0": Words("Igualar la longitud de los prompts (v0)", option="igualar-prompts-v0"),
    },
    "Ajustes finos: sampler": {
        "tuning.eta": Words("Eta", "Samplers ancestrales"),
        "tuning.eta_ddim": Words("Eta de DDIM", "Solo DDIM", option="eta-ddim"),
        "tuning.tcd_gamma": Words("Gamma de TCD", "0 = sin ruido nuevo", option="tcd-gamma"),
        "tuning.ensd": Words("ENSD", "Se suma a la semilla"),
        "tuning.sigma_churn": Words("Sigma churn"),
        "tuning.sigma_tmin": Words("Sigma tmin"),
        "tuning.sigma_tmax": Words("Sigma tmax", "0 = sin límite"),
        "tuning.sigma_noise": Words("Sigma noise"),
        "tuning.unipc_variant": Words("Variante de UniPC", option="unipc-variante"),
        "tuning.unipc_skip_type": Words("Reparto de pasos de UniPC", option="unipc-reparto"),
        "tuning.unipc_order": Words("Orden de UniPC", option="unipc-orden"),
        "tuning.unipc_lower_order_final": Words("UniPC termina con orden menor", option="unipc-final-menor"),
    },
    "Ajustes finos: schedule": {
        "tuning.schedule_min_sigma": Words("Sigma mínima del schedule", "0 = la del modelo", option="sigma-min"),
        "tuning.schedule_max_sigma": Words("Sigma máxima del schedule", "0 = la del modelo", option="sigma-max"),
        "tuning.schedule_rho": Words("Rho del schedule", "0 = la del schedule", option="rho"),
        "tuning.beta_alpha": Words("Alfa del schedule Beta", option="beta-alfa"),
        "tuning.beta_beta": Words("Beta del schedule Beta", option="beta-beta"),
        "tuning.old_karras_sigmas": Words("Sigmas antiguas de Karras", option="karras-antiguo"),
        "tuning.discard_penultimate": Words("Descartar la penúltima sigma", option="descartar-sigma"),
        "tuning.sgm_noise_multiplier": Words("Multiplicador de ruido SGM", option="ruido-sgm"),
        "tuning.quantize": Words("Redondear los timesteps", option="redondear-timesteps"),
    },
    "Ajustes finos: prompt negativo y ruido": {
        "tuning.ngms": Words("Sigma mínima del prompt negativo (NGMS)", "0 = no se omite nunca", option="ngms"),
        "tuning.skip_early_cfg": Words(
            "Omitir el prompt negativo al principio", "Parte de los pasos, de 0 a 1", option="cfg-desde"
        ),
        "tuning.cfg_rescale": Words(
            "CFG rescale", "Para modelos v-prediction o con CFG alto: quita los colores quemados; prueba 0.7"
        ),
        "tuning.extra_noise": Words("Ruido adicional", "En img2img y en hires"),
        "tuning.classic_inpainting": Words("Inpainting como en AUTOMATIC1111", option="inpaint-clasico"),
        "tuning.ngms_all": Words("NGMS en todos los pasos", option="ngms-todos"),
    },
    "Ajustes finos: velocidad": {
        "tuning.forecast": Words(
            "Parte de los pasos que se predice",
            "En vez de calcularla; 0 = lo que diga la velocidad",
            option="prediccion",
        ),
        "tuning.cpu_precision": Words(
            "Precisión en el procesador",
            "bf16: casi el doble de rápido y la mitad de memoria en procesadores recientes; cambia un poco la imagen",
            option="precision-procesador",
        ),
        "tuning.token_merging": Words(
            "Unir tokens parecidos",
            "Más rápido con imágenes grandes, y con algo menos de detalle",
            option="unir-tokens",
        ),
        "tuning.token_merging_hires": Words(
            "Unir tokens parecidos en hires", "0 = como en la primera pasada", option="hires-unir-tokens"
        ),
    },
    "Ajustes finos: modelo y VAE": {
        "tuning.noise_schedule": Words("Schedule de ruido del modelo", option="schedule-ruido"),
        "tuning.vae_encoder": Words("Codificador VAE", option="vae-codificador"),
        "tuning.vae_decoder": Words("Decodificador VAE", option="vae-decodificador"),
        "tuning.downcast_alphas": Words("Redondear alphas_cumprod", option="redondear-alphas"),
        "tuning.eight_bits": Words(
            "Formato de los 8 bits",
            "Con pesos en 8 bits: INT8 se aparta menos de la imagen de siempre",
            option="formato-8-bits",
        ),
        "tuning.fp8": Words(
            "Pesos del modelo en 8 bits", "Ocupan la mitad de memoria; cambia un poco la imagen", option="fp8"
        ),
        "tuning.cache_fp16": Words(
            "Copia en FP16 para los LoRA", "Con pesos en 8 bits: mejores LoRA a cambio de más RAM", option="fp8-copia"
        ),
    },
    "Ajustes finos: SDXL": {
        "tuning.sdxl_crop_top": Words("Recorte superior de SDXL", option="sdxl-recorte-arriba"),
        "tuning.sdxl_crop_left": Words("Recorte izquierdo de SDXL", option="sdxl-recorte-izquierda"),
        "tuning.refiner_low_score": Words("Puntuación estética baja del refiner", option="refiner-nota-baja"),
        "tuning.refiner_high_score": Words("Puntuación estética alta del refiner", option="refiner-nota-alta"),
        "tuning.sdxl_clip_l_skip": Words("Clip skip en SDXL", option="sdxl-clip-skip"),
    },
    "Ampliar": {
        "enlarge.pictures": Words("Imágenes que quieres ampliar"),
        "enlarge.folder": Words("También todas las de esta carpeta", "Tus imágenes guardadas y las de entrenar"),
        "enlargement.upscaler": Words("Upscaler", "Con «Ninguno» la imagen no se amplía"),
        "enlargement.scale": Words("Ampliar por", option="escala"),
        "enlargement.max_side": Words("Lado más largo, como mucho", "0 = sin límite"),
        "enlargement.width": Words("Ancho final", "0 = según «Ampliar por»"),
        "enlargement.height": Words("Alto final", "0 = según «Ampliar por»"),
        "enlargement.crop": Words("Recortar lo que sobre", "Si indicas ancho y alto, se recorta para que encaje justo"),
        "enlargement.second": Words("Segundo upscaler"),
        "enlargement.second_visibility": Words("Visibilidad del segundo upscaler"),
        "enlargement.in_eights": Words("Medidas como en AUTOMATIC1111", "Múltiplos de 8"),
        "enlargement.gfpgan_visibility": Words(
            "Restaurar caras",
            "Con GFPGAN: 0 = no, 1 = del todo. Arregla caras de fotos, no de dibujos",
            option="restaurar-caras",
        ),
    },
    **scripts.GROUPS,
    **workshop.GROUPS,
    **training_fields.GROUPS,
    **describing.GROUPS,
    **fields_control.GROUPS,
    **fields_details.GROUPS,
    **finishing.GROUPS,
}
"""The fields as they are shown together, under each group's title."""

FIELD_WORDS: Mapping[str, Words] = {
    path: replace(words, group=title) for title, group in _GROUPS.items() for path, words in group.items()
}
"""The words of every field, by path."""

FIELD_GROUPS: Mapping[str, tuple[str, ...]] = {title: tuple(group) for title, group in _GROUPS.items()}
"""Paths of the fields of each group, by its title, in the order to show them."""

FIELD_LABELS: Mapping[str, str] = {path: FIELD_WORDS[path].label for path in FIELDS if path in FIELD_WORDS}
"""Label of each request field."""

PART_LABELS: Mapping[str, str] = {
    "variation": "Semilla: opciones",
    "hires": "Hires fix",
    "init": "Imagen inicial",
    "init.inpaint": "Inpaint: pintar solo una parte",
    "refiner": "Refiner",
    "freeu": "FreeU: mejor acabado sin otro modelo",
    "inversion": "Inversión: desde el ruido de la imagen inicial",
    "tuning": "Ajustes finos",
    **fields_control.PARTS,
    **fields_details.PARTS,
    **finishing.PARTS,
}
"""What the parts of a request are called: the title of one that repeats, or of the switch of one that may be absent."""

OPTION_WORDS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    NoiseOrigin: {
        NoiseOrigin.NV: "NV: igual en todos los equipos",
        NoiseOrigin.CPU: "CPU",
        NoiseOrigin.GPU: "GPU",
    },
    ResizeMode: {
        ResizeMode.STRETCH: "Estirar",
        ResizeMode.CROP: "Recortar y ajustar",
        ResizeMode.FILL: "Ajustar y rellenar",
        ResizeMode.LATENT: "Estirar los latents",
    },
    MaskedContent: {
        MaskedContent.ORIGINAL: "Original",
        MaskedContent.FILL: "Relleno con los colores de alrededor",
        MaskedContent.LATENT_NOISE: "Ruido",
        MaskedContent.LATENT_NOTHING: "Nada",
    },
    RefinerPasses: {
        RefinerPasses.SECOND: "Solo la de hires",
        RefinerPasses.FIRST: "Solo la primera",
        RefinerPasses.BOTH: "Las dos",
    },
    Speed: {
        Speed.FAITHFUL: "Fiel",
        Speed.BALANCED: "Equilibrado",
        Speed.FAST: "Rápido",
    },
    Emphasis: {
        Emphasis.ORIGINAL: "Original",
        Emphasis.NO_NORM: "Sin normalizar (No norm)",
        Emphasis.IGNORE: "Ignorar los pesos (Ignore)",
        Emphasis.NONE: "Leer los paréntesis como texto (None)",
    },
    UniPCSkipType: {
        UniPCSkipType.TIME_UNIFORM: "Uniforme (time_uniform)",
        UniPCSkipType.TIME_QUADRATIC: "Cuadrático (time_quadratic)",
        UniPCSkipType.LOG_SNR: "logSNR",
    },
    NoiseSchedule: {NoiseSchedule.DEFAULT: "El del modelo", NoiseSchedule.ZERO_TERMINAL_SNR: "Zero Terminal SNR"},
    CpuPrecision: {
        CpuPrecision.AUTOMATIC: "Automática: bf16 si la velocidad es «Rápido» y el procesador lo acelera",
        CpuPrecision.FULL: "Completa",
        CpuPrecision.BFLOAT16: "bf16",
    },
    EightBits: {EightBits.FP8: "FP8 (como A1111)", EightBits.INT8: "INT8 por filas"},
    Fp8: {Fp8.DISABLE: "No", Fp8.SDXL: "Solo los de SDXL", Fp8.ENABLE: "Sí"},
    VaeMethod: {VaeMethod.FULL: "El VAE completo", VaeMethod.TAESD: "TAESD (rápido y aproximado)"},
    **scripts.OPTIONS,
    **workshop.OPTIONS,
    **training_fields.OPTIONS,
    **fields_control.OPTIONS,
    **fields_details.OPTIONS,
    **finishing.OPTIONS,
}
"""What the words of enumerations are called, in the order to offer them; the others are shown as they are."""


def option_words(kind: type[StrEnum]) -> Mapping[StrEnum, str]:
    """What each word of ``kind`` is called, in the order to offer them."""
    return OPTION_WORDS.get(kind) or {word: word.value for word in kind}


def short_option_words(kind: type[StrEnum]) -> Mapping[StrEnum, str]:
    """The same without what explains them, where that leaves no two alike: as they are typed."""
    words = option_words(kind)
    short = {word: re.split(r": | \(", label)[0] for word, label in words.items()}
    count = Counter(short.values())
    return {word: typed if count[typed] == 1 else words[word] for word, typed in short.items()}


def option_called(kind: type[StrEnum], text: str) -> StrEnum | None:
    """The word of ``kind`` that ``text`` means: itself or what the faces call it, explained or not, whatever case and
    accents; None for neither."""
    known = {_plain(label): word for word, label in short_option_words(kind).items()}
    known |= {_plain(label): word for word, label in option_words(kind).items()}
    known |= {_plain(word.value): word for word in kind}
    return known.get(_plain(text))


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def label_of(path: str) -> str:
    """The label of the field at ``path``, which may hold places in tuples: "units.0.weight" names its unit, from 1. A
    path that nobody knows is its own label."""
    plain = plain_path(path)
    words = FIELD_WORDS.get(plain)
    label = words.label if words else PART_LABELS.get(plain, path)
    place = next((int(word) for word in path.split(".") if word.isdigit()), None)
    return label if place is None else f"{label} ({place + 1})"


def part_label(path: str, prefix: str = "") -> str:
    """The title of a part: under ``prefix`` if it stands there, else by its path alone."""
    found = PART_LABELS.get(f"{prefix}.{path}") if prefix else None
    return found or PART_LABELS.get(path, path)


def fold_title(title: str, units: int) -> str:
    """The title of a part that repeats, with how many of its ``units`` are on: folded, nothing else tells."""
    return f"{title} · {units} en uso" if units else title


def unit_title(title: str, number: int, own: str = "") -> str:
    """The title of one unit of a part that repeats, by its ``number`` from 1 and the name that its user gave it."""
    return f"{title} {number} · {own.strip()}" if own.strip() else f"{title} {number}"


def words_of(path: str, prefix: str = "") -> Words:
    """The words of a field: under ``prefix`` if they stand there, else by its path alone; a path that nobody knows is
    its own label."""
    plain = plain_path(path)
    found = FIELD_WORDS.get(f"{prefix}.{plain}") if prefix else None
    return found or FIELD_WORDS.get(plain) or Words(label_of(plain))
