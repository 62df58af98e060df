/* Cards: the user's LoRAs, embeddings, hypernetworks, models and styles with their pictures. A tap puts one in the
   prompt, and another tap takes it out. Civitai's are a search away. */

const KINDS = ["lora", "embedding", "hypernetwork", "checkpoint", "vae", "style"];
const WEIGHTED = { lora: "lora|lyco", hypernetwork: "hypernet" };
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

export async function mount(host, house) {
  const { el, iconButton, ask, file } = house;
  const words = await ask("words");
  const say = (name, facts = {}) => words[name].replace(/\{(\w+)\}/g, (_, key) => facts[key]);
  let kind = "lora", folder = "", cards = [], outside = false;
  const search = el("input", { type: "search", className: "sd-room-search", placeholder: words.search, "aria-label": words.search, oninput: () => draw(), onkeydown: (event) => { if (outside && event.key === "Enter") look(); } });
  const go = el("button", { type: "button", className: "sd-room-button sd-icon-search", onclick: () => look() }, words.look);
  const adult = el("input", { type: "checkbox" });
  const fetchLink = el("button", { type: "button", className: "sd-room-button sd-icon-download", onclick: () => { done(ask("get", { link: search.value })); search.value = ""; draw(); } }, words.link);
  const only = el("label", { className: "sd-card-adult" }, adult, words.adult);
  const chips = el("div", { className: "sd-room-chips" });
  const told = el("p", { className: "sd-room-told", role: "status" });
  const wall = el("div", { className: "sd-cards" });
  const editor = el("dialog", { className: "sd-card-editor", "aria-label": words.notes });
  host.replaceChildren(el("div", { className: "sd-room-bar" }, search, go, fetchLink, only, iconButton("refresh-cw", words.refresh, () => load())), chips, told, wall, editor);

  const prompts = () => [...document.querySelectorAll(".sd-prompt-box textarea")];
  let last = null;
  document.addEventListener("focusin", ({ target }) => { if (prompts().includes(target)) last = target; });

  // --- In the prompt ---

  function write(area, text) {
    if (!area || area.value === text) return;
    area.value = text;
    area.dispatchEvent(new Event("input", { bubbles: true }));
    area.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /** Put ``text`` at the end of a prompt box, or take it out where it is already. */
  function toggle(area, text) {
    if (!area || !text) return false;
    const there = area.value.includes(text);
    write(area, there ? tidy(area.value.replace(text, "")) : `${area.value.trimEnd()}${area.value.trim() ? " " : ""}${text}`);
    return !there;
  }
  const tidy = (text) => text.replace(/ {2,}/g, " ").replace(/(, )+$/, ", ").trim();

  /** The tag of a card in the prompt, whatever its weight: [whole, name and colon, weight]; null without one. */
  const tag = (card) => (WEIGHTED[kind] ? prompts()[0]?.value.match(new RegExp(`(<(?:${WEIGHTED[kind]}):${escaped(card.title)}:)([^:>]*)[^>]*>`)) ?? null : null);

  function toggleCard(card) {
    const area = prompts()[0], found = tag(card);
    if (!WEIGHTED[kind]) return toggle(kind === "embedding" && last?.isConnected ? last : area, card.text);
    if (!found) return toggle(area, card.text);
    const after = card.text.slice(card.text.indexOf(">") + 1);
    write(area, tidy(area.value.includes(found[0] + after) ? area.value.replace(found[0] + after, "") : area.value.replace(found[0], "")));
    return false;
  }

  function weigh(card, value) {
    const found = tag(card);
    card.text = card.text.replace(/(<\w+:[^:>]*:)[^:>]*/, `$1${value}`);
    if (found) write(prompts()[0], prompts()[0].value.replace(found[0], found[0].replace(found[1] + found[2], found[1] + value)));
  }

  const there = (card) => (WEIGHTED[kind] ? Boolean(tag(card)) : Boolean(card.text && prompts()[0]?.value.includes(card.text)));

  async function useStyle(card) {
    const [one, other] = prompts();
    const [prompt, negative] = await ask("style", { name: card.name, prompt: one?.value ?? "", negative: other?.value ?? "" });
    write(one, prompt);
    write(other, negative);
    told.textContent = say("in", { name: card.title });
  }

  // --- Looking ---

  async function load() {
    if (outside) return;
    const asked = kind;
    const found = await ask("cards", { kind });
    if (asked !== kind || outside) return;
    cards = found;
    draw();
    if (kind === "style") return;
    const facts = await ask("facts", { kind, checkpoint: document.querySelector("#sd-checkpoint input")?.value ?? "" }).catch(() => []);
    if (asked !== kind || outside) return;
    for (const { place, ...fact } of facts) if (cards[place]) Object.assign(cards[place], fact);
    draw();
  }

  async function look() {
    if (isLink()) return;
    told.textContent = words.looking;
    wall.replaceChildren();
    try {
      const found = await ask("search", { kind: kind === "style" ? "lora" : kind, query: search.value, adult: adult.checked });
      told.textContent = found.length ? say("found", { count: found.length }) : words.none;
      wall.replaceChildren(...found.map(offer));
    } catch (error) {
      told.textContent = error.message;
    }
  }

  const isLink = () => /^(https?:\/\/|urn:air:)\S+$/.test(search.value.trim());
  const chip = (on, label, act) => el("button", { type: "button", className: "sd-room-chip", "aria-pressed": String(on), onclick: act }, label);

  function draw() {
    const folders = outside ? [] : [...new Set(cards.map((card) => card.folder))].filter(Boolean).sort();
    chips.replaceChildren(
      ...KINDS.map((value) => chip(kind === value, words[value], () => { kind = value; folder = ""; cards = []; if (outside) { draw(); look(); } else load(); })),
      chip(outside, words.civitai, () => { outside = !outside; search.value = ""; cards = []; draw(); if (outside) { wall.replaceChildren(); search.focus(); look(); } else load(); }),
      ...folders.map((name) => chip(folder === name, `📁 ${name}`, () => { folder = folder === name ? "" : name; draw(); })),
    );
    search.placeholder = outside ? words.query : words.search;
    search.setAttribute("aria-label", search.placeholder);
    go.hidden = only.hidden = !outside;
    fetchLink.hidden = !isLink();
    if (outside) return;
    const wanted = isLink() ? [] : search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = cards.filter((card) => (!folder || card.folder === folder) && wanted.every((word) => `${card.name} ${card.label} ${card.words.join(" ")} ${card.base ?? ""} ${card.family ?? ""}`.toLowerCase().includes(word)));
    told.textContent = cards.length ? say("count", { shown: shown.length, all: cards.length }) : kind === "style" ? words.emptyStyles : words.empty;
    wall.replaceChildren(...shown.map(put));
  }

  function put(card) {
    const picture = el("div", { className: "sd-card-picture" }, card.picture ? null : card.label.slice(0, 2));
    const one = el("article", { className: "sd-card", title: card.description },
      el("button", { type: "button", className: "sd-card-face", "aria-label": say(card.text ? "put" : "choose", { name: card.label }),
        onclick: () => {
          if (kind === "style") return useStyle(card);
          if (!card.text) {
            house.wish({ act: "choose", field: kind, name: card.name });
            told.textContent = say("chosen", { name: card.label });
            return;
          }
          const on = toggleCard(card);
          if (card.negative && on !== Boolean(prompts()[1]?.value.includes(card.negative))) toggle(prompts()[1], card.negative);
          one.classList.toggle("sd-chosen", on);
          told.textContent = say(on ? "in" : "out", { name: card.label });
        } }, picture, el("strong", {}, card.label), card.label === card.title ? null : el("small", {}, card.title)),
      WEIGHTED[kind] ? slider(card) : null,
      el("div", { className: "sd-card-words" },
        card.family || card.base ? el("small", {}, card.family || card.base) : null,
        card.fits === false ? el("small", { className: "sd-card-warning" }, words.misfit) : null,
        card.wrong ? el("button", { type: "button", className: "sd-room-chip sd-card-warning", title: words.wrongHelp, onclick: () => done(ask("move", { kind, name: card.name })) }, say("wrong", { kind: card.wrong })) : null,
        ...card.words.slice(0, 6).map((word) => el("button", { type: "button", className: "sd-room-chip", onclick: () => toggle(prompts()[0], word) }, word.length > 32 ? `${word.slice(0, 30)}…` : word)),
        card.link ? el("a", { href: card.link, target: "_blank", rel: "noopener noreferrer" }, "civitai") : null,
        kind === "style" ? el("small", {}, card.description.slice(0, 120)) : iconButton("wrench", say("edit", { name: card.label }), () => edit(card))));
    one.classList.toggle("sd-chosen", there(card));
    if (card.picture) new IntersectionObserver(async ([seen], watcher) => {
      if (!seen.isIntersecting) return;
      watcher.disconnect();
      picture.style.backgroundImage = `url("${await file(kind, String(card.place))}")`;
    }).observe(one);
    return one;
  }

  function slider(card) {
    const now = Number(tag(card)?.[2] || card.weight || 1);
    const shown = el("output", {}, String(now));
    const bar = el("input", { type: "range", min: 0, max: 2, step: 0.05, value: now, "aria-label": say("weight", { name: card.label }), oninput: () => { shown.textContent = String(Number(bar.value)); weigh(card, shown.textContent); } });
    return el("label", { className: "sd-card-weight" }, bar, shown);
  }

  function offer(model) {
    const picture = el("div", { className: "sd-card-picture" }, model.picture ? null : model.name.slice(0, 2));
    if (model.picture) picture.append(el("img", { src: model.picture, alt: "", loading: "lazy", referrerPolicy: "no-referrer" }));
    const get = el("button", { type: "button", className: "sd-room-button sd-icon-download", onclick: () => { get.disabled = true; done(ask("get", { link: model.link })); } }, model.size ? `${words.get} (${model.size})` : words.get);
    return el("article", { className: "sd-card" }, picture, el("strong", { className: "sd-card-name" }, model.name),
      el("div", { className: "sd-card-words" },
        el("small", {}, [model.base, model.author && say("by", { author: model.author })].filter(Boolean).join(" · ")),
        get, el("a", { href: model.page, target: "_blank", rel: "noopener noreferrer" }, words.page)));
  }

  async function done(answer) {
    try {
      const said = await answer;
      await load();
      told.textContent = said || words.done;
    } catch (error) {
      told.textContent = error.message;
    }
  }

  function edit(card) {
    const fields = [["title", card.label], ["activation text", card.words.join(", ")], ["negative text", card.negative], ["sd version", card.base], ["description", card.description], ["notes", card.notes]];
    const boxes = fields.map(([name, value]) => [name, value, el("textarea", { rows: 2, value, "aria-label": label(name) })]);
    const weight = el("input", { type: "number", min: -10, max: 10, step: 0.05, value: card.weight, "aria-label": words["preferred weight"] });
    const save = async () => {
      const changes = Object.fromEntries(boxes.filter(([, value, box]) => box.value !== value).map(([name, , box]) => [name, box.value]));
      if (Number(weight.value) !== card.weight) changes["preferred weight"] = Number(weight.value);
      editor.close();
      done(ask("save", { kind, name: card.name, ...changes }));
    };
    const button = (text, act, icon = "") => el("button", { type: "button", className: `sd-room-button ${icon}`, onclick: act }, text);
    editor.replaceChildren(el("h3", {}, card.title), ...boxes.map(([name, , box]) => el("label", {}, label(name), box)), el("label", {}, words["preferred weight"], weight),
      el("div", { className: "sd-room-bar" }, button(words.save, save), button(words.picture, () => { editor.close(); done(ask("picture", { kind, name: card.name })); }, "sd-icon-image"), button(words.cancel, () => editor.close())));
    editor.showModal();
  }
  const label = (name) => words[name === "notes" ? "own notes" : name];

  // Whoever comes back from another tab may have made or downloaded something there.
  let away = false;
  new IntersectionObserver(([seen]) => {
    if (away && seen.isIntersecting) load().catch(() => {});
    away = !seen.isIntersecting;
  }).observe(host);

  return load();
}
