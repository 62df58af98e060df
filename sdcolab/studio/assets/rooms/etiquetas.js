/* The tag editor: a project's training pictures on a wall of which only those in sight exist, filters by tag, edits of
   many captions or of one, and uploads. Nothing is written before «Guardar». */

const PIECE = 480 * 1024;

export async function mount(host, house) {
  const { el, iconButton, ask, file } = house;
  let canvas = null;
  const words = await ask("words");
  const local = (fact) => (typeof fact === "number" ? fact.toLocaleString("es") : String(fact));
  const fill = (key, facts = {}) => filled(words[key], facts, local);
  const fillWith = (place, ...children) => place.replaceChildren(...children.filter(Boolean));
  const split = (text) => text.split(",").map((one) => one.trim()).filter(Boolean);

  let project = "", state = null, asked = 0, some = false, byName = false, bare = false;
  const marks = new Map(); // tag -> 1: wanted, -1: not wanted

  const filter = () => {
    const wanted = [...marks].filter(([, sign]) => sign > 0).map(([tag]) => tag);
    return { project, [some ? "some_of" : "all_of"]: wanted, none_of: [...marks].filter(([, sign]) => sign < 0).map(([tag]) => tag), folder_of: folder.value, bare };
  };
  const targets = () => (chosen.size ? { project, ids: [...chosen] } : filter());

  // --- The frame ---

  const say = (text) => { told.textContent = text; };
  const guarded = (promise) => Promise.resolve(promise).catch((error) => say(error.message));
  const button = (key, act, extra = {}) => el("button", { type: "button", className: "sd-room-button", onclick: act, ...extra }, words[key]);
  const field = (key, extra = {}) => el("input", { type: "text", className: "sd-room-search", placeholder: words[key], "aria-label": words[key], spellcheck: false, autocapitalize: "off", ...extra });
  const labelled = (input, key) => el("label", { className: "sd-tag-tick" }, input, words[key]);

  const chooser = el("select", { className: "sd-room-select", "aria-label": words.project, onchange: () => open(chooser.value) });
  const folder = el("select", { className: "sd-room-select", "aria-label": words.every_folder, onchange: () => reload() });
  const picker = el("input", { type: "file", multiple: true, accept: "image/*,.txt,.zip", hidden: true, onchange: () => { guarded(upload([...picker.files])); picker.value = ""; } });
  const bareBox = el("button", { type: "button", className: "sd-room-chip", onclick: () => { bare = !bare; reload(); } });
  const save = button("save", () => change("save"), { disabled: true });
  save.classList.add("sd-mend");
  const undo = iconButton("undo-2", words.undo, () => change("undo"), { disabled: true });
  const discard = iconButton("refresh-cw", words.reload, async () => (!state?.changed || await inquire(words.reload_sure)) && change("reload"));
  const restore = iconButton("recycle", words.restore, async () => (await inquire(words.restore_sure)) && change("restore"));
  const uploader = button("upload", () => picker.click(), { title: words.upload_hint, disabled: true });
  const tagger = button("tagger", () => guarded(tagThem()), { disabled: true });
  const told = el("p", { className: "sd-room-told", role: "status" });
  const actions = el("div", { className: "sd-room-bar sd-room-actions", hidden: true });
  const wall = house.wall({
    label: words.caption, narrow: 116, wide: 160, failed: (error) => say(error.message), open: (place) => show(place), picked: () => drawActions(),
    page: (start, count) => ask("page", { ...filter(), start, count }),
    face(entry) {
      const mark = entry.changed ? "●" : entry.tags ? "" : "∅";
      const marks = el("span", { className: "sd-wall-mark", title: entry.changed ? words.changed_mark : entry.tags ? "" : words.bare_mark }, `${mark} ${entry.tags || ""}`.trim());
      if (entry.mask) marks.append(el("i", { className: "sd-icon-brush", title: words.mask_mark, "aria-label": words.mask_mark }));
      return { name: entry.name, title: `${entry.folder}/${entry.name}\n${entry.text}`, pick: entry.name, thumb: file("thumb", `${project}:${entry.id}?${entry.stamp}`), marks };
    },
    sized(total) {
      say(!state ? "" : total ? fill("count", { shown: total, total: state.pictures, place: state.place }) : state.pictures ? words.nothing : fill("empty", { place: state.place }));
      about.textContent = fill(chosen.size ? "batch_chosen" : "batch_shown", { count: chosen.size || total });
    },
  });
  const { chosen } = wall;
  const search = el("input", { type: "search", className: "sd-room-search", placeholder: words.search, "aria-label": words.search, oninput: () => { clearTimeout(search.timer); search.timer = setTimeout(drawTags, 180); } });
  const order = el("button", { type: "button", className: "sd-room-chip", "aria-pressed": "false", onclick: () => { byName = !byName; order.ariaPressed = String(byName); drawTags(); } }, words.by_name);
  const mode = el("button", { type: "button", className: "sd-room-chip", onclick: () => { some = !some; reload(); } });
  const clear = el("button", { type: "button", className: "sd-room-chip", onclick: () => { marks.clear(); bare = false; folder.value = ""; reload(); } }, words.clear);
  const tags = el("div", { className: "sd-tag-list" });
  const question = el("dialog", { className: "sd-card-editor sd-tag-question" });
  const viewer = el("dialog", { className: "sd-room-viewer", "aria-label": words.caption });

  const listed = field("tags"), fresh = field("new"), oldText = field("old_text"), newText = field("new_text");
  const every = el("input", { type: "checkbox" });
  const about = el("p", { className: "sd-room-dim" });
  const often = el("div", { className: "sd-tag-often", hidden: true });
  const batch = (act, said = () => ({})) => () => change("edit", { ...targets(), act, tags: split(listed.value), ...said() });
  const editor = el("details", { className: "sd-tag-box" }, el("summary", {}, words.batch), about,
    listed, el("div", { className: "sd-room-bar" }, button("first", batch("first"), { title: words.first_hint }), button("last", batch("last")), button("remove", batch("remove"))),
    fresh, el("div", { className: "sd-room-bar" }, button("replace", batch("replace", () => ({ new: split(fresh.value), every: every.checked }))), labelled(every, "replace_every")),
    oldText, newText, el("div", { className: "sd-room-bar" }, button("rename", batch("rename", () => ({ old_text: oldText.value, new_text: newText.value })))),
    el("div", { className: "sd-room-bar" }, button("sort", batch("sort", () => ({ keep: 1 })), { title: words.sort_hint }), button("once", batch("once"))));
  const filters = el("details", { className: "sd-tag-box", open: true }, el("summary", {}, words.filter), el("p", { className: "sd-room-dim" }, words.filter_hint),
    el("div", { className: "sd-room-bar" }, search), el("div", { className: "sd-room-chips" }, order, mode, clear), tags);

  const room = el("div", { className: "sd-tag-room", hidden: true },
    el("div", { className: "sd-tag-wall" }, el("div", { className: "sd-room-bar" }, folder, bareBox, actions), wall.root),
    el("aside", { className: "sd-tag-side" }, often, editor, filters));
  host.replaceChildren(
    el("div", { className: "sd-room-bar" }, chooser, button("create", create), uploader, tagger, picker, save, undo, discard, restore),
    told,
    room,
    viewer, question,
  );

  /** What somebody answers to ``text``: the text typed, true when nothing is to be typed, or null. A dialogue of our own,
      since a notebook's frame may not show the browser's. */
  function inquire(text, value) {
    const box = value === undefined ? null : field("name", { value, placeholder: "", "aria-label": text });
    return new Promise((answered) => {
      const done = (answer) => { question.close(); answered(answer); };
      const yes = () => done(box ? box.value.trim() || null : true);
      fillWith(question, el("p", {}, text), box, el("div", { className: "sd-room-bar" }, button("accept", yes), button("cancel", () => done(null))));
      question.oncancel = () => answered(null);
      if (box) box.onkeydown = (event) => { if (event.key === "Enter") { event.preventDefault(); yes(); } };
      question.showModal();
      box?.select();
    });
  }

  // --- Projects ---

  async function projects(made) {
    const found = await ask("projects");
    const wanted = made ?? project;
    chooser.replaceChildren(el("option", { value: "" }, words.choose), ...found.map((name) => el("option", { value: name }, name)));
    chooser.value = wanted;
    if (!found.length) say(words.none);
    return found;
  }

  async function create() {
    const name = await inquire(words.name, "");
    if (name) await guarded(ask("create", { project: name }).then((made) => projects(made).then(() => open(made))));
  }

  async function open(name) {
    if (!name) return;
    project = chooser.value = name;
    marks.clear();
    chosen.clear();
    bare = false;
    await guarded(ask("open", { project }).then(async (now) => {
      state = now;
      room.hidden = false;
      drawFolders();
      await reload();
      if (now.told) say(now.told);
    }));
  }

  async function change(question, said = { project }) {
    if (!project) return;
    if (question === "save") say(words.saving); // thousands of captions take a while on Drive
    await guarded(ask(question, said).then(async (now) => {
      if (question === "aside" || (question === "fresh" && now.pictures !== state.pictures)) chosen.clear();
      state = now;
      drawFolders();
      await reload(true);
      if (now.told) say(now.told);
    }));
  }

  function drawFolders() {
    const kept = folder.value;
    folder.replaceChildren(el("option", { value: "" }, words.every_folder), ...state.folders.map((name) => el("option", { value: name }, name)));
    folder.value = state.folders.includes(kept) ? kept : "";
    folder.hidden = state.folders.length < 2;
    often.hidden = !state.often.length;
    often.replaceChildren(el("p", { className: "sd-room-dim" }, words.often), el("div", { className: "sd-room-chips" }, ...state.often.slice(0, 30).map((tag) =>
      el("button", { type: "button", className: "sd-room-chip", title: `${words.remove}: ${tag}`, onclick: () => change("edit", { project, act: "remove", tags: [tag] }) }, `✕ ${tag}`))));
  }

  // --- The wall ---

  async function reload(keep = false) {
    save.disabled = !state?.changed;
    save.textContent = state?.changed ? `${words.save} · ${fill("unsaved", { count: state.changed })}` : words.save;
    undo.disabled = !state?.undo;
    uploader.disabled = !project;
    tagger.disabled = !state?.pictures;
    bareBox.textContent = fill("bare", { count: state?.bare ?? 0 });
    bareBox.hidden = !state?.bare && !bare;
    bareBox.ariaPressed = String(bare);
    mode.textContent = words[some ? "mode_some" : "mode_all"];
    await Promise.all([wall.reload(keep), drawTags()]);
    drawActions();
  }

  function drawActions() {
    about.textContent = fill(chosen.size ? "batch_chosen" : "batch_shown", { count: chosen.size || wall.total });
    actions.hidden = !wall.total;
    fillWith(actions,
      chosen.size ? el("strong", {}, fill("chosen", { count: chosen.size })) : null,
      button("choose_all", () => guarded(wall.pickAll())),
      chosen.size ? button("choose_none", () => { chosen.clear(); drawActions(); guarded(wall.draw(true)); }) : null,
      chosen.size ? button("aside", async () => (await inquire(fill("aside_sure", { count: chosen.size }))) && change("aside", { project, ids: [...chosen] })) : null,
    );
  }

  // --- Tags ---

  async function drawTags() {
    if (!project) return;
    const mine = ++asked;
    const found = await ask("tags", { ...filter(), search: search.value, by_name: byName });
    if (mine !== asked) return;
    const there = new Set(found.tags.map(([tag]) => tag));
    const rows = [...[...marks.keys()].filter((tag) => !there.has(tag)).map((tag) => [tag, 0]), ...found.tags];
    rows.sort(([one], [other]) => marks.has(other) - marks.has(one));
    tags.replaceChildren(...rows.map(([tag, count]) => {
      const sign = marks.get(tag) ?? 0;
      return el("button", { type: "button", className: `sd-room-chip${sign ? (sign > 0 ? " sd-tag-with" : " sd-tag-without") : ""}`, "aria-pressed": String(Boolean(sign)),
        onclick: () => { const next = sign === 0 ? 1 : sign > 0 ? -1 : 0; next ? marks.set(tag, next) : marks.delete(tag); guarded(reload()); } },
      `${sign > 0 ? "+ " : sign < 0 ? "− " : ""}${tag}`, el("small", {}, count.toLocaleString("es")));
    }));
    if (found.total > found.tags.length) tags.append(el("p", { className: "sd-room-dim" }, fill("more_tags", { count: found.total - found.tags.length })));
  }

  // --- One picture ---

  async function show(place) {
    const entry = await wall.at(place);
    if (!entry) return;
    const area = el("textarea", { className: "sd-tag-caption", rows: 8, value: entry.text, "aria-label": words.caption, spellcheck: false });
    const tokens = el("p", { className: "sd-room-dim" }, fill("tokens", { count: entry.tokens, room: entry.room }));
    let typing = 0;
    area.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => guarded(ask("tokens", { text: area.value }).then(([count, room]) => { tokens.textContent = fill("tokens", { count, room }); })), 200); });
    const accept = async () => { if (area.value !== entry.text) { entry.text = area.value; await change("write", { project, id: entry.id, text: area.value }); } };
    const go = (by) => async () => { await accept(); await show(Math.max(0, Math.min(wall.total - 1, place + by))); };
    const picture = el("img", { className: "sd-room-picture", alt: entry.name });
    file("picture", `${project}:${entry.id}?${entry.stamp}`).then((url) => { picture.src = url; }, () => {});
    closeCanvas();
    viewer.replaceChildren(
      el("div", { className: "sd-room-stage" }, iconButton("chevron-left", words.previous, go(-1)), picture, iconButton("chevron-right", words.next, go(1))),
      el("aside", {}, el("div", { className: "sd-room-bar" }, el("strong", { className: "sd-room-name" }, entry.name), iconButton("x", words.close, () => viewer.close())),
        el("p", { className: "sd-room-dim" }, [entry.folder, `${place + 1} / ${wall.total}`, entry.mask ? words.mask_mark : ""].filter(Boolean).join(" · ")), area, tokens,
        el("div", { className: "sd-room-bar" }, button("accept", () => accept().then(() => viewer.close())), button("mask", async () => { await accept(); await paint(place); }),
          button("aside", async () => (await inquire(fill("aside_sure", { count: 1 }))) && change("aside", { project, ids: [entry.id] }).then(() => viewer.close())))));
    if (!viewer.open) viewer.showModal();
    area.focus();
  }

  // --- Its mask ---

  function closeCanvas() {
    canvas?.close();
    canvas = null;
  }

  /** Paint over a picture what is to be learnt. */
  async function paint(place) {
    const entry = await wall.at(place);
    const box = el("div", { className: "sd-tag-canvas" });
    const hint = el("p", { className: "sd-room-dim", role: "status" }, words.mask_hint);
    const keep = async (data) => {
      await guarded(ask("mask", { project, id: entry.id, data }).then(async (now) => { state = now; await reload(true); await show(place); say(now.told); }));
    };
    closeCanvas();
    viewer.replaceChildren(
      el("div", { className: "sd-room-stage" }, box),
      el("aside", {}, el("div", { className: "sd-room-bar" }, el("strong", { className: "sd-room-name" }, entry.name), iconButton("x", words.close, () => viewer.close())),
        hint,
        el("div", { className: "sd-room-bar" }, button("mask_save", () => { canvas.value() ? keep(canvas.value()) : hint.textContent = words.mask_empty; }),
          entry.mask ? button("mask_drop", () => keep("")) : null, button("mask_back", () => show(place)))));
    canvas = house.canvas(box, { mode: "mask" });
    await canvas.show(await file("picture", `${project}:${entry.id}?${entry.stamp}`));
    if (entry.mask) await canvas.restore(await file("mask", `${project}:${entry.id}?${Date.now()}`));
  }

  viewer.addEventListener("close", closeCanvas);

  // --- A tagger ---

  /** Ask which tagger and how, let it work in the queue, and look at what it wrote. */
  async function tagThem() {
    const { names } = await ask("taggers");
    const which = el("select", { className: "sd-room-select", "aria-label": words.tagger_name }, ...names.map((name) => el("option", { value: name }, name)));
    const least = el("input", { type: "number", className: "sd-room-search", min: 0, max: 1, step: 0.05, value: 0.25, "aria-label": words.threshold });
    const bareOnly = el("input", { type: "checkbox", checked: Boolean(state.bare) });
    const begin = async () => {
      question.close();
      const { job } = await ask("tag", { project, tagger: which.value, percent: Math.round(100 * least.valueAsNumber) || 0, only_bare: bareOnly.checked });
      await follow(project, job);
    };
    fillWith(question, el("label", { className: "sd-tag-asked" }, words.tagger_name, which), el("label", { className: "sd-tag-asked" }, words.threshold, least), labelled(bareOnly, "only_bare"),
      el("div", { className: "sd-room-bar" }, button("tagger_start", () => guarded(begin())), button("cancel", () => question.close())));
    question.oncancel = null;
    question.showModal();
  }

  async function follow(name, job) {
    for (let seen; ; ) {
      seen = await ask("tagging", { job });
      if (project !== name || !host.isConnected) return;
      if (seen.ended) {
        await guarded(ask("open", { project }).then((now) => { state = now; drawFolders(); return reload(true); }));
        say(seen.told);
        return;
      }
      say(seen.fraction === null ? seen.told || words.tagging_waits : fill("tagging", { percent: Math.round(100 * seen.fraction) }));
      await new Promise((done) => setTimeout(done, 1000));
    }
  }

  // --- Uploads ---

  async function encoded(piece) {
    const bytes = new Uint8Array(await piece.arrayBuffer());
    let text = "";
    for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
    return btoa(text);
  }

  async function upload(files) {
    if (!project || !files.length) return;
    const wanted = await inquire(words.target, folder.value || state?.folders[0] || "10_repeticiones");
    if (!wanted) return;
    const target = await ask("target", { folder: wanted });
    const failed = new Map(); // why -> the files that did not come
    let before = 0, told = "";
    const beside = (one) => /\.txt$|_mask\.\w+$/i.test(one.name);
    const ordered = [...files].sort((one, other) => beside(one) - beside(other));  // a picture's own files take its name
    for (const [place, one] of ordered.entries()) {
      const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
      try {
        for (let at = 0; at === 0 || at < one.size; at += PIECE) {
          const ends = at + PIECE >= one.size;
          say(fill("uploading", { name: one.name, percent: Math.round((100 * at) / Math.max(1, one.size)) }));
          state = await ask("upload", { project, key, name: one.name, folder: target, at, before, data: await encoded(one.slice(at, at + PIECE)), last: ends, look: ends && place === files.length - 1 });
        }
        before = state.came;
        told = state.told;
      } catch (error) {
        failed.set(error.message, [...(failed.get(error.message) ?? []), one.name]);
      }
    }
    await guarded(ask("open", { project }).then((now) => { state = now; drawFolders(); return reload(); }));
    const lost = [...failed].map(([reason, names]) => fill("upload_failed", { count: names.length, names: names.slice(0, 3).join(", ") + (names.length > 3 ? "…" : ""), reason }));
    if (lost.length || told) say([told, ...lost].filter(Boolean).join(" "));
  }

  host.addEventListener("dragover", (event) => { if (project) { event.preventDefault(); event.stopPropagation(); } });
  host.addEventListener("drop", (event) => { if (project && event.dataTransfer.files.length) { event.preventDefault(); event.stopPropagation(); guarded(upload([...event.dataTransfer.files])); } });

  // --- Keys and the life of it ---

  host.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || viewer.open || event.target.closest("input[type=text], input[type=search], textarea")) return;
    const act = { z: () => undo.click(), s: () => save.click(), a: () => guarded(wall.pickAll()) }[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
  new IntersectionObserver(([seen]) => {
    if (!seen.isIntersecting) return;
    if (project) guarded(projects().then(() => change("fresh")));
    else guarded(projects().then((found) => found.length === 1 && open(found[0])));
  }).observe(host);
  window.addEventListener("beforeunload", (event) => { if (state?.changed && host.isConnected) event.preventDefault(); });
  await guarded(projects());
}
