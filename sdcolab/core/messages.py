"""The catalogue: every Spanish sentence that explains an error, and the Spanish labels of the words in ``core``.

A sentence says what happened and why; the advice says what to do now. Both are ``str.format`` templates over the
error's facts. Tests check that every error code has an entry and that every template can be filled.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import SdcolabError, StorageError
from sdcolab.core.events import Phase


@dataclass(frozen=True, slots=True)
class Sentence:
    """Templates: what happened and why, and what to do now."""

    text: str
    advice: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A ``Sentence`` with its facts filled in, ready to show."""

    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.text} {self.advice}".strip()


def explain(error: SdcolabError) -> Explanation:
    """The sentence and the advice for ``error``, in Spanish."""
    sentence = CATALOGUE[error.code]
    shown = {name: _show(name, value) for name, value in error.facts().items()}
    if isinstance(error, StorageError):  # where on the disk matters here, not only the file's name
        shown |= {name: str(value) for name, value in error.facts().items() if isinstance(value, Path)}
    return Explanation(text=sentence.text.format_map(shown).strip(), advice=sentence.advice.format_map(shown).strip())


def human_bytes(count: float) -> str:
    """A number of bytes as people in Spanish read it: "870 MB", "2,1 GB" (powers of 1000, decimal comma)."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB".replace(".", ",")


def human_time(seconds: float) -> str:
    """A duration for a progress bar: "45 s", "3 min 20 s", "1 h 05 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


CATALOGUE: Mapping[str, Sentence] = {
    "cancelled": Sentence("Se ha interrumpido el trabajo.", "Lo que ya estaba terminado queda guardado."),
    # What was asked for
    "request.out_of_range": Sentence(
        "El valor {value} de «{field}» no está permitido.", "Escribe un número entre {low} y {high}."
    ),
    "request.not_multiple": Sentence(
        "El valor {value} de «{field}» no sirve porque el modelo trabaja en bloques de {step} píxeles.",
        "Usa un múltiplo de {step}.",
    ),
    "request.not_number": Sentence(
        "«{field}» debe ser un número y dice «{value}».", "Corrígelo y vuelve a intentarlo."
    ),
    "request.init_image_missing": Sentence(
        "Para partir de una imagen hace falta una imagen.", "Elige o arrastra una imagen y vuelve a intentarlo."
    ),
    "request.mask_missing": Sentence(
        "Para el inpaint hace falta una máscara.",
        "Pinta con el dedo o el ratón la zona que quieres cambiar, o sube una máscara.",
    ),
    "request.wrong_type": Sentence(
        "«{field}» debe ser {expected} y dice «{value}».", "Corrígelo y vuelve a intentarlo."
    ),
    "request.not_option": Sentence(
        "«{value}» no es un valor posible de «{field}».", "{suggestions}Elige un valor de la lista."
    ),
    "request.feature_missing": Sentence(
        "Esta versión todavía no sabe usar «{field}».", "Quítalo de la petición y vuelve a intentarlo."
    ),
    "request.not_picture": Sentence(
        "La imagen de «{field}» no se puede leer.",
        "Envía una imagen PNG, JPEG, WebP o GIF codificada en base64, de 50 megapíxeles como mucho.",
    ),
    "request.picture_is_link": Sentence(
        "La imagen de «{field}» es un enlace, y el programa no los abre por seguridad.",
        "Descárgala tú y envíala codificada en base64.",
    ),
    "request.too_many_init_images": Sentence(
        "Hay {count} imágenes iniciales para un lote de {batch_size}.",
        "Quita imágenes o aumenta el tamaño del lote.",
    ),
    "request.payload_unreadable": Sentence(
        "El cuerpo de la petición no es JSON válido.", "Revisa el programa que la envía."
    ),
    "request.payload_too_large": Sentence("La petición ocupa más de {size}.", "Envía menos imágenes, o más pequeñas."),
    "request.unknown_name": Sentence("No existe {kind} «{name}».", "{suggestions}Elige un nombre de la lista."),
    "request.unknown_file": Sentence(
        "No existe {kind} «{name}».",
        "{suggestions}Comprueba que el archivo está en su carpeta; en la página, pulsa 🔃 para actualizar la lista.",
    ),
    "request.prompt_syntax": Sentence(
        "No entiendo «{fragment}» en el prompt (carácter {position}).",
        "Revisa el número después de los dos puntos; por ejemplo: (gato:1.2).",
    ),
    "request.network_ignored": Sentence(
        "Esta versión todavía no sabe usar {tag}.", "La imagen se hace sin él; puedes quitarlo del prompt."
    ),
    "request.infotext_unreadable": Sentence(
        "«{source}» no contiene datos de generación.",
        "Usa la imagen tal como la guardó el programa: las redes sociales suelen borrar esos datos.",
    ),
    "request.infotext_file_missing": Sentence(
        "La imagen se hizo con {kind} «{name}»{digest}, y no está en tus carpetas.",
        "Búscalo en civitai o huggingface por su nombre o su hash y descárgalo, o elige otro en su lugar.",
    ),
    "request.infotext_field_unused": Sentence(
        "Esta versión todavía no sabe hacer lo que indica «{label}: {value}».",
        "La imagen se hace sin ello y puede salir distinta.",
    ),
    "request.infotext_model_differs": Sentence(
        "Tu modelo «{name}» no es el mismo archivo con el que se hizo la imagen: su hash es {own} y no {wanted}.",
        "La imagen puede salir distinta; busca en civitai la versión que tiene el hash {wanted}.",
    ),
    "request.infotext_needs_picture": Sentence(
        "La imagen se hizo a partir de otra, que no se guarda en sus datos.",
        "Se hace solo con el texto; para repetirla añade la imagen inicial (--imagen), y la máscara si la tenía.",
    ),
    "request.picture_unreadable": Sentence(
        "«{path}» no es una imagen que se pueda leer.", "Usa una imagen PNG, JPEG o WebP."
    ),
    # Models
    "model.none": Sentence(
        "No hay ningún modelo en «{folder}».", "Descarga uno desde la pestaña Descargas y pulsa 🔃."
    ),
    "model.unreadable": Sentence("No se puede leer el modelo «{path}»: {reason}.", "Bórralo y descárgalo otra vez."),
    "model.unsafe": Sentence(
        "El archivo «{path}» no es seguro: además de datos contiene instrucciones que podrían ejecutarse en tu equipo.",
        "No se ha abierto. Busca la versión .safetensors del mismo modelo.",
    ),
    "model.wrong_kind": Sentence(
        "El archivo «{path}» es {found} y aquí hace falta {expected}.",
        "Muévelo a su carpeta o elige otro archivo.",
    ),
    "model.family_unsupported": Sentence(
        "El modelo «{path}» es de la familia {family}, que esta versión todavía no sabe usar.",
        "Elige un modelo basado en Stable Diffusion 1.x.",
    ),
    "model.incomplete": Sentence(
        "Al modelo «{path}» le faltan piezas ({count}; la primera es {tensor}).",
        "Seguramente el archivo está incompleto o es de otro tipo: descárgalo otra vez.",
    ),
    "model.too_big_for_card": Sentence(
        "El modelo «{path}» no cabe en la tarjeta gráfica: necesita {needed} y quedan {free}.",
        "Elige un modelo más pequeño (los basados en Stable Diffusion 1.5 ocupan unos 2 GB) o, en Colab, una tarjeta "
        "con más memoria.",
    ),
    "model.too_big_for_ram": Sentence(
        "El modelo «{path}» no cabe en la memoria: necesita {needed} y quedan {free}.",
        "Usa una tarjeta gráfica (en Colab: Entorno de ejecución → Cambiar tipo de entorno de ejecución → T4 GPU), la "
        "versión .safetensors «pruned» del modelo, o uno más pequeño.",
    ),
    "model.lora_no_layers": Sentence(
        "El LoRA «{path}» no tiene ninguna capa que exista en este modelo.",
        "Comprueba en su página para qué modelos sirve, o quítalo del prompt.",
    ),
    "model.lora_wrong_family": Sentence(
        "El LoRA «{path}» es para modelos {family} y el que usas es {model_family}.",
        "Cambia de modelo, busca la versión del LoRA para {model_family}, o quítalo del prompt.",
    ),
    "model.lora_misfit": Sentence(
        "El LoRA «{path}» no encaja en este modelo: su capa {layer} tiene otro tamaño.",
        "Se hizo para otro tipo de modelo: cambia de modelo o quítalo del prompt.",
    ),
    "model.lora_format": Sentence(
        "El LoRA «{path}» es de un tipo que esta versión no conoce (capa {layer}: {tensors}).",
        "Quítalo del prompt o busca otra versión del archivo.",
    ),
    "model.lora_partly_used": Sentence(
        "Del LoRA «{path}» se usan {used} de sus {layers} capas: las demás no sirven para este modelo.",
        "Si el resultado no es el esperado, comprueba para qué modelos sirve.",
    ),
    "model.embedding_skipped": Sentence(
        "El embedding «{path}» es para otro tipo de modelo (ancho {width} en lugar de {model_width}) y no se ha usado.",
        "Busca la versión para este modelo o quita su nombre del prompt.",
    ),
    # The machine
    "machine.out_of_memory": Sentence(
        "No hay memoria suficiente para una imagen de {width}×{height} con lote de {batch_size}.",
        "Baja el tamaño o el lote, y cierra otros programas que usen la memoria.",
    ),
    "machine.memory_low": Sentence(
        "Queda poca memoria: {free} de {size}.", "Cierra otros programas o reinicia el entorno de ejecución."
    ),
    "machine.disk_low": Sentence(
        "Queda poco sitio en el disco de «{folder}»: {free}.", "Borra modelos o imágenes que no necesites."
    ),
    "machine.no_cuda": Sentence(
        "No se encuentra ninguna tarjeta gráfica NVIDIA.",
        "En Colab: Entorno de ejecución → Cambiar tipo de entorno de ejecución → T4 GPU.",
    ),
    "model.tiny_vae_missing": Sentence(
        "Falta el archivo de TAESD ({part}) para este tipo de modelo.",
        "Descárgalo en la carpeta {folder}, o elige «Full» como codificador y decodificador VAE.",
    ),
    "machine.image_not_finite": Sentence(
        "El resultado no es una imagen válida (salieron números imposibles) con el modelo «{checkpoint}».",
        "Prueba con otro VAE o con otra versión del modelo: este puede estar dañado o no funcionar en 16 bits.",
    ),
    "machine.library_missing": Sentence(
        "Falta la biblioteca «{library}», o no funciona con tu versión de PyTorch.",
        "Instálala con «pip install {packages}» y vuelve a abrir el programa.",
    ),
    # Files and folders
    "storage.disk_full": Sentence(
        "No queda sitio en el disco de «{folder}» (libres: {free}; hacen falta: {needed}).",
        "Borra archivos que no uses y vuelve a intentarlo.",
    ),
    "storage.cannot_write": Sentence(
        "No se puede escribir «{path}»: {reason}.", "Comprueba que la carpeta existe y que tienes permiso."
    ),
    "storage.cannot_read": Sentence(
        "No se puede leer «{path}»: {reason}.", "Comprueba que el archivo existe y que tienes permiso."
    ),
    "storage.settings_unreadable": Sentence(
        "La configuración de «{path}» está dañada.",
        "Se usan los valores de siempre; el archivo antiguo queda guardado como «{backup}».",
    ),
    # Downloads
    "download.not_a_link": Sentence(
        "«{text}» no es un enlace.",
        "Copia la dirección completa, desde https://, y separa los enlaces con comas, espacios o líneas nuevas.",
    ),
    "download.local_missing": Sentence(
        "No hay ningún archivo de modelo en «{text}».",
        "Comprueba la ruta (por ejemplo MyDrive/modelos/archivo.safetensors) y que Drive esté conectado.",
    ),
    "download.unknown_prefix": Sentence(
        "En «{text}», la palabra antes de los dos puntos no es un tipo de archivo conocido.",
        "Quítala, o usa modelo, lora, vae, embedding, controlnet, upscaler o hypernetwork.",
    ),
    "download.drive_refused": Sentence(
        "Google Drive no entrega el archivo de {link}: no está compartido o hoy lo ha descargado demasiada gente.",
        "Compártelo con «Cualquier persona con el enlace», o guarda una copia en tu Drive y pon aquí su ruta.",
    ),
    "download.page_not_file": Sentence(
        "{link} es una página, no un archivo.",
        "Ábrela en el navegador, copia el enlace del botón de descarga y pégalo aquí.",
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
        "{host} nos manda de un sitio a otro sin llegar nunca al archivo.",
        "Comprueba el enlace en el navegador y copia el de la descarga directa.",
    ),
    "download.unreachable": Sentence(
        "No se ha podido conectar con {host}: {reason}.",
        "Comprueba el enlace y tu conexión a internet, y vuelve a intentarlo dentro de un rato.",
    ),
    "download.server_failed": Sentence(
        "{host} tiene problemas en este momento (respondió {status}).", "Vuelve a intentarlo dentro de unos minutos."
    ),
    "download.too_many_requests": Sentence(
        "{host} pide una pausa porque ha recibido demasiadas descargas desde aquí.",
        "Espera {seconds} y vuelve a intentarlo; con tu propia clave del sitio el límite es mayor.",
    ),
    "download.not_found": Sentence(
        "No hay nada en {link}: el archivo se borró o el enlace está mal copiado.",
        "Abre su página en el navegador y copia el enlace otra vez.",
    ),
    "download.missing_or_private": Sentence(
        "El sitio no nos enseña {link}: o no existe, o es privado.",
        "Comprueba que el enlace está bien copiado; si es tuyo y privado, guarda tu token con el nombre {token}.",
    ),
    "download.gone": Sentence(
        "El sitio ha archivado {link} y ya no permite descargarlo.", "Busca otra versión del modelo u otro parecido."
    ),
    "download.access_denied": Sentence(
        "El sitio no nos deja descargar {link}: puede ser un archivo privado.",
        "Comprueba que lo puedes descargar con tu cuenta desde el navegador.",
    ),
    "download.region_blocked": Sentence(
        "{host} no está disponible en el país donde está este equipo (en Colab, el país del servidor).",
        "Busca el mismo archivo en huggingface, o súbelo a tu Google Drive y comparte el enlace.",
    ),
    "download.token_needed": Sentence(
        "{host} solo entrega este archivo a usuarios registrados.",
        "Crea una clave (API key o token) en tu cuenta de {host} y guárdala con el nombre {token}: en Colab, en "
        "«Secretos» (el icono 🔑) o en la celda «Claves»; en tu equipo, como variable de entorno.",
    ),
    "download.token_rejected": Sentence(
        "{host} no acepta tu clave {token}: puede estar mal copiada, caducada o sin permiso para este archivo.",
        "Crea una clave nueva en tu cuenta de {host} y cámbiala en {token}.",
    ),
    "download.link_token_rejected": Sentence(
        "{host} no acepta la clave que va escrita dentro del enlace: puede estar mal copiada, caducada o sin permiso "
        "para este archivo.",
        "Quita esa parte del enlace (token=…) y guarda una clave tuya con el nombre {token}: en Colab, en «Secretos» "
        "(el icono 🔑); en tu equipo, como variable de entorno.",
    ),
    "download.disabled_by_author": Sentence(
        "El autor de {link} no permite descargarlo; una clave no lo cambia.", "Elige otra versión u otro modelo."
    ),
    "download.early_access": Sentence(
        "{link} está en acceso anticipado {until}: por ahora solo lo descarga quien lo haya pagado en el sitio.",
        "Espera a que sea libre o elige una versión anterior.",
    ),
    "download.gated": Sentence(
        "Para descargar este archivo hay que aceptar antes las condiciones de su autor en {page}.",
        "Entra con tu cuenta, acéptalas y guarda tu token con el nombre {token}: en Colab, en «Secretos» 🔑 o en la "
        "celda «Claves»; en tu equipo, como variable de entorno.",
    ),
    "download.web_page": Sentence(
        "{link} no entrega un archivo, sino una página web.",
        "Ábrela en el navegador y copia el enlace de la descarga; si pide entrar con una cuenta, hace falta su clave.",
    ),
    "download.not_a_model": Sentence(
        "Lo que hay en «{name}» no es lo que promete su extensión: no es un modelo.",
        "No se ha guardado. Busca otro enlace del mismo archivo.",
    ),
    "download.damaged": Sentence(
        "«{name}» está incompleto o dañado en el propio servidor.", "No se ha guardado. Busca otro enlace del archivo."
    ),
    "download.interrupted": Sentence(
        "La conexión se cortó demasiadas veces al descargar «{name}» ({received} de {total}).",
        "Lo descargado se conserva: vuelve a poner el enlace y continuará desde ahí.",
    ),
    "download.hash_mismatch": Sentence(
        "«{name}» llegó dos veces distinto del archivo publicado (su SHA-256 no coincide).",
        "No se ha guardado, por seguridad. Prueba más tarde u otro enlace.",
    ),
    "download.already_downloading": Sentence(
        "«{name}» ya se está descargando en otra ventana o programa.", "Espera a que termine."
    ),
    "download.not_inspected": Sentence(
        "No se ha podido comprobar si «{path}» es seguro, así que queda apartado sin abrirse.",
        "Busca la versión .safetensors del mismo modelo.",
    ),
    "download.kind_unknown": Sentence(
        "No se sabe para qué sirve «{path}», así que queda en la carpeta de otros archivos.",
        "Si lo sabes, muévelo a la carpeta que le corresponda.",
    ),
    "download.kind_disputed": Sentence(
        "El sitio dice que «{path}» es {expected}, pero por dentro parece {found}: se ha guardado como dice el sitio.",
        "Si no aparece donde lo buscas, muévelo a la otra carpeta.",
    ),
    "download.other_name": Sentence(
        "Ya había otro archivo distinto llamado «{name}», así que este se guardó como «{path}».",
        "Borra el que no necesites.",
    ),
    # Google Colab, Drive and the public link
    "host.drive_denied": Sentence(
        "No se ha podido conectar tu Google Drive: el permiso se canceló, se eligió otra cuenta o el navegador bloquea "
        "las cookies de terceros.",
        "Sigo sin Drive. Para usarlo, vuelve a pulsar ▶️ y acepta el permiso con la misma cuenta con la que abriste "
        "Colab.",
    ),
    "host.drive_root_timeout": Sentence(
        "Google Drive tardó demasiado en abrir tu carpeta principal: suele pasar cuando tiene muchos archivos sueltos.",
        "Sigo sin Drive. Mueve esos archivos a subcarpetas y vuelve a intentarlo; a veces basta con repetir.",
    ),
    "host.drive_no_answer": Sentence(
        "Google Drive no respondió a tiempo.",
        "Sigo sin Drive. Prueba otra vez en unos minutos; si se repite, reinicia el entorno de ejecución.",
    ),
    "host.drive_not_empty": Sentence(
        "No se puede conectar Drive porque ya hay archivos en «{mountpoint}».",
        "Sigo sin Drive. Borra o cambia de nombre esa carpeta en el panel Archivos y vuelve a pulsar ▶️.",
    ),
    "host.drive_symlink": Sentence(
        "No se puede conectar Drive porque «{mountpoint}» es un enlace simbólico.",
        "Sigo sin Drive. Borra ese enlace en el panel Archivos y vuelve a pulsar ▶️.",
    ),
    "host.drive_bad_mountpoint": Sentence(
        "No se puede conectar Drive en «{mountpoint}»: no es una carpeta que se pueda usar.",
        "Sigo sin Drive. Reinicia el entorno de ejecución para que Colab la vuelva a crear.",
    ),
    "host.drive_policy": Sentence(
        "El administrador de tu cuenta no permite usar Google Drive desde Colab.",
        "Sigo sin Drive. Usa una cuenta personal de Google o pide permiso al administrador.",
    ),
    "host.drive_unsupported": Sentence(
        "Aquí no se puede conectar Google Drive: solo funciona en colab.research.google.com.",
        "Sigo sin Drive. Las imágenes se guardan en este equipo.",
    ),
    "host.drive_mount_failed": Sentence(
        "No se ha podido conectar Google Drive ({reason}).",
        "Sigo sin Drive. Vuelve a pulsar ▶️ más tarde; si se repite, reinicia el entorno de ejecución.",
    ),
    "host.drive_full": Sentence(
        "Tu Google Drive está lleno: {pending} por copiar.",
        "Nada se pierde: siguen en Colab mientras la sesión esté abierta. Libera espacio (papelera, Gmail y Fotos "
        "también cuentan) y se copiarán solos.",
    ),
    "host.drive_lost": Sentence(
        "Google Drive no responde ({reason}): {pending} por copiar.",
        "Nada se pierde: siguen en Colab mientras la sesión esté abierta y se copiarán en cuanto Drive vuelva.",
    ),
    "host.secret_no_access": Sentence(
        "El secreto {name} existe, pero este cuaderno no tiene permiso para leerlo.",
        "Abre el panel 🔑 de la izquierda, activa «Acceso desde el cuaderno» junto a {name} y vuelve a pulsar ▶️.",
    ),
    "host.secret_timeout": Sentence(
        "Colab no respondió al pedirle el secreto {name}: solo se leen con el cuaderno abierto en el navegador.",
        "Sigo sin él. También puedes escribirlo en la celda «Claves» 🔑 y volver a pulsar ▶️.",
    ),
    "host.proxy_unavailable": Sentence(
        "Colab tampoco ha dado su enlace propio.", "Deja la celda en marcha: seguiré probando con el enlace público."
    ),
    "host.share_down": Sentence(
        "El servicio que crea el enlace público (Gradio) no responde ahora mismo.",
        "Seguiré probando; su estado se ve en https://status.gradio.app.",
    ),
    "host.share_program_missing": Sentence(
        "No se ha podido descargar o abrir el programa que crea el enlace público.",
        "Seguiré probando; si tu red lo bloquea, usa el otro enlace.",
    ),
    "host.ngrok_token_missing": Sentence(
        "Para el enlace de ngrok hace falta tu clave NGROK_TOKEN, y no la encuentro.",
        "Cópiala de https://dashboard.ngrok.com (gratis) a los «Secretos» 🔑 de Colab o a la celda «Claves», y vuelve "
        "a pulsar ▶️. Mientras tanto uso el enlace de Gradio.",
    ),
    "host.ngrok_token_rejected": Sentence(
        "ngrok no acepta tu clave NGROK_TOKEN: puede estar mal copiada o anulada.",
        "Cópiala otra vez de https://dashboard.ngrok.com/get-started/your-authtoken y vuelve a pulsar ▶️.",
    ),
    "host.ngrok_busy": Sentence(
        "Tu cuenta de ngrok ya tiene un enlace abierto en otro sitio, y la gratuita solo permite uno.",
        "Cierra el otro (se ve en https://dashboard.ngrok.com/agents): seguiré probando.",
    ),
    "host.ngrok_down": Sentence(
        "ngrok no ha podido abrir su enlace ahora mismo.",
        "Seguiré probando; su estado se ve en https://status.ngrok.com.",
    ),
    "host.ngrok_program_missing": Sentence(
        "No se ha podido descargar o abrir el programa de ngrok.",
        "Seguiré probando; si tu red lo bloquea, usa el otro enlace.",
    ),
    "host.share_lost": Sentence("El enlace público ha dejado de funcionar.", "Estoy creando otro."),
    "host.web_killed": Sentence(
        "El sistema ha cerrado la interfaz, casi siempre por falta de memoria.",
        "Usa un modelo más pequeño (fp16, «pruned»), una imagen más pequeña o menos imágenes por lote. Ya la estoy "
        "abriendo otra vez, en el mismo enlace.",
    ),
    "host.web_crashed": Sentence(
        "La interfaz se ha cerrado por un error ({ending}).", "Ya la estoy abriendo otra vez, en el mismo enlace."
    ),
    "host.web_gave_up": Sentence(
        "La interfaz se ha cerrado {times} veces seguidas nada más empezar, así que dejo de intentarlo.",
        "Lee las últimas líneas de abajo, reinicia el entorno de ejecución y prueba otra vez; el registro completo "
        "está en «{log}».",
    ),
    "host.engine_killed": Sentence(
        "El sistema ha cerrado el motor que crea las imágenes, casi siempre por falta de memoria.",
        "Usa un modelo más pequeño (fp16, «pruned»), una imagen más pequeña o menos imágenes por lote. Ya se está "
        "abriendo otra vez; lo que espera en la cola seguirá.",
    ),
    "host.job_lost": Sentence(
        "La interfaz se cerró mientras creaba esta imagen, casi siempre por falta de memoria.",
        "Usa un modelo más pequeño (fp16, «pruned»), una imagen más pequeña o menos imágenes por lote, y pulsa "
        "«Generar» otra vez. Lo que esperaba en la cola sigue.",
    ),
    "host.engine_crashed": Sentence(
        "El motor que crea las imágenes se ha cerrado por un error ({ending}).",
        "Ya se está abriendo otra vez; lo que espera en la cola seguirá.",
    ),
    "host.engine_gave_up": Sentence(
        "El motor que crea las imágenes se ha cerrado {times} veces seguidas nada más empezar.",
        "Prueba con otro modelo y pulsa «Generar»; si se repite, mira el registro en «{log}».",
    ),
    "host.drive_flush_failed": Sentence(
        "Google Drive no ha confirmado que todo esté subido.",
        "Deja abierta la sesión unos minutos más y comprueba tu Drive antes de cerrarla.",
    ),
    "host.site_unreachable": Sentence(
        "{site} no responde desde este equipo.", "Comprueba la conexión o espera un rato: puede estar caído."
    ),
    "host.no_widgets": Sentence(
        "El panel necesita un cuaderno de Jupyter o de Colab con ipywidgets.",
        "Aquí puedes abrir la página web con el comando: sdcolab.",
    ),
    "host.packages_missing": Sentence(
        "Faltan paquetes de Python que no se han podido instalar: {names}.",
        "Comprueba la conexión y vuelve a pulsar ▶️.",
    ),
    "host.packages_too_old": Sentence(
        "Este entorno trae versiones demasiado antiguas de {names}.",
        "En Colab: Entorno de ejecución → Cambiar tipo de entorno de ejecución → Versión del entorno: la más reciente.",
    ),
    # The web UI
    "web.port_busy": Sentence(
        "El puerto {port} ya lo usa otro programa.", "Cierra ese programa o elige otro puerto con --puerto."
    ),
    "web.port_forbidden": Sentence(
        "El sistema no deja usar el puerto {port}.",
        "Los puertos por debajo de 1024 son suyos: elige otro con --puerto.",
    ),
    "web.queue_full": Sentence(
        "Ya hay {limit} trabajos en espera.", "Espera a que termine alguno antes de pedir otro."
    ),
    "unexpected": Sentence(
        "Ha ocurrido un error inesperado ({kind}): {detail}",
        "Vuelve a intentarlo; si se repite, guarda el informe (🩺, o «sdcolab diagnostico --informe») y pide ayuda con "
        "él.",
    ),
}

PHASE_LABELS: Mapping[Phase, str] = {
    Phase.WAITING: "En espera",
    Phase.LOADING_LIBRARIES: "Preparando el motor",
    Phase.LOADING_MODEL: "Cargando modelo",
    Phase.ENCODING_PROMPT: "Leyendo el prompt",
    Phase.SAMPLING: "Generando",
    Phase.DECODING: "Revelando la imagen",
    Phase.UPSCALING: "Ampliando la imagen",
    Phase.SAVING: "Guardando",
}

KIND_LABELS: Mapping[str, str] = {
    ModelKind.CHECKPOINT: "el modelo",
    ModelKind.LORA: "el LoRA",
    ModelKind.VAE: "el VAE",
    ModelKind.EMBEDDING: "el embedding",
    ModelKind.CONTROLNET: "el modelo de ControlNet",
    ModelKind.UPSCALER: "el upscaler",
    ModelKind.HYPERNETWORK: "la hypernetwork",
    ModelKind.OTHER: "el archivo",
    "sampler": "el sampler",
    "schedule": "el schedule",
    "style": "el estilo",
    "option": "la opción",
    "script": "el script",
    "catalog": "en el catálogo el archivo",
    "provider": "el sitio",
}
"""What a registry or a kind of file is called in the middle of a sentence, with its article."""

KIND_WITH_ARTICLE: Mapping[str, str] = {
    ModelKind.CHECKPOINT: "un modelo",
    ModelKind.LORA: "un LoRA",
    ModelKind.VAE: "un VAE",
    ModelKind.EMBEDDING: "un embedding",
    ModelKind.CONTROLNET: "un modelo de ControlNet",
    ModelKind.UPSCALER: "un upscaler",
    ModelKind.HYPERNETWORK: "una hypernetwork",
    ModelKind.OTHER: "de un tipo desconocido",
}
"""What a file is, after "es" or "hace falta"."""

VALUE_KINDS: Mapping[str, str] = {
    "text": "un texto",
    "texts": "una lista de textos",
    "number": "un número",
    "whole": "un número entero",
    "flag": "verdadero o falso (true o false)",
    "list": "una lista",
    "object": "un objeto JSON",
    "colour": "un color como #ffffff",
}
"""What a field of a payload holds, after "debe ser"."""

KIND_NAMES: Mapping[ModelKind, str] = {
    ModelKind.CHECKPOINT: "modelo (checkpoint)",
    ModelKind.LORA: "LoRA",
    ModelKind.VAE: "VAE",
    ModelKind.EMBEDDING: "embedding",
    ModelKind.CONTROLNET: "ControlNet",
    ModelKind.UPSCALER: "upscaler",
    ModelKind.HYPERNETWORK: "hypernetwork",
    ModelKind.OTHER: "otro archivo",
}
"""What a kind of file is called on its own, in lists and reports."""

DOWNLOAD_RESULTS: Mapping[str, Sentence] = {
    "downloaded": Sentence("✅ Descargado.", ""),
    "already_here": Sentence("✅ Ya estaba descargado.", "No hace falta hacer nada."),
    "set_aside": Sentence("⛔ Apartado.", "Busca la versión .safetensors del mismo archivo."),
    "failed": Sentence("❌ No se ha descargado.", "Vuelve a intentarlo."),
    "cancelled": Sentence("⏸️ Interrumpido.", "Vuelve a poner el enlace y seguirá donde se quedó."),
}
"""How a link ended and what to do now. Keys are ``downloads.queue.LinkStatus`` values."""

USE_OF_KIND: Mapping[ModelKind, str] = {
    ModelKind.CHECKPOINT: "Ya puedes elegirlo como modelo (pulsa 🔃 si no aparece en la lista).",
    ModelKind.VAE: "Ya puedes elegirlo como VAE (pulsa 🔃 si no aparece en la lista).",
    ModelKind.LORA: "Para usarlo escribe en el prompt <lora:nombre:1>, con el nombre del archivo.",
    ModelKind.EMBEDDING: "Para usarlo escribe su nombre en el prompt o en el prompt negativo.",
    ModelKind.CONTROLNET: "Queda guardado: esta versión todavía no lo usa.",
    ModelKind.UPSCALER: "Elígelo por su nombre como upscaler.",
    ModelKind.HYPERNETWORK: "Queda guardado: esta versión todavía no lo usa.",
    ModelKind.OTHER: "Queda guardado, pero no se sabe para qué sirve.",
}
"""What to do with a file that has just arrived."""

FIELD_LABELS: Mapping[str, str] = {
    "prompt": "Prompt",
    "negative_prompt": "Prompt negativo",
    "sampler": "Sampler",
    "schedule": "Schedule",
    "steps": "Pasos",
    "cfg_scale": "CFG",
    "seed": "Semilla",
    "width": "Ancho",
    "height": "Alto",
    "batch_size": "Tamaño del lote",
    "batch_count": "Cantidad de lotes",
    "clip_skip": "Clip skip",
    "noise_origin": "Origen del ruido",
    "checkpoint": "Modelo",
    "vae": "VAE",
    "tiling": "Mosaico sin bordes",
    "variation.seed": "Semilla de variación",
    "variation.strength": "Fuerza de la variación",
    "variation.resize_width": "Ancho de la semilla",
    "variation.resize_height": "Alto de la semilla",
    "hires.upscaler": "Upscaler de hires",
    "hires.steps": "Pasos de hires",
    "hires.strength": "Fuerza del denoising de hires",
    "hires.scale": "Ampliar por",
    "hires.width": "Ampliar hasta este ancho",
    "hires.height": "Ampliar hasta este alto",
    "hires.checkpoint": "Modelo de hires",
    "hires.sampler": "Sampler de hires",
    "hires.schedule": "Schedule de hires",
    "hires.prompt": "Prompt de hires",
    "hires.negative_prompt": "Prompt negativo de hires",
    "hires.cfg_scale": "CFG de hires",
    "init.images": "Imagen inicial",
    "init.strength": "Fuerza del denoising",
    "init.resize_mode": "Modo de ajuste",
    "init.upscaler": "Upscaler para agrandar la imagen inicial",
    "init.noise_multiplier": "Multiplicador de ruido",
    "init.exact_steps": "Hacer exactamente los pasos pedidos",
    "init.color_correction": "Conservar los colores de la imagen inicial",
    "init.background": "Color de fondo de las transparencias",
    "init.inpaint.mask": "Máscara",
    "init.inpaint.blur_x": "Desenfoque horizontal de la máscara",
    "init.inpaint.blur_y": "Desenfoque vertical de la máscara",
    "init.inpaint.inverted": "Pintar fuera de la máscara",
    "init.inpaint.content": "Contenido de la zona enmascarada",
    "init.inpaint.only_masked": "Trabajar solo la zona enmascarada",
    "init.inpaint.padding": "Margen de la zona enmascarada",
    "init.inpaint.rounded": "Máscara de bordes duros",
    "init.inpaint.condition_weight": "Peso de la máscara en modelos de inpainting",
    "init.inpaint.overlay": "Conservar intacto lo de fuera de la máscara",
    "refiner.checkpoint": "Modelo refiner",
    "refiner.switch_at": "Cambiar al refiner en",
    "refiner.by_steps": "Contar el cambio por pasos",
    "refiner.passes": "Pasadas con refiner",
    "tuning.emphasis": "Modo de los pesos del prompt",
    "tuning.comma_backtrack": "Tokens hasta la última coma",
    "tuning.old_prompt_editing": "Edición de prompts a la antigua",
    "tuning.pad_conditions": "Igualar la longitud de los prompts",
    "tuning.pad_conditions_v0": "Igualar la longitud de los prompts (v0)",
    "tuning.eta": "Eta",
    "tuning.eta_ddim": "Eta de DDIM",
    "tuning.ensd": "ENSD",
    "tuning.sigma_churn": "Sigma churn",
    "tuning.sigma_tmin": "Sigma tmin",
    "tuning.sigma_tmax": "Sigma tmax",
    "tuning.sigma_noise": "Sigma noise",
    "tuning.unipc_variant": "Variante de UniPC",
    "tuning.unipc_skip_type": "Reparto de pasos de UniPC",
    "tuning.unipc_order": "Orden de UniPC",
    "tuning.unipc_lower_order_final": "UniPC termina con orden menor",
    "tuning.schedule_min_sigma": "Sigma mínima del schedule",
    "tuning.schedule_max_sigma": "Sigma máxima del schedule",
    "tuning.schedule_rho": "Rho del schedule",
    "tuning.old_karras_sigmas": "Sigmas antiguas de Karras",
    "tuning.beta_alpha": "Alfa del schedule Beta",
    "tuning.beta_beta": "Beta del schedule Beta",
    "tuning.discard_penultimate": "Descartar la penúltima sigma",
    "tuning.sgm_noise_multiplier": "Multiplicador de ruido SGM",
    "tuning.quantize": "Redondear los timesteps",
    "tuning.ngms": "Sigma mínima del prompt negativo (NGMS)",
    "tuning.ngms_all": "NGMS en todos los pasos",
    "tuning.skip_early_cfg": "Omitir el prompt negativo al principio",
    "tuning.extra_noise": "Ruido adicional",
    "tuning.classic_inpainting": "Inpainting como en AUTOMATIC1111",
    "tuning.noise_schedule": "Schedule de ruido del modelo",
    "tuning.downcast_alphas": "Redondear alphas_cumprod",
    "tuning.sdxl_crop_top": "Recorte superior de SDXL",
    "tuning.sdxl_crop_left": "Recorte izquierdo de SDXL",
    "tuning.sdxl_clip_l_skip": "Clip skip en SDXL",
    "tuning.refiner_low_score": "Puntuación estética baja del refiner",
    "tuning.refiner_high_score": "Puntuación estética alta del refiner",
    "tuning.vae_encoder": "Codificador VAE",
    "tuning.vae_decoder": "Decodificador VAE",
}
"""Label of each request field, the same on the page, in the console and in error sentences; the fields of a request's
parts under their dotted path.
"""

ENLARGEMENT_LABELS: Mapping[str, str] = {
    "enlargement.upscaler": "Upscaler",
    "enlargement.scale": "Ampliar por",
    "enlargement.max_side": "Lado más largo, como mucho",
    "enlargement.width": "Ancho final",
    "enlargement.height": "Alto final",
    "enlargement.crop": "Recortar lo que sobre",
    "enlargement.second": "Segundo upscaler",
    "enlargement.second_visibility": "Visibilidad del segundo upscaler",
}
"""Label of each field of ``core.upscaling.Enlargement``, as in ``FIELD_LABELS``."""

UNREADABLE_REASONS: dict[str, str] = {
    "not_safetensors": "no es un archivo .safetensors",
    "truncated": "está cortado, le falta el final",
    "not_a_model": "no contiene ningún modelo conocido",
    "damaged": "está dañado",
}

SYSTEM_REASONS: dict[str, str] = {
    "EACCES": "no tienes permiso",
    "EPERM": "no tienes permiso",
    "EROFS": "el disco es de solo lectura",
    "ENOENT": "no existe",
    "EEXIST": "ya existe algo con ese nombre",
    "ENOTDIR": "una parte de la ruta es un archivo y no una carpeta",
    "EISDIR": "es una carpeta y no un archivo",
    "ENAMETOOLONG": "el nombre es demasiado largo",
    "EIO": "el disco falla",
    "EBUSY": "otro programa lo está usando",
    "ENOTCONN": "se ha perdido la conexión con el disco",
    "ESTALE": "se ha perdido la conexión con el disco",
    "ETIMEDOUT": "el disco tarda demasiado en responder",
}
"""Symbols of system errors, as ``core.files.system_reason`` gives them."""

UNREACHABLE_REASONS: dict[str, str] = {
    "dns": "no existe ese nombre en internet, o no hay conexión",
    "timeout": "tardó demasiado en responder",
    "connection": "la conexión se cortó",
    "certificate": "su certificado de seguridad no es válido",
}


def _show_suggestions(names: tuple[str, ...]) -> str:
    return f"¿Querías decir {' o '.join(f'«{name}»' for name in names)}? " if names else ""


def _show_kind(kind: str) -> str:
    return KIND_LABELS.get(kind, kind)


_SHOW_FACT: Mapping[str, Callable[[object], str]] = {
    "field": lambda value: {**FIELD_LABELS, **ENLARGEMENT_LABELS}.get(str(value), str(value)),
    "kind": lambda value: _show_kind(str(value)),
    "expected": lambda value: {**KIND_WITH_ARTICLE, **VALUE_KINDS}.get(str(value), str(value)),
    "found": lambda value: KIND_WITH_ARTICLE.get(str(value), str(value)),
    "reason": lambda value: (UNREADABLE_REASONS | UNREACHABLE_REASONS | SYSTEM_REASONS).get(str(value), str(value)),
    "needed": lambda value: human_bytes(float(str(value))) if value else "más",
    "free": lambda value: human_bytes(float(str(value))),
    "size": lambda value: human_bytes(float(str(value))),
    "pending": lambda value: "1 archivo" if value == 1 else f"{value} archivos",
    "received": lambda value: human_bytes(float(str(value))),
    "total": lambda value: "un total desconocido" if value is None else human_bytes(float(str(value))),
    "seconds": lambda value: "un rato" if value is None else human_time(float(str(value))),
    "digest": lambda value: f" ({value if ':' in str(value) else f'hash {value}'})" if value else "",
    "until": lambda value: f"hasta el {value:%d/%m/%Y}" if isinstance(value, datetime.datetime) else "todavía",
}


def _show(name: str, value: object) -> str:
    """One fact as a sentence shows it."""
    if isinstance(value, tuple):
        return _show_suggestions(value)
    if name in _SHOW_FACT:
        return _SHOW_FACT[name](value)
    if isinstance(value, Path):
        return value.name or str(value)
    if isinstance(value, datetime.datetime):
        return f"{value:%d/%m/%Y %H:%M}"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
