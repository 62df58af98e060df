/* The gallery: a wall of thumbnails that holds any number of pictures (only those in sight exist), a search box, and a
   picture at a time with its data. */

const LOOK_MS = 3000;
const FIRST_LOOK_MS = 400;

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
  let version = -1, shown = null;
  let sheet = null; // the one whose cell is shown: its number, its cells and which of them

  // --- The frame ---

  const search = el("input", { type: "search", className: "sd-room-search", placeholder: WORDS.search, title: WORDS.help, "aria-label": WORDS.searchName, spellcheck: false, autocapitalize: "off" });
  const order = el("select", { "aria-label": WORDS.order, className: "sd-room-select" }, ...ORDERS.map(([value, label]) => el("option", { value }, label)));
  const flip = iconButton("arrow-up-down", WORDS.flip, () => { wanted.upwards = !wanted.upwards; reload(); });
  const again = iconButton("refresh-cw", WORDS.refresh, () => ask("refresh").then(() => setTimeout(look, 400)));
  const chips = el("div", { className: "sd-room-chips", role: "group", "aria-label": WORDS.folders });
  const told = el("p", { className: "sd-room-told", role: "status" });
  const bar = el("div", { className: "sd-room-bar sd-room-actions", hidden: true });
  const wall = house.wall({
    label: WORDS.pictures, narrow: 120, wide: 190, failed: (error) => say(error.message), open: (place) => open(place), picked: () => drawActions(),
    page: (start, count) => ask("page", { ...wanted, start, count }),
    face: (entry) => ({
      name: entry.name, title: entry.name, pick: phrase("pick", entry.name), thumb: file("thumb", `${entry.id}?${entry.changed}`),
      marks: el("span", { className: "sd-wall-mark" }, (entry.favourite ? "♥ " : "") + "★".repeat(entry.stars)),
    }),
    sized: (total) => say(total ? phrase("count", total.toLocaleString("es"), total === 1 ? WORDS.one : WORDS.many) : wanted.query || wanted.kind ? WORDS.noneSuch : version ? WORDS.noneYet : ""),
  });
  const { chosen } = wall;
  const viewer = el("dialog", { className: "sd-room-viewer", "aria-label": WORDS.picture, tabIndex: -1 });
  host.replaceChildren(
    el("div", { className: "sd-room-bar" }, search, order, flip, again), chips, bar, told, wall.root, viewer,
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
    if (!state.version) setTimeout(look, FIRST_LOOK_MS); // the folders are being looked at for the first time
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
    if (!keep) { chosen.clear(); drawActions(); }
    await guarded(wall.reload(keep));
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
    bar.replaceChildren(...[
      el("strong", {}, phrase("chosen", chosen.size)),
      el("span", { className: "sd-room-stars", role: "group", "aria-label": WORDS.starsName }, ...[0, 1, 2, 3, 4, 5].map((stars) => el("button", { type: "button", className: "sd-room-button", title: stars ? phrase("starsKey", stars, stars) : WORDS.noStars, onclick: () => mark({ stars }) }, stars ? `${stars}★` : "0"))),
      el("button", { type: "button", className: "sd-room-button sd-icon-star", title: WORDS.favouritesKey, onclick: () => mark({ favourite: true }) }, WORDS.favourites),
      el("button", { type: "button", className: "sd-room-button sd-icon-folder-archive", onclick: zip }, WORDS.zip),
      el("button", { type: "button", className: "sd-room-button", onclick: move }, WORDS.move),
      chosen.size === 2 ? el("button", { type: "button", className: "sd-room-button sd-icon-blend", onclick: () => compare([...chosen]) }, WORDS.compare) : null,
      el("button", { type: "button", className: "sd-room-button sd-icon-trash-2", title: WORDS.binKey, onclick: discard }, WORDS.bin),
      el("button", { type: "button", className: "sd-room-button sd-icon-x", onclick: () => { chosen.clear(); drawActions(); reload(true); } }, WORDS.none),
    ].filter(Boolean));
  }

  // --- One picture ---

  async function open(place) {
    const entry = await wall.at(place);
    if (!entry) return;
    sheet = null;
    shown = { ...entry, place };
    await facts();
    if (!viewer.open) viewer.showModal();
  }

  /* A cell of the sheet on show; the arrows go to its other cells, and a button back. */
  async function openCell(cell) {
    sheet = { ...(sheet ?? { id: shown.id, place: shown.place, cells: shown.cells }), cell };
    shown = { id: Number(cell.key), place: sheet.place };
    await guarded(facts());
    viewer.querySelector(".sd-room-cell button")?.focus({ preventScroll: true });
  }

  async function closeCell() {
    const { id, place, cell } = sheet;
    sheet = null;
    shown = { id, place };
    await guarded(facts());
    viewer.querySelector(`[data-key="${cell.key}"]`)?.focus({ preventScroll: true });
  }

  function step(by) {
    if (!sheet) return open(Math.max(0, Math.min(wall.total - 1, shown.place + by)));
    const other = sheet.cells[sheet.cells.findIndex(({ key }) => key === sheet.cell.key) + by];
    return other && openCell(other);
  }

  /* The picture on show, with a button over each cell where it is a sheet. */
  async function stage(about) {
    const picture = el("img", { className: "sd-room-picture", alt: about.name, src: await file("picture", `${about.id}?${about.changed}`) });
    const cells = el("div", { className: "sd-cells" });
    const fit = () => house.cells.fit(cells, picture);
    house.cells.lay(cells, about.cells, ({ name }) => phrase("openCell", name), openCell);
    picture.addEventListener("load", fit);
    new ResizeObserver(fit).observe(picture);
    const back = sheet && el("div", { className: "sd-room-bar sd-room-cell" },
      el("button", { type: "button", className: "sd-room-button sd-icon-grid-3x3", onclick: closeCell }, WORDS.backToSheet), el("span", { className: "sd-room-name" }, sheet.cell.name));
    const hint = about.cells.length ? el("p", { className: "sd-room-dim sd-room-cell" }, WORDS.pressACell) : null;
    const names = sheet ? [WORDS.cellBefore, WORDS.cellAfter] : [WORDS.before, WORDS.after];
    return el("div", { className: "sd-room-stage" }, iconButton("chevron-left", names[0], () => step(-1)),
      el("div", { className: "sd-room-frame" }, ...[back, picture, cells, hint].filter(Boolean)), iconButton("chevron-right", names[1], () => step(1)));
  }

  async function facts() {
    const about = await ask("facts", { id: shown.id });
    shown = { ...shown, ...about };
    viewer.replaceChildren(
      await stage(about),
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
    if (viewer.open && !viewer.contains(document.activeElement)) viewer.focus({ preventScroll: true }); // keys go on working
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
    const keys = {
      ArrowLeft: () => viewer.open && shown && step(event.ctrlKey && !sheet ? -wall.screen : -1),
      ArrowRight: () => viewer.open && shown && step(event.ctrlKey && !sheet ? wall.screen : 1),
      Delete: discard,
      f: () => mark({ favourite: shown ? !shown.favourite : true }),
      r: () => again.click(),
    };
    const act = /^[0-5]$/.test(event.key) ? () => mark({ stars: Number(event.key) }) : keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || (event.ctrlKey && event.key.length === 1)) return;
    event.stopPropagation();
    if (act() !== false) event.preventDefault();
  });

  const lookIfSeen = () => host.offsetParent && !document.hidden && !viewer.open && guarded(look());
  const pulse = setInterval(() => (host.isConnected ? lookIfSeen() : clearInterval(pulse)), LOOK_MS);
  new IntersectionObserver(() => { // its tab is opened: what was there, and soon what has come since
    if (!host.offsetParent) return;
    lookIfSeen();
    setTimeout(lookIfSeen, FIRST_LOOK_MS);
  }).observe(host);
  return guarded(look());
}
