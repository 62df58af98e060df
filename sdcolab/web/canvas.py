"""The surface for pictures (``studio/assets/canvas.js``) as a control of the page."""

from __future__ import annotations

import html
import json

import gradio as gr

from sdcolab.core.words.canvas import CANVAS_WORDS
from sdcolab.studio.look import asset

_MOUNT = """
const start = () => {{
  if (!window.sdcolab?.mountCanvas) return setTimeout(start, 20);
  let told = null;
  const surface = window.sdcolab.mountCanvas(element.querySelector(".sd-canvas-host"), {{
    mode: "{mode}",
    words: window.sdcolab.canvasWords,
    onChange: (value) => {{
      props.value = told = value ?? "";
      window.sdcolab.keepPainted?.("{element_id}", surface.url, told);
      trigger("input");
    }},
  }});
  surface.take = (value) => {{ surface.restore(value); props.value = told = value }};
  window.sdcolab.canvases["{element_id}"] = surface;
  watch("value", () => {{ if (props.value !== told) surface.restore(told = props.value) }});
  const waiting = window.sdcolab.pictures["{element_id}"];
  if (waiting) window.sdcolab.showPicture("{element_id}", waiting);
  else if (props.value) surface.restore(told = props.value);
}};
start();
"""


def canvas_box(element_id: str, mode: str, label: str = "") -> gr.HTML:
    """A surface in ``mode``; its value is what the module says (a PNG in a data URL, or rectangles), "" for nothing."""
    return gr.HTML(
        value="",
        html_template=f'<p class="sd-canvas-title">{html.escape(label)}</p><div class="sd-canvas-host"></div>',
        js_on_load=_MOUNT.format(mode=mode, element_id=element_id),
        apply_default_css=False,
        elem_id=element_id,
        elem_classes="sd-canvas-box-outer",
    )


def show_in(element_id: str) -> str:
    """Script for the event of a picture's control: the surface shows that picture (of several the first), and forgets
    what was painted on the one before."""
    return f"(image) => window.sdcolab.showPicture('{element_id}', (Array.isArray(image) ? image[0] : image)?.url)"


def canvas_script() -> str:
    """What the page's head needs: the module, its words, and how scripts reach the surfaces."""
    words = json.dumps(CANVAS_WORDS, ensure_ascii=False).replace("</", "<\\/")
    return (
        f"<script>window.sdcolab = {{ canvases: {{}}, pictures: {{}}, canvasWords: {words},"
        " showPicture(id, url) { this.pictures[id] = url; this.canvases[id]?.show(url)?.then?.("
        "() => this.recallPainted?.(id, url)) } }</script>"
        f'<script type="module">{asset("canvas.js")}\nwindow.sdcolab.mountCanvas = mountCanvas;</script>'
    )


def cells_script() -> str:
    """How scripts lay buttons over the cells of a sheet, for the page's head."""
    return (
        f'<script type="module">{asset("cells.js")}\nObject.assign(window.sdcolab, {{ layCells, fitCells }});</script>'
    )


def keys_script() -> str:
    """The keys that both faces have, for the page's head."""
    return f'<script type="module">{asset("keys.js")}\nlistenKeys(document.documentElement);</script>'


def house_script() -> str:
    """How the modules of rooms reach their room (``web.rooms``), for the page's head."""
    return (
        f'<script type="module">{asset("rooms/house.js")}\nwindow.sdcolab.house = pageHouse;'
        'for (const name of ["palabras", "ayuda"]) import(new URL(`sdcolab/module/${name}.js`, document.baseURI))'
        ".then((found) => found.mount(document.documentElement, pageHouse(name, () => {})));</script>"
    )
