/* My session: go on where a lost one stopped, see what takes room and delete what is chosen, and settings as one file. */

export function mount(host, house) {
  const { el, ask, file } = house;
  const told = el("p", { className: "sd-room-told", role: "status", "aria-live": "polite" });
  const left = el("section", { className: "sd-session" });
  const disk = el("section", { className: "sd-session" });
  const own = el("section", { className: "sd-session" });
  host.replaceChildren(told, left, disk, own);

  /** A button that does one thing at a time: a second click while it works is none. */
  function button(label, act, attributes = {}) {
    let busy = false;
    const once = async () => {
      if (busy) return;
      busy = true;
      try { await act(); } finally { busy = false; }
    };
    return el("button", { type: "button", className: "sd-room-button", onclick: once, ...attributes }, label);
  }
  const title = (words) => el("h2", { className: "sd-session-title" }, words);

  /** Do ``work`` and tell what it says; a failure is told too. */
  async function tell(work) {
    try {
      const said = await work();
      if (typeof said === "string") told.textContent = `✅ ${said}`;
    } catch (error) {
      told.textContent = `⚠️ ${error.message}`;
    }
  }

  const duration = (seconds) => (seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`);

  async function drawLeft() {
    const found = await ask("left");
    const parts = [title(WORDS.goOn)];
    if (found.form) parts.push(el("p", { className: "sd-room-dim" }, WORDS.formKept));
    const known = parts.length;
    if (found.absent.length) {
      const boxes = found.absent.map(() => el("input", { type: "checkbox", checked: true }));
      const go = button("", () => tell(async () => {
        const places = boxes.flatMap((box, place) => (box.checked ? [place] : []));
        return ask("fetch", { places });
      }));
      const count = () => {
        const chosen = found.absent.filter((_, place) => boxes[place].checked);
        const seconds = chosen.reduce((sum, one) => sum + one.seconds, 0);
        go.textContent = phrase("fetch", chosen.length, seconds ? phrase("about", duration(seconds)) : "");
        go.disabled = !chosen.length;
      };
      boxes.forEach((box) => box.addEventListener("change", count));
      count();
      parts.push(el("p", {}, WORDS.absent),
        el("ul", { className: "sd-session-list" }, ...found.absent.map((one, place) => el("li", {}, el("label", {}, boxes[place], el("span", { className: "sd-room-name" }, one.name), el("small", {}, one.size))))), go);
    }
    if (found.tasks.length) parts.push(el("p", {}, WORDS.undone),
      el("ul", { className: "sd-session-list" }, ...found.tasks.map((one) => el("li", {}, one))),
      el("div", { className: "sd-room-bar" },
        button(phrase("resume", found.tasks.length), () => tell(async () => { const said = await ask("resume"); await drawLeft(); return said; })),
        button(WORDS.forget, () => tell(async () => { await ask("discard"); await drawLeft(); }))));
    if (found.plan) parts.push(el("p", {}, found.plan.told),
      button(WORDS.goOnGrid, () => tell(() => ask("grid", { name: found.plan.name }))));
    if (parts.length === known) parts.push(el("p", {}, found.form ? WORDS.nothingHalf : WORDS.nothingLeft));
    left.replaceChildren(...parts);
  }

  async function drawDisk() {
    const found = await ask("space");
    const chosen = new Map();
    let sure = false;
    const go = button("", () => tell(async () => {
      if (!sure) { sure = true; label(); return null; }
      const said = await ask("delete", { names: [...chosen.keys()] });
      await drawDisk();
      return said;
    }));
    const size = (bytes) => (bytes < 999.5e6 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1).replace(".", ",")} GB`);
    function label() {
      const bytes = [...chosen.values()].reduce((sum, one) => sum + one, 0);
      go.disabled = !chosen.size;
      go.textContent = !chosen.size ? WORDS.chooseDelete : sure ? phrase("sure", chosen.size, size(bytes)) : phrase("delete", chosen.size, size(bytes));
      go.classList.toggle("sd-session-sure", sure);
    }
    const row = (thing) => el("li", {}, el("label", {},
      el("input", { type: "checkbox", disabled: !thing.deletable, "aria-label": thing.name, onchange: (event) => {
        if (event.target.checked) chosen.set(thing.name, thing.bytes); else chosen.delete(thing.name);
        sure = false; label();
      } }),
      el("span", { className: "sd-room-name" }, thing.name), el("small", {}, thing.drive ? WORDS.onDrive : thing.size)));
    label();
    disk.replaceChildren(title(WORDS.space),
      el("p", { className: "sd-room-dim" }, phrase("used", found.used, found.free)),
      ...found.groups.map((group) => el("details", {}, el("summary", {}, `${group.title}: ${group.size}`), el("ul", { className: "sd-session-list" }, ...group.things.map(row)))),
      el("div", { className: "sd-room-bar" }, go, button(WORDS.measure, () => tell(drawDisk))));
  }

  function drawOwn() {
    const pick = el("input", { type: "file", accept: ".json,application/json", hidden: true, onchange: () => tell(async () => {
      const [picked] = pick.files;
      if (!picked) return null;
      pick.value = "";
      if (picked.size > 950000) throw new Error(WORDS.tooLarge);
      return ask("import", { text: await picked.text() });
    }) });
    own.replaceChildren(title(WORDS.own),
      el("p", { className: "sd-room-dim" }, WORDS.ownHelp),
      el("div", { className: "sd-room-bar" },
        button(WORDS.export, () => tell(async () => {
          const link = el("a", { href: await file("ajustes", `sdcolab-ajustes.json?${Date.now()}`), download: "sdcolab-ajustes.json" });
          document.body.append(link); link.click(); link.remove();
          return ask("export");
        }), { className: "sd-room-button sd-icon-download" }),
        button(WORDS.import, () => pick.click(), { className: "sd-room-button sd-icon-upload" }), pick));
  }

  // Downloads and pictures of other tabs change what is told: it is asked again each time that this one is opened.
  let stale = true;
  new IntersectionObserver((entries) => {
    const seen = entries.at(-1);
    if (!seen.boundingClientRect.height) stale = true;
    else if (seen.isIntersecting && stale) { stale = false; tell(drawLeft); tell(drawDisk); }
  }).observe(host);
  left.replaceChildren(title(WORDS.goOn), el("p", { className: "sd-room-dim" }, WORDS.looking));
  disk.replaceChildren(title(WORDS.space), el("p", { className: "sd-room-dim" }, WORDS.looking));
  drawOwn();
}
