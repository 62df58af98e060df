/* The guide: the whole road, a short text a step and the buttons that do it or go there. */

export async function mount(host, house) {
  const { el, ask } = house;
  const { title, hint, steps } = await ask("road");
  const told = el("p", { className: "sd-room-told", role: "status" });

  const write = (area, text) => {
    if (!area || !text) return;
    area.value = text;
    area.dispatchEvent(new Event("input", { bubbles: true }));
    area.dispatchEvent(new Event("change", { bubbles: true }));
  };

  async function act(step, place) {
    const one = step.acts[place];
    const [prompt, negative] = document.querySelectorAll(".sd-prompt-box textarea");
    write(prompt, one.prompt);
    write(negative, one.negative);
    if (one.tab) house.go({ tab: one.tab, section: one.section, script: one.script });
    if (!one.download.length) return;
    told.textContent = "…";
    try {
      told.textContent = await ask("download", { step: step.id, act: place });
    } catch (error) {
      told.textContent = error.message;
    }
    told.scrollIntoView({ block: "nearest" });
  }

  const card = (step, number) =>
    el("li", { className: "sd-step" },
      el("span", { className: "sd-step-number", ariaHidden: "true" }, String(number + 1)),
      el("div", { className: "sd-step-body" },
        el("h3", {}, el("i", { className: `sd-icon-${step.icon}`, ariaHidden: "true" }), step.title),
        ...step.text.map((text) => el("p", {}, text)),
        el("div", { className: "sd-room-bar" }, ...step.acts.map((one, place) =>
          el("button", { type: "button", className: `sd-room-button${one.download.length ? " sd-icon-download" : ""}`, onclick: () => act(step, place) },
            one.size ? `${one.label} · ${one.size}` : one.label)))));

  host.replaceChildren(el("div", { className: "sd-road-head" }, el("h2", {}, title), el("p", { className: "sd-room-dim" }, hint), told), el("ol", { className: "sd-road" }, ...steps.map(card)));
}
