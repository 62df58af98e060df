"""Sentences of Google Colab, Drive, tunnels and child processes."""

from __future__ import annotations

from collections.abc import Mapping

from sdcolab.core.words.base import Sentence

SENTENCES: Mapping[str, Sentence] = {
    "host.drive_denied": Sentence(
        "No se pudo conectar tu Google Drive: el permiso se canceló, se eligió otra cuenta o el navegador bloquea "
        "las cookies de terceros.",
        "El programa sigue sin Drive. Para usarlo, vuelve a pulsar ▶️ y acepta el permiso con la misma "
        "cuenta con la que abriste "
        "Colab.",
    ),
    "host.drive_root_timeout": Sentence(
        "Google Drive tardó demasiado en abrir tu carpeta principal: suele pasar cuando tiene muchos archivos sueltos.",
        "El programa sigue sin Drive. Mueve esos archivos a subcarpetas y vuelve a intentarlo; a veces "
        "basta con repetir.",
    ),
    "host.drive_no_answer": Sentence(
        "Google Drive no respondió a tiempo.",
        "El programa sigue sin Drive. Prueba otra vez en unos minutos; si se repite, reinicia el entorno de ejecución.",
    ),
    "host.drive_not_empty": Sentence(
        "No se puede conectar Drive porque ya hay archivos en «{mountpoint}».",
        "El programa sigue sin Drive. Borra o cambia de nombre esa carpeta en el panel Archivos y vuelve a pulsar ▶️.",
    ),
    "host.drive_symlink": Sentence(
        "No se puede conectar Drive porque «{mountpoint}» es un enlace simbólico.",
        "El programa sigue sin Drive. Borra ese enlace en el panel Archivos y vuelve a pulsar ▶️.",
    ),
    "host.drive_bad_mountpoint": Sentence(
        "No se puede conectar Drive en «{mountpoint}»: no es una carpeta que se pueda usar.",
        "El programa sigue sin Drive. Reinicia el entorno de ejecución para que Colab la vuelva a crear.",
    ),
    "host.drive_policy": Sentence(
        "El administrador de tu cuenta no permite usar Google Drive desde Colab.",
        "El programa sigue sin Drive. Usa una cuenta personal de Google o pide permiso al administrador.",
    ),
    "host.drive_unsupported": Sentence(
        "Aquí no se puede conectar Google Drive: solo funciona en colab.research.google.com.",
        "El programa sigue sin Drive. Las imágenes se guardan en este equipo.",
    ),
    "host.drive_mount_failed": Sentence(
        "No se pudo conectar Google Drive.",
        "El programa sigue sin Drive. Vuelve a pulsar ▶️ más tarde; si se repite, reinicia el entorno de ejecución. "
        "Detalle: {detail}.",
    ),
    "host.drive_full": Sentence(
        "Tu Google Drive está lleno: {pending} por copiar.",
        "No se pierde nada: queda en Colab mientras la sesión esté abierta. Libera espacio (papelera, Gmail y Fotos "
        "también cuentan) y se copiará solo.",
    ),
    "host.drive_lost": Sentence(
        "Google Drive no responde ({reason}): {pending} por copiar.",
        "No se pierde nada: queda en Colab mientras la sesión esté abierta y se copiará en cuanto Drive vuelva.",
    ),
    "host.drive_unread": Sentence(
        "No se pudo leer lo que tienes en Google Drive: {reason}.",
        "El programa sigue sin eso: tus modelos y tu configuración de allí pueden faltar. Vuelve a pulsar ▶️ más tarde.",
    ),
    "host.secret_no_access": Sentence(
        "La clave {name} está en «Secretos», pero este cuaderno no tiene permiso para leerla.",
        "Abre el panel 🔑 de la izquierda, activa «Acceso desde el cuaderno» junto a {name} y vuelve a pulsar ▶️.",
    ),
    "host.secret_timeout": Sentence(
        "Colab no respondió al pedirle la clave {name}: solo las da con el cuaderno abierto en el navegador.",
        "El programa sigue sin ella. También puedes escribirla en la celda «Claves» 🔑 y volver a pulsar ▶️.",
    ),
    "host.proxy_unavailable": Sentence(
        "Colab tampoco dio su enlace propio.", "Deja la celda en marcha: se seguirá intentando con el enlace público."
    ),
    "host.share_down": Sentence(
        "El servicio que crea el enlace público (Gradio) no responde ahora mismo.",
        "Se seguirá intentando; su estado se ve en https://status.gradio.app.",
    ),
    "host.share_program_missing": Sentence(
        "No se pudo descargar o abrir el programa que crea el enlace público.",
        "Se seguirá intentando; si tu red lo bloquea, usa el otro enlace.",
    ),
    "host.ngrok_token_missing": Sentence(
        "Para el enlace de ngrok hace falta tu clave NGROK_TOKEN, y no está.",
        "Cópiala de https://dashboard.ngrok.com (gratis) a los «Secretos» 🔑 de Colab o a la celda «Claves», y vuelve "
        "a pulsar ▶️. Mientras tanto se usa el enlace de Gradio.",
    ),
    "host.ngrok_token_rejected": Sentence(
        "ngrok no acepta tu clave NGROK_TOKEN: puede estar mal copiada o anulada.",
        "Cópiala otra vez de https://dashboard.ngrok.com/get-started/your-authtoken y vuelve a pulsar ▶️.",
    ),
    "host.ngrok_busy": Sentence(
        "Tu cuenta de ngrok ya tiene un enlace abierto en otro sitio, y la gratuita solo permite uno.",
        "Cierra el otro (se ve en https://dashboard.ngrok.com/agents): se seguirá intentando.",
    ),
    "host.ngrok_down": Sentence(
        "ngrok no pudo abrir su enlace ahora mismo.",
        "Se seguirá intentando; su estado se ve en https://status.ngrok.com.",
    ),
    "host.ngrok_program_missing": Sentence(
        "No se pudo descargar o abrir el programa de ngrok.",
        "Se seguirá intentando; si tu red lo bloquea, usa el otro enlace.",
    ),
    "host.share_lost": Sentence("El enlace público dejó de funcionar.", "Ya se está creando otro."),
    "host.web_killed": Sentence(
        "El sistema cerró la página, casi siempre por falta de memoria.",
        "Usa un modelo más pequeño (fp16, «pruned»), una imagen más pequeña o menos imágenes por lote. Ya se "
        "está abriendo otra vez, en el mismo enlace.",
    ),
    "host.web_crashed": Sentence(
        "La página se cerró por un error ({ending}).", "Ya se está abriendo otra vez, en el mismo enlace."
    ),
    "host.web_gave_up": Sentence(
        "La página se cerró {times:vez seguida|veces seguidas} apenas se abrió, así que no se intenta más.",
        "Lee las últimas líneas de abajo, reinicia el entorno de ejecución y prueba otra vez; el registro completo "
        "está en «{log}».",
    ),
    "host.engine_killed": Sentence(
        "El sistema cerró el motor que crea las imágenes, casi siempre por falta de memoria.",
        "Usa un modelo más pequeño (fp16, «pruned»), una imagen más pequeña o menos imágenes por lote. Ya se está "
        "abriendo otra vez; lo que espera en la cola seguirá.",
    ),
    "host.job_lost": Sentence(
        "El programa se cerró mientras creaba esta imagen, casi siempre por falta de memoria.",
        "Usa un modelo más pequeño (fp16, «pruned»), una imagen más pequeña o menos imágenes por lote, y pulsa "
        "«Generar» otra vez. Lo que esperaba en la cola sigue.",
    ),
    "host.engine_crashed": Sentence(
        "El motor que crea las imágenes se cerró por un error ({ending}).",
        "Ya se está abriendo otra vez; lo que espera en la cola seguirá.",
    ),
    "host.engine_gave_up": Sentence(
        "El motor que crea las imágenes se cerró {times:vez seguida|veces seguidas} apenas se abrió.",
        "Prueba con otro modelo y pulsa «Generar»; si se repite, mira el registro en «{log}».",
    ),
    "host.drive_flush_failed": Sentence(
        "Google Drive no confirmó que todo esté subido.",
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
        "Faltan paquetes de Python que no se pudieron instalar: {names}.",
        "Comprueba la conexión y vuelve a pulsar ▶️.",
    ),
    "host.packages_too_old": Sentence(
        "Este entorno trae versiones demasiado antiguas de {names}.",
        "Pulsa ▶️ en la celda «⬆️ Poner al día los paquetes», que no toca torch, y vuelve a empezar. O elige en Colab "
        "Entorno de ejecución → Cambiar tipo de entorno de ejecución → Versión del entorno: la más reciente.",
    ),
}
