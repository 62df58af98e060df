/* What gradio cannot do by itself: one panel below several tabs, names for icon buttons, Ctrl+Enter, Spanish for its few
   fixed English texts, and back to the login page when the session has ended. */
(() => {
  "use strict";

  document.documentElement.dataset.sdMode = "txt2img"; // which tab is open: page.css shows what belongs to it

  const NAMES = {
    "sd-refresh-checkpoint": "Actualizar la lista de modelos",
    "sd-refresh-vae": "Actualizar la lista de VAE",
    "sd-swap": "Intercambiar ancho y alto",
    "sd-seed-random": "Semilla al azar (-1)",
    "sd-seed-reuse": "Reutilizar la semilla de la imagen elegida",
    "sd-paste": "Leer los datos de una imagen pegados en el prompt; con el prompt vacío, los de la última generación",
    "sd-use-infotext": "Poner en el formulario los parámetros de la imagen elegida",
    "sd-tab-txt2img-button": "De texto a imagen",
    "sd-tab-img2img-button": "De imagen a imagen",
    "sd-tab-extras-button": "Ampliar imágenes terminadas (Extras)",
    "sd-tab-pnginfo-button": "Datos de generación guardados en una imagen",
    "sd-style-save": "Guardar los dos prompts como estilo",
    "sd-style-apply": "Pasar los estilos elegidos a los prompts",
    "sd-style-delete": "Borrar los estilos elegidos",
    "sd-generate": "Generar (Ctrl+Enter)",
  };

  const TEXT_AREAS = { "sd-infotext": "Datos de la imagen" };

  const LABELS = {
    "More tabs": "Más pestañas",
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
    "Error": "Error",
    "Connection Lost": "Sin conexión",
    "Connection to the server was lost. Attempting reconnection...": "Se perdió la conexión. Intentando volver…",
    "Connection errored out. ": "Falló la conexión. Se volverá a intentar.",
    "Connection errored out.": "Falló la conexión. Se volverá a intentar.",
  };

  const PATTERNS = [
    [/^number input for (.*)$/, "Número: $1"],
    [/^range slider for (.*)$/, "Deslizador: $1"],
    [/^Thumbnail (\d+) of (\d+)$/, "Miniatura $1 de $2"],
  ];

  const translated = (text) => {
    if (text in LABELS) return LABELS[text];
    for (const [pattern, spanish] of PATTERNS) if (pattern.test(text)) return text.replace(pattern, spanish);
    return null;
  };

  const dress = () => {
    for (const [id, name] of Object.entries(NAMES)) {
      const button = document.getElementById(id);
      if (!button || button.title === name) continue;
      button.title = name;
      if (id.startsWith("sd-refresh") || id === "sd-swap" || id === "sd-paste") button.setAttribute("aria-label", name);
    }
    for (const [id, name] of Object.entries(TEXT_AREAS)) {
      const area = document.querySelector(`#${id} textarea`);
      if (area && !area.hasAttribute("aria-label")) area.setAttribute("aria-label", name);
    }
    for (const attribute of ["aria-label", "title"])
      for (const element of document.querySelectorAll(`[${attribute}]`)) {
        const spanish = translated(element.getAttribute(attribute));
        if (spanish !== null && spanish !== element.getAttribute(attribute)) element.setAttribute(attribute, spanish);
      }
    for (const element of document.querySelectorAll(".toast-title, .toast-text, .toast-message-text")) {
      const spanish = translated(element.textContent.trim());
      if (spanish !== null && spanish !== element.textContent.trim()) element.textContent = spanish;
    }
  };

  let pending = false;
  const dressSoon = () => {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      dress();
    });
  };

  document.addEventListener("DOMContentLoaded", dressSoon);
  new MutationObserver(dressSoon).observe(document.documentElement, { childList: true, subtree: true });

  document.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      const button = ["sd-generate", "sd-enlarge"].map((id) => document.getElementById(id)).find((one) => one?.offsetParent);
      if (!button) return;
      event.preventDefault();
      event.stopPropagation();
      button.click();
    },
    true,
  );

  const plainFetch = window.fetch;
  window.fetch = async (...request) => {
    const answer = await plainFetch(...request);
    if (answer.status === 401) window.location.assign("login");
    return answer;
  };
})();
