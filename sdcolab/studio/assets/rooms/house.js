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

function pageHouse(room, wish) {
  return {
    el,
    iconButton,
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
    wish: (value) => send({ wish: value }),
    go: (place) => send({ wish: { ...place, act: "go" } }),
    ask: (question, said = {}) => send({ question, said }),
    canvas: (host, options) => mountCanvas(host, { words: CANVAS_WORDS, ...options }), // beside rooms that paint (panel_room)
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
