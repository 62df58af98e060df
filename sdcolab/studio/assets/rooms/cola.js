/* The queue: what runs, what waits and what is done, whoever asked for it. It looks again while somebody sees it. */

const LOOK_MS = 1200;

export async function mount(host, house) {
  const { el, iconButton, ask } = house;
  const words = await ask("words");
  let busy = false, last = "";

  const told = el("p", { className: "sd-room-told", role: "status" });
  const pause = el("button", { type: "button", className: "sd-room-chip", onclick: () => act("pause", { on: pause.ariaPressed !== "true" }) }, words.pause);
  const repeat = el("button", { type: "button", className: "sd-room-chip", onclick: () => act("repeat", { on: repeat.ariaPressed !== "true" }) }, words.repeat);
  const empty = el("button", { type: "button", className: "sd-room-chip", onclick: () => act("empty") }, words.empty);
  const now = el("ol", { className: "sd-queue", "aria-label": words.now });
  const before = el("ol", { className: "sd-queue", "aria-label": words.before });
  const heading = el("h2", { className: "sd-session-title" }, words.before);
  host.replaceChildren(el("div", { className: "sd-room-bar" }, pause, repeat, empty), told, now, heading, before);

  async function act(question, said = {}) {
    try {
      draw(await ask(question, said));
    } catch (error) {
      told.textContent = error.message;
    }
  }

  function row(job, buttons) {
    const bar = job.fraction === null ? null : el("progress", { max: 1, value: job.fraction, "aria-label": job.state });
    return el("li", { className: `sd-queue-job${job.failed ? " sd-queue-failed" : ""}` },
      el("div", { className: "sd-queue-told" }, el("strong", {}, job.name), job.about ? el("span", { className: "sd-queue-about" }, job.about) : null,
        el("small", {}, job.state), bar, el("small", { className: "sd-queue-by" }, job.by)),
      el("div", { className: "sd-queue-buttons" }, ...buttons));
  }

  function draw(seen) {
    const text = JSON.stringify(seen);
    if (text === last) return;
    last = text;
    pause.ariaPressed = String(seen.paused);
    pause.textContent = seen.paused ? words.resume : words.pause;
    repeat.ariaPressed = String(seen.repeating);
    empty.disabled = !seen.waiting.length;
    const cancel = (job) => iconButton("x", `${words.cancel}: ${job.name}`, () => act("cancel", { id: job.id }));
    const hold = (job) => job.pauses ? iconButton(job.held ? "play" : "pause", `${words[job.held ? "go_on" : "hold"]}: ${job.name}`, () => act("hold", { id: job.id, on: !job.held })) : null;
    const shift = (job, places, icon, label, there) => iconButton(icon, `${label}: ${job.name}`, () => act("move", { id: job.id, places }), { disabled: !there });
    const count = seen.waiting.length;
    const held = now.contains(document.activeElement) && document.activeElement.title;
    now.replaceChildren(
      ...seen.running.map((job) => row(job, [hold(job), cancel(job)].filter(Boolean))),
      ...seen.waiting.map((job, place) => row(job, [shift(job, -1, "chevron-up", words.earlier, place > 0), shift(job, 1, "chevron-down", words.later, place < count - 1), cancel(job)])),
    );
    if (held) [...now.querySelectorAll("button")].find((one) => one.title === held)?.focus();
    before.replaceChildren(...seen.ended.map((job) => row(job, [])));
    heading.hidden = !seen.ended.length;
    const nothing = !seen.running.length && !seen.waiting.length && !seen.ended.length;
    told.textContent = seen.paused ? words.paused : seen.repeating ? words.repeating : nothing ? words.nothing : "";
  }

  async function look() {
    if (busy || document.hidden || !host.offsetParent) return;
    busy = true;
    await act("look");
    busy = false;
  }

  new IntersectionObserver(look).observe(host);
  const timer = setInterval(() => (host.isConnected ? look() : clearInterval(timer)), LOOK_MS);
  await act("look");
}
