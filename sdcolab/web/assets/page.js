/* What gradio cannot do by itself: one panel below several tabs, names for icon buttons, Spanish for its few
   fixed English texts, and back to the login page when the session has ended. */
(() => {
  "use strict";

  const page = document.documentElement;
  const byId = (id) => document.getElementById(id);
  /* gradio may put this script in after the page was read. */
  const whenRead = (act) => (document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", act) : setTimeout(act));
  page.dataset.sdTab = "txt2img"; // which tab is open: page.css shows what belongs to it

  const NAMES = window.sdcolab.names; // of buttons that only have an icon, and hints of others

  const { labels: LABELS, patterns, more, less, infotext } = window.sdcolab.gradioWords; // for what gradio says in English
  const PATTERNS = Object.entries(patterns).map(([pattern, spanish]) => [new RegExp(pattern), spanish]);
  const TEXT_AREAS = { "sd-infotext": infotext };

  const translated = (text) => {
    if (Object.hasOwn(LABELS, text)) return LABELS[text];
    for (const [pattern, spanish] of PATTERNS) if (pattern.test(text)) return text.replace(pattern, spanish);
    return null;
  };

  const dress = () => {
    tabsFirst();
    tabStops();
    for (const [id, name] of Object.entries(NAMES)) {
      const button = byId(id);
      if (!button || button.title === name) continue;
      button.title = name;
      if (!/\p{L}/u.test(button.textContent)) button.setAttribute("aria-label", name);
    }
    for (const [id, name] of Object.entries(TEXT_AREAS)) {
      const area = document.querySelector(`#${id} textarea`);
      if (area && !area.hasAttribute("aria-label")) area.setAttribute("aria-label", name);
    }
    for (const attribute of ["aria-label", "title"])
      for (const element of document.querySelectorAll(`[${attribute}]`)) {
        const spanish = translated(element.getAttribute(attribute));
        if (spanish !== null && spanish !== element.getAttribute(attribute)) element.setAttribute(attribute, spanish);
      }
    /* What can be read on them is their name. */
    for (const box of document.querySelectorAll("button.upload-container[aria-label], button.center[aria-label]"))
      if (/\p{L}/u.test(box.textContent)) box.removeAttribute("aria-label");
    for (const element of document.querySelectorAll(".toast-title, .toast-text, .toast-message-text")) {
      const spanish = translated(element.textContent.trim());
      if (spanish !== null && spanish !== element.textContent.trim()) element.textContent = spanish;
    }
    steppers();
    counters();
    page.toggleAttribute("data-sd-demo", /^emoji-/.test(document.querySelector("#sd-checkpoint input")?.value ?? ""));
    title();
    message();
  };

  /* Each prompt's counter, and the button that reads an infotext, stand in the line below it. */
  const counters = () => {
    for (const [box, ...ids] of [["sd-prompt", "sd-paste", "sd-tokens-prompt"], ["sd-negative_prompt", "sd-tokens-negative_prompt"]]) {
      const bar = byId(box)?.querySelector(".sd-prompt-bar");
      if (bar && byId(ids.at(-1))?.parentElement !== bar) bar.append(...ids.map(byId).filter(Boolean));
    }
  };

  /* On phones a number has a button at each side: a slider is too coarse for a finger. */
  const steppers = () => {
    if (innerWidth > 768) return;
    for (const box of document.querySelectorAll("#sd-page :not(#sd-bar) .sd-row .tab-like-container:not(:has(.sd-nudge))")) {
      const number = box.closest("#sd-bar") ? null : box.querySelector("input[type=number]");
      if (!number) continue;
      const name = box.closest(".sd-row").querySelector("[data-testid=block-info]")?.textContent.trim() ?? "";
      const step = (sign, word, act) => {
        const button = document.createElement("button");
        Object.assign(button, { type: "button", className: "sd-nudge", textContent: sign, ariaLabel: `${word} ${name}`.trim() });
        button.addEventListener("click", () => {
          act();
          for (const kind of ["input", "change", "blur"]) number.dispatchEvent(new Event(kind, { bubbles: kind !== "blur" }));
        });
        return button;
      };
      box.prepend(step("−", less, () => number.stepDown()));
      box.append(step("+", more, () => number.stepUp()));
    }
  };

  let pending = false;
  const dressSoon = () => {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      dress();
    });
  };

  whenRead(dressSoon);

  /* The tabs are drawn last, where gradio finds them last; for who reads or walks the page they come after the bar. */
  const tabsFirst = () => {
    const tabs = document.querySelector("#sd-page > #sd-tabs"), side = byId("sd-side");
    if (tabs && side && side.nextElementSibling !== tabs) side.after(tabs);
  };
  document.addEventListener("focusout", dressSoon);
  new MutationObserver(dressSoon).observe(page, { childList: true, subtree: true, characterData: true });

  /* --- Progress in the title, messages that go by themselves --- */

  const title = () => {
    const value = document.querySelector("#sd-progress [role=progressbar]")?.getAttribute("aria-valuenow");
    const wanted = value ? `${value} % · sdcolab` : "sdcolab";
    if (document.title !== wanted) document.title = wanted;
    tellDone(Boolean(document.querySelector("#sd-progress [role=progressbar]")));
  };

  let told = "";
  let leaving = 0;
  const message = () => {
    const box = byId("sd-form-message");
    const now = box?.querySelector(".sd-message");
    const number = box?.querySelector(".sd-told")?.textContent ?? ""; // the next one is drawn into the same element
    if (!box || number === told) return;
    told = number;
    clearTimeout(leaving);
    box.classList.remove("sd-gone");
    if (now && !now.matches(".sd-error, :has(.sd-get)")) leaving = setTimeout(() => box.classList.add("sd-gone"), 6000);
  };

  /* --- Tabs: reloading keeps the open one, and going back goes to the one before --- */

  const STORE = "sdcolab-pestana";
  const TABS = "#sd-tabs > .tab-wrapper [role=tab]";
  /* In another site's frame (Colab's cell) a browser that blocks others' cookies refuses so much as to name a storage;
     a full one refuses to keep more. What is not kept is gone with the page. */
  const unkept = new Map();
  const stored = (storage, key) => {
    try {
      return unkept.get(key) ?? window[storage].getItem(key);
    } catch {
      return null;
    }
  };
  const keep = (storage, key, value) => {
    try {
      window[storage].setItem(key, value);
      unkept.delete(key);
    } catch {
      unkept.set(key, value);
    }
  };

  const openTab = (name) => {
    if (page.dataset.sdTab === name) return;
    page.dataset.sdTab = name;
    keep("sessionStorage", STORE, name);
    page.classList.remove("sd-sheet");
    if (document.querySelector("#sd-form-message .sd-error")) byId("sd-form-message").classList.add("sd-gone"); // it was of the other tab
    if (history.state?.tab !== name) history.pushState({ tab: name }, "");
    if (innerWidth > 768) return;
    scrollTo({ top: 0 });
    byId(`sd-tab-${name}-button`)?.scrollIntoView({ inline: "center", block: "nearest" });
  };
  /* One stop of Tab for all of them, the open one; arrows go from one to the next, and Enter opens it. */
  const tabStops = () => {
    for (const tab of document.querySelectorAll(TABS)) {
      const wanted = tab.ariaSelected === "true" ? 0 : -1;
      if (tab.tabIndex !== wanted) tab.tabIndex = wanted;
    }
  };
  const walkTabs = (from, key) => {
    const all = [...document.querySelectorAll(TABS)].filter((tab) => tab.offsetParent && !tab.disabled);
    const way = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1 }[key];
    const next = way ? all.at((all.indexOf(from) + way) % all.length) : { Home: all[0], End: all.at(-1) }[key];
    next?.focus();
    return Boolean(next);
  };
  const pressTab = (name) => byId(`sd-tab-${name}-button`)?.click();
  /* Gradio tells of the first tab late, when another one may have been opened since. */
  window.sdcolab.openTab = (name) => byId(`sd-tab-${name}-button`)?.ariaSelected !== "false" && openTab(name);
  new MutationObserver(() => {
    const chosen = document.querySelector(`${TABS}[aria-selected="true"]`)?.id;
    tabStops();
    if (chosen) openTab(chosen.slice("sd-tab-".length, -"-button".length));
  }).observe(page, { subtree: true, attributes: true, attributeFilter: ["aria-selected"] });

  /* Open a tab, and bring a part of its form into view, unfolded. */
  const settle = (look, act, tries = 40) => {
    const found = look();
    if (found) act(found);
    else if (tries) setTimeout(() => settle(look, act, tries - 1), 50);
  };
  /* The unit that a message speaks of comes into view, whichever comes first: the message or its section. */
  const showUnit = (within = document) => {
    const unit = byId(document.querySelector("[data-sd-shown]")?.dataset.sdShown ?? "")?.closest(".sd-part");
    if (!unit?.checkVisibility() || !within.contains(unit)) return false;
    unit.querySelector(".sd-unit-fold[aria-expanded='false']")?.click();
    unit.scrollIntoView({ block: "start", behavior: "smooth" });
    return true;
  };
  new MutationObserver((changes) => {
    if (changes.some((change) => [...change.addedNodes].some((node) => node.matches?.("[data-sd-shown]") || node.querySelector?.("[data-sd-shown]")))) showUnit();
  }).observe(document.body, { childList: true, subtree: true });
  window.sdcolab.go = ({ tab, section }) => {
    pressTab(tab);
    if (!section) return;
    settle(() => page.dataset.sdTab === tab && byId(`sd-section-${section}`), (box) => {
      if (innerWidth <= 768 && box.closest("#sd-settings")) page.classList.add("sd-sheet");
      const fold = box.querySelector("button.label-wrap:not(.open)");
      const off = box.querySelector(":scope .sd-switch input:not(:checked)");
      if (fold && (box.matches(".sd-fold") || fold.closest(".sd-section") === box)) fold.click();
      else if (off && off.closest(".sd-section") === box && !box.querySelector(".sd-switch input:checked")) off.click();
      setTimeout(() => showUnit(box) || box.scrollIntoView({ block: "start", behavior: "smooth" }), 120);
    });
  };

  /* The picture to start from and what was painted on it outlive a reload. */
  const PICTURE = "sdcolab-imagen";
  const PAINTED = "sdcolab-pintado";
  const parsed = (key) => {
    try {
      return JSON.parse(stored("sessionStorage", key) || "null");
    } catch {
      return null;
    }
  };
  /* The form is read when its user rests, and again when the server has answered, which may fill it: gradio looks for every
     control from the root of the page, and one listener a control costs it seconds when the page opens. */
  let keeping = 0, answering = 0, pressed = false;
  const keepForm = () => {
    byId("sd-keep-form")?.click();
    if ([...document.querySelectorAll(".sd-script")].some((box) => box.checkVisibility())) byId("sd-count-plan")?.click();
  };
  const keepFormWhenQuiet = (looks = 120) => {
    if (answering && looks) keeping = setTimeout(keepFormWhenQuiet, 250, looks - 1);
    else keepForm();
  };
  const keepFormSoon = () => {
    clearTimeout(keeping);
    keeping = setTimeout(() => {
      const mayChange = answering;
      keepForm();
      if (mayChange) keeping = setTimeout(keepFormWhenQuiet, 250);
    }, 250);
  };
  for (const kind of ["input", "change", "click", "keyup", "drop", "paste"])
    document.addEventListener(kind, (event) => {
      if (!event.isTrusted && kind !== "input" && kind !== "change") return; // a hidden button that this script presses
      pressed = true;
      if (event.target.closest?.("#sd-page, dialog, .sd-help-card")) keepFormSoon();
    }, true);
  window.sdcolab.written = new Set(); // what its user was quicker with than the form that opens
  document.addEventListener("input", ({ target }) => {
    if (!window.sdcolabFilled) window.sdcolab.written.add(target.closest?.("[id^=sd-]")?.id);
  }, true);
  window.addEventListener("beforeunload", () => {
    if (!keeping) return;
    clearTimeout(keeping);
    keepForm(); // what was changed in the last moment before a reload
  });
  window.sdcolab.keepFormSoon = keepFormSoon;
  window.sdcolab.keepPicture = (image) => keep("sessionStorage", PICTURE, JSON.stringify(image ?? null));
  window.sdcolab.keptPicture = () => parsed(PICTURE);
  window.sdcolab.keepPainted = (id, url, value) => keep("sessionStorage", `${PAINTED}-${id}`, JSON.stringify({ url, value }));
  window.sdcolab.keptPainted = (id) => parsed(`${PAINTED}-${id}`)?.value;
  window.sdcolab.recallPainted = (id, url) => {
    const kept = parsed(`${PAINTED}-${id}`);
    const surface = window.sdcolab.canvases[id];
    if (kept?.value && kept.url === (url ?? "") && surface && !surface.marks.length) surface.take(kept.value);
  };

  const remembered = stored("sessionStorage", STORE);
  history.replaceState({ tab: "" }, "");
  history.pushState({ tab: "txt2img" }, "");
  window.addEventListener("popstate", (event) => {
    if (event.state?.tab) pressTab(event.state.tab);
    else history.pushState({ tab: page.dataset.sdTab }, ""); // the way out of the page is closing it
  });
  if (remembered && remembered !== "txt2img") {
    const wait = setInterval(() => {
      if (!byId(`sd-tab-${remembered}-button`)) return;
      clearInterval(wait);
      pressTab(remembered);
    }, 60);
    setTimeout(() => clearInterval(wait), 20000);
  }

  /* --- Light, dark, or as the system --- */

  const LOOK = "sdcolab-aspecto";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const lookNow = () => stored("localStorage", LOOK) || "system";
  const applyLook = () => {
    const dark = lookNow() === "dark" || (lookNow() === "system" && system.matches);
    if (document.body && document.body.classList.contains("dark") !== dark) document.body.classList.toggle("dark", dark);
    page.classList.toggle("dark", dark);
    page.style.colorScheme = dark ? "dark" : "light";
    const button = document.querySelector(".sd-look");
    const icon = { system: "sd-icon-contrast", dark: "sd-icon-moon", light: "sd-icon-sun" }[lookNow()];
    if (button && !button.classList.contains(icon)) button.className = `sd-look ${icon}`;
  };
  whenRead(() => {
    applyLook();
    new MutationObserver(applyLook).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    new MutationObserver(applyLook).observe(document.body, { childList: true, subtree: true });
  });
  system.addEventListener("change", applyLook);

  /* --- What the user prefers (the tab Ajustes): the look, and how to tell that it is done --- */

  /* The bar holds what is wanted from the moment that it is: its controls are moved, with all that they hold. One that
     came from the form goes back to its place there. */
  const places = new Map();
  const blockOf = (path) => byId(`sd-${path.replaceAll(".", "-")}`);
  let inBar = [];
  const arrange = () => {
    const bar = byId("sd-bar-fields"), home = byId("sd-section-advanced")?.querySelector(".column");
    if (!bar || !home) return;
    const wanted = inBar.map(blockOf).filter(Boolean);
    for (const block of [...bar.children].filter((block) => !wanted.includes(block))) {
      const place = places.get(block);
      if (place?.isConnected) place.replaceWith(block);
      else home.prepend(block);
    }
    for (const block of wanted.filter((block) => block.parentElement !== bar)) {
      places.set(block, document.createComment(""));
      block.before(places.get(block));
    }
    bar.append(...wanted);
  };

  const preferred = { sound: false, notify: false };
  window.sdcolab.prefer = (said) => {
    Object.assign(preferred, said);
    if (said.bar) {
      inBar = said.bar;
      /* Half a minute: what a slow machine takes to draw the page. What never comes does not hold the others up. */
      settle(() => byId("sd-bar-fields"), arrange, 600);
      settle(() => byId("sd-bar-fields") && inBar.every(blockOf), arrange, 600);
    }
    if ("look" in said) {
      keep("localStorage", LOOK, said.look);
      applyLook();
    }
    if (said.notify && window.Notification?.permission === "default") Notification.requestPermission();
  };
  fetch("sdcolab/ask/ajustes/page", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" })
    .then((answer) => (answer.ok ? answer.json() : {}), () => ({}))
    .then(({ look, ...said }) => window.sdcolab.prefer(look && !stored("localStorage", LOOK) ? { ...said, look } : said));

  const chime = () => {
    const sound = new AudioContext();
    [660, 880].forEach((pitch, place) => {
      const tone = sound.createOscillator(), volume = sound.createGain(), at = sound.currentTime + place * 0.14;
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.12, at);
      volume.gain.exponentialRampToValueAtTime(0.001, at + 0.25);
      tone.connect(volume).connect(sound.destination);
      tone.start(at);
      tone.stop(at + 0.3);
    });
    setTimeout(() => sound.close(), 1000);
  };
  let working = false;
  const tellDone = (now) => {
    const done = working && !now;
    working = now;
    if (!done) return;
    if (preferred.sound) chime();
    const said = byId("sd-progress")?.textContent.trim() || "Listo.";
    if (preferred.notify && document.hidden && window.Notification?.permission === "granted")
      new Notification("sdcolab", { body: said, icon: "favicon.ico" });
  };

  /* --- News: asked for in a line, and looked at only when there are --- */

  const BUSY = 600, IDLE = 2000, AWAY = 4000;
  let seen = null, next = 0;
  const news = async () => {
    clearTimeout(next);
    let wait = document.hidden ? AWAY : IDLE;
    try {
      const answer = await fetch("sdcolab/ask/cola/news", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
      const { number, busy } = await answer.json();
      const look = byId("sd-look-again");
      if (look && number !== seen) {
        seen = number;
        look.click();
      }
      if (busy || !look) wait = BUSY;
    } catch {
      /* the server is away: the next time */
    }
    clearTimeout(next);
    next = setTimeout(news, wait);
  };
  whenRead(news);

  /* --- Clicks --- */

  const write = (id, text) => {
    const area = document.querySelector(`#${id} textarea, #${id} input`);
    if (!area) return;
    area.value = text;
    area.dispatchEvent(new Event("input", { bubbles: true }));
  };

  // A list's option goes away as it is pressed: the click is then that of whatever holds both it and what lay below.
  let downOn = null;
  document.addEventListener("pointerdown", (event) => (downOn = event.target), true);
  document.addEventListener("click", (event) => {
    const on = (selector) => event.target.closest?.(selector);
    if (on(".sd-look")) {
      keep("localStorage", LOOK, { system: "light", light: "dark", dark: "system" }[lookNow()]);
      applyLook();
    } else if (on(".sd-sheet-open")) page.classList.toggle("sd-sheet");
    else if (on(".sd-sheet-close") || (event.target === page && downOn === page)) page.classList.remove("sd-sheet");
    else if (on(".sd-unit-fold")) on(".sd-unit-fold").ariaExpanded = String(on(".sd-unit-fold").ariaExpanded === "false");
    else if (on(".sd-off")) document.querySelector(`#sd-${on(".sd-off").dataset.part} input[type=checkbox]`)?.click();
    else if (on(".sd-get")) {
      const button = on(".sd-get"), box = button.closest(".sd-message");
      button.disabled = true;
      fetch("sdcolab/ask/guia/get", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ name: button.dataset.name }) })
        .then((answer) => answer.json())
        .then((said) => { box.textContent = said.error ?? said; }, () => { button.disabled = false; });
    } else if (innerWidth > 768 && on("#sd-send-inpaint")) {
      // where to paint is what they look for next
      settle(() => page.dataset.sdTab === "img2img" && document.querySelector("#sd-init-inpaint:has(input:checked)"),
        (box) => setTimeout(() => box.scrollIntoView({ block: "start" }), 200), 160);
    } else if (on("#sd-form-message .sd-message")) byId("sd-form-message").classList.add("sd-gone");
    else if (on(".sd-example")) {
      const { prompt, negative } = on(".sd-example").dataset;
      write("sd-prompt", prompt);
      write("sd-negative_prompt", negative);
      setTimeout(() => byId("sd-generate")?.click(), 60);
    } else if (on("#sd-generate, .sd-start, #sd-enhance")) {
      page.classList.remove("sd-sheet");
      window.sdcolab.viewer?.follow();
      page.classList.add("sd-asked"); // seen at once, before the server answers
      setTimeout(() => page.classList.remove("sd-asked"), 1500);
      if (innerWidth <= 768 && on(".sd-start")) byId("sd-results")?.scrollIntoView({ block: "start", behavior: "smooth" });
    } else if (on(".sd-action") && innerWidth <= 768 && !on("#sd-compare")) setTimeout(() => scrollTo({ top: 0, behavior: "smooth" }), 400);
  });

  /* --- Keys --- */

  document.addEventListener(
    "keydown",
    (event) => {
      const held = event.ctrlKey || event.metaKey;
      const viewing = event.target.closest?.(".sd-canvas, dialog, .sd-help-card");
      const stop = () => {
        event.preventDefault();
        event.stopPropagation();
      };
      // An open list would be a stop of its own, and go away once the focus is in it; and gradio takes Tab for something
      // that is typed, for which it opens the list again when the focus has gone.
      if (event.key === "Tab" && event.target.getAttribute?.("role") === "combobox") {
        byId(event.target.getAttribute("aria-controls"))?.setAttribute("tabindex", "-1");
        event.stopPropagation();
      }
      if (!event.altKey && !held && event.target.matches?.(TABS) && walkTabs(event.target, event.key)) stop();
      else if (event.altKey && !held && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
        stop();
        window.sdcolab.viewer?.step(event.key === "ArrowLeft" ? -1 : 1);
      } else if (event.key === "Escape" && !viewing) {
        if (page.classList.contains("sd-sheet")) page.classList.remove("sd-sheet");
        else if (byId("sd-form-message")?.querySelector(".sd-message") && !byId("sd-form-message").classList.contains("sd-gone"))
          byId("sd-form-message").classList.add("sd-gone");
        else if (!event.target.closest?.("input, textarea, [role=listbox]")) document.querySelector("#sd-interrupt:not(:disabled)")?.click();
      }
    },
    true,
  );

  /* When an event ends, gradio remembers how it went for each of its inputs, which only matters to live cameras, and
     from then on tells each of them again with every event: after one picture, in the whole form. */
  const isLoading = (one) => one !== null && typeof one === "object" && "fn_index" in one && "stream_state" in one;
  const plainEntries = Object.entries;
  Object.entries = (thing) => {
    const entries = plainEntries(thing);
    return entries.length && isLoading(entries[0][1]) ? entries.filter(([, one]) => one?.type !== "input") : entries;
  };

  const plainFetch = window.fetch;
  window.fetch = async (...request) => {
    const asked = String(request[0]?.url ?? request[0]).endsWith("/run/predict");
    answering += asked;
    const answered = () => {
      answering -= asked;
      if (!asked || !pressed || answering) return;
      pressed = false;
      news(); // what was pressed may have begun something
      keepFormSoon(); // or filled the form, on a slow device after it was read
    };
    const answer = await plainFetch(...request).catch((error) => {
      answered();
      throw error;
    });
    // Its first line is there, and what it says comes later; then gradio puts it where it belongs.
    if (asked) answer.clone().arrayBuffer().catch(() => {}).then(() => setTimeout(answered));
    if (answer.status === 401) window.location.assign("login");
    return answer;
  };
})();
