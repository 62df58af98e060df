/* The keys of both faces: Ctrl+Enter starts the work of the tab that is open, and Ctrl with an arrow changes the weight
   of what is chosen in a prompt, or of the word around the cursor, by 0.1 (A1111's rules). */

const IN_WORD = /[^\s,()[\]<>|]/;
const STARTS = "#sd-generate, .sd-generate, .sd-start";

/** What changing the weight of ``value`` from ``from`` to ``to`` does: the ``text`` that takes the place from ``start``
    to ``end``, and what is chosen afterwards; null where there is nothing to weigh. */
export function weighed(value, from, to, change) {
  if (from === to) {
    while (from > 0 && IN_WORD.test(value[from - 1])) from--;
    while (to < value.length && IN_WORD.test(value[to])) to++;
  }
  while (to > from && value[to - 1] === " ") to--;
  if (from === to) return null;
  const after = value.slice(to).match(/^:(\d*\.?\d+)\)/);
  const inside = value[from - 1] === "(" && after;
  const weight = Math.round((Number(inside ? after[1] : 1) + change) * 10) / 10;
  if (weight < 0 || weight > 9) return null;
  const word = value.slice(from, to);
  const [start, end] = inside ? [from - 1, to + after[0].length] : [from, to];
  const chosen = start + (weight === 1 ? 0 : 1);
  return { start, end, text: weight === 1 ? word : `(${word}:${weight})`, from: chosen, to: chosen + word.length };
}

function weigh(area, change) {
  const done = weighed(area.value, area.selectionStart, area.selectionEnd, change);
  if (!done) return;
  area.setRangeText(done.text, done.start, done.end, "end");
  area.setSelectionRange(done.from, done.to);
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Listen to the keys pressed inside ``root``, before whatever else the page around it does with them. */
export function listenKeys(root) {
  const hear = (event) => {
    if (!(event.ctrlKey || event.metaKey) || !root.contains(event.target)) return;
    const area = event.target.closest?.(".sd-prompt-box textarea");
    if (event.key === "Enter") {
      const button = [...root.querySelectorAll(STARTS)].find((one) => one.offsetParent);
      if (!button) return;
      button.click();
    } else if (area && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      weigh(area, event.key === "ArrowUp" ? 0.1 : -0.1);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  window.addEventListener("keydown", hear, true);
  return () => window.removeEventListener("keydown", hear, true);
}
