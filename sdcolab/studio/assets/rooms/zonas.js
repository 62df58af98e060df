/* Areas of a picture with prompts of their own: rectangles are drawn with mouse, pen or finger, and become the prompt's
   parts and the areas of Latent Couple. */

const COLOURS = ["#ea580c", "#0891b2", "#7c3aed", "#16a34a", "#db2777", "#ca8a04"];
const SHAPES = { square: 1, portrait: 2 / 3, landscape: 3 / 2 };
const TINY = 0.03;
const STEP = 0.05;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SVG = "http://www.w3.org/2000/svg";

const shape = (tag, attributes) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};
/* What nearly reaches the edge reaches it: a strip under no area would hear no prompt at all. */
const clamp = (value) => (value < TINY ? 0 : value > 1 - TINY ? 1 : value);

export async function mount(host, house) {
  const { el, iconButton, ask, wish } = house;
  const { words, templates, most } = await ask("words");
  const say = (key, number) => words[key].replace("{number}", number);
  let areas = [], chosen = -1, drag = null, wide = 1, shaped = "";

  const told = el("p", { className: "sd-room-told", role: "status" });
  const canvas = shape("svg", { class: "sd-areas", role: "group", tabindex: 0, "aria-label": words.canvas, "aria-description": words.keys, preserveAspectRatio: "none" });
  const rows = el("ol", { className: "sd-areas-rows" });
  const chip = (label, act) => el("button", { type: "button", className: "sd-room-chip", onclick: act }, label);
  const shapes = Object.entries(SHAPES).map(([name, ratio]) => {
    const button = chip(words[name], () => { wide = ratio; shaped = name; draw(); });
    button.dataset.shape = name;
    return button;
  });
  const bar = (label, ...buttons) => el("div", { className: "sd-room-bar", role: "group", "aria-label": label }, el("span", { className: "sd-room-dim" }, label), ...buttons);
  host.replaceChildren(
    el("p", { className: "sd-room-dim" }, words.hint),
    el("p", { className: "sd-room-dim sd-areas-keys" }, words.keys),
    bar(words.templates, ...Object.keys(templates).map((name) => chip(words[name], () => begin(templates[name])))),
    bar(words.shape, ...shapes),
    el("div", { className: "sd-areas-both" }, canvas, el("div", { className: "sd-areas-side" }, rows,
      el("div", { className: "sd-room-bar" },
        el("button", { type: "button", className: "sd-room-button", onclick: () => { areas = []; chosen = -1; draw(); } }, words.clear),
        el("button", { type: "button", className: "sd-room-button sd-areas-put sd-icon-corner-down-left", onclick: put }, words.put)), told)),
  );

  function begin(template) {
    const before = areas.map((area) => area.prompt);
    areas = template.map((area, place) => ({ ...area, prompt: before[place] ?? "" }));
    chosen = 0;
    draw();
    rows.querySelector("textarea")?.focus();
  }

  async function put() {
    if (!areas.length) return void (told.textContent = words.empty);
    if (areas.some((area) => !area.prompt.trim())) return void (told.textContent = words.no_prompt);
    try {
      wish({ act: "fill", values: await ask("write", { areas }), shape: shaped });
      told.textContent = shaped ? words.done_with_size : words.done;
      house.go({ tab: "txt2img", section: "regions" });
    } catch (error) {
      told.textContent = error.message;
    }
  }

  /* --- The canvas, 1000 by 1000 whatever its shape --- */

  /* The weights of what is drawn over a background sum to 1 with it, as in the templates; a background that was drawn
     before anything else, and takes all, becomes as weak as theirs. */
  const roomLeft = () => {
    const behind = areas.filter((area) => area.width >= 1 && area.height >= 1);
    for (const area of behind) if (area.weight >= 1) area.weight = templates.background[0].weight;
    const taken = behind.reduce((sum, area) => sum + area.weight, 0);
    return Math.max(0.05, Math.round((1 - taken) * 100) / 100);
  };

  /* An edge that nearly meets another area's meets it: between them no prompt would be heard either. */
  const meet = (value, edges) => edges.find((edge) => Math.abs(edge - value) < TINY) ?? value;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [clamp((event.clientX - box.left) / box.width), clamp((event.clientY - box.top) / box.height)];
    if (drag?.grip) return [x, y];
    const others = areas.filter((_area, number) => !drag?.fixed || number !== chosen);
    return [meet(x, others.flatMap((area) => [area.x, area.x + area.width])), meet(y, others.flatMap((area) => [area.y, area.y + area.height]))];
  };

  canvas.addEventListener("pointerdown", (event) => {
    const [x, y] = place(event);
    const found = event.target.dataset;
    canvas.setPointerCapture(event.pointerId);
    if (found.corner !== undefined) {
      const area = areas[chosen];
      drag = { fixed: [found.corner % 2 ? area.x : area.x + area.width, found.corner > 1 ? area.y : area.y + area.height] };
    } else if (found.area !== undefined && Number(found.area) === chosen) {
      drag = { grip: [x - areas[chosen].x, y - areas[chosen].y] };
    } else {
      drag = { begun: [x, y], under: found.area === undefined ? -1 : Number(found.area) };
    }
  });

  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y] = place(event);
    if (drag.begun) {
      const [left, top] = drag.begun;
      if (Math.abs(x - left) < TINY && Math.abs(y - top) < TINY) return;
      if (areas.length >= most) return;
      areas.push({ x: left, y: top, width: 0, height: 0, weight: roomLeft(), prompt: "" });
      chosen = areas.length - 1;
      drag = { fixed: [left, top] };
    }
    const area = areas[chosen];
    if (drag.grip) {
      area.x = Math.min(1 - area.width, Math.max(0, x - drag.grip[0]));
      area.y = Math.min(1 - area.height, Math.max(0, y - drag.grip[1]));
    } else {
      const [left, top] = drag.fixed;
      Object.assign(area, { x: Math.min(left, x), y: Math.min(top, y), width: Math.abs(x - left), height: Math.abs(y - top) });
    }
    paint();
  });

  canvas.addEventListener("pointerup", () => {
    if (drag?.begun) chosen = drag.under;
    if (chosen >= 0 && drag?.fixed && (areas[chosen].width < TINY || areas[chosen].height < TINY)) areas.splice(chosen--, 1);
    drag = null;
    draw();
  });
  /* Without a pointer: Enter adds an area in the middle, arrows move the chosen one and, with Shift, its corner. */
  canvas.addEventListener("keydown", (event) => {
    const way = ARROWS[event.key], area = areas[chosen];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && !event.shiftKey && areas.length < most) {
      areas.push({ x: 0.25, y: 0.25, width: 0.5, height: 0.5, weight: roomLeft(), prompt: "" });
      chosen = areas.length - 1;
    } else if (way && area) {
      const [side, length, sign] = way[0] ? ["x", "width", way[0]] : ["y", "height", way[1]];
      const moved = (value, low, high) => Math.round(Math.min(high, Math.max(low, value + sign * STEP)) * 1e4) / 1e4;
      if (event.shiftKey) area[length] = moved(area[length], STEP, 1 - area[side]);
      else area[side] = moved(area[side], 0, 1 - area[length]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
    draw();
  });
  canvas.addEventListener("pointercancel", () => { drag = null; draw(); });

  function paint() {
    canvas.setAttribute("viewBox", `0 0 ${1000 * wide} 1000`);
    canvas.style.aspectRatio = String(wide);
    canvas.style.maxWidth = `min(100%, ${70 * Math.min(1, wide)}vh)`;
    const across = 1000 * wide;
    const made = [];
    areas.forEach((area, number) => {
      const colour = COLOURS[number % COLOURS.length];
      const [x, y, width, height] = [area.x * across, area.y * 1000, area.width * across, area.height * 1000];
      made.push(shape("rect", { x, y, width, height, fill: colour, "fill-opacity": number === chosen ? 0.35 : 0.18, stroke: colour, "stroke-width": number === chosen ? 8 : 4, "data-area": number }));
      const label = shape("text", { x: x + 18 + 44 * (number % 6), y: y + 52, fill: colour, "font-size": 44, "font-weight": 700, "pointer-events": "none" });
      label.textContent = number + 1;
      made.push(label);
    });
    if (areas[chosen]) {
      const { x, y, width, height } = areas[chosen];
      for (const corner of [0, 1, 2, 3])
        made.push(shape("circle", { cx: (x + (corner % 2) * width) * across, cy: (y + (corner > 1) * height) * 1000, r: 22, fill: COLOURS[chosen % COLOURS.length], "data-corner": corner }));
    }
    canvas.replaceChildren(...made);
  }

  function row(area, number) {
    const choose = () => { if (chosen !== number) { chosen = number; paint(); } };
    const prompt = el("textarea", { rows: 2, value: area.prompt, "aria-label": say("prompt", number + 1), placeholder: say("prompt", number + 1), onfocus: choose, oninput: (event) => { area.prompt = event.target.value; } });
    const shown = el("output", {}, String(area.weight));
    const weight = el("input", { type: "range", min: 0, max: 2, step: 0.05, value: area.weight, "aria-label": `${words.weight}: ${say("zone", number + 1)}`, oninput: (event) => { area.weight = Number(event.target.value); shown.textContent = event.target.value; } });
    const remove = iconButton("trash-2", say("remove", number + 1), () => { areas.splice(number, 1); chosen = -1; draw(); });
    return el("li", { className: "sd-areas-row", style: `--sd-area: ${COLOURS[number % COLOURS.length]}` },
      el("div", { className: "sd-room-bar" }, el("strong", {}, say("zone", number + 1)), el("label", { className: "sd-areas-weight" }, words.weight, weight, shown), remove), prompt);
  }

  function draw() {
    paint();
    for (const button of shapes) button.ariaPressed = String(button.dataset.shape === shaped);
    rows.replaceChildren(...areas.map(row));
    told.textContent = areas.length ? "" : words.empty;
  }
  draw();
}
