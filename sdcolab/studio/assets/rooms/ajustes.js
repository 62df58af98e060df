/* Settings: one list, with a search box. Each is saved as soon as it changes. */

export async function mount(host, house) {
  const { el, ask } = house;
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const search = el("input", { type: "search", className: "sd-room-search", placeholder: WORDS.search, "aria-label": WORDS.search, oninput: () => sift() });
  const told = el("p", { className: "sd-room-told", role: "status" });
  const list = el("div", { className: "sd-settings-list" });
  let known = await ask("settings");

  const save = async (row, value, more = {}) => {
    try {
      known = await ask("change", { name: row.name, value, ...more });
      if (["linked", "password", "outputs"].includes(row.name)) draw();
      told.textContent = row.next ? phrase("savedNext", row.label) : phrase("saved", row.label);
      house.prefer?.({ [row.name]: value });
    } catch (error) {
      told.textContent = error.message;
    }
  };

  const typed = (attributes) => el("input", { className: "sd-room-search", spellcheck: false, ...attributes });
  const controls = {
    told: (row) => el("code", { className: "sd-setting-told" }, row.value),
    bool: (row) => el("input", { type: "checkbox", checked: row.value, "aria-label": row.label, onchange: (event) => save(row, event.target.checked) }),
    int: (row) => el("input", { type: "number", className: "sd-room-select", min: row.low, max: row.high, value: row.value, "aria-label": row.label, onchange: (event) => save(row, Number(event.target.value)) }),
    str: (row) => el("input", { type: "text", className: "sd-room-search", value: row.value, spellcheck: false, "aria-label": row.label, onchange: (event) => save(row, event.target.value) }),
    choice: (row) => el("select", { className: "sd-room-select", "aria-label": row.label, onchange: (event) => save(row, event.target.value) },
      ...row.choices.map(([value, label]) => el("option", { value, selected: value === row.value }, label))),
    /* Folders of other programs: one is added by its path, and taken away by its name. */
    linked(row) {
      const path = typed({ type: "text", "aria-label": `${row.label}: ${WORDS.path}`, placeholder: WORDS.path });
      return el("form", { className: "sd-setting-form", onsubmit: (event) => { event.preventDefault(); if (path.value.trim()) save(row, path.value); } },
        path, el("button", { className: "sd-room-button sd-icon-plus" }, WORDS.add),
        ...row.choices.map((name) => el("button", { type: "button", className: "sd-room-button sd-icon-x", onclick: () => save(row, "", { gone: name }) }, phrase("leave", name))));
    },
    /* What is typed goes and never comes back. */
    password(row) {
      const user = typed({ type: "text", autocomplete: "username", "aria-label": WORDS.user, placeholder: WORDS.user });
      const word = typed({ type: "password", autocomplete: "new-password", "aria-label": WORDS.new, placeholder: WORDS.new });
      const current = row.guarded ? typed({ type: "password", autocomplete: "current-password", "aria-label": WORDS.current, placeholder: WORDS.current }) : null;
      return el("form", { className: "sd-setting-form", onsubmit: (event) => { event.preventDefault(); save(row, word.value, { user: user.value, current: current?.value ?? "" }); } },
        el("code", { className: "sd-setting-told" }, row.value), user, word, current, el("button", { className: "sd-room-button sd-icon-save" }, WORDS.change));
    },
    names(row) {
      const chosen = new Set(row.value);
      const chip = ([value, label]) => el("button", { type: "button", className: "sd-room-chip", "aria-pressed": String(chosen.has(value)), onclick: (event) => {
        if (!chosen.delete(value)) chosen.add(value);
        event.target.setAttribute("aria-pressed", String(chosen.has(value)));
        save(row, [...chosen]);
      } }, label);
      const first = row.choices.filter(([value], place) => place < 9 || chosen.has(value));
      const others = row.choices.filter((choice) => !first.includes(choice));
      return el("div", { className: "sd-room-chips", role: "group", "aria-label": row.label }, ...first.map(chip),
        el("details", {}, el("summary", {}, WORDS.fine), el("div", { className: "sd-room-chips" }, ...others.map(chip))));
    },
  };

  const line = (row) => {
    const wide = ["names", "str", "told", "linked", "password"].includes(row.kind);
    const box = el("div", { className: `sd-setting${wide ? " sd-setting-wide" : ""}` },
      el("div", {}, el("strong", {}, row.label), el("small", {}, row.help)), controls[row.kind](row));
    box.dataset.text = plain([row.label, row.help, row.group, row.key, ...(row.choices ?? []).flat()].join(" "));
    return box;
  };

  const bring = el("input", { type: "file", accept: ".json,.csv,application/json,text/csv", className: "sd-room-hidden", "aria-label": WORDS.file, onchange: async () => {
    const [file] = bring.files;
    bring.value = "";
    if (!file) return;
    try {
      known = await ask("import", { name: file.name, text: (await file.text()).slice(0, 900000) });
      draw();
      told.textContent = known.said;
    } catch (error) {
      told.textContent = error.message;
    }
  } });

  function draw() {
    const groups = Map.groupBy ? Map.groupBy(known.rows, (row) => row.group) : known.rows.reduce((found, row) => found.set(row.group, [...(found.get(row.group) ?? []), row]), new Map());
    const importing = el("section", { className: "sd-settings-group" }, el("h2", {}, known.import.title),
      el("div", { className: "sd-setting" }, el("small", {}, known.import.help), el("button", { type: "button", className: "sd-room-button sd-icon-upload", onclick: () => bring.click() }, WORDS.choose), bring),
      el("div", { className: "sd-setting" }, el("small", {}, WORDS.resetHelp), el("button", { type: "button", className: "sd-room-button sd-icon-undo-2", onclick: async () => {
        known = await ask("reset");
        draw();
        told.textContent = WORDS.wasReset;
        for (const { name, value } of known.rows) house.prefer?.({ [name]: value });
      } }, WORDS.reset)));
    for (const box of importing.querySelectorAll(".sd-setting")) box.dataset.text = plain("importar traer automatic1111 config.json ui-config.json styles.csv estilos restablecer");
    list.replaceChildren(...[...groups].map(([title, rows]) => el("section", { className: "sd-settings-group" }, el("h2", {}, title), ...rows.map(line))), importing);
    sift();
  }

  function sift() {
    const wanted = plain(search.value).split(/\s+/).filter(Boolean);
    for (const box of list.querySelectorAll(".sd-setting")) box.hidden = !wanted.every((word) => box.dataset.text.includes(word));
    for (const group of list.children) group.hidden = !group.querySelector(".sd-setting:not([hidden])");
  }

  host.replaceChildren(el("div", { className: "sd-room-bar" }, search), told, list);
  draw();
}
