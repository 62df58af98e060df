"""The workshop's sentences, and the words of its forms."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sdcolab.core.words.base import Sentence, Words
from sdcolab.core.workshop import FileFormat, LoraPrecision, MergeMethod, PartAction, Precision, Pruning

SENTENCES: Mapping[str, Sentence] = {
    "workshop.needs_model": Sentence(
        "Para mezclar con «{method}» falta el modelo {letter}.", "Elígelo en la lista, o usa otro método."
    ),
    "workshop.shapes": Sentence(
        "Estos modelos no se pueden mezclar: «{name}» mide {first} en uno y {second} en el otro.",
        "Mezcla solo modelos de la misma familia: SD 1.5 con SD 1.5, SDXL con SDXL.",
    ),
    "workshop.unlike": Sentence(
        "«{path}» y «{other}» no se parecen en nada: no hay qué mezclar.",
        "Elige dos modelos enteros de la misma familia; para meter un LoRA en un modelo está «Hornear estos LoRA».",
    ),
    "workshop.special_first": Sentence(
        "Un modelo de {special} solo se puede mezclar con uno normal si va el primero.",
        "Ponlo como modelo A.",
    ),
    "workshop.block_weights": Sentence(
        "«{text}» no son pesos por bloques: {count:se lee # número|se leen # números}.",
        "Escribe 26 números separados por comas (o 20 para SDXL), o el nombre de un preset, como GRAD_V.",
    ),
    "workshop.discard_pattern": Sentence(
        "«{pattern}» no es una expresión regular.",
        "Corrígela, o déjala vacía para no descartar nada. Detalle: {detail}.",
    ),
    "workshop.metadata_unreadable": Sentence(
        "Los metadatos extra no son un objeto JSON y no se guardaron.",
        "Escríbelos entre llaves, con nombres y valores entre comillas. Detalle: {detail}.",
    ),
    "workshop.nothing_left": Sentence(
        "No quedaría nada que guardar de «{path}».", "Deja al menos una parte sin borrar."
    ),
    "workshop.nothing_differs": Sentence(
        "«{path}» es igual que «{base}»: no hay nada que extraer.",
        "Como modelo base, elige aquel del que salió, sin lo que buscas.",
    ),
    "workshop.loras_unlike": Sentence(
        "«{path}» y «{other}» son para modelos de distinta familia: no se pueden sumar.",
        "Junta solo LoRA de la misma familia: SD 1.5 con SD 1.5, SDXL con SDXL.",
    ),
    "workshop.lora_layers_left_out": Sentence(
        "«{path}» tiene {layers:capa|capas}, y {count:# no es|# no son} de LoRA corriente: quedan fuera.",
        "Lo que falte se notará en la imagen: compara el LoRA nuevo con el de antes.",
    ),
    "workshop.lora_not_plain": Sentence(
        "«{path}» no es un LoRA corriente (es LoHa, LoKr, DoRA…), y los de esa clase no se reducen ni se suman.",
        "Úsalo tal cual en el prompt, junto a los otros.",
    ),
    "workshop.recipe_absent": Sentence(
        "«{path}» no lleva dentro ninguna receta.",
        "Elige un modelo mezclado con una receta de varios pasos, o pega sus pasos.",
    ),
    "workshop.recipe_unreadable": Sentence(
        "La receta «{path}» no se entiende.", "Corrígela y vuelve a intentarlo. Detalle: {detail}."
    ),
    "workshop.loras_unused": Sentence(
        "El LoRA «{path}» tiene {layers:capa|capas}, y {count:# no existe|# no existen} en este modelo: quedan fuera.",
        "Comprueba que el LoRA sea de la misma familia que el modelo.",
    ),
}

GROUPS: Mapping[str, Mapping[str, Words]] = {
    "Convertir": {
        "convert.checkpoint": Words("Modelo que convertir", option="modelo"),
        "convert.precision": Words("Precisión", "fp16 ocupa la mitad que fp32 y se ve igual", option="precision"),
        "convert.pruning": Words("Podar", "no-ema quita lo que solo sirve para seguir entrenando", option="podar"),
        "convert.file_format": Words("Formato", option="formato"),
        "convert.name": Words("Nombre del archivo", "Sin extensión; vacío = se pone solo", option="nombre"),
    },
    "Más opciones de la conversión": {
        "convert.vae": Words("Hornear este VAE", "Queda dentro del modelo", option="vae"),
        "convert.unet": Words("UNet", option="unet"),
        "convert.text_encoder": Words("Codificador de texto", option="texto"),
        "convert.vae_part": Words("VAE del modelo", option="vae-del-modelo"),
        "convert.others": Words("Lo demás", option="resto"),
        "convert.fix_clip": Words("Reparar CLIP", "Rehace las posiciones del codificador de texto"),
        "convert.whole_positions": Words(
            "Posiciones de CLIP en números enteros", "Arregla mezclas antiguas", option="posiciones-enteras"
        ),
        "convert.drop_junk": Words(
            "Quitar restos conocidos", "Lo que otros programas olvidaron en el archivo", option="quitar-restos"
        ),
    },
    "Extraer un LoRA": {
        "extract.tuned": Words("Modelo con lo que buscas", "Del que se extrae el LoRA", option="modelo"),
        "extract.base": Words("Modelo base", "Aquel del que salió: lo que ya tenía se descuenta", option="base"),
        "extract.rank": Words("Rango (dim)", "Más rango, más detalle y más peso", option="rango"),
        "extract.conv_rank": Words("Rango de las convoluciones", "0 = no se extraen", option="rango-conv"),
        "extract.text_encoder": Words("También el codificador de texto", option="texto"),
        "extract.name": Words("Nombre del archivo", "Sin extensión; vacío = se pone solo", option="nombre"),
    },
    "Reducir y sumar LoRA": {
        "combine.first": Words("Primer LoRA", "Solo: sale más pequeño", option="lora"),
        "combine.first_weight": Words("Peso", "Como en el prompt", option="peso"),
        "combine.second": Words("Segundo LoRA", option="lora-2"),
        "combine.second_weight": Words("Peso del segundo", option="peso-2"),
        "combine.third": Words("Tercer LoRA", option="lora-3"),
        "combine.third_weight": Words("Peso del tercero", option="peso-3"),
        "combine.rank": Words("Rango (dim)", "Como mucho; menos rango, menos peso y menos detalle", option="dim"),
        "combine.name": Words("Nombre del archivo", "Sin extensión; vacío = se pone solo", option="nombre"),
        "combine.precision": Words("Precisión", option="precision"),
    },
    "Mezclar": {
        "merge.primary": Words("Modelo A", option="a"),
        "merge.secondary": Words("Modelo B", option="b"),
        "merge.tertiary": Words("Modelo C", "Para Add difference, TIES y DARE", option="c"),
        "merge.method": Words("Método", option="metodo"),
        "merge.multiplier": Words("Multiplicador (M)", "Cuánto pesa B", option="multiplicador"),
        "merge.name": Words("Nombre del archivo", "Sin extensión; vacío = se pone solo", option="nombre"),
        "merge.half": Words("Guardar en fp16", "Ocupa la mitad", option="fp16"),
    },
    "Probar la mezcla antes de guardarla": {
        "merge.trial.prompt": Words(
            "Prompt de la prueba", "Lo dibuja la mezcla sin que se guarde ningún modelo", option="probar"
        ),
        "merge.trial.negative_prompt": Words("Prompt negativo de la prueba", option="probar-negativo"),
        "merge.trial.steps": Words("Pasos de la prueba", option="probar-pasos"),
        "merge.trial.seed": Words(
            "Semilla de la prueba", "-1 = al azar; ponla fija para comparar", option="probar-semilla"
        ),
        "merge.trial.count": Words("Imágenes de la prueba", option="probar-imagenes"),
    },
    "Pesos por bloques y métodos nuevos": {
        "merge.blocks": Words(
            "Pesos por bloques (MBW)",
            "26 números separados por comas (20 en SDXL) o un preset: GRAD_V, GRAD_A, FLAT_50, WRAP12, SMOOTHSTEP…",
            option="bloques",
        ),
        "merge.density": Words("Densidad", "Parte de los cambios que conservan TIES y DARE", option="densidad"),
        "merge.seed": Words("Semilla de DARE", option="semilla"),
    },
    "Receta de varios pasos": {
        "merge.recipe": Words(
            "Receta (TOML)",
            "Pega sus pasos, o escribe el nombre de un modelo que la lleve. Con ella, solo cuentan ella y la prueba",
        ),
    },
    "Más opciones de la mezcla": {
        "merge.vae": Words("Hornear este VAE", "Queda dentro del modelo", option="vae"),
        "merge.loras": Words("Hornear estos LoRA", "Como en el prompt: <lora:nombre:0.8>", option="loras"),
        "merge.file_format": Words("Formato", option="formato"),
        "merge.discard": Words("Descartar los pesos cuyo nombre contenga", "Una expresión regular", option="descartar"),
        "merge.save_metadata": Words("Guardar metadatos", option="guardar-metadatos"),
        "merge.add_recipe": Words("Guardar la receta en los metadatos", option="guardar-receta"),
        "merge.copy_metadata": Words("Copiar los metadatos de los modelos", option="copiar-metadatos"),
        "merge.metadata_json": Words("Metadatos extra (JSON)", option="metadatos"),
    },
}

OPTIONS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    Precision: {
        Precision.FP16: "fp16 (recomendada)",
        Precision.BF16: "bf16",
        Precision.FP32: "fp32 (los números como estén)",
        Precision.FP8_E4M3: "fp8 (e4m3fn)",
        Precision.FP8_E5M2: "fp8 (e5m2)",
        Precision.FULL: "full (los números como estén)",
    },
    Pruning: {
        Pruning.NO_EMA: "no-ema (recomendado)",
        Pruning.EMA_ONLY: "ema-only",
        Pruning.DISABLED: "Sin podar",
    },
    LoraPrecision: {
        LoraPrecision.FP16: "fp16 (recomendada)",
        LoraPrecision.BF16: "bf16",
        LoraPrecision.FLOAT: "fp32",
    },
    FileFormat: {FileFormat.SAFETENSORS: "safetensors", FileFormat.CKPT: "ckpt"},
    PartAction: {PartAction.CONVERT: "Convertir", PartAction.COPY: "Copiar tal cual", PartAction.DELETE: "Borrar"},
    MergeMethod: {
        MergeMethod.WEIGHTED: "Weighted sum: A × (1 − M) + B × M",
        MergeMethod.DIFFERENCE: "Add difference: A + (B − C) × M",
        MergeMethod.NONE: "No interpolation: A",
        MergeMethod.TIES: "TIES: C + lo que A y B cambian de acuerdo",
        MergeMethod.DARE: "DARE: C + una parte al azar de lo que cambian A y B",
    },
}
