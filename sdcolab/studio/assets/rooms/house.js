/* What every room's module gets: a way to ask its room, to get files, and to say what it wants done with the form. The
   page speaks HTTP; the notebook's panel speaks through anywidget. */

const el = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else if (value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
};

const iconButton = (icon, label, act, attributes = {}) =>
  el("button", { type: "button", className: `sd-room-button sd-icon-${icon}`, title: label, "aria-label": label, onclick: act, ...attributes });

/* A wall of pictures of which only those in sight exist, whatever their number, and which of them are chosen.
   ``page(start, count)`` asks for {total, entries}, each with an id; ``face(entry)`` gives what a cell is called and
   shows: {name, title, thumb, marks}; ``narrow`` and ``wide`` are the sides in pixels that cells have at least;
   ``sized(total)`` hears how many there are, ``picked()`` that others are chosen; ``open(place)`` shows one. */
const WALL_PAGE = 60;

function mountWall({ label, narrow, wide, page, face, sized, picked, open, failed }) {
  const wall = el("div", { className: "sd-wall" });
  const root = el("div", { className: "sd-wall-scroll", tabIndex: 0, role: "list", "aria-label": label }, wall);
  const chosen = new Set(), pages = new Map(), drawn = new Map();
  let total = 0, columns = 1, cell = wide, generation = 0, last = null, frame = 0;
  const guarded = (promise) => Promise.resolve(promise).catch(failed);
  const inner = () => Math.max(240, root.clientWidth - 12);

  async function entries(number) {
    if (!pages.has(number)) {
      const mine = generation;
      pages.set(number, page(number * WALL_PAGE, WALL_PAGE).then((answer) => {
        if (mine === generation && total !== answer.total) { total = answer.total; size(); }
        return answer.entries;
      }));
    }
    return pages.get(number);
  }
  const at = async (place) => (await entries(Math.floor(place / WALL_PAGE)))[place % WALL_PAGE];

  function size() {
    columns = Math.max(2, Math.floor(inner() / (inner() < 500 ? narrow : wide)));
    cell = Math.floor(inner() / columns);
    wall.style.height = `${Math.ceil(total / columns) * cell}px`;
    sized(total);
  }

  async function draw(again = false) {
    const mine = generation;
    if (again) {
      await entries(0);
      if (mine !== generation) return;
      size();
      for (const one of drawn.values()) one.remove();
      drawn.clear();
    }
    const first = Math.max(0, Math.floor(root.scrollTop / cell) - 2) * columns;
    const end = Math.min(total, (Math.ceil((root.scrollTop + root.clientHeight) / cell) + 2) * columns);
    for (const [place, one] of drawn) if (place < first || place >= end) { one.remove(); drawn.delete(place); }
    for (let number = Math.floor(first / WALL_PAGE); number * WALL_PAGE < end; number++) {
      const found = await entries(number);
      if (mine !== generation) return;
      found.forEach((entry, offset) => {
        const place = number * WALL_PAGE + offset;
        if (place >= first && place < end && !drawn.has(place)) drawn.set(place, put(entry, place));
      });
    }
  }

  function put(entry, place) {
    const { name, title, pick: pickName, thumb, marks } = face(entry);
    const picture = el("img", { alt: name, draggable: false });
    const damaged = () => one.classList.add("sd-damaged");
    thumb.then((url) => { picture.src = url; }, damaged); // a notebook refuses what a page answers with nothing
    picture.addEventListener("error", damaged);
    const box = el("input", { type: "checkbox", "aria-label": pickName, checked: chosen.has(entry.id) });
    box.addEventListener("click", (event) => { event.stopPropagation(); pick(entry, place, event.shiftKey); });
    box.addEventListener("keydown", (event) => event.stopPropagation());
    const one = el("div", { className: "sd-wall-cell", role: "listitem", tabIndex: 0, title,
      onclick: (event) => (event.ctrlKey || event.metaKey || event.shiftKey ? pick(entry, place, event.shiftKey) : open(place)),
      onkeydown: (event) => {
        if (event.key === "Enter") open(place);
        else if (event.key === " ") { event.preventDefault(); pick(entry, place, event.shiftKey); }
      } }, picture, marks, box);
    one.classList.toggle("sd-chosen", chosen.has(entry.id));
    one.style.cssText = `left:${(place % columns) * cell}px;top:${Math.floor(place / columns) * cell}px;width:${cell - 6}px;height:${cell - 6}px`;
    wall.append(one);
    return one;
  }

  async function pick(entry, place, range) {
    const on = !chosen.has(entry.id);
    const [from, to] = range && last !== null ? [Math.min(last, place), Math.max(last, place)] : [place, place];
    for (let number = from; number <= to; number++) {
      const one = await at(number);
      if (one) chosen[on || range ? "add" : "delete"](one.id);
      drawn.get(number)?.classList.toggle("sd-chosen", one && chosen.has(one.id));
      const box = drawn.get(number)?.querySelector("input");
      if (box) box.checked = Boolean(one && chosen.has(one.id));
    }
    last = place;
    picked();
  }

  async function pickAll() {
    for (let number = 0; number * WALL_PAGE < total; number++) for (const one of await entries(number)) chosen.add(one.id);
    await draw(true);
    picked();
  }

  /* Ask for everything again; the place where it was scrolled stays with ``keep``. */
  async function reload(keep = false) {
    generation += 1;
    pages.clear();
    if (!keep) root.scrollTop = 0;
    await draw(true);
  }

  root.addEventListener("scroll", () => { cancelAnimationFrame(frame); frame = requestAnimationFrame(() => guarded(draw())); });
  new ResizeObserver(() => { if (pages.size && root.clientWidth && Math.floor(inner() / columns) !== cell) guarded(draw(true)); }).observe(root);
  return { root, chosen, at, draw, reload, pickAll, get total() { return total; }, get screen() { return Math.max(1, Math.floor(root.clientHeight / cell)) * columns; } };
}

/* Fixed where the window has that place, whatever it is counted from: JupyterLab's cells move what is fixed in them. */
function pin(box, left, top) {
  box.style.cssText = `position:fixed;left:${left}px;top:${top}px`;
  const now = box.getBoundingClientRect();
  box.style.left = `${2 * left - now.left}px`;
  box.style.top = `${2 * top - now.top}px`;
}

function pageHouse(room, wish) {
  return {
    el,
    iconButton,
    wall: mountWall,
    pin,
    wish,
    async ask(question, said = {}) {
      const answer = await fetch(`sdcolab/ask/${room}/${question}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(said),
      });
      const value = await answer.json();
      if (!answer.ok) throw new Error(value.error || `Error ${answer.status}`);
      return value;
    },
    file: async (kind, name) => `sdcolab/file/${room}/${kind}/${name}`,
    canvas: (host, options) => window.sdcolab.mountCanvas(host, { words: window.sdcolab.canvasWords, ...options }),
    cells: { lay: (...said) => window.sdcolab.layCells(...said), fit: (...said) => window.sdcolab.fitCells(...said) },
    prefer: (said) => window.sdcolab.prefer(said),
    go(place) {
      window.sdcolab.go(place);
      if (place.script) wish({ act: "script", script: place.script });
    },
  };
}

function panelHouse(model) {
  const waiting = new Map();
  const files = new Map();
  let last = 0;
  model.on("msg:custom", (said, buffers) => {
    const settle = waiting.get(said.id);
    waiting.delete(said.id);
    if (said.error) settle?.[1](new Error(said.error));
    else settle?.[0](said.media ? { media: said.media, data: buffers?.[0] } : said.answer);
  });
  const send = (said) =>
    new Promise((done, failed) => {
      waiting.set(++last, [done, failed]);
      try {
        model.send({ ...said, id: last });
      } catch { // the kernel that drew this panel was restarted
        waiting.delete(last);
        failed(new Error(GONE));
      }
    });
  return {
    el,
    iconButton,
    wall: mountWall,
    pin,
    wish: (value) => send({ wish: value }),
    go: (place) => send({ wish: { ...place, act: "go" } }),
    ask: (question, said = {}) => send({ question, said }),
    canvas: (host, options) => mountCanvas(host, { words: CANVAS_WORDS, ...options }), // beside rooms that paint (panel_room)
    cells: { lay: (...said) => layCells(...said), fit: (...said) => fitCells(...said) }, // beside rooms that show sheets
    file(kind, name) {
      const key = `${kind}/${name}`;
      if (!files.has(key)) {
        if (files.size > 600) files.clear();
        files.set(key, send({ kind, name: String(name).split("?")[0] }).then(({ media, data }) =>
          URL.createObjectURL(new Blob([data], { type: media }))));
      }
      return files.get(key);
    },
  };
}
