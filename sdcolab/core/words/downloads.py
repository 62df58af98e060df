"""Sentences of links and downloads."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.detect import ModelKind
from sdcolab.core.words.base import Sentence

SENTENCES: Mapping[str, Sentence] = {
    "download.smaller_file": Sentence(
        "La misma página tiene un archivo más pequeño de este modelo: {name} ({size}), que para generar sirve igual.",
        "Si lo prefieres, borra este y pega: {link}",
    ),
    "download.not_a_link": Sentence(
        "«{text}» no es un enlace.",
        "Copia la dirección completa, desde https://, y separa los enlaces con comas, espacios o líneas nuevas.",
    ),
    "download.lone_word": Sentence(
        "«{text}» se tomó como una nota de este enlace.",
        "Si es otro modelo, pega su enlace: por el nombre solo no se puede descargar.",
    ),
    "download.local_missing": Sentence(
        "No hay ningún archivo de modelo en «{text}».",
        "Comprueba la ruta (por ejemplo Mi unidad/modelos/archivo.safetensors) y que Drive esté conectado.",
    ),
    "download.unknown_prefix": Sentence(
        "En «{text}», la palabra antes de los dos puntos no es un tipo de archivo conocido.",
        "Quítala, o usa modelo, lora, vae, embedding, controlnet, upscaler o hypernetwork.",
    ),
    "download.drive_refused": Sentence(
        "Google Drive no entrega el archivo de {link}: no está compartido o hoy lo descargó demasiada gente.",
        "Compártelo con «Cualquier persona con el enlace», o guarda una copia en tu Drive y pon aquí su ruta.",
    ),
    "download.page_not_file": Sentence(
        "{link} es una página, no un archivo.",
        "Ábrela en el navegador, copia el enlace del botón de descarga y pégalo aquí.",
    ),
    "download.folder_not_file": Sentence(
        "{link} es una carpeta con {count:modelo|modelos}: {names}.",
        "Pega el enlace del que quieras; por ejemplo: {example}",
    ),
    "download.unsupported_host": Sentence(
        "Los archivos de {host} no se pueden descargar desde aquí.",
        "Busca el mismo archivo en civitai o huggingface, o súbelo a tu Google Drive y comparte el enlace.",
    ),
    "download.insecure": Sentence(
        "{link} no usa una conexión segura (empieza por http://).", "Prueba el mismo enlace con https:// al principio."
    ),
    "download.private_address": Sentence(
        "El enlace lleva a {host}, que es una dirección interna y no de internet; por seguridad no se abre.",
        "Usa el enlace público del archivo.",
    ),
    "download.redirects": Sentence(
        "{host} redirige una y otra vez sin llegar al archivo.",
        "Comprueba el enlace en el navegador y copia el de la descarga directa.",
    ),
    "download.unreachable": Sentence(
        "No se pudo conectar con {host}: {reason}.",
        "Comprueba el enlace y tu conexión a internet, y vuelve a intentarlo dentro de un rato.",
    ),
    "download.server_failed": Sentence(
        "{host} tiene problemas en este momento (respondió {status}).", "Vuelve a intentarlo dentro de unos minutos."
    ),
    "download.too_many_requests": Sentence(
        "{host} pide una pausa porque recibió demasiadas descargas desde aquí.",
        "Espera {seconds} y vuelve a intentarlo; con tu propia clave del sitio el límite es mayor.",
    ),
    "download.not_found": Sentence(
        "No hay nada en {link}: el archivo se borró o el enlace está mal copiado.",
        "Abre su página en el navegador y copia el enlace otra vez.",
    ),
    "download.missing_or_private": Sentence(
        "El sitio no muestra {link}: o no existe, o es privado.",
        "Comprueba que el enlace está bien copiado; si es tuyo y privado, guarda tu clave con el nombre {token}.",
    ),
    "download.gone": Sentence(
        "El sitio archivó {link} y ya no permite descargarlo.", "Busca otra versión del modelo u otro parecido."
    ),
    "download.access_denied": Sentence(
        "El sitio no permite descargar {link}: puede ser un archivo privado.",
        "Comprueba que lo puedes descargar con tu cuenta desde el navegador.",
    ),
    "download.region_blocked": Sentence(
        "{host} no está disponible en el país donde está este equipo (en Colab, el país del servidor).",
        "Busca el mismo archivo en huggingface, o súbelo a tu Google Drive y comparte el enlace.",
    ),
    "download.token_needed": Sentence(
        "{host} solo entrega este archivo a usuarios registrados.",
        "Crea una clave (API key) en tu cuenta de {host} y guárdala con el nombre {token} en "
        "«Secretos» (el icono 🔑 de Colab) o en la celda «Claves».",
    ),
    "download.token_rejected": Sentence(
        "{host} no acepta tu clave {token}: puede estar mal copiada, caducada o sin permiso para este archivo.",
        "Crea una clave nueva en tu cuenta de {host} y cámbiala en {token}.",
    ),
    "download.link_token_rejected": Sentence(
        "{host} no acepta la clave que va escrita dentro del enlace: puede estar mal copiada, caducada o sin permiso "
        "para este archivo.",
        "Quita esa parte del enlace (token=…) y guarda una clave tuya con el nombre {token} en «Secretos» (el icono "
        "🔑 de Colab).",
    ),
    "download.disabled_by_author": Sentence(
        "El autor de {link} no permite descargarlo; una clave no lo cambia.", "Elige otra versión u otro modelo."
    ),
    "download.early_access": Sentence(
        "{link} está en acceso anticipado {until}: por ahora solo lo descarga quien lo haya pagado en el sitio.",
        "Espera a que sea libre o elige una versión anterior.",
    ),
    "download.gated": Sentence(
        "Para descargar este archivo hay que aceptar primero las condiciones de su autor en {page}.",
        "Entra con tu cuenta, acéptalas y guarda tu clave con el nombre {token} en «Secretos» (el icono 🔑 de "
        "Colab) o en la celda «Claves».",
    ),
    "download.web_page": Sentence(
        "{link} no entrega un archivo, sino una página web.",
        "Ábrela en el navegador y copia el enlace de la descarga; si pide entrar con una cuenta, hace falta su clave.",
    ),
    "download.not_a_model": Sentence(
        "«{name}» no sirve como modelo: {reason}.",
        "No se guardó. Busca otro enlace, u otra versión del archivo.",
    ),
    "download.lfs_pointer": Sentence(
        "«{name}» no es el modelo, sino una nota de git-lfs que dice dónde está.",
        "Abre la página del archivo en el navegador, copia el enlace de su botón de descarga (el que lleva «resolve») "
        "y pégalo aquí.",
    ),
    "download.archive": Sentence(
        "«{name}» es un archivo comprimido, no un modelo.",
        "Descomprímelo, sube lo que hay dentro a tu Drive y pon aquí su ruta.",
    ),
    "download.damaged": Sentence(
        "«{name}» está incompleto o dañado en el propio servidor.", "No se guardó. Busca otro enlace del archivo."
    ),
    "download.interrupted": Sentence(
        "La conexión se cortó demasiadas veces al descargar «{name}» ({received} de {total}).",
        "Lo descargado se conserva: vuelve a poner el enlace y continuará desde ahí.",
    ),
    "download.hash_mismatch": Sentence(
        "«{name}» se descargó dos veces y ninguna coincide con el archivo que publicó su autor (su "
        "SHA-256 no coincide).",
        "No se guardó, por seguridad. Prueba más tarde u otro enlace.",
    ),
    "download.already_downloading": Sentence(
        "«{name}» ya se está descargando en otra ventana o programa.", "Espera a que termine."
    ),
    "download.not_inspected": Sentence(
        "No se pudo comprobar si «{path}» es seguro, así que queda apartado sin abrirse.",
        "Busca la versión .safetensors del mismo modelo.",
    ),
    "download.kind_unknown": Sentence(
        "No se sabe para qué sirve «{path}», así que queda en la carpeta de otros archivos.",
        "Si lo sabes, muévelo a la carpeta que le corresponda.",
    ),
    "download.kind_disputed": Sentence(
        "El sitio dice que «{path}» es {expected}, pero por dentro parece {found}: se guardó como dice el sitio.",
        "Si no aparece donde lo buscas, muévelo a la otra carpeta.",
    ),
    "download.kind_not_as_said": Sentence(
        "Pediste «{path}» como {expected}, pero por dentro parece {found}: se guardó donde pediste.",
        "Si no aparece donde lo buscas, muévelo a la otra carpeta.",
    ),
    "download.other_name": Sentence(
        "Ya había otro archivo distinto llamado «{name}», así que este se guardó como «{path}».",
        "Borra el que no necesites.",
    ),
}


DOWNLOAD_RESULTS: Mapping[str, Sentence] = {
    "downloaded": Sentence("✅ Descargado.", ""),
    "already_here": Sentence("✅ Ya estaba descargado.", "No hace falta hacer nada."),
    "set_aside": Sentence("⛔ Apartado.", "Busca la versión .safetensors del mismo archivo."),
    "failed": Sentence("❌ No se descargó.", "Vuelve a intentarlo."),
    "cancelled": Sentence("⏸️ Interrumpido.", "Vuelve a poner el enlace y seguirá donde se quedó."),
}
"""How a link ended and what to do now. Keys are ``downloads.queue.LinkStatus`` values."""

USE_OF_KIND: Mapping[ModelKind, str] = {
    ModelKind.CHECKPOINT: "Ya puedes elegirlo como modelo.",
    ModelKind.VAE: "Ya puedes elegirlo como VAE.",
    ModelKind.LORA: "Para usarlo escribe en el prompt <lora:{name}:1>.",
    ModelKind.EMBEDDING: "Para usarlo escribe {name} en el prompt o en el prompt negativo.",
    ModelKind.CONTROLNET: "Elígelo como Model en una unidad de ControlNet.",
    ModelKind.UPSCALER: "Elígelo por su nombre como upscaler.",
    ModelKind.HYPERNETWORK: "Para usarla escribe en el prompt <hypernet:{name}:1>.",
    ModelKind.TEXT_ENCODER: "Queda guardado, pero no hace falta: los modelos que se usan aquí ya traen el suyo.",
    ModelKind.UNET: "Es solo una parte de un modelo, sin su codificador de texto ni su VAE: busca el modelo completo.",
    ModelKind.ANNOTATOR: "Ya puedes elegir su preprocessor en ControlNet.",
    ModelKind.CLIP_VISION: "Los IP-Adapter de ControlNet lo usan solos.",
    ModelKind.DETECTOR: "Ya puedes elegirlo en «Repaso de detalles».",
    ModelKind.FACES: "Ya puedes usarlo en «Restaurar caras» y en Ampliar.",
    ModelKind.TINY_VAE: (
        "Se usa al elegir TAESD en «Ajustes finos», si se llama taesd_decoder o taesd_encoder (taesdxl_… para SDXL)."
    ),
    ModelKind.MOTION: "Queda guardado, pero aquí no se hacen videos: con las imágenes no hace nada.",
    ModelKind.OTHER: "Queda guardado, pero no se sabe para qué sirve.",
}
"""What to do with a file that has just arrived; ``name`` is the file's without extension."""

# --- A line of the catalogue ------------------------------------------------------------------------------------------

FOR_ADULTS = "🔞 Para adultos · "
FOR_FAMILY = " para {family}"
LICENSE = "Licencia"
LICENSE_OF_PAGE = "la que diga su página"
