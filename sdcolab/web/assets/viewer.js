/* The results: the picture on show, the preview over it while one is made, and the session's filmstrip. What to show comes
   as a value from the server; which picture is on show is decided here, so that looking never waits. */
(() => {
  "use strict";

  const element = (tag, attributes = {}) => Object.assign(document.createElement(tag), attributes);

  const words = window.sdcolab.viewerWords;
  const phrase = (name, ...facts) => words[name].replace(/\{(\d)\}/g, (_, place) => facts[place]);

  const png = async (url) => {
    const picture = await (await fetch(url)).blob();
    if (picture.type === "image/png") return picture;
    const bitmap = await createImageBitmap(picture);
    const canvas = element("canvas", { width: bitmap.width, height: bitmap.height });
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  };

  /* A line that is read aloud and goes by itself. */
  const tell = (name) => {
    document.querySelector(".sd-toast")?.remove();
    const toast = element("div", { className: "sd-toast", textContent: words[name], role: "status" });
    document.querySelector(".gradio-container").append(toast);
    setTimeout(() => toast.remove(), 4000);
  };

  class Viewer {
    constructor(root, choose) {
      this.root = root;
      this.choose = choose;
      this.images = [];
      this.key = "";
      this.follows = true; // the newest picture, until somebody chooses another
      this.stage = root.querySelector(".sd-stage");
      this.shown = root.querySelector(".sd-shown");
      this.preview = root.querySelector(".sd-preview");
      this.empty = root.querySelector(".sd-empty");
      this.strip = root.querySelector(".sd-strip");
      this.count = root.querySelector(".sd-count");
      this.overlay = root.querySelector(".sd-cells");
      this.bar = root.querySelector(".sd-cell-bar");
      this.growing = null; // the job whose preview is a sheet that fills up, and how many of its cells there are
      this.laid = ""; // which sheet the buttons over the cells are of
      this.cells = [];
      this.cell = null; // the one that was opened
      this.left = ""; // the one that was open before
      this.shown.addEventListener("click", () => this.enlarge());
      this.strip.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (button) this.pick(button.dataset.key);
      });
      for (const image of [this.shown, this.preview]) image.addEventListener("load", () => this.fit());
      new ResizeObserver(() => this.fit()).observe(this.stage);
      this.swipes();
    }

    update({ images = [], preview = "", busy = false, job = 0, cells = 0 } = {}) {
      const fresh = images.length > this.images.length || images.at(-1)?.key !== this.images.at(-1)?.key;
      this.images = images;
      if (fresh && this.follows) this.key = images.at(-1)?.key ?? "";
      if (!images.some((image) => image.key === this.key)) this.key = images.at(-1)?.key ?? "";
      if (fresh) this.drawStrip();
      this.growing = job && busy ? { job, cells } : null;
      this.root.classList.toggle("sd-busy", busy);
      this.preview.hidden = !preview;
      if (preview) this.preview.src = preview;
      this.draw();
    }

    /* A new job follows its pictures again. */
    follow() {
      this.follows = true;
      this.cell = null;
    }

    get now() {
      return this.cell ?? this.images.find((image) => image.key === this.key);
    }

    draw() {
      const image = this.now;
      this.empty.hidden = Boolean(image) || !this.preview.hidden || this.root.classList.contains("sd-busy");
      this.shown.hidden = !image;
      if (image && this.shown.dataset.key !== image.key) {
        this.shown.dataset.key = image.key;
        this.shown.src = image.url;
        this.shown.alt = image.name;
      }
      this.root.classList.toggle("sd-opened", Boolean(this.cell));
      this.lay();
      const among = this.cell ? this.cells : this.images;
      const place = among.findIndex(({ key }) => key === image?.key);
      this.count.textContent = image && among.length > 1 ? phrase("place", place + 1, among.length) : "";
      for (const button of this.strip.children) button.setAttribute("aria-current", String(button.dataset.key === this.key));
    }

    /* --- The cells of a sheet, finished or in the making --- */

    /* What the sheet on show is asked for by; "" where none is. */
    get sheet() {
      if (!this.preview.hidden) return this.growing ? String(this.growing.job) : "";
      const image = this.images.find(({ key }) => key === this.key);
      return image?.sheet ? image.key : "";
    }

    async lay() {
      const sheet = this.sheet, wanted = `${sheet} ${this.cell?.key ?? ""} ${this.growing?.cells ?? ""}`;
      if (wanted === this.laid) return;
      this.laid = wanted;
      if (sheet && !this.cell) {
        const asked = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ key: sheet }) };
        const cells = await fetch("sdcolab/ask/cola/sheet", asked).then((answer) => (answer.ok ? answer.json() : []), () => []);
        if (wanted !== this.laid) return;
        this.cells = cells;
      }
      const there = sheet && !this.cell ? this.cells : [];
      window.sdcolab.layCells(this.overlay, there, ({ name }) => `${words.open} ${name}`.trim(), (cell) => this.open(cell));
      this.drawBar(there.length > 0);
      this.fit();
      if (!there.length) return;
      this.overlay.querySelector(`[data-key="${this.left}"]`)?.focus({ preventScroll: true });
      this.left = "";
    }

    /* The buttons lie over the picture, which is as large as the stage lets it be. */
    fit() {
      window.sdcolab.fitCells(this.overlay, this.preview.hidden ? this.shown : this.preview);
    }

    drawBar(sheet) {
      this.bar.hidden = !sheet && !this.cell;
      const button = (icon, word, act) => element("button", { type: "button", className: `sd-icon-${icon}`, textContent: words[word], onclick: act });
      const parts = this.cell
        ? [button("grid-3x3", "back", () => this.close()), element("span", { textContent: this.cell.name, title: this.cell.name }),
           button("corner-down-left", "use", () => document.getElementById("sd-use-infotext")?.click())]
        : [element("span", { textContent: words.sheet }), ...(this.preview.hidden ? [button("expand", "zoom", () => this.enlarge())] : [])];
      this.bar.replaceChildren(...parts);
    }

    open({ key, name }) {
      this.cell = { key, name, url: `sdcolab/file/cola/cell/${key}` };
      this.draw();
      this.choose(key);
      this.bar.querySelector("button")?.focus({ preventScroll: true });
    }

    /* Back to the sheet that the cell is of. */
    close() {
      this.left = this.cell.key;
      this.cell = null;
      this.draw();
      this.choose(this.key);
    }

    drawStrip() {
      const known = new Map([...this.strip.children].map((button) => [button.dataset.key, button]));
      const buttons = this.images.map((image, place) => {
        const button = known.get(image.key) ?? this.thumbnail(image);
        button.setAttribute("aria-label", phrase("picture", place + 1, this.images.length));
        return button;
      });
      this.strip.replaceChildren(...buttons.reverse()); // the newest first
      this.strip.hidden = !buttons.length;
    }

    thumbnail(image) {
      const button = element("button", { type: "button", className: "sd-thumb", title: image.name });
      button.dataset.key = image.key;
      button.append(element("img", { src: image.thumb, alt: "", loading: "lazy", decoding: "async" }));
      return button;
    }

    pick(key) {
      if (!key || (key === this.key && !this.cell)) return;
      this.cell = null;
      this.key = key;
      this.follows = key === this.images.at(-1)?.key;
      this.draw();
      this.choose(key);
      const chosen = this.strip.querySelector('[aria-current="true"]');
      const [box, inside] = [this.strip.getBoundingClientRect(), chosen?.getBoundingClientRect()];
      if (inside && (inside.top < box.top || inside.bottom > box.bottom)) this.strip.scrollTop += inside.top - box.top - 8;
      if (inside && (inside.left < box.left || inside.right > box.right)) this.strip.scrollLeft += inside.left - box.left - 8;
    }

    /* ``places`` later (negative: earlier) than the picture on show. */
    step(places) {
      if (this.cell) {
        const other = this.cells[this.cells.findIndex(({ key }) => key === this.cell.key) + places];
        return other && this.open(other);
      }
      const place = this.images.indexOf(this.now) + places;
      if (this.images[place]) this.pick(this.images[place].key);
    }

    swipes() {
      let start = null;
      this.stage.addEventListener("touchstart", (event) => (start = event.touches.length === 1 ? event.touches[0] : null), { passive: true });
      this.stage.addEventListener("touchend", (event) => {
        const end = event.changedTouches[0];
        const [across, along] = start ? [end.clientX - start.clientX, end.clientY - start.clientY] : [0, 0];
        start = null;
        if (Math.abs(across) > 60 && Math.abs(across) > 2 * Math.abs(along)) this.step(across > 0 ? -1 : 1);
      });
    }

    box(mode) {
      const dialog = element("dialog", { className: "sd-lightbox" });
      const host = element("div", { className: "sd-lightbox-host" });
      const close = element("button", { type: "button", className: "sd-lightbox-close sd-icon-x", title: words.close });
      close.setAttribute("aria-label", words.close);
      close.addEventListener("click", () => dialog.close());
      dialog.addEventListener("close", () => dialog.remove());
      dialog.append(close, host);
      document.body.append(dialog);
      dialog.showModal();
      return window.sdcolab.mountCanvas(host, { mode, words: window.sdcolab.canvasWords });
    }

    enlarge() {
      if (this.now) this.box("view").show(this.now.url);
    }

    /* The clipboard takes PNG only: other formats are drawn again. */
    async copy() {
      if (!this.now) return tell("none");
      try {
        await navigator.clipboard.write([new ClipboardItem({ "image/png": png(this.now.url) })]);
        tell("copied");
      } catch {
        tell("notCopied"); // a browser that does not let, or an address without https
      }
    }

    /* The picture on show beside the one before it. */
    compare() {
      const place = this.images.indexOf(this.now);
      const other = this.images[place - 1] ?? this.images[place + 1];
      if (this.now && other) this.box("compare").compare(other.url, this.now.url);
      else tell("alone");
    }
  }

  window.sdcolab.mountViewer = (root, choose) => (window.sdcolab.viewer = new Viewer(root, choose));
})();
