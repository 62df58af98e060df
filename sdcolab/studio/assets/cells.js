/* The cells of a sheet of pictures, for the page and for the notebook's panel: over each one lies a button that opens it.
   One of them is in Tab's way; arrows go from there to the others. */

const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

/* The button next to ``from`` in a direction, in its own row or column; undefined at an edge. */
const beside = (buttons, from, [across, along]) => {
  const [left, top] = from.place;
  const near = (button) => Math.hypot(button.place[0] - left, button.place[1] - top);
  const ahead = ({ place: [x, y] }) => (across ? Math.abs(y - top) < 1e-6 && (x - left) * across > 1e-6 : Math.abs(x - left) < 1e-6 && (y - top) * along > 1e-6);
  return buttons.filter(ahead).sort((one, other) => near(one) - near(other))[0];
};

/* Lay ``cells`` ({key, name, box: four parts of the width and height}) over ``host``, which covers the sheet; those that
   are there already stay. ``label(cell)`` is what a button is called, ``choose(cell)`` hears which one was pressed. */
export const layCells = (host, cells, label, choose) => {
  const known = new Map([...host.children].map((button) => [button.dataset.key, button]));
  const buttons = cells.map((cell) => {
    const button = known.get(cell.key) ?? document.createElement("button");
    const [left, top, right, bottom] = cell.box;
    button.place = [left, top];
    Object.assign(button, { type: "button", className: "sd-cell", title: cell.name, tabIndex: -1, onclick: () => choose(cell) });
    button.dataset.key = cell.key;
    button.setAttribute("aria-label", label(cell));
    Object.assign(button.style, { left: `${left * 100}%`, top: `${top * 100}%`, width: `${(right - left) * 100}%`, height: `${(bottom - top) * 100}%` });
    return button;
  });
  for (const [key, button] of known) if (!cells.some((cell) => cell.key === key)) button.remove();
  buttons.forEach((button, place) => host.children[place] !== button && host.insertBefore(button, host.children[place] ?? null));
  if (buttons.length) (buttons.find((button) => button === document.activeElement) ?? buttons[0]).tabIndex = 0;
  host.onkeydown = (event) => {
    const step = STEPS[event.key];
    if (!step || !event.target.place) return;
    event.preventDefault();
    event.stopPropagation();
    const next = beside(buttons, event.target, step);
    if (!next) return;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  };
};

/* Put ``host`` where ``image`` shows its picture, which keeps its shape inside the image's box. */
export const fitCells = (host, image) => {
  const { naturalWidth: width, naturalHeight: height, offsetWidth, offsetHeight, offsetLeft, offsetTop } = image;
  if (!width || !host.children.length) return;
  const scale = Math.min(offsetWidth / width, offsetHeight / height);
  const sides = { width: width * scale, height: height * scale };
  const place = { left: offsetLeft + (offsetWidth - sides.width) / 2, top: offsetTop + (offsetHeight - sides.height) / 2 };
  for (const [name, value] of Object.entries({ ...sides, ...place })) host.style[name] = `${value}px`;
};

/* --- In a notebook: anywidget's protocol --- */

const made = (tag, className, ...inside) => {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...inside);
  return element;
};

/* A picture with a button over each cell, which follows ``field`` of the model, or "picture" while that is empty. */
const drawn = (model, field, choose) => {
  const image = document.createElement("img"), host = made("div", "sd-cells");
  image.alt = model.get("label");
  let url = "";
  const show = () => {
    const former = url, whole = model.get(field), bytes = whole?.byteLength ? whole : model.get("picture");
    url = image.src = bytes?.byteLength ? URL.createObjectURL(new Blob([bytes])) : "";
    if (former) URL.revokeObjectURL(former);
  };
  const lay = () => layCells(host, model.get("cells"), (cell) => `${model.get("verb")} ${cell.name}`.trim(), choose);
  const heard = { "change:picture": show, [`change:${field}`]: show, "change:cells": lay };
  show();
  lay();
  for (const [event, told] of Object.entries(heard)) model.on(event, told);
  const drop = () => {
    for (const [event, told] of Object.entries(heard)) model.off(event, told);
    URL.revokeObjectURL(url);
  };
  return { frame: made("div", "sd-sheet-box", image, host), drop };
};

/* A window over the notebook with the sheet as large as it is; the kernel gives it while it is open. */
const enlarge = (model) => {
  const sheet = drawn(model, "whole", (cell) => {
    dialog.close();
    model.send({ key: cell.key });
  });
  const shut = made("button", "jupyter-button sd-sheet-shut", model.get("smaller"));
  const dialog = made("dialog", "sd-sheet-large", shut, made("div", "sd-sheet-whole", sheet.frame));
  dialog.setAttribute("aria-label", model.get("label"));
  Object.assign(shut, { type: "button", onclick: () => dialog.close() });
  dialog.onkeydown = (event) => event.stopPropagation(); // the notebook has keys of its own
  dialog.onclose = () => {
    sheet.drop();
    dialog.remove();
    model.send({ whole: false });
  };
  return dialog;
};

const render = ({ model, el }) => {
  const sheet = drawn(model, "picture", (cell) => model.send({ key: cell.key }));
  const larger = made("button", "jupyter-button sd-sheet-larger", model.get("larger"));
  larger.type = "button";
  larger.onclick = () => {
    const dialog = enlarge(model);
    el.append(dialog);
    dialog.showModal();
    model.send({ whole: true });
  };
  el.append(sheet.frame, larger);
  return sheet.drop;
};

export default { render };
