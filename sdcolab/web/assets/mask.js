/* The surface where a mask is painted over the initial image, with mouse, pen or finger. Strokes are kept as points, so
   undoing draws the others again. The canvas has the picture's own pixels (at most SIDE on its longest side). */
(() => {
  "use strict";

  const SIDE = 2048;
  const COLOR = "#ea580c";
  const strokes = [];
  let stroke = null;

  const root = () => document.querySelector(".sd-mask");
  const find = (selector) => root()?.querySelector(selector);

  const drawStroke = (context, { erase, width, points, picture }) => {
    context.globalCompositeOperation = erase ? "destination-out" : "source-over";
    if (picture) {
      context.drawImage(picture, 0, 0, context.canvas.width, context.canvas.height);
      return;
    }
    context.strokeStyle = context.fillStyle = COLOR;
    context.lineWidth = width;
    context.lineCap = context.lineJoin = "round";
    context.beginPath(); // a dot first: a line that goes nowhere draws nothing
    context.arc(...points[0], width / 2, 0, 2 * Math.PI);
    context.fill();
    context.beginPath();
    context.moveTo(...points[0]);
    for (const point of points) context.lineTo(...point);
    context.stroke();
  };

  const redraw = () => {
    const canvas = find("canvas");
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (const one of strokes) drawStroke(context, one);
  };

  const show = (url) => {
    const [hint, surface, tools, image, canvas] = ["p", ".sd-mask-surface", ".sd-mask-tools", "img", "canvas"].map(find);
    if (!image || (url && image.getAttribute("src") === url)) return; // gradio tells the same picture more than once
    strokes.length = 0;
    const reveal = (shown) => {
      hint.hidden = shown;
      surface.hidden = tools.hidden = !shown;
    };
    reveal(false);
    if (!url) {
      image.removeAttribute("src");
      return;
    }
    image.onload = () => {
      const scale = Math.min(1, SIDE / Math.max(image.naturalWidth, image.naturalHeight));
      canvas.width = Math.max(1, Math.round(image.naturalWidth * scale));
      canvas.height = Math.max(1, Math.round(image.naturalHeight * scale));
      reveal(true);
      redraw();
    };
    image.src = url;
  };

  /* White on black, as a PNG in a data URL; null when nothing is painted. */
  const value = () => {
    const canvas = find("canvas");
    if (!canvas || !strokes.length) return null;
    const plain = document.createElement("canvas");
    plain.width = canvas.width;
    plain.height = canvas.height;
    const context = plain.getContext("2d");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < pixels.data.length; at += 4) {
      const white = pixels.data[at + 3] > 127 ? 255 : 0;
      pixels.data[at] = pixels.data[at + 1] = pixels.data[at + 2] = white;
      pixels.data[at + 3] = 255;
    }
    context.putImageData(pixels, 0, 0);
    return plain.toDataURL("image/png");
  };

  /* An uploaded mask: what is light (and not transparent) in it is painted. */
  const load = async (file) => {
    let bitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      return;
    }
    const { width, height } = find("canvas");
    const picture = document.createElement("canvas");
    picture.width = width;
    picture.height = height;
    const context = picture.getContext("2d");
    context.drawImage(bitmap, 0, 0, width, height);
    const pixels = context.getImageData(0, 0, width, height);
    for (let at = 0; at < pixels.data.length; at += 4) {
      const [red, green, blue, alpha] = pixels.data.subarray(at, at + 4);
      const painted = alpha > 127 && red + green + blue > 382;
      pixels.data.set([234, 88, 12, painted ? 255 : 0], at);
    }
    context.putImageData(pixels, 0, 0);
    strokes.length = 0;
    strokes.push({ picture });
    redraw();
  };

  const place = (event) => {
    const canvas = find("canvas");
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * canvas.width,
      ((event.clientY - box.top) / box.height) * canvas.height,
    ];
  };

  document.addEventListener("pointerdown", (event) => {
    const canvas = event.target.closest?.(".sd-mask canvas");
    if (!canvas || !event.isPrimary || event.button) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    stroke = {
      erase: find("[data-mask=erase]").getAttribute("aria-pressed") === "true",
      width: (Number(find("[type=range]").value) * canvas.width) / canvas.getBoundingClientRect().width,
      points: [place(event)],
    };
    strokes.push(stroke);
    redraw();
  });

  document.addEventListener("pointermove", (event) => {
    if (!stroke || !event.isPrimary) return;
    const steps = event.getCoalescedEvents?.() ?? [];
    for (const step of steps.length ? steps : [event]) stroke.points.push(place(step));
    redraw();
  });

  for (const name of ["pointerup", "pointercancel"])
    document.addEventListener(name, (event) => {
      if (event.isPrimary) stroke = null;
    });

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-mask]");
    if (!button) return;
    const doing = button.dataset.mask;
    if (doing === "erase") button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    if (doing === "undo") strokes.pop();
    if (doing === "clear") strokes.length = 0;
    redraw();
  });

  document.addEventListener("change", (event) => {
    const chooser = event.target.closest?.(".sd-mask-upload input");
    if (!chooser?.files.length) return;
    load(chooser.files[0]);
    chooser.value = "";
  });

  window.sdcolab = { ...window.sdcolab, mask: { show, value } };
})();
