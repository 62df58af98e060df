/* The gallery: a wall of thumbnails that holds any number of pictures (only those in sight exist), a search box, and a
   picture at a time with its data. */

const PAGE = 60;
const LOOK_MS = 3000;

const ORDERS = [
  ["date", WORDS.by_date], ["name", WORDS.by_name], ["stars", WORDS.by_stars], ["model", WORDS.by_model], ["sampler", WORDS.by_sampler],
  ["seed", WORDS.by_seed], ["steps", WORDS.by_steps], ["cfg", WORDS.by_cfg], ["size", WORDS.by_size], ["random", WORDS.by_random],
];
const KINDS = { "": WORDS.all, "*": WORDS.favourites, "txt2img-images": "txt2img", "img2img-images": "img2img", "extras-images": "Extras", "txt2img-grids": WORDS.grids, "grids": WORDS.grids };
const SENDS = [
  ["use", "corner-down-left", WORDS.use], ["img2img", "image", "img2img"],
  ["inpaint", "paintbrush", "inpaint"], ["extras", "expand", WORDS.enlarge], ["control", "scan", "ControlNet"],
];

export function mount(host, house) {
  const { el, iconButton, ask, file, wish } = house;
  const wanted = { query: "", kind: "", order: "date", upwards: false };
  const pages = new Map();
  const chosen = new Set();
  let total = 0, version = -1, shown = null, last = null, columns = 1, cell = 180, generation = 0;

  // --- The frame ---

  const search = el("input", { type: "search", className: "sd-room-search", placeholder: WORDS.search, title: WORDS.help, "aria-label": WORDS.searchName, spellcheck: false, autocapitalize: "off" });
  const order = el("select", { "aria-label": WORDS.order, className: "sd-room-select" }, ...ORDERS.map(([value, label]) => el("option", { value }, label)));
  const flip = iconButton("arrow-up-down", WORDS.flip, () => { wanted.upwards = !wanted.upwards; reload(); });
  const again = iconButton("refresh-cw", WORDS.refresh, () => ask("refresh").then(() => setTimeout(look, 400)));
  const chips = el("div", { className: "sd-room-chips", role: "group", "aria-label": WORDS.folders });
  const told = el("p", { className: "sd-room-told", role: "status" });
  const bar = el("div", { className: "sd-room-bar sd-room-actions", hidden: true });
  const wall = el("div", { className: "sd-wall" });
  const scroller = el("div", { className: "sd-wall-scroll", tabIndex: 0, role: "list", "aria-label": WORDS.pictures }, wall);
  const viewer = el("dialog", { className: "sd-room-viewer", "aria-label": WORDS.picture });
  host.replaceChildren(
    el("div", { className: "sd-room-bar" }, search, order, flip, again), chips, bar, told, scroller, viewer,
  );

  const say = (text) => { told.textContent = text; };
  const guarded = (promise) => promise.catch((error) => say(error.message));

  let typing = 0;
  search.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => { wanted.query = search.value; reload(); }, 180); });
  order.addEventListener("change", () => { wanted.order = order.value; reload(); });

  // --- What there is ---

  async function look() {
    const state = await ask("state");
    if (state.reading !== null) say(phrase("reading", state.reading.toLocaleString("es")));
    if (state.version === version && chips.childElementCount) return;
    version = state.version;
    drawChips(state);
    await reload(true);
  }

  function drawChips({ kinds, binned }) {
    const counted = kinds.filter(({ count, kind }) => count || kind === "*");
    const every = counted.reduce((sum, { kind, count }) => sum + (kind === "*" ? 0 : count), 0);
    const chip = (kind, count) => el("button", {
      type: "button", className: "sd-room-chip", "aria-pressed": String(wanted.kind === kind),
      onclick: () => { wanted.kind = kind; look.kinds = null; drawChips({ kinds, binned }); reload(); },
    }, `${KINDS[kind] ?? kind} ${count.toLocaleString("es")}`);
    chips.replaceChildren(chip("", every), ...counted.map(({ kind, count }) => chip(kind, count)));
    if (binned) chips.append(
      el("button", { type: "button", className: "sd-room-chip sd-icon-undo-2", onclick: () => guarded(ask("restore").then(look)) }, phrase("restore", binned)),
      el("button", { type: "button", className: "sd-room-chip sd-icon-trash-2", onclick: () => confirm(phrase("forever", binned)) && guarded(ask("empty_bin").then(() => drawChips({ kinds, binned: 0 }))) }, WORDS.emptyBin),
    );
  }

  async function reload(keep = false) {
    generation += 1;
    pages.clear();
    if (!keep) { scroller.scrollTop = 0; chosen.clear(); drawActions(); }
    await guarded(draw(true));
  }

  async function page(number) {
    if (!pages.has(number)) {
      const mine = generation;
      pages.set(number, ask("page", { ...wanted, start: number * PAGE, count: PAGE }).then((answer) => {
        if (mine === generation && total !== answer.total) { total = answer.total; size(); }
        return answer.entries;
      }));
    }
    return pages.get(number);
  }

  // --- The wall ---

  function size() {
    const width = scroller.clientWidth - 12;
    columns = Math.max(2, Math.floor(width / (width < 500 ? 120 : 190)));
    cell = Math.floor(width / columns);
    wall.style.height = `${Math.ceil(total / columns) * cell}px`;
    say(total ? phrase("count", total.toLocaleString("es"), total === 1 ? WORDS.one : WORDS.many) : wanted.query || wanted.kind ? WORDS.noneSuch : WORDS.noneYet);
  }

  const drawn = new Map();
  async function draw(fresh = false) {
    const mine = generation;
    if (fresh) { await page(0); if (mine !== generation) return; size(); for (const one of drawn.values()) one.remove(); drawn.clear(); }
    const first = Math.max(0, Math.floor(scroller.scrollTop / cell) - 2) * columns;
    const end = Math.min(total, (Math.ceil((scroller.scrollTop + scroller.clientHeight) / cell) + 2) * columns);
    for (const [place, one] of drawn) if (place < first || place >= end) { one.remove(); drawn.delete(place); }
    for (let number = Math.floor(first / PAGE); number * PAGE < end; number++) {
      const entries = await page(number);
      if (mine !== generation) return;
      entries.forEach((entry, offset) => {
        const place = number * PAGE + offset;
        if (place >= first && place < end && !drawn.has(place)) drawn.set(place, put(entry, place));
      });
    }
  }

  function put(entry, place) {
    const picture = el("img", { alt: entry.name, draggable: false });
    file("thumb", `${entry.id}?${entry.changed}`).then((url) => { picture.src = url; }, () => {});
    picture.addEventListener("error", () => one.classList.add("sd-damaged"));
    const mark = el("span", { className: "sd-wall-mark" }, (entry.favourite ? "♥ " : "") + "★".repeat(entry.stars));
    const box = el("input", { type: "checkbox", "aria-label": phrase("pick", entry.name), checked: chosen.has(entry.id) });
    box.addEventListener("click", (event) => { event.stopPropagation(); pick(entry, place, event.shiftKey); });
    const one = el("div", { className: "sd-wall-cell", role: "listitem", tabIndex: -1, title: entry.name, onclick: (event) => (event.ctrlKey || event.metaKey || event.shiftKey ? pick(entry, place, event.shiftKey) : open(place)) }, picture, mark, box);
    one.classList.toggle("sd-chosen", chosen.has(entry.id));
    one.style.cssText = `left:${(place % columns) * cell}px;top:${Math.floor(place / columns) * cell}px;width:${cell - 6}px;height:${cell - 6}px`;
    wall.append(one);
    return one;
  }

  async function pick(entry, place, range) {
    const on = !chosen.has(entry.id);
    const [from, to] = range && last !== null ? [Math.min(last, place), Math.max(last, place)] : [place, place];
    for (let number = from; number <= to; number++) {
      const one = (await page(Math.floor(number / PAGE)))[number % PAGE];
      if (one) chosen[on || range ? "add" : "delete"](one.id);
      drawn.get(number)?.classList.toggle("sd-chosen", one && chosen.has(one.id));
      const box = drawn.get(number)?.querySelector("input");
      if (box) box.checked = Boolean(one && chosen.has(one.id));
    }
    last = place;
    drawActions();
  }

  // --- What is done with those chosen ---

  const current = () => (chosen.size ? [...chosen] : shown ? [shown.id] : []);
  const done = (text) => { chosen.clear(); drawActions(); return look().then(() => reload(true)).then(() => say(text)); };
  const mark = (said) => current().length && guarded(ask("mark", { ids: current(), ...said }).then(() => look()).then(() => viewer.open && facts()));
  function discard() {
    const ids = current();
    if (ids.length && (ids.length < 2 || confirm(phrase("sureBin", ids.length))))
      guarded(ask("discard", { ids }).then((count) => { if (viewer.open) viewer.close(); return done(phrase("binned", count)); }));
  }
  function move() {
    const folder = prompt(WORDS.whichFolder, WORDS.myFavourites);
    if (folder) guarded(ask("move", { ids: current(), folder }).then((count) => done(phrase("moved", count, folder.trim()))));
  }
  const zip = () => guarded(ask("zip", { ids: current() }).then(async (name) => save(await file("zip", name), name)));
  const save = (url, name) => el("a", { href: url, download: name }).click();

  function drawActions() {
    bar.hidden = !chosen.size;
    if (bar.hidden) return;
    bar.replaceChildren(
      el("strong", {}, `${chosen.size} elegidas`),
      el("span", { className: "sd-room-stars", role: "group", "aria-label": WORDS.starsName }, ...[0, 1, 2, 3, 4, 5].map((stars) => el("button", { type: "button", className: "sd-room-button", title: stars ? phrase("starsKey", stars, stars) : WORDS.noStars, onclick: () => mark({ stars }) }, stars ? `${stars}★` : "0"))),
      el("button", { type: "button", className: "sd-room-button sd-icon-star", title: WORDS.favouritesKey, onclick: () => mark({ favourite: true }) }, WORDS.favourites),
      el("button", { type: "button", className: "sd-room-button sd-icon-folder-archive", onclick: zip }, WORDS.zip),
      el("button", { type: "button", className: "sd-room-button", onclick: move }, WORDS.move),
      chosen.size === 2 ? el("button", { type: "button", className: "sd-room-button sd-icon-blend", onclick: () => compare([...chosen]) }, WORDS.compare) : null,
      el("button", { type: "button", className: "sd-room-button sd-icon-trash-2", title: WORDS.binKey, onclick: discard }, WORDS.bin),
      el("button", { type: "button", className: "sd-room-button sd-icon-x", onclick: () => { chosen.clear(); drawActions(); reload(true); } }, WORDS.none),
    );
  }

  // --- One picture ---

  async function open(place) {
    const entry = (await page(Math.floor(place / PAGE)))[place % PAGE];
    if (!entry) return;
    shown = { ...entry, place };
    await facts();
    if (!viewer.open) viewer.showModal();
  }

  async function facts() {
    const about = await ask("facts", { id: shown.id });
    shown = { ...shown, ...about };
    const picture = el("img", { className: "sd-room-picture", alt: about.name, src: await file("picture", `${about.id}?${about.changed}`) });
    const step = (by) => () => open(Math.max(0, Math.min(total - 1, shown.place + by)));
    viewer.replaceChildren(
      el("div", { className: "sd-room-stage" }, iconButton("chevron-left", WORDS.before, step(-1)), picture, iconButton("chevron-right", WORDS.after, step(1))),
      el("aside", {},
        el("div", { className: "sd-room-bar" },
          el("strong", { className: "sd-room-name" }, about.name),
          iconButton("x", WORDS.close, () => viewer.close()),
        ),
        el("p", { className: "sd-room-dim" }, `${about.folder} · ${about.width}×${about.height} · ${new Date(about.made * 1000).toLocaleString("es")}`),
        el("div", { className: "sd-room-bar" }, ...[1, 2, 3, 4, 5].map((stars) => el("button", { type: "button", className: "sd-room-button sd-room-star", "aria-pressed": String(stars <= about.stars), "aria-label": phrase("starsCount", stars), onclick: () => mark({ stars: stars === about.stars ? 0 : stars }) }, stars <= about.stars ? "★" : "☆")),
          el("button", { type: "button", className: "sd-room-button", "aria-pressed": String(about.favourite), "aria-label": WORDS.favouriteKey, onclick: () => mark({ favourite: !about.favourite }) }, about.favourite ? "♥" : "♡")),
        el("div", { className: "sd-room-bar" }, ...SENDS.map(([act, icon, label]) => el("button", { type: "button", className: `sd-room-button sd-icon-${icon}`, onclick: () => { wish({ act, id: shown.id }); viewer.close(); if (act === "control") house.go({ tab: "txt2img", section: "controlnet" }); } }, label))),
        el("div", { className: "sd-room-bar" },
          el("button", { type: "button", className: "sd-room-button sd-icon-download", onclick: async () => save(await file("download", about.id), about.name) }, WORDS.download),
          el("button", { type: "button", className: "sd-room-button sd-icon-copy", onclick: ({ currentTarget }) => navigator.clipboard?.writeText(about.text).then(() => { currentTarget.textContent = WORDS.copied; }) }, WORDS.copyText),
          iconButton("trash-2", WORDS.toBin, discard)),
        el("pre", { className: "sd-room-text", tabIndex: 0 }, about.text || (about.damaged ? WORDS.damaged : WORDS.noText)),
      ),
    );
    picture.focus?.();
  }

  async function compare([one, other]) {
    const slider = el("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": WORDS.howMuch });
    const over = el("img", { className: "sd-room-picture sd-room-over", alt: WORDS.second, src: await file("picture", other) });
    const cut = () => { over.style.clipPath = `inset(0 0 0 ${slider.value}%)`; };
    slider.addEventListener("input", cut);
    cut();
    shown = null;
    viewer.replaceChildren(el("div", { className: "sd-room-stage sd-room-compare" }, el("img", { className: "sd-room-picture", alt: WORDS.first, src: await file("picture", one) }), over, slider, iconButton("x", WORDS.close, () => viewer.close())));
    viewer.showModal();
  }

  // --- Keys ---

  host.addEventListener("keydown", (event) => {
    if (event.target.closest("input:not([type=checkbox]):not([type=range]), select")) return;
    const page = Math.max(1, Math.floor(scroller.clientHeight / cell)) * columns;
    const keys = {
      ArrowLeft: () => viewer.open && shown && (event.ctrlKey ? open(Math.max(0, shown.place - page)) : open(Math.max(0, shown.place - 1))),
      ArrowRight: () => viewer.open && shown && open(Math.min(total - 1, shown.place + (event.ctrlKey ? page : 1))),
      Delete: discard,
      f: () => mark({ favourite: shown ? !shown.favourite : true }),
      r: () => again.click(),
    };
    const act = /^[0-5]$/.test(event.key) ? () => mark({ stars: Number(event.key) }) : keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || (event.ctrlKey && event.key.length === 1)) return;
    event.stopPropagation();
    if (act() !== false) event.preventDefault();
  });

  let frame = 0;
  scroller.addEventListener("scroll", () => { cancelAnimationFrame(frame); frame = requestAnimationFrame(() => guarded(draw())); });
  new ResizeObserver(() => { if (scroller.clientWidth && Math.floor((scroller.clientWidth - 12) / columns) !== cell) guarded(draw(true)); }).observe(scroller);
  const pulse = setInterval(() => {
    if (!host.isConnected) clearInterval(pulse);
    else if (host.offsetParent && !document.hidden && !viewer.open) guarded(look());
  }, LOOK_MS);
  return guarded(look());
}
