"""What gradio's own parts say on the page: its Spanish says "usted", and some of its names are only in English."""

from __future__ import annotations

from collections.abc import Mapping

TEXTS: Mapping[str, str] = {
    "audio.allow_recording_access": "Permite el acceso al micrófono para grabar.",
    "audio.no_device_support": "No se pudo usar el micrófono ni la cámara. Permite el acceso en tu navegador.",
    "blocks.connection_can_break": (
        "En el teléfono la conexión puede cortarse si dejas esta pestaña o se apaga la pantalla; tu lugar en la cola "
        "se pierde."
    ),
    "blocks.long_requests_queue": "Hay muchos trabajos en espera.",
    "blocks.lost_connection": "Se perdió la conexión al dejar la página. Volviendo a la cola…",
    "blocks.waiting_for_inputs": "Espera a que terminen de subir los archivos y vuelve a intentarlo.",
    "common.clear": "Borrar",
    "common.remove": "Quitar",
    "common.settings": "Ajustes",
    "common.language": "Idioma",
    "errors.contact_page_author": "Avisa a quien hizo la página.",
    "file.uploading": "Subiendo…",
    "image.allow_webcam_access": "Permite el acceso a la cámara.",
    "image.drop_to_upload": "Suelta aquí una imagen",
    "image.remove_image": "Quitar la imagen",
    "image_editor.select_draw_tool": "elige la herramienta de dibujo para empezar",
    "image_editor.upload_image": "Elige una imagen",
    "login.enable_cookies": "En modo incógnito, permite las cookies de terceros.",
    "login.incorrect_credentials": "El usuario o la contraseña no son correctos.",
    "upload_text.click_to_upload": "pulsa para elegir",
    "upload_text.drop_audio": "Suelta aquí el audio",
    "upload_text.drop_csv": "Suelta aquí el CSV",
    "upload_text.drop_file": "Suelta aquí los archivos",
    "upload_text.drop_gallery": "Suelta aquí las imágenes",
    "upload_text.drop_image": "Suelta aquí una imagen",
    "upload_text.drop_video": "Suelta aquí el video",
    "upload_text.paste_clipboard": "Pegar del portapapeles",
}
"""Its texts, by the keys of its own translations."""

LABELS: Mapping[str, str] = {
    "Dismiss": "Cerrar",
    "View full screen": "Pantalla completa",
    "Close full screen": "Salir de pantalla completa",
    "detailed view of selected image": "Imagen elegida",
    "Reset to default value": "Volver al valor inicial",
    "Remove all": "Quitar todos",
    "Clear": "Borrar",
    "Close": "Cerrar",
    "Copy": "Copiar",
    "Copy message": "Copiar",
    "Copied": "Copiado",
    "Download": "Descargar",
    "Fullscreen": "Pantalla completa",
    "View in full screen": "Pantalla completa",
    "Exit full screen": "Salir de pantalla completa",
    "Toggle dropdown": "Abrir la lista",
    "Empty value": "Vacío",
    "Upload file": "Elegir un archivo",
    "File upload": "Elegir archivos",
    "Click to upload or drop files": "Elegir o soltar archivos",
    "common.upload": "Añadir archivos",
    "Paste from clipboard": "Pegar del portapapeles",
    "Remove Image": "Quitar la imagen",
    "Remove this file": "Quitar este archivo",
    "Connection Lost": "Sin conexión",
    "Connection errored out.": "Falló la conexión. Se volverá a intentar.",
}
"""Names of buttons and notices that it does not translate, by their English."""

PATTERNS: Mapping[str, str] = {
    "^Connection to the server was lost.*$": "Se perdió la conexión. Intentando volver…",
    r"^Invalid file types?: (.*)\. Only .* allowed\.$": "«$1» no sirve aquí. Elige otro archivo.",
    r"^File\(s\) exceed the maximum allowed size of (.*?): (.*)$": (
        "Hay archivos demasiado grandes, de más de $1: $2. Elige otros más pequeños."
    ),
    "^number input for (.*)$": "Número: $1",
    "^range slider for (.*)$": "Deslizador: $1",
    r"^Thumbnail (\d+) of (\d+)$": "Miniatura $1 de $2",
}
"""The same for names with something in them; JavaScript's expressions and replacements."""
