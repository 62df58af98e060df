"""What the fields of the training forms are called, under the guide's names."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sdcolab.core.training import NetworkKind, PictureWork
from sdcolab.core.words.base import Words

GROUPS: Mapping[str, Mapping[str, Words]] = {
    "Inicio": {
        "train.project": Words("Proyecto", "Una carpeta de lora_training/datasets con tus imágenes"),
        "train.checkpoint": Words("Modelo base", "Sobre él se entrena. Para anime, AnyLoRA: está en «Descargas»"),
    },
    "Pasos": {
        "train.epochs": Words("Epochs", "Más epochs dan más control, pero no exageres"),
        "train.batch_size": Words("Batch size", "Con muchas imágenes puedes aumentarlo"),
        "train.save_every": Words("Guardar cada cuántos epochs", "0 = solo al final"),
        "train.save_last": Words("Guardar solo los últimos epochs", "0 = todos"),
    },
    "Archivos": {
        "train.resolution": Words("Resolución", "0 = la del modelo base"),
        "train.repeats": Words("Repeticiones", "Solo cuenta si tus imágenes no están en una carpeta con su número"),
        "train.flip": Words("Voltear imágenes (flip_aug)", "No lo uses si importan los elementos asimétricos"),
        "train.shuffle": Words("Mezclar tags"),
        "train.keep_tokens": Words("keep_tokens", "1 con palabra de activación; 0 para estilos"),
    },
    "Entrenamiento": {
        "train.unet_rate": Words("unet_aprendizaje", "1e-3 con pocas imágenes, hasta 1e-5. En SDXL prueba 3e-4"),
        "train.text_rate": Words("text_encoder_aprendizaje", "0 = no se entrena"),
        "train.scheduler": Words("Scheduler de aprendizaje"),
        "train.scheduler_value": Words(
            "Valor de scheduler", "Reinicios de cosine_with_restarts, o potencia de polynomial"
        ),
        "train.warmup": Words("Calentamiento", "Parte de los pasos en que la tasa va subiendo"),
        "train.min_snr": Words("min_snr_gamma", "Aprende de forma más pareja"),
        "train.seed": Words("Semilla de entrenamiento"),
        "train.samples": Words("Prompts de muestra", "Uno por línea: se dibujan cada vez que se guarda un epoch"),
        "train.optimizer": Words("Optimizador", "AdamW8bit ahorra memoria en tarjetas NVIDIA"),
        "train.network": Words("Tipo de LoRA", "LoCon aprende con más capas: bueno para estilos. LoKr ocupa menos"),
        "train.dim": Words("dim", "Más grande no siempre es mejor: 16"),
        "train.alpha": Words("alpha", "La mitad de dim: 8"),
        "train.conv_dim": Words("conv_dim", "Solo para LoCon"),
        "train.conv_alpha": Words("conv_alpha", "Solo para LoCon"),
    },
    "Probar": {
        "try_lora.project": Words("LoRA entrenado", "Un proyecto que ya terminó de entrenarse"),
        "try_lora.prompt": Words(
            "Prompt de la prueba", "Con tu palabra de activación; vacío = tus tags en descripciones nuevas"
        ),
        "try_lora.weights": Words("Pesos a comparar", "Separados por comas: 0.6, 0.8, 1"),
        "try_lora.steps": Words("Pasos de la prueba"),
        "try_lora.count": Words("Imágenes por epoch", "Con pocas, el veredicto es solo una pista"),
    },
    "Imágenes": {
        "pictures.project": Words("Proyecto de imágenes", "Una carpeta de lora_training/datasets"),
        "pictures.work": Words("Qué hacer"),
    },
    "Descripciones": {
        "pictures.tagger": Words("Tagger", "wd y pixai ponen tags de anime; Florence-2 y BLIP, oraciones para fotos"),
        "pictures.threshold": Words("Umbral", "La guía usa 0.2 o mayor; 0.5 para estilos"),
        "pictures.characters": Words("Nombres de personajes"),
        "pictures.undesired": Words("Tags no permitidas", "Separadas por comas"),
        "pictures.only_bare": Words("Solo las que no tienen descripción", "Las demás se quedan como están"),
    },
}

OPTIONS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    NetworkKind: {kind: kind.value for kind in NetworkKind},
    PictureWork: {
        PictureWork.LOOK: "Revisar la carpeta",
        PictureWork.DOUBLES: "Apartar las repetidas",
        PictureWork.TAG: "Crear las descripciones (Tagger)",
    },
}
