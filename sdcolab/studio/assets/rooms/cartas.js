/* Cards: the user's LoRAs, embeddings, hypernetworks and models with their pictures. A tap puts one in the prompt, and
   another tap takes it out. */

const KINDS = [["lora", "LoRA"], ["embedding", "Embeddings"], ["hypernetwork", "Hypernetworks"], ["checkpoint", "Modelos"], ["vae", "VAE"]];
const EMPTY = "Aquí aparecerán los que descargues: pega su enlace en la pestaña Descargas.";

export function mount(host, house) {
  const { el, iconButton, ask, file } = house;
  let kind = "lora", folder = "", cards = [];
  const search = el("input", { type: "search", className: "sd-room-search", placeholder: "Buscar por nombre, carpeta o palabra", "aria-label": "Buscar cartas", oninput: () => draw() });
  const chips = el("div", { className: "sd-room-chips" });
  const told = el("p", { className: "sd-room-told", role: "status" });
  const wall = el("div", { className: "sd-cards" });
  const editor = el("dialog", { className: "sd-card-editor", "aria-label": "Notas de la carta" });
  host.replaceChildren(el("div", { className: "sd-room-bar" }, search, iconButton("refresh-cw", "Actualizar", () => load())), chips, told, wall, editor);

  const prompts = () => [...document.querySelectorAll(".sd-prompt-box textarea")];
  let last = null;
  document.addEventListener("focusin", ({ target }) => { if (prompts().includes(target)) last = target; });

  /** Put ``text`` at the end of a prompt box, or take it out where it is already. */
  function toggle(area, text) {
    if (!area || !text) return false;
    const there = area.value.includes(text);
    area.value = there ? area.value.replace(text, "").replace(/ {2,}/g, " ").replace(/(, )+$/, ", ").trim() : `${area.value.trimEnd()}${area.value.trim() ? " " : ""}${text}`;
    area.dispatchEvent(new Event("input", { bubbles: true }));
    area.dispatchEvent(new Event("change", { bubbles: true }));
    return !there;
  }

  const target = (card) => (kind === "embedding" && last?.isConnected ? last : prompts()[0]);

  async function load() {
    const asked = kind;
    const found = await ask("cards", { kind });
    if (asked !== kind) return;
    cards = found;
    draw();
    const facts = await ask("facts", { kind, checkpoint: document.querySelector("#sd-checkpoint input")?.value ?? "" }).catch(() => []);
    if (asked !== kind) return;
    for (const { place, ...fact } of facts) if (cards[place]) Object.assign(cards[place], fact);
    draw();
  }

  function draw() {
    const folders = [...new Set(cards.map((card) => card.folder))].filter(Boolean).sort();
    const chip = (on, label, act) => el("button", { type: "button", className: "sd-room-chip", "aria-pressed": String(on), onclick: act }, label);
    chips.replaceChildren(
      ...KINDS.map(([value, label]) => chip(kind === value, label, () => { kind = value; folder = ""; cards = []; load(); })),
      ...folders.map((name) => chip(folder === name, `📁 ${name}`, () => { folder = folder === name ? "" : name; draw(); })),
    );
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = cards.filter((card) => (!folder || card.folder === folder) && wanted.every((word) => `${card.name} ${card.words.join(" ")} ${card.base} ${card.family ?? ""}`.toLowerCase().includes(word)));
    told.textContent = cards.length ? `${shown.length} de ${cards.length}` : EMPTY;
    wall.replaceChildren(...shown.map(put));
  }

  function put(card) {
    const picture = el("div", { className: "sd-card-picture" }, card.picture ? null : card.title.slice(0, 2));
    const one = el("article", { className: "sd-card", title: card.description },
      el("button", { type: "button", className: "sd-card-face", "aria-label": card.text ? `Poner o quitar ${card.title}` : `Elegir ${card.title}`,
        onclick: () => {
          if (!card.text) {
            house.wish({ act: "choose", field: kind, name: card.name });
            told.textContent = `${card.title} está elegido.`;
            return;
          }
          const on = toggle(target(card), card.text);
          if (card.negative) toggle(prompts()[1], card.negative);
          one.classList.toggle("sd-chosen", on);
          told.textContent = on ? `${card.title} está en el prompt.` : `${card.title} ya no está en el prompt.`;
        } }, picture, el("strong", {}, card.title)),
      el("div", { className: "sd-card-words" },
        card.family || card.base ? el("small", {}, card.family || card.base) : null,
        card.fits === false ? el("small", { className: "sd-card-warning" }, "No va con este modelo") : null,
        card.wrong ? el("button", { type: "button", className: "sd-room-chip sd-card-warning", title: "Está en la carpeta equivocada", onclick: () => done(ask("move", { kind, name: card.name })) }, `Es ${card.wrong}: mover`) : null,
        ...card.words.slice(0, 6).map((word) => el("button", { type: "button", className: "sd-room-chip", onclick: () => toggle(prompts()[0], word) }, word.length > 32 ? `${word.slice(0, 30)}…` : word)),
        card.link ? el("a", { href: card.link, target: "_blank", rel: "noopener noreferrer" }, "civitai") : null,
        iconButton("wrench", `Editar las notas de ${card.title}`, () => edit(card))));
    one.classList.toggle("sd-chosen", Boolean(card.text && target(card)?.value.includes(card.text)));
    if (card.picture) new IntersectionObserver(async ([seen], watcher) => {
      if (!seen.isIntersecting) return;
      watcher.disconnect();
      picture.style.backgroundImage = `url("${await file(kind, String(card.place))}")`;
    }).observe(one);
    return one;
  }

  async function done(answer) {
    try {
      const said = await answer;
      await load();
      told.textContent = said || "Listo.";
    } catch (error) {
      told.textContent = error.message;
    }
  }

  function edit(card) {
    const fields = [["activation text", "Palabras de activación", card.words.join(", ")], ["negative text", "Texto para el negativo", card.negative], ["sd version", "Familia (SD1, SDXL…)", card.base], ["description", "Descripción", card.description], ["notes", "Notas", card.notes]];
    const boxes = fields.map(([name, label, value]) => [name, value, el("textarea", { rows: 2, value, "aria-label": label }), label]);
    const weight = el("input", { type: "number", min: -10, max: 10, step: 0.05, value: card.weight, "aria-label": "Peso preferido (0: el normal)" });
    const save = async () => {
      const changes = Object.fromEntries(boxes.filter(([, value, box]) => box.value !== value).map(([name, , box]) => [name, box.value]));
      if (Number(weight.value) !== card.weight) changes["preferred weight"] = Number(weight.value);
      try { await ask("save", { kind, name: card.name, ...changes }); editor.close(); await load(); } catch (error) { told.textContent = error.message; editor.close(); }
    };
    editor.replaceChildren(el("h3", {}, card.title), ...boxes.map(([, , box, label]) => el("label", {}, label, box)), el("label", {}, "Peso preferido (0: el normal)", weight),
      el("div", { className: "sd-room-bar" }, el("button", { type: "button", className: "sd-room-button", onclick: save }, "Guardar"), el("button", { type: "button", className: "sd-room-button sd-icon-image", onclick: () => { editor.close(); done(ask("picture", { kind, name: card.name })); } }, "Poner la última imagen"), el("button", { type: "button", className: "sd-room-button", onclick: () => editor.close() }, "Cancelar")));
    editor.showModal();
  }

  return load();
}
