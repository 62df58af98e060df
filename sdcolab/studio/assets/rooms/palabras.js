/* Words that help while a prompt is being typed: tags by their English or Spanish names, LoRAs and embeddings after "<",
   wildcards after "__", styles after "$" (hechos/extensiones.md 1). The first half is pure and knows no page. */

const KAOMOJI = new Set(["0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3", "6_9", ">_o", "@_@", "^_^", "o_o", "u_u", "x_x", "|_|", "||_||"]);
const MOST_SHOWN = 8;
const LIFTED = 10;
const USES_NEEDED = 3;
const LEARNED_DAYS = 30;
const LONGEST = 200; // characters of the longest name that is looked for: what stands further before the cursor is no part of it

/** Text as it is compared: lower case, no accents, underscores for spaces. */
export const bare = (text) => (ASCII.test(text) ? text : text.normalize("NFD").replace(/\p{M}/gu, "")).toLowerCase().replaceAll(" ", "_");
const ASCII = /^[\x00-\x7f]*$/;

/** The list of tags, ready to search. Tags are found by the first three letters of any of their words; shorter queries
    go through one long text, where they soon find enough. */
export class TagList {
  constructor(lines = "") {
    this.tags = lines ? lines.split("\n") : [];
    this.starts = new Uint32Array(this.tags.length + 1);
    this.plain = new Array(this.tags.length);
    this.places = new Map();
    this.text = "";
    this.done = 0;
    this.read(this.tags.length);
  }

  /** The same without holding up the page: a piece at a time. */
  static async build(lines, piece = 4000) {
    const list = new TagList();
    list.tags = lines.split("\n");
    list.starts = new Uint32Array(list.tags.length + 1);
    while (list.done < list.tags.length) {
      list.read(piece);
      await new Promise((rest) => setTimeout(rest));
    }
    return list;
  }

  read(count) {
    const end = Math.min(this.tags.length, this.done + count);
    const parts = [];
    let at = this.starts[this.done];
    for (let place = this.done; place < end; place++) {
      const [name, , , aliases, spanish] = this.tags[place].split("\t");
      const plain = bare(`\n${name}${aliases ? `|${aliases}` : ""}${spanish ? `|${spanish}` : ""}`);
      let before = 10;
      for (let from = 1; from < plain.length - 2; from++) {
        if (before < 97 || before > 122) this.note(plain.slice(from, from + 3), place);
        before = plain.charCodeAt(from);
      }
      at += plain.length;
      this.starts[place + 1] = at;
      this.plain[place] = plain;
      parts.push(plain);
    }
    this.done = end;
    this.text += parts.join("");
  }

  note(letters, place) {
    const known = this.places.get(letters);
    if (!known) this.places.set(letters, [place]);
    else if (known[known.length - 1] !== place) known.push(place);
  }

  at(place) {
    const [name, category, count, aliases, spanish] = this.tags[place].split("\t");
    return { name, category: Number(category), count: Number(count), aliases: aliases ? aliases.split("|") : [], spanish: spanish ? spanish.split("|") : [], place };
  }

  placeOf(position) {
    let low = 0, high = this.tags.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle] <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The first ``most`` tags, in the order of the list, that have ``query`` at the beginning of a word: in the name, in an
      alias or in a Spanish name. A query that begins with "*" may be anywhere. */
  find(query, most = 50) {
    const anywhere = query.startsWith("*");
    const wanted = bare(anywhere ? query.slice(1) : query).trim();
    if (!wanted) return [];
    if (!anywhere && wanted.length > 2) return this.beginning(wanted, most);
    const found = [];
    let at = -1;
    while (found.length < most && (at = this.text.indexOf(wanted, at + 1)) >= 0) {
      const before = this.text.charCodeAt(at - 1);
      if (!anywhere && before >= 97 && before <= 122) continue;
      const place = this.placeOf(at);
      found.push({ ...this.at(place), query: wanted });
      at = this.starts[place + 1] - 1;
    }
    return found;
  }

  beginning(wanted, most) {
    const found = [];
    for (const place of this.places.get(wanted.slice(0, 3)) ?? []) {
      const plain = this.plain[place];
      let at = plain.indexOf(wanted);
      while (at > 0 && plain.charCodeAt(at - 1) >= 97 && plain.charCodeAt(at - 1) <= 122) at = plain.indexOf(wanted, at + 1);
      if (at > 0 && found.push({ ...this.at(place), query: wanted }) === most) break;
    }
    return found;
  }
}

/** The alias or Spanish name by which a tag was found; "" when it was its own name. */
export function foundBy(tag) {
  const begins = (name) => new RegExp(`(^|[^a-z])${tag.query.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`).test(bare(name));
  if (begins(tag.name)) return "";
  return tag.aliases.find(begins) ?? tag.spanish.find(begins) ?? "";
}

/** ``found`` with the tags that are used often before the others. ``uses``: {name: [times, day of the last]}. */
export function lifted(found, uses, today) {
  const score = (tag) => {
    const [times, day] = uses[tag.name] ?? [0, 0];
    return times >= USES_NEEDED && today - day <= LEARNED_DAYS ? Math.log(1 + tag.count) + Math.log(1 + times) : 0;
  };
  const best = found.filter(score).sort((one, other) => score(other) - score(one)).slice(0, LIFTED);
  return [...best.map((tag) => ({ ...tag, often: true })), ...found.filter((tag) => !best.includes(tag))];
}

/** What is being typed before the cursor: what it asks for, and where it begins. */
export function asked(text, cursor) {
  const from = Math.max(0, cursor - LONGEST), before = text.slice(from, cursor);
  const mark = /(?:<(?<kind>e|l|lora|h|hypernet|lyco)?:?(?<net>[^<>:,\n]*)|__(?<wild>[^_\s,](?:[^\s,]*?[^_\s,])?)?|\$(?<style>[^$,\n{}]*))$/.exec(before);
  if (mark?.groups.net !== undefined) {
    const kinds = { e: "embedding", l: "lora", lora: "lora", lyco: "lora", h: "hypernetwork", hypernet: "hypernetwork" };
    return { what: "network", kind: kinds[mark.groups.kind] ?? "", query: mark.groups.net, start: from + mark.index };
  }
  if (mark && mark[0].startsWith("__") && (text.slice(0, from + mark.index).match(/__/g)?.length ?? 0) % 2 === 0)
    return { what: "wildcard", query: mark.groups.wild ?? "", start: from + mark.index };
  if (mark?.groups.style !== undefined) return { what: "style", query: mark.groups.style, start: from + mark.index };
  const piece = /[^,\n()[\]{}|<>:]*$/.exec(before)[0];
  const query = piece.trimStart();
  return { what: "tag", query, start: cursor - query.length };
}

/** A tag as it is written in a prompt. */
export const written = (name) => (KAOMOJI.has(name) ? name : name.replaceAll("_", " ")).replace(/[()[\]]/g, "\\$&");

/** What follows a tag: a comma and a space, unless a comma or a colon is there already. */
export const tail = (after) => (/^\s*[,:]/.test(after) ? "" : /^[)\]}|]/.test(after) ? "" : ", ");

export const short = (count) => (count >= 1e6 ? `${Math.round(count / 1e6)}M` : count >= 1000 ? `${(count / 1000).toFixed(1)}k` : count ? String(count) : "");

const COMMAS = [
  /:\s{0,8}[+-]?\d+,\d+\s{0,8}[)\]]/,
  /<\w+:[^<>:]+:(?:[^<>]*[:=])?\s*[+-]?\d+,\d+\s*[:>]/,
  /:\s{0,8}[+-]?\d+,\d+\s+AND\b/,
];

/** Whether a weight in ``text`` has a comma, which A1111's grammar reads as text: in brackets, in a tag, or of a part
    between ANDs, the last of which ends with the text. */
export const wantsPoints = (text) => COMMAS.some((comma) => comma.test(text)) || (/:\s{0,8}[+-]?\d+,\d+\s*$/.test(text) && /\bAND\b/.test(text));

// --- On the page -----------------------------------------------------------------------------------------------------

const COLOURS = { 1: "artist", 3: "copyright", 4: "character", 5: "meta" };

export async function mount(host, house) {
  const { el, ask } = house;
  const scope = document;
  const list = await TagList.build(await ask("tags"));
  const starters = (await ask("prompts")).presets;
  let things = { networks: [], wildcards: [], styles: [] };
  let uses = { positive: {}, negative: {} };
  const learn = async () => { [things, uses] = await Promise.all([ask("things"), ask("uses")]); };
  await learn();

  const box = el("div", { className: "sd-words", role: "listbox", id: "sd-words", "aria-label": WORDS.suggestions });
  box.hidden = true;
  (scope.querySelector(".sdcolab-panel") ?? scope.body).append(box);
  let area = null, request = null, rows = [], at = -1, composing = false, timer = 0;

  const isPrompt = (target) => target instanceof HTMLTextAreaElement && target.closest(".sd-prompt-box");
  const negative = () => /neg/i.test(area.closest("[id],[class*=negative]")?.id ?? "") || Boolean(area.closest("[class*=negative]"));
  const close = () => { box.hidden = true; rows = []; at = -1; area?.removeAttribute("aria-activedescendant"); };

  function networks({ kind, query }) {
    const wanted = bare(query);
    return things.networks.filter((one) => (!kind || one.kind === kind) && bare(one.name).includes(wanted)).slice(0, 30)
      .map((one) => ({ label: one.name, note: { lora: "LoRA", embedding: "embedding", hypernetwork: "hypernetwork" }[one.kind], text: one.text }));
  }

  function tags({ query }) {
    let rest = query;
    for (;;) {
      const found = rest.trim().length > (rest === query ? 0 : 1) ? list.find(rest, 200) : [];
      if (found.length || !rest.includes(" ")) {
        request.start += query.length - rest.length;
        return lifted(found, uses[negative() ? "negative" : "positive"], Math.floor(Date.now() / 864e5)).slice(0, MOST_SHOWN * 3);
      }
      rest = rest.slice(rest.indexOf(" ") + 1);
    }
  }

  function look() {
    if (!area || composing || area.selectionStart !== area.selectionEnd) return close();
    request = asked(area.value, area.selectionStart);
    const wanted = bare(request.query);
    if (request.what === "tag") {
      const there = new Set(area.value.split(/[,\n]/).filter((piece) => piece.length <= LONGEST).map((piece) => bare(piece.trim().replace(/^[(\[]+|(:[\d.]+)?[)\]]+$/g, ""))));
      rows = request.query.trim() ? tags(request).map((tag) => ({ tag, label: written(tag.name), by: foundBy(tag), note: short(tag.count), kind: COLOURS[tag.category], there: there.has(bare(tag.name)), often: tag.often })) : [];
      if (rows.length === 1 && bare(rows[0].label) === wanted) rows = [];
    } else if (request.what === "network") rows = networks(request);
    else if (request.what === "wildcard") rows = things.wildcards.filter((name) => bare(name).includes(wanted)).slice(0, 30).map((name) => ({ label: name, text: `__${name}__` }));
    else rows = things.styles.filter(({ name }) => bare(name).includes(wanted)).slice(0, 30).map(({ name, prompt }) => ({ label: name, note: prompt.slice(0, 40), text: prompt.replace("{prompt}", "").trim() }));
    draw();
  }

  function draw() {
    if (!rows.length) return close();
    at = -1;
    box.replaceChildren(...rows.map((row, place) => {
      const one = el("div", { className: `sd-word${row.kind ? ` sd-word-${row.kind}` : ""}`, role: "option", id: `sd-word-${place}`, "aria-selected": "false" },
        el("span", {}, row.by ? `${row.by} ➝ ${row.label}` : row.label, row.there ? " 🔁" : row.often ? " ✨" : ""), el("small", {}, row.note ?? (row.tag?.spanish[0] ?? "")));
      if (row.tag && !row.by && row.tag.spanish[0]) one.querySelector("small").textContent = `${row.tag.spanish[0]} ${row.note}`.trim();
      one.addEventListener("pointerdown", (event) => { event.preventDefault(); take(place); });
      return one;
    }));
    box.hidden = false;
    place();
  }

  function place() {
    const style = getComputedStyle(area), frame = area.getBoundingClientRect();
    const copy = el("div");
    for (const name of ["font", "letterSpacing", "padding", "border", "boxSizing", "lineHeight", "width"]) copy.style[name] = style[name];
    copy.style.cssText += ";position:absolute;visibility:hidden;white-space:pre-wrap;overflow-wrap:break-word;top:0;left:0";
    const caret = el("span", {}, "\u200b");
    copy.append(area.value.slice(0, request.start), caret);
    scope.body.append(copy);
    const { offsetLeft } = caret;
    copy.remove();
    /* Below the prompt's buttons, or above the prompt: it covers neither what is written nor what can be pressed. */
    const bottom = (area.closest(".sd-prompt-box")?.querySelector(".sd-prompt-bar") ?? area).getBoundingClientRect().bottom + 4;
    const left = Math.max(8, Math.min(frame.left + offsetLeft, innerWidth - box.offsetWidth - 8));
    const foot = document.getElementById("sd-actions");
    const fixed = foot && getComputedStyle(foot).position === "fixed"; // on a phone: the button to generate stays in reach
    const inSight = visualViewport?.height ?? innerHeight; // less where a phone shows its keyboard
    const seen = fixed ? Math.min(inSight, foot.getBoundingClientRect().top) : inSight;
    box.style.maxHeight = "";
    const above = bottom + box.offsetHeight > seen && frame.top > box.offsetHeight;
    if (!above && fixed) box.style.maxHeight = `${Math.min(292, Math.max(88, seen - bottom - 4))}px`;
    house.pin(box, left, above ? frame.top - box.offsetHeight - 4 : bottom);
  }

  function move(to) {
    const count = rows.length;
    at = ((to % count) + count) % count;
    [...box.children].forEach((one, number) => one.setAttribute("aria-selected", String(number === at)));
    box.children[at].scrollIntoView({ block: "nearest" });
    area.setAttribute("aria-activedescendant", `sd-word-${at}`);
  }

  function replace(start, end, text) {
    area.focus();
    area.setSelectionRange(start, end);
    if (!document.execCommand("insertText", false, text)) { // keeps Ctrl+Z
      area.setRangeText(text, start, end, "end");
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }

  function take(number) {
    const row = rows[number];
    const end = area.selectionStart;
    const text = row.tag ? row.label + tail(area.value.slice(end)) : row.text + (request.what === "style" ? tail(area.value.slice(end)) : "");
    const start = request.start;
    close();
    taking = true;
    replace(start, end, text);
    taking = false;
    if (row.tag) {
      const side = negative() ? "negative" : "positive";
      uses[side][row.tag.name] = [(uses[side][row.tag.name]?.[0] ?? 0) + 1, Math.floor(Date.now() / 864e5)];
      ask("used", { name: row.tag.name, negative: side === "negative" }).catch(() => {});
    }
  }
  let taking = false;

  // --- Listening ---

  scope.addEventListener("input", (event) => {
    if (!isPrompt(event.target) || taking) return;
    area = event.target;
    clearTimeout(timer);
    timer = setTimeout(look, 60);
  });
  /* Who presses something else is done with the list: it must not come between a press and its release. */
  scope.addEventListener("pointerdown", (event) => {
    if (box.contains(event.target) || event.target === area) return;
    clearTimeout(timer);
    close();
  }, true);
  scope.addEventListener("compositionstart", () => { composing = true; close(); });
  scope.addEventListener("compositionend", () => { composing = false; });
  scope.addEventListener("focusout", (event) => { if (event.target === area) setTimeout(() => document.activeElement !== area && close(), 400); });
  scope.addEventListener("focusin", (event) => { if (isPrompt(event.target)) { tool(event.target); learn().catch(() => {}); } });
  scope.addEventListener("scroll", () => { if (!box.hidden) place(); }, true);
  scope.addEventListener("keydown", (event) => {
    if (box.hidden || event.target !== area || event.ctrlKey || event.metaKey || event.altKey || composing) return;
    const keys = {
      ArrowDown: () => move(at + 1), ArrowUp: () => move(at < 0 ? rows.length - 1 : at - 1),
      PageDown: () => move(Math.min(rows.length - 1, at + 5)), PageUp: () => move(Math.max(0, at - 5)),
      Tab: () => take(Math.max(0, at)), Escape: close,
      Enter: () => (at >= 0 ? take(at) : (close(), false)),
      ...(at >= 0 ? { Home: () => move(0), End: () => move(rows.length - 1) } : {}),
    };
    if (!keys[event.key] || event.shiftKey || keys[event.key]() === false) return;
    event.preventDefault();
    event.stopPropagation();
  }, true);

  // --- Base prompts and those of before ---

  const areas = () => [...scope.querySelectorAll(".sd-prompt-box textarea")].slice(0, 2);
  const put = (target, text) => {
    if (!target || target.value === text) return;
    close();
    area = target;
    taking = true;
    replace(0, target.value.length, text);
    taking = false;
  };
  /** A base prompt goes before what is written already, once. */
  const based = (base, text) => (!text.trim() ? base : text.includes(base) ? text : `${base}, ${text}`);

  function recent(frame, prompts) {
    const old = frame.querySelector(".sd-recent");
    if (old) return old.remove();
    const rows = prompts.length
      ? prompts.map(([prompt, negative]) => el("button", { type: "button", className: "sd-recent-one", title: prompt, onclick: () => { const [one, other] = areas(); put(other, negative); put(one, prompt); frame.querySelector(".sd-recent")?.remove(); } }, prompt))
      : [el("p", { className: "sd-room-dim" }, WORDS.noRecent)];
    frame.append(el("div", { className: "sd-recent" }, ...rows));
  }

  function presets(frame) {
    if (frame !== areas()[0]?.closest(".sd-prompt-box")) return [];
    const chip = (label, title, act) => el("button", { type: "button", className: "sd-room-chip", title, onpointerdown: (event) => event.preventDefault(), onclick: act }, label);
    return [
      ...starters.map(({ title, prompt, negative }) => chip(title, phrase("base", prompt), () => { const [one, other] = areas(); put(other, based(negative, other?.value ?? "")); put(one, based(prompt, one.value)); })),
      chip(WORDS.recent, WORDS.recentHelp, async () => recent(frame, (await ask("prompts")).recent)),
    ];
  }

  // --- Translating ---

  // A face may draw a prompt's box anew: its textarea is looked up when it is wanted.

  /** Offered only while a weight has a comma, which A1111's grammar reads as text. */
  function mending(frame, textarea) {
    const button = el("button", { type: "button", className: "sd-translate sd-mend", hidden: true, title: WORDS.mendHelp }, WORDS.mend);
    const look = () => { button.hidden = !wantsPoints(textarea()?.value ?? ""); };
    button.addEventListener("pointerdown", (event) => event.preventDefault());
    button.addEventListener("click", async () => { put(textarea(), await ask("points", { prompt: textarea().value })); look(); });
    for (const name of ["input", "focusin"]) frame.addEventListener(name, look);
    look();
    return button;
  }

  /** What will be sent, while prompts are translated by themselves and it is not what is written. */
  function foretold(frame, textarea) {
    const line = el("p", { className: "sd-room-dim sd-foretold", hidden: true, role: "status" });
    const foretell = async () => {
      const prompt = textarea()?.value ?? "";
      const text = prompt.trim() && await ask("translating") ? (await ask("translate", { prompt })).text : prompt;
      line.hidden = text === prompt;
      line.textContent = line.hidden ? "" : phrase("willSend", text);
    };
    frame.addEventListener("focusout", () => foretell().catch(() => { line.hidden = true; }));
    return line;
  }

  function tool(found) {
    const frame = found.closest(".sd-prompt-box"), textarea = () => frame.querySelector("textarea");
    if (frame.querySelector(".sd-prompt-bar")) return;
    const button = el("button", { type: "button", className: "sd-translate", title: WORDS.translateHelp }, WORDS.translate);
    button.addEventListener("pointerdown", (event) => event.preventDefault());
    const more = el("button", { type: "button", className: "sd-translate", hidden: true, title: WORDS.getTranslatorHelp, onclick: async () => {
      more.disabled = true;
      more.textContent = WORDS.gettingTranslator;
      await ask("fetch_translator");
      follow(more);
    } });
    button.addEventListener("click", async () => {
      button.textContent = WORDS.translating;
      const target = textarea(), { text, missing } = await ask("translate", { prompt: target.value }).catch(() => ({ text: target.value, missing: 0 }));
      button.textContent = text === target.value ? WORDS.nothing : WORDS.translated;
      if (!more.disabled) { more.hidden = !missing; more.textContent = phrase("getTranslator", Math.round(missing / 1e6)); }
      put(target, text);
      setTimeout(() => { button.textContent = WORDS.translate; }, 2500);
    });
    frame.append(el("div", { className: "sd-prompt-bar" }, ...presets(frame), mending(frame, textarea), button, more), foretold(frame, textarea));
  }

  /* How much of the translator is here, on its button, until it is whole or was stopped. */
  function follow(more, unseen = 5) {
    setTimeout(async () => {
      const { coming, received, total, here } = await ask("translator").catch(() => ({ coming: true }));
      if (coming) more.textContent = received ? phrase("translatorComes", Math.round(received / 1e6), Math.round(total / 1e6)) : WORDS.gettingTranslator;
      else if (here) more.textContent = WORDS.translatorHere;
      else if (!unseen) {
        more.disabled = false;
        more.textContent = phrase("getTranslator", Math.round(total / 1e6));
        return;
      }
      if (!here && more.isConnected) follow(more, coming ? 5 : unseen - 1);
    }, 700);
  }

  const dress = (tries = 20) => {
    areas().forEach(tool);
    if (areas().length < 2 && tries) setTimeout(() => dress(tries - 1), 250);
  };
  dress();
}
