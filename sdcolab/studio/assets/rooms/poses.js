/* Skeletons to edit: people are found in a picture or added, their points dragged with mouse, pen or finger, and what
   comes of it is saved or given to ControlNet. Without a pointer, keys choose a point and move it. */

const SVG = "http://www.w3.org/2000/svg";
const LARGEST = 768;
const MOST = 500_000; // bytes of a JSON that the room reads
const SIZES = [[512, 512], [512, 768], [768, 512], [1024, 1024], [832, 1216], [1216, 832]];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const TWICE = 400; // milliseconds between two taps that are one
const STEP = 0.01; // of the larger side, and five times that with Shift
const PARTS = ["pose_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d", "face_keypoints_2d"];

const shape = (tag, attributes) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};
const present = (points, number) => points[3 * number] || points[3 * number + 1];
const copied = (value) => JSON.parse(JSON.stringify(value));

/* A picture as base64 that is small enough to send, and its size. */
async function reduced(file) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const url = canvas.toDataURL("image/jpeg", 0.9);
  return { url, data: url.split(",")[1] };
}

function save(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}

export async function mount(host, house) {
  const { el, ask, wish } = house;
  const { words, limbs, colours, fingers, standing, joints } = await ask("words");
  let poses = { canvas_width: 512, canvas_height: 768, people: [] };
  let chosen = 0, whole = false, details = true, drag = null, held = null, tap = {}, under = "";
  const past = [];

  const told = el("p", { className: "sd-room-told", role: "status" });
  const canvas = shape("svg", { class: "sd-pose", role: "group", tabindex: 0, "aria-description": words.keys });
  const input = (accept, take) => el("input", { type: "file", accept, hidden: true, onchange: (event) => { const [file] = event.target.files; event.target.value = ""; if (file) take(file); } });
  const picture = input("image/*", find), json = input(".json,application/json", open);
  const button = (label, icon, act) => el("button", { type: "button", className: `sd-room-button sd-icon-${icon}`, onclick: act }, label);
  const toggle = (label, act) => el("button", { type: "button", className: "sd-room-chip", ariaPressed: "false", onclick: act }, label);
  const size = el("select", { className: "sd-room-select", "aria-label": words.shape, onchange: (event) => { keep(); [poses.canvas_width, poses.canvas_height] = event.target.value.split("x").map(Number); under = ""; draw(); } },
    ...SIZES.map(([width, height]) => el("option", { value: `${width}x${height}` }, `${width} × ${height}`)));
  const all = toggle(words.all, () => { whole = !whole; draw(); });
  const hands = toggle(words.hands, () => { details = !details; draw(); });
  host.replaceChildren(
    el("p", { className: "sd-room-dim" }, words.hint),
    el("p", { className: "sd-room-dim sd-pose-keys" }, words.keys),
    el("div", { className: "sd-room-bar" }, button(words.picture, "image-up", () => picture.click()), button(words.open, "upload", () => json.click()), size, picture, json),
    el("div", { className: "sd-room-bar" }, button(words.add, "plus", add), button(words.remove, "trash-2", remove), button(words.undo, "undo-2", undo), all, hands),
    canvas,
    el("div", { className: "sd-room-bar" }, button(words.png, "download", png), button(words.json, "save", () => save(URL.createObjectURL(new Blob([JSON.stringify(poses)], { type: "application/json" })), "pose.json")),
      el("button", { type: "button", className: "sd-room-button sd-areas-put sd-icon-scan", onclick: send }, words.send)),
    told,
  );

  /* --- People --- */

  function keep() {
    past.push(copied(poses));
    if (past.length > 100) past.shift();
  }

  function undo() {
    if (past.length) poses = past.pop();
    chosen = Math.min(chosen, poses.people.length - 1);
    draw();
  }

  function add() {
    keep();
    const { canvas_width: width, canvas_height: height, people } = poses;
    const tall = Math.min(height, width * 1.5), left = width * [0.5, 0.28, 0.72][people.length % 3];
    people.push({ pose_keypoints_2d: standing.flatMap(([x, y]) => [left + (x - 0.5) * tall * 0.8, (height - tall) / 2 + y * tall, 1]) });
    chosen = people.length - 1;
    draw();
  }

  function remove() {
    if (!poses.people[chosen]) return;
    keep();
    poses.people.splice(chosen, 1);
    chosen = poses.people.length - 1;
    draw();
  }

  async function attempt(act) {
    try {
      await act();
    } catch (error) {
      told.textContent = error.message;
    }
  }

  function take(found, behind = "") {
    keep();
    poses = found;
    chosen = 0;
    under = behind;
    draw();
  }

  function find(file) {
    told.textContent = words.looking;
    return attempt(async () => {
      const { url, data } = await reduced(file).catch(() => { throw new Error(words.unread); });
      const found = await ask("find", { picture: data });
      take(found, url);
      told.textContent = found.people.length ? words.found.replace("{count}", found.people.length) : words.nobody;
    });
  }

  function open(file) {
    return attempt(async () => {
      if (file.size > MOST) throw new Error(words.unread);
      take(await ask("open", { poses: await file.text() }));
    });
  }

  function drawn() {
    return ask("draw", { poses: JSON.stringify(poses) });
  }

  function png() {
    return attempt(async () => save(await house.file("picture", await drawn()), "pose.png"));
  }

  function send() {
    return attempt(async () => {
      wish({ act: "pose", id: String(await drawn()) });
      told.textContent = words.sent;
      house.go({ tab: "txt2img", section: "controlnet" });
    });
  }

  /* --- The canvas --- */

  /* Move a point of the chosen person, or everything of them. */
  function moveBy(right, down, { part, point }) {
    const person = poses.people[chosen];
    const move = (points, number) => { points[3 * number] += right; points[3 * number + 1] += down; };
    const moveAll = (name) => (person[name] ?? []).forEach((_value, index, points) => { if (index % 3 === 0 && present(points, index / 3)) move(points, index / 3); });
    if (whole) PARTS.forEach(moveAll);
    else {
      move(person[part], point);
      const hand = part === PARTS[0] ? { 7: PARTS[1], 4: PARTS[2] }[point] : null; // a hand goes with its wrist
      if (hand) moveAll(hand);
    }
    draw();
  }

  function hideOrShow(person, part, point) {
    keep();
    const points = poses.people[person][part];
    points[3 * point + 2] = points[3 * point + 2] > 0 ? 0 : 1;
    draw();
  }

  /* Every point that keys can reach: bodies and, where they are shown, hands. */
  function reachable() {
    const parts = details ? PARTS.slice(0, 3) : PARTS.slice(0, 1);
    return poses.people.flatMap((person, number) => parts.flatMap((part) => {
      const points = person[part] ?? [];
      return Array.from({ length: points.length / 3 }, (_none, point) => ({ person: number, part, point })).filter(({ point }) => present(points, point));
    }));
  }

  const same = (one, other) => one && other && one.person === other.person && one.part === other.part && one.point === other.point;

  function hold(way) {
    const all = reachable(), now = all.findIndex((one) => same(one, held));
    held = all[now < 0 ? (way > 0 ? 0 : all.length - 1) : (now + way + all.length) % all.length] ?? null;
    if (!held) return;
    chosen = held.person;
    const names = { [PARTS[0]]: joints[held.point], [PARTS[1]]: words.left, [PARTS[2]]: words.right };
    told.textContent = words.held.replace("{name}", names[held.part]).replace("{point}", held.point + 1).replace("{person}", held.person + 1);
    draw();
  }

  canvas.addEventListener("keydown", (event) => {
    const way = ARROWS[event.key];
    if (event.altKey) return;
    const reached = reachable().some((one) => same(one, held));
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() !== "z") return;
      undo();
    } else if (event.key === "Enter") hold(event.shiftKey ? -1 : 1);
    else if (way && reached) {
      keep();
      chosen = held.person;
      const step = STEP * (event.shiftKey ? 5 : 1) * Math.max(poses.canvas_width, poses.canvas_height);
      moveBy(way[0] * step, way[1] * step, held);
    } else if (["Delete", "Backspace"].includes(event.key) && reached) hideOrShow(held.person, held.part, held.point);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const reach = () => Math.max(poses.canvas_width, poses.canvas_height) / 130; // of a drawn point

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * poses.canvas_width, (event.clientY - box.top) / box.height * poses.canvas_height];
  };

  /* The point that a press means: the nearest in reach, a body's before those of its hands and its face, which lie over
     it; on a limb, none but its person. */
  function pressed(event) {
    const [x, y] = place(event), radius = reach();
    let found = null, least = Infinity;
    poses.people.forEach((person, number) => PARTS.slice(0, details ? 4 : 1).forEach((part, place) => {
      const points = person[part] ?? [];
      for (let point = 0; point < points.length / 3; point++) {
        if (!present(points, point) || (place && points[3 * point + 2] <= 0)) continue;
        const away = Math.hypot(points[3 * point] - x, points[3 * point + 1] - y);
        if (away <= 3 * radius / [1, 2, 2, 3][place] && away - (place ? 0 : radius) < least) {
          least = away - (place ? 0 : radius);
          found = { person: number, part, point };
        }
      }
    }));
    const { person } = event.target.dataset;
    return found ?? (person === undefined ? null : { person: Number(person) });
  }

  canvas.addEventListener("pointerdown", (event) => {
    const { person, part, point } = pressed(event) ?? {};
    if (person === undefined) return;
    chosen = person;
    held = part ? { person, part, point } : null;
    canvas.setPointerCapture(event.pointerId);
    if (part || whole) drag = { part, point, at: place(event), before: copied(poses), moved: false };
  });

  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y] = place(event), [fromX, fromY] = drag.at;
    if (!drag.moved && Math.hypot(x - fromX, y - fromY) < reach()) return; // a finger never rests
    if (!drag.moved) past.push(drag.before);
    drag.moved = true;
    drag.at = [x, y];
    moveBy(x - fromX, y - fromY, drag);
  });

  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => {
    const tapped = name === "pointerup" && drag && !drag.moved ? held : null;
    const twice = same(tapped, tap.point) && event.timeStamp - tap.at < TWICE; // no dblclick comes where nodes are new
    tap = twice ? {} : { point: tapped, at: event.timeStamp };
    drag = null;
    if (twice) hideOrShow(tapped.person, tapped.part, tapped.point);
    else draw();
  });

  function skeleton(points, joints, part, person, radius, colour) {
    const made = [], at = (number) => [points[3 * number], points[3 * number + 1]];
    const seen = (number) => points[3 * number + 2] > 0;
    joints.forEach(([one, other], number) => {
      if (!seen(one) || !seen(other)) return;
      const [[x1, y1], [x2, y2]] = [at(one), at(other)];
      made.push(shape("line", { x1, y1, x2, y2, stroke: colour(number), "stroke-width": radius * 1.4, "stroke-linecap": "round", "stroke-opacity": 0.7, "data-person": person }));
    });
    for (let number = 0; number < points.length / 3; number++) {
      if (!seen(number) && part !== PARTS[0]) continue;
      const [cx, cy] = at(number);
      if (!present(points, number)) continue;
      made.push(shape("circle", { cx, cy, r: radius * 3, fill: "transparent", "data-person": person, "data-part": part, "data-point": number }));
      made.push(shape("circle", { cx, cy, r: radius, fill: seen(number) ? colour(number) : "none", stroke: "#fff", "stroke-width": person === chosen ? 1.5 : 0.5, "stroke-dasharray": seen(number) ? "none" : "3", "pointer-events": "none" }));
    }
    if (held?.person === person && held.part === part && present(points, held.point)) {
      const [cx, cy] = at(held.point);
      made.push(shape("circle", { class: "sd-pose-held", cx, cy, r: radius * 2, "pointer-events": "none" }));
    }
    return made;
  }

  function draw() {
    const { canvas_width: width, canvas_height: height, people } = poses;
    const radius = reach();
    const rgb = (number) => `rgb(${colours[number % colours.length].join()})`;
    canvas.setAttribute("viewBox", `0 0 ${width} ${height}`);
    canvas.style.aspectRatio = `${width} / ${height}`;
    canvas.style.maxWidth = `min(100%, ${62 * Math.min(1.6, width / height)}vh)`;
    canvas.setAttribute("aria-label", words.canvas.replace("{count}", people.length).replace("{width}", width).replace("{height}", height));
    const made = [shape("rect", { width, height, fill: "#000" })];
    if (under) made.push(shape("image", { href: under, width, height, opacity: 0.45 }));
    people.forEach((person, number) => {
      const [body, ...hidden] = PARTS.map((name) => person[name] ?? []);
      made.push(...skeleton(body, limbs, PARTS[0], number, radius, rgb));
      if (!details) return;
      for (const place of [0, 1]) made.push(...skeleton(hidden[place], hidden[place].length ? fingers : [], PARTS[place + 1], number, radius / 2, (one) => `hsl(${one * 18} 100% 50%)`));
      made.push(...skeleton(hidden[2], [], PARTS[3], number, radius / 3, () => "#fff"));
    });
    canvas.replaceChildren(...made);
    all.ariaPressed = String(whole);
    hands.ariaPressed = String(details);
    const now = `${width}x${height}`;
    if (![...size.options].some((option) => option.value === now)) size.append(el("option", { value: now }, `${width} × ${height}`));
    size.value = now;
  }
  add();
  past.length = 0;
}
