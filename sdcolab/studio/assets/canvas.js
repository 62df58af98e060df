/* One surface for pictures, for the page (gradio's HTML component) and for the notebook's panel (anywidget): look, zoom,
   paint a mask or strokes, draw rectangles, compare two pictures. No framework and nothing from elsewhere.

   Coordinates are the picture's own pixels (at most SIDE on its longest side). What is painted is kept as a list of
   marks, so that undoing draws the others again. One pointer paints; two fingers move and zoom, and once a pen has been
   seen a single finger only moves. */

const SIDE = 2048;
const DEEPEST = 16; // how far the picture can be zoomed
const KEYS = "keys"; // what moves the brush where nothing points
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const TINY = 4; // pixels on the screen below which a rectangle is a slip of the hand

/* What each mode offers; "paint" modes have marks, and how they end up in the value. */
const MODES = {
  view: { tools: ["out", "in", "fit", "full"] },
  mask: { paints: true, tools: ["brush", "erase", "undo", "redo", "clear", "invert", "load", "out", "in", "fit", "full"] },
  draw: { paints: true, tools: ["brush", "erase", "undo", "redo", "clear", "out", "in", "fit", "full"] },
  boxes: { boxes: true, tools: ["undo", "redo", "remove", "clear", "out", "in", "fit", "full"] },
  compare: { tools: ["full"] },
};

const ICONS = {
  brush: "brush", erase: "eraser", undo: "undo-2", redo: "redo-2", clear: "trash-2", invert: "contrast", load: "upload",
  out: "zoom-out", in: "zoom-in", fit: "scan", full: "expand", remove: "x",
};

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};

const picture = (url) =>
  new Promise((done, failed) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = () => failed(new Error("picture"));
    image.src = url;
  });

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/* --- Marks: pure drawing ------------------------------------------------------------------------------------------ */

const dot = (context, [x, y], width) => {
  context.beginPath();
  context.arc(x, y, width / 2, 0, 2 * Math.PI);
  context.fill();
};

/* Draw the points of ``mark`` from number ``from`` on; each point is [x, y, pressure 0..1]. */
const drawStroke = (context, mark, from = 0) => {
  context.globalCompositeOperation = mark.erase ? "destination-out" : "source-over";
  context.strokeStyle = context.fillStyle = mark.color;
  context.lineCap = context.lineJoin = "round";
  if (from === 0) dot(context, mark.points[0], mark.width * mark.points[0][2]);
  for (let at = Math.max(1, from); at < mark.points.length; at++) {
    const [before, now] = [mark.points[at - 1], mark.points[at]];
    context.lineWidth = mark.width * now[2];
    context.beginPath();
    context.moveTo(before[0], before[1]);
    context.lineTo(now[0], now[1]);
    context.stroke();
  }
};

const drawMark = (context, mark) => {
  const { width, height } = context.canvas;
  if (mark.kind === "stroke") return drawStroke(context, mark);
  context.globalCompositeOperation = "source-over";
  if (mark.kind === "clear") context.clearRect(0, 0, width, height);
  if (mark.kind === "picture") {
    context.clearRect(0, 0, width, height);
    context.drawImage(mark.picture, 0, 0, width, height);
  }
  if (mark.kind === "invert") {
    context.globalCompositeOperation = "xor";
    context.fillStyle = mark.color;
    context.fillRect(0, 0, width, height);
  }
};

const sheet = (width, height) => {
  const canvas = make("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
};

/* An uploaded mask as our marks have it: what is light (and not transparent) in it gets our colour. */
const asMask = (image, width, height, color) => {
  const canvas = sheet(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, width, height);
  const pixels = context.getImageData(0, 0, width, height);
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  for (let at = 0; at < pixels.data.length; at += 4) {
    const [r, g, b, alpha] = pixels.data.subarray(at, at + 4);
    pixels.data.set([red, green, blue, alpha > 127 && r + g + b > 382 ? 255 : 0], at);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
};

/* White where ``canvas`` is painted, black elsewhere, as a PNG in a data URL; null when nothing is. */
const maskOf = (canvas) => {
  const plain = sheet(canvas.width, canvas.height);
  const context = plain.getContext("2d");
  const pixels = canvas.getContext("2d", { willReadFrequently: true }).getImageData(0, 0, canvas.width, canvas.height);
  let painted = false;
  for (let at = 0; at < pixels.data.length; at += 4) {
    const white = pixels.data[at + 3] > 127 ? 255 : 0;
    painted ||= white > 0;
    pixels.data[at] = pixels.data[at + 1] = pixels.data[at + 2] = white;
    pixels.data[at + 3] = 255;
  }
  if (!painted) return null;
  context.putImageData(pixels, 0, 0);
  return plain.toDataURL("image/png");
};

/* The strokes on white paper. */
const drawingOf = (canvas) => {
  const paper = sheet(canvas.width, canvas.height);
  const context = paper.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, paper.width, paper.height);
  context.drawImage(canvas, 0, 0);
  return paper.toDataURL("image/png");
};

/* --- The surface -------------------------------------------------------------------------------------------------- */

class Surface {
  constructor(host, { mode = "view", words = {}, color, size = [512, 512], onChange = () => {} }) {
    this.host = host;
    this.mode = mode;
    this.kind = MODES[mode];
    this.words = words;
    this.color = color ?? (mode === "draw" ? "#000000" : "#ea580c");
    this.blank = size; // of a drawing without a picture
    this.onChange = onChange;
    this.marks = [];
    this.undone = [];
    this.boxes = [];
    this.chosen = -1;
    this.past = [];
    this.future = [];
    this.pointers = new Map();
    this.tip = [0.5, 0.5]; // of the brush that keys move, as parts of the picture
    this.penSeen = false;
    this.view = { x: 0, y: 0, scale: 1 };
    this.url = "";
    this.build();
    this.listen();
    if (mode === "draw") this.resize(...size);
  }

  say(key) {
    return this.words[key] ?? key;
  }

  build() {
    this.image = make("img", { alt: this.say("picture"), draggable: "false", class: "sd-canvas-picture" });
    this.second = make("img", { alt: this.say("second"), draggable: "false", class: "sd-canvas-second" });
    this.canvas = make("canvas", { class: "sd-canvas-marks", role: "img", "aria-label": this.say(`${this.mode}_label`) });
    this.frames = make("div", { class: "sd-canvas-boxes" });
    this.ring = make("div", { class: "sd-canvas-ring", hidden: true });
    this.stage = make("div", { class: "sd-canvas-stage" }, this.image);
    if (this.kind.paints) this.stage.append(this.canvas);
    if (this.kind.boxes) this.stage.append(this.frames);
    if (this.mode === "compare") this.buildCompare();
    this.surface = make("div", { class: "sd-canvas-surface", tabindex: "0" }, this.stage, this.ring);
    const keys = this.kind.boxes ? "boxes_keys" : this.kind.paints && "paint_keys";
    if (keys) {
      this.surface.append(make("p", { class: "sd-canvas-keys" }, this.say(keys)));
      this.surface.setAttribute("aria-description", this.say(keys));
    }
    this.surface.setAttribute("aria-label", this.say(`${this.mode}_label`));
    this.surface.setAttribute("role", "group");
    this.hint = make("p", { class: "sd-canvas-hint" }, this.say(`${this.mode}_hint`));
    this.tools = make("div", { class: "sd-canvas-tools", role: "toolbar", "aria-label": this.say("tools") });
    for (const tool of this.kind.tools) this.tools.append(this.tool(tool));
    this.root = make("div", { class: `sd-canvas sd-canvas-${this.mode}` }, this.hint, this.surface, this.tools);
    this.host.replaceChildren(this.root);
    this.pick("brush");
    this.reveal(false);
  }

  buildCompare() {
    this.range = make("input", { type: "range", min: "0", max: "100", step: "0.1", value: "50", class: "sd-canvas-range" });
    this.range.setAttribute("aria-label", this.say("compare_label"));
    this.range.addEventListener("input", () => this.stage.style.setProperty("--at", `${this.range.value}%`));
    this.stage.append(this.second, make("div", { class: "sd-canvas-divider" }), this.range);
  }

  tool(name) {
    if (name === "brush") {
      this.size = make("input", { type: "range", min: "2", max: "200", value: this.mode === "draw" ? "6" : "48" });
      this.size.setAttribute("aria-label", this.say("size"));
      const brush = this.button("brush");
      return make("span", { class: "sd-canvas-size" }, brush, this.size);
    }
    if (name !== "load") return this.button(name);
    this.file = make("input", { type: "file", accept: "image/*", "aria-label": this.say("load") });
    this.file.addEventListener("change", () => this.loadMask());
    return make("label", { class: "sd-canvas-tool", title: this.say("load") }, this.icon("load"), this.file);
  }

  icon(name) {
    return make("i", { class: `sd-icon-${ICONS[name]}`, "aria-hidden": "true" });
  }

  button(name) {
    const button = make("button", { type: "button", class: "sd-canvas-tool", "data-tool": name, title: this.say(name) });
    button.setAttribute("aria-label", this.say(name));
    button.append(this.icon(name));
    button.addEventListener("click", () => this.act(name));
    return button;
  }

  act(name) {
    if (name === "brush" || name === "erase") return this.pick(name);
    if (name === "in") return this.zoom(1.5);
    if (name === "out") return this.zoom(1 / 1.5);
    if (name === "fit") return this.look(0, 0, 1);
    if (name === "full") return this.fill();
    if (this.kind.boxes) return this.actOnBoxes(name);
    if (name === "undo" && this.marks.length) this.undone.push(this.marks.pop());
    if (name === "redo" && this.undone.length) this.marks.push(this.undone.pop());
    if (name === "clear") this.add({ kind: "clear" });
    if (name === "invert") this.add({ kind: "invert", color: this.color });
    this.redraw();
    this.changed();
  }

  pick(name) {
    this.erasing = name === "erase";
    for (const button of this.tools.querySelectorAll("[data-tool=brush], [data-tool=erase]"))
      button.setAttribute("aria-pressed", String(button.dataset.tool === name));
  }

  add(mark) {
    this.marks.push(mark);
    this.undone.length = 0;
  }

  changed() {
    this.onChange(this.value());
  }

  reveal(shown) {
    this.hint.hidden = shown;
    this.surface.hidden = this.tools.hidden = !shown;
  }

  /* --- The picture --- */

  async show(url) {
    if ((url || "") === this.url) return; // told more than once: what is painted stays
    this.url = url || "";
    this.forget();
    if (!url) {
      this.image.removeAttribute("src");
      if (this.mode === "draw") this.resize(...this.blank);
      else this.reveal(false);
      return;
    }
    try {
      const image = await picture(url);
      if (url !== this.url) return;
      this.image.src = url;
      this.fit(image);
    } catch {
      this.reveal(false);
    }
  }

  async compare(first, second) {
    await this.show(first);
    this.second.src = second || "";
    this.second.hidden = !second;
  }

  forget() {
    this.marks.length = this.undone.length = this.boxes.length = this.past.length = this.future.length = 0;
    this.chosen = -1;
    this.drawBoxes();
    this.look(0, 0, 1);
  }

  fit(image) {
    const scale = Math.min(1, SIDE / Math.max(image.naturalWidth, image.naturalHeight));
    this.resize(Math.round(image.naturalWidth * scale), Math.round(image.naturalHeight * scale));
  }

  resize(width, height) {
    this.canvas.width = Math.max(1, width);
    this.canvas.height = Math.max(1, height);
    this.stage.style.aspectRatio = `${this.canvas.width} / ${this.canvas.height}`;
    this.stage.style.setProperty("--shape", this.canvas.width / this.canvas.height);
    this.reveal(true);
    this.redraw();
  }

  redraw() {
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (const mark of this.marks) drawMark(context, mark);
  }

  /* --- Values --- */

  value() {
    if (this.mode === "boxes") return this.boxes.map((box) => ({ ...box }));
    if (!this.kind.paints || !this.marks.length) return null;
    return this.mode === "mask" ? maskOf(this.canvas) : drawingOf(this.canvas);
  }

  /* Take back a value that ``value`` gave, for the picture on show. */
  async restore(value) {
    if (this.mode === "boxes") this.boxes = (value || []).map((box) => ({ ...box }));
    else this.marks = [];
    this.undone.length = 0;
    if (this.kind.paints && value) {
      const image = await picture(value);
      const { width, height } = this.canvas;
      this.add({ kind: "picture", picture: this.mode === "mask" ? asMask(image, width, height, this.color) : image });
    }
    this.redraw();
    this.drawBoxes();
  }

  async loadMask() {
    const [file] = this.file.files;
    this.file.value = "";
    if (!file) return;
    const url = URL.createObjectURL(file);
    try {
      await this.restore(url);
      this.changed();
    } catch {
      /* not a picture: what was painted is gone with the wish to replace it only if it could be read */
    } finally {
      URL.revokeObjectURL(url);
    }
  }

  /* --- Looking: zoom and movement --- */

  look(x, y, scale) {
    const { width, height } = this.surface.getBoundingClientRect();
    const room = (side) => ((scale - 1) * side) / 2;
    this.view = { x: clamp(x, -room(width), room(width)), y: clamp(y, -room(height), room(height)), scale };
    this.stage.style.transform = scale === 1 ? "" : `translate(${this.view.x}px, ${this.view.y}px) scale(${scale})`;
    this.root.classList.toggle("sd-canvas-zoomed", scale > 1);
  }

  /* Zoom by ``factor``, with the screen's point (``x``, ``y``) standing still; its middle when there is none. */
  zoom(factor, x, y) {
    const box = this.surface.getBoundingClientRect();
    const [left, top] = [(x ?? box.left + box.width / 2) - box.left - box.width / 2, (y ?? box.top + box.height / 2) - box.top - box.height / 2];
    const scale = clamp(this.view.scale * factor, 1, DEEPEST);
    const real = scale / this.view.scale;
    this.look(left - (left - this.view.x) * real, top - (top - this.view.y) * real, scale);
  }

  /* Leave the whole screen, if it was taken. */
  close() {
    if (this.root.classList.contains("sd-canvas-full")) this.fill();
  }

  fill() {
    const full = this.root.classList.toggle("sd-canvas-full");
    document.documentElement.classList.toggle("sd-canvas-open", full);
    this.look(0, 0, 1);
    this.tools.querySelector("[data-tool=full]").setAttribute("aria-pressed", String(full));
    this.surface.focus({ preventScroll: true });
  }

  /* --- Pointers --- */

  listen() {
    const surface = this.surface;
    surface.addEventListener("pointerdown", (event) => this.down(event));
    surface.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) surface.addEventListener(name, (event) => this.up(event));
    surface.addEventListener("pointerleave", () => (this.ring.hidden = true));
    surface.addEventListener("blur", () => {
      surface.classList.remove("sd-canvas-by-hand");
      if (!this.pointers.size) this.lift();
      this.ring.hidden = true;
    });
    surface.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  place(event) {
    const box = this.stage.getBoundingClientRect();
    const pressure = event.pointerType === "pen" && event.pressure > 0 ? 0.25 + 0.75 * event.pressure : 1;
    return [
      ((event.clientX - box.left) / box.width) * this.canvas.width,
      ((event.clientY - box.top) / box.height) * this.canvas.height,
      pressure,
    ];
  }

  moves(event) {
    const finger = event.pointerType === "touch";
    return event.button === 1 || (event.button === 0 && (this.space || (finger && this.penSeen))) || !(this.kind.paints || this.kind.boxes);
  }

  down(event) {
    if (this.mode === "compare" || event.button > 1) return;
    this.penSeen ||= event.pointerType === "pen";
    if (this.moves(event) && this.view.scale === 1 && event.pointerType === "touch" && !this.pointers.size) return;
    event.preventDefault();
    if (!this.pointers.size) this.lift();
    // Browsers take the focus given below for one by keyboard where somebody wrote before.
    this.surface.classList.add("sd-canvas-by-hand");
    this.surface.focus({ preventScroll: true });
    this.surface.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    if (this.pointers.size === 2) return this.pinchBegins();
    if (this.pointers.size > 2) return;
    if (this.moves(event)) this.dragging = { x: event.clientX - this.view.x, y: event.clientY - this.view.y };
    else if (this.kind.boxes) this.boxBegins(event);
    else this.strokeBegins(event);
  }

  move(event) {
    this.showRing(event);
    if (!this.pointers.has(event.pointerId)) return;
    this.pointers.set(event.pointerId, event);
    if (this.pinch) return this.pinchGoes();
    if (this.dragging) return this.look(event.clientX - this.dragging.x, event.clientY - this.dragging.y, this.view.scale);
    if (this.box) return this.boxGoes(event);
    if (this.stroke) this.strokeGoes(event);
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.pinch && this.pointers.size < 2) this.pinch = null;
    this.dragging = null;
    this.lift();
  }

  /* The stroke or the rectangle that was begun is done. */
  lift() {
    const { box, stroke } = this;
    this.stroke = this.box = null;
    if (box) this.boxEnds();
    if (stroke) this.changed();
  }

  wheel(event) {
    if (!(event.ctrlKey || event.metaKey || this.root.classList.contains("sd-canvas-full"))) return;
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
  }

  pinchBegins() {
    if (this.stroke) {
      this.marks.pop(); // the first finger was the beginning of the gesture
      this.stroke = null;
      this.redraw();
    }
    this.box = this.dragging = null;
    const [one, two] = [...this.pointers.values()];
    this.pinch = { gap: Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY) };
    this.pinch.x = (one.clientX + two.clientX) / 2;
    this.pinch.y = (one.clientY + two.clientY) / 2;
  }

  pinchGoes() {
    const [one, two] = [...this.pointers.values()];
    const gap = Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY);
    const [x, y] = [(one.clientX + two.clientX) / 2, (one.clientY + two.clientY) / 2];
    this.zoom(gap / Math.max(1, this.pinch.gap), x, y);
    this.look(this.view.x + x - this.pinch.x, this.view.y + y - this.pinch.y, this.view.scale);
    this.pinch = { gap, x, y };
  }

  showRing(event) {
    if (event.pointerType === "touch" || !(this.kind.paints || event.pointerType === KEYS)) return;
    const box = this.surface.getBoundingClientRect();
    const side = this.kind.paints ? Number(this.size.value) : TINY * 2;
    this.ring.hidden = false;
    Object.assign(this.ring.style, {
      width: `${side}px`, height: `${side}px`, left: `${event.clientX - box.left - side / 2}px`, top: `${event.clientY - box.top - side / 2}px`,
    });
  }

  key(event) {
    if (event.key === "Escape" && this.root.classList.contains("sd-canvas-full")) {
      event.stopPropagation();
      return this.fill();
    }
    if (event.target !== this.surface || this.byKeys(event)) return;
    const held = event.ctrlKey || event.metaKey;
    const name = held
      ? { z: event.shiftKey ? "redo" : "undo", y: "redo" }[event.key.toLowerCase()]
      : { e: "erase", b: "brush", f: "full", "+": "in", "-": "out", 0: "fit", Delete: "remove", Backspace: "remove" }[event.key];
    const grow = { "[": 0.8, "]": 1.25 }[event.key];
    if (grow && this.size) this.size.value = String(Math.round(clamp(this.size.value * grow, 2, 200)));
    if (!name || !this.kind.tools.includes(name)) return;
    event.preventDefault();
    event.stopPropagation();
    if (!this.pointers.size) this.lift();
    this.act(name);
  }

  /* Without a pointer: arrows move a brush over the picture, in larger steps with Shift, and Enter puts it down and lifts
     it. Whether that was what ``event`` asked for. */
  byKeys(event) {
    const way = ARROWS[event.key];
    if (!this.kind.paints && !this.kind.boxes) return false;
    if (event.ctrlKey || event.metaKey || event.altKey || !(way || (event.key === "Enter" && !event.shiftKey))) return false;
    event.preventDefault();
    event.stopPropagation();
    this.surface.classList.remove("sd-canvas-by-hand");
    const step = event.shiftKey ? 0.1 : 0.02;
    if (way) this.tip = this.tip.map((at, axis) => clamp(at + way[axis] * step, 0, 1));
    const stage = this.stage.getBoundingClientRect();
    const there = {
      clientX: stage.left + this.tip[0] * stage.width, clientY: stage.top + this.tip[1] * stage.height, pointerType: KEYS, target: this.surface,
    };
    if (way && this.box) this.boxGoes(there);
    else if (way && this.stroke) this.strokeGoes(there);
    else if (!way && (this.box || this.stroke)) this.lift();
    else if (!way) this.kind.boxes ? this.boxBegins(there) : this.strokeBegins(there);
    this.showRing(there);
    return true;
  }

  /* --- Strokes --- */

  strokeBegins(event) {
    const shown = this.stage.getBoundingClientRect().width;
    this.stroke = {
      kind: "stroke",
      erase: this.erasing || event.buttons === 32, // the other end of a pen
      color: this.color,
      width: (Number(this.size.value) * this.canvas.width) / shown,
      points: [this.place(event)],
    };
    this.add(this.stroke);
    drawStroke(this.canvas.getContext("2d"), this.stroke);
  }

  strokeGoes(event) {
    const from = this.stroke.points.length;
    const steps = event.getCoalescedEvents?.() ?? [];
    for (const step of steps.length ? steps : [event]) this.stroke.points.push(this.place(step));
    drawStroke(this.canvas.getContext("2d"), this.stroke, from);
  }

  /* --- Rectangles: {x, y, width, height} as parts (0..1) of the picture --- */

  keepBoxes() {
    this.past.push(this.boxes.map((box) => ({ ...box })));
    this.future.length = 0;
  }

  actOnBoxes(name) {
    const now = this.boxes.map((box) => ({ ...box }));
    if (name === "undo" && this.past.length) [this.boxes] = [this.past.pop(), this.future.push(now)];
    else if (name === "redo" && this.future.length) [this.boxes] = [this.future.pop(), this.past.push(now)];
    else if (name === "remove" && this.chosen >= 0) {
      this.keepBoxes();
      this.boxes.splice(this.chosen, 1);
    } else if (name === "clear" && this.boxes.length) {
      this.keepBoxes();
      this.boxes = [];
    } else return;
    this.chosen = Math.min(this.chosen, this.boxes.length - 1);
    this.drawBoxes();
    this.changed();
  }

  part(event) {
    const [x, y] = this.place(event);
    return [clamp(x / this.canvas.width, 0, 1), clamp(y / this.canvas.height, 0, 1)];
  }

  boxBegins(event) {
    const [x, y] = this.part(event);
    const frame = event.target.closest?.("[data-box]");
    this.keepBoxes();
    if (frame) {
      this.chosen = Number(frame.dataset.box);
      const box = this.boxes[this.chosen];
      const edge = event.target.dataset.edge;
      this.box = edge ? { fixed: this.opposite(box, edge) } : { grip: [x - box.x, y - box.y] };
    } else {
      this.boxes.push({ x, y, width: 0, height: 0 });
      this.chosen = this.boxes.length - 1;
      this.box = { fixed: [x, y] };
    }
    this.drawBoxes();
  }

  opposite(box, edge) {
    return [edge.includes("w") ? box.x + box.width : box.x, edge.includes("n") ? box.y + box.height : box.y];
  }

  boxGoes(event) {
    const [x, y] = this.part(event);
    const box = this.boxes[this.chosen];
    if (this.box.grip) {
      box.x = clamp(x - this.box.grip[0], 0, 1 - box.width);
      box.y = clamp(y - this.box.grip[1], 0, 1 - box.height);
    } else {
      const [left, top] = this.box.fixed;
      Object.assign(box, { x: Math.min(left, x), y: Math.min(top, y), width: Math.abs(x - left), height: Math.abs(y - top) });
    }
    this.drawBoxes();
  }

  boxEnds() {
    const box = this.boxes[this.chosen];
    const shown = this.stage.getBoundingClientRect();
    if (box && (box.width * shown.width < TINY || box.height * shown.height < TINY)) {
      this.boxes = this.past.pop() ?? [];
      this.chosen = -1;
    }
    this.drawBoxes();
    this.changed();
  }

  drawBoxes() {
    const percent = (value) => `${100 * value}%`;
    this.frames.replaceChildren(
      ...this.boxes.map((box, index) => {
        const frame = make("div", { class: "sd-canvas-box", "data-box": index, "aria-selected": String(index === this.chosen) });
        Object.assign(frame.style, { left: percent(box.x), top: percent(box.y), width: percent(box.width), height: percent(box.height) });
        frame.append(make("span", {}, String(index + 1)));
        if (index === this.chosen) for (const edge of ["nw", "ne", "sw", "se"]) frame.append(make("b", { "data-edge": edge }));
        return frame;
      }),
    );
  }
}

/* Put a surface into ``host``. ``options``: mode ("view", "mask", "draw", "boxes" or "compare"), words (labels by name),
   color, size of a blank drawing, onChange(value). */
export const mountCanvas = (host, options = {}) => new Surface(host, options);

/* --- In a notebook: anywidget's protocol --- */

const urls = new WeakMap();

/* A blob URL for the bytes of a trait; the one before is let go. */
const urlOf = (surface, name, bytes) => {
  const known = urls.get(surface) ?? {};
  if (known[name]) URL.revokeObjectURL(known[name]);
  known[name] = bytes?.byteLength ? URL.createObjectURL(new Blob([bytes])) : "";
  urls.set(surface, known);
  return known[name];
};

const render = ({ model, el }) => {
  const surface = mountCanvas(el, {
    mode: model.get("mode"),
    words: model.get("words"),
    size: model.get("size"),
    onChange: (value) => {
      model.set("value", value);
      model.save_changes();
    },
  });
  const show = () => {
    const first = urlOf(surface, "picture", model.get("picture"));
    return model.get("mode") === "compare" ? surface.compare(first, urlOf(surface, "second", model.get("second"))) : surface.show(first);
  };
  show().then(() => surface.restore(model.get("value"))); // a view drawn again: the kernel remembers
  model.on("change:picture", show);
  model.on("change:second", show);
  return () => {
    surface.close();
    for (const url of Object.values(urls.get(surface) ?? {})) if (url) URL.revokeObjectURL(url);
  };
};

export default { render };
