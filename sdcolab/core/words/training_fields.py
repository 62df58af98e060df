"""What the fields of the training forms are called, under the guide's names."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sdcolab.core.training import NetworkKind, PictureWork
from sdcolab.core.words.base import Words

GROUPS: Mapping[str, Mapping[str, Words]] = {
    "Inicio": {
        "train.project": Words("Proyecto", "Una carpeta de lora_training/datasets con tus imágenes"),
        "train.checkpoint": Words("Modelo base", "El modelo sobre el que se entrena"),
    },
    "Pasos": {
        "train.epochs": Words("Epochs", "Más epochs dan más control, pero no exageres"),
        "train.batch_size": Words("Batch size", "Con muchas imágenes puedes aumentarlo"),
        "train.save_every": Words("Guardar cada cuántos epochs", "0 = solo al final"),
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
        "train.optimizer": Words("Optimizador", "AdamW8bit ahorra memoria en tarjetas NVIDIA"),
        "train.network": Words("Tipo de Lora", "LoCon aprende con más capas: bueno para estilos"),
        "train.dim": Words("dim", "Más grande no siempre es mejor: 16"),
        "train.alpha": Words("alpha", "La mitad de dim: 8"),
    },
    "Imágenes": {
        "pictures.project": Words("Proyecto de imágenes", "Una carpeta de lora_training/datasets"),
        "pictures.work": Words("Qué hacer"),
    },
    "Tagger": {
        "pictures.tagger": Words("Tagger", "Para anime; a las fotos descríbelas tú con oraciones"),
        "pictures.threshold": Words("Umbral", "La guía usa 0.2 o mayor; 0.5 para estilos"),
        "pictures.characters": Words("Nombres de personajes"),
        "pictures.undesired": Words("Tags no permitidas", "Separadas por comas"),
    },
    "Editar etiquetas": {
        "pictures.activation": Words("Palabra de activación", "Se pone al principio de todas las descripciones"),
        "pictures.remove": Words("Quitar tags", "Separadas por comas"),
        "pictures.search": Words("Buscar tags", "Por ejemplo «red tie»"),
        "pictures.replacement": Words("Reemplazar con", "Por ejemplo «tie»"),
    },
}

OPTIONS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    NetworkKind: {NetworkKind.LORA: "LoRA", NetworkKind.LOCON: "LoCon"},
    PictureWork: {
        PictureWork.LOOK: "Revisar la carpeta",
        PictureWork.DOUBLES: "Apartar las repetidas",
        PictureWork.TAG: "Crear las descripciones (Tagger)",
        PictureWork.EDIT: "Editar todas las etiquetas",
        PictureWork.UNDO: "Deshacer la última edición",
    },
}
