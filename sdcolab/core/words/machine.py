"""Sentences of what this computer lacks."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Sentence

SENTENCES: Mapping[str, Sentence] = {
    "machine.out_of_memory": Sentence(
        "No hay memoria suficiente para una imagen de {width}×{height} con lote de {batch_size}.",
        "Baja el tamaño o el lote, y cierra otros programas que usen la memoria.",
    ),
    "machine.memory_low": Sentence(
        "Queda poca memoria: {free} de {size}.",
        "Reinicia el entorno de ejecución.",
    ),
    "machine.disk_low": Sentence(
        "Queda poco espacio en el disco de «{folder}»: {free}.", "Borra modelos o imágenes que no necesites."
    ),
    "machine.folder_unfit": Sentence(
        "En «{path}» no se pueden guardar las imágenes.",
        "Escribe la ruta completa de una carpeta nueva o vacía en la que puedas escribir, o de una que solo tenga "
        "imágenes hechas aquí o con AUTOMATIC1111.",
    ),
    "machine.password_unfit": Sentence(
        "Ese usuario o esa contraseña no sirven.",
        "Escribe un usuario sin «:» y una contraseña de 8 caracteres o más. Con los dos vacíos, se quitan.",
    ),
    "machine.password_wrong": Sentence(
        "La contraseña de ahora no es esa.",
        "Escribe la que usas para entrar. Tras cinco intentos hay que volver a abrir el programa.",
    ),
    "machine.no_cuda": Sentence(
        "No se encuentra ninguna tarjeta gráfica NVIDIA.",
        "Elige Entorno de ejecución → Cambiar tipo de entorno de ejecución → T4 GPU.",
    ),
    "model.tiny_vae_missing": Sentence(
        "Falta el archivo de TAESD para este tipo de modelo: «{name}.safetensors».",
        "Descárgalo y ponlo con ese nombre en la carpeta {folder}, o elige «El VAE completo» en «Ajustes finos».",
    ),
    "machine.image_not_finite": Sentence(
        "El resultado no es una imagen válida (salieron números imposibles) con el modelo «{checkpoint}».",
        "Prueba con otro VAE o con otra versión del modelo: este puede estar dañado o no funcionar en 16 bits.",
    ),
    "machine.unet_overflowed": Sentence(
        "El modelo «{checkpoint}» no funciona en 16 bits: la imagen se repitió en 32.",
        "No tienes que hacer nada: hasta cerrar el programa tardará más y ocupará el doble de memoria.",
    ),
    "machine.library_missing": Sentence(
        "Falta la biblioteca «{library}», o no funciona con tu versión de PyTorch.",
        "Instálala con «pip install {packages}» y vuelve a abrir el programa.",
    ),
}

EXIT_CODE = "código {code}"
EXIT_SIGNAL = "señal {signal}"
"""How a process ended."""
