/* The "?" beside a control: what the guide says of it, and what it does to a picture. On the page a control is known by
   its id, in the panel by its label. */

export async function mount(host, house) {
  const { el, ask, file } = house;
  const { entries, about, close } = await ask("help");
  const byLabel = new Map(entries.map((entry) => [entry.label, entry]));
  const panel = () => document.querySelector(".sdcolab-panel");
  const card = el("div", { className: "sd-help-card", role: "dialog", tabIndex: -1 });
  card.hidden = true;
  let opener = null;

  const leave = () => { if (card.hidden) return; card.hidden = true; opener?.isConnected && opener.focus({ preventScroll: true }); };

  async function tell(entry, button) {
    if (!card.hidden && opener === button) return leave();
    opener = button;
    const strip = entry.captions.length
      ? el("div", { className: "sd-help-strip" }, ...entry.captions.map((caption, place) => el("figure", {},
          el("div", { className: "sd-help-picture", role: "img", "aria-label": `${entry.label}: ${caption}`, style: `width:${entry.side}px;height:${entry.side}px` }), el("figcaption", {}, caption))))
      : null;
    card.setAttribute("aria-label", about.replace("{name}", entry.label));
    card.replaceChildren(el("button", { type: "button", className: "sd-help-close sd-icon-x", "aria-label": close, onclick: leave }),
      el("strong", {}, entry.label), ...entry.text.map((text) => el("p", {}, text)), ...(strip ? [strip] : []));
    (panel() ?? document.querySelector(".gradio-container") ?? document.body).append(card);
    card.hidden = false;
    const near = button.getBoundingClientRect();
    const left = Math.max(8, Math.min(near.right + 8, innerWidth - card.offsetWidth - 8));
    const top = Math.max(8, Math.min(near.top - 8, innerHeight - card.offsetHeight - 8));
    house.pin(card, left, top);
    card.focus({ preventScroll: true });
    if (!strip) return;
    const url = await file("strip", entry.path);
    [...strip.querySelectorAll(".sd-help-picture")].forEach((box, place) => { box.style.cssText += `;background-image:url("${url}");background-position:-${place * entry.side}px 0`; });
  }

  const sign = (entry) => el("button", { type: "button", className: "sd-help", "aria-label": about.replace("{name}", entry.label), title: about.replace("{name}", entry.label), onclick: (event) => { event.preventDefault(); event.stopPropagation(); tell(entry, event.currentTarget); } }, "?");

  function dress() {
    for (const entry of entries) {
      const block = document.getElementById(`sd-${entry.path.replaceAll(".", "-")}`) ?? document.getElementById(`sd-extras-${entry.path.replaceAll(".", "-")}`);
      if (!block || block.closest("#sd-bar") || block.querySelector(":scope > .sd-help, .wrap > .sd-help")) continue;
      (block.matches(".sd-row") ? block.querySelector(".wrap:has(> .head)") : block)?.append(sign(entry));
    }
    for (const row of panel()?.querySelectorAll(".jupyter-widgets:not(:has(.sd-help))") ?? []) {
      const label = row.querySelector(":scope > .widget-label, :scope > .widget-label-basic span:last-child");
      const entry = label && byLabel.get(label.textContent.trim());
      if (entry) row.append(sign(entry));
    }
  }

  document.addEventListener("pointerdown", ({ target }) => { if (!card.contains(target) && !target.closest?.(".sd-help")) card.hidden = true; });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !card.hidden) { event.stopPropagation(); leave(); } }, true);
  let soon = 0;
  new MutationObserver(() => { clearTimeout(soon); soon = setTimeout(dress, 300); }).observe(document.body, { childList: true, subtree: true });
  dress();
}
