"""Small scripts of the page's events: what is done in the browser, without asking the server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sdcolab.core.words.page import STYLE_NAME

_STORE = "sdcolab-formulario"
_PICTURES = "sdcolab-imagenes"
_FILLED_FLAG = "sdcolabFilled"
_THERE = """const there = (kept) => {
    const all = [kept].flat().filter(Boolean);
    const one = (file) => fetch(file.url).then((answer) => (answer.body?.cancel(), answer.ok), () => false);
    return Promise.all(all.map(one)).then((found) => all.length && found.every(Boolean));
  };"""


def recall_form(units: Sequence[str]) -> str:
    """Script that gives the form as it was: it outlives a reload of its tab, and phones reload pages whenever they wake
    up. Of ``units``, one whose pictures the server has no more is turned off; "@lost" has the numbers of those."""
    return f"""async () => {{
  {_THERE}
  try {{
    const kept = JSON.parse(sessionStorage.getItem('{_STORE}') || 'null');
    if (!kept) return [null];
    const pictures = JSON.parse(sessionStorage.getItem('{_PICTURES}') || '{{}}');
    const lost = [];
    for (const [place, unit] of {json.dumps(list(units))}.entries()) {{
      const own = pictures[`${{unit}}.images`];
      if (!kept[unit] || !own?.length || (await there(own))) continue;
      if (window.sdcolab.keptPainted?.(`sd-${{unit.replaceAll(".", "-")}}-drawing`)) continue;
      kept[unit] = false;
      lost.push(place + 1);
    }}
    return [{{ ...kept, "@lost": lost }}];
  }} catch {{ return [null] }}
}}"""


KEEP_PICTURE = "(image) => { window.sdcolab.keepPicture?.(image) }"
RECALL_PICTURE = """async () => {
  const kept = window.sdcolab.keptPicture?.();
  const there = kept && (await fetch(kept.url).then((answer) => answer.ok, () => false));
  return there ? kept : { __type__: "update" };
}"""
"""The picture to start from outlives a reload too, as long as the server has it."""


READ_TEXT_FILE = """(now) => new Promise((done) => {
  const input = Object.assign(document.createElement("input"), { type: "file", accept: ".txt,text/plain" });
  input.oncancel = () => done(now);
  input.onchange = async () => {
    const bytes = await input.files[0].slice(0, 1e7).arrayBuffer();
    try { done(new TextDecoder("utf-8", { fatal: true }).decode(bytes)); }
    catch { done(new TextDecoder("windows-1252").decode(bytes)); }
  };
  input.click();
})"""
"""What a file of text says, which its user chooses; what was there before where none is chosen."""


def recall_pictures(paths: Sequence[str], drawn: Sequence[str]) -> str:
    """Script that gives the pictures of the controls of ``paths`` again that the server still has, and what was painted
    on the surfaces of the elements ``drawn``, which are shown when their section is opened."""
    return f"""async () => {{
  {_THERE}
  let kept = {{}};
  try {{ kept = JSON.parse(sessionStorage.getItem('{_PICTURES}') || '{{}}') }} catch {{}}
  const leave = {{ __type__: "update" }};
  const files = {json.dumps(list(paths))}.map(async (path) => ((await there(kept[path])) ? kept[path] : leave));
  const painted = {json.dumps(list(drawn))}.map((id) => window.sdcolab.keptPainted?.(id) || leave);
  return Promise.all([...files, ...painted]);
}}"""


def keep_form(paths: Sequence[str], pictures: Sequence[str]) -> str:
    """Script that keeps the values of the controls of ``paths``, and the styles, for the tab's next load, and which
    files those of ``pictures`` hold."""
    return f"""(...values) => {{
      const named = (paths, first) => Object.fromEntries(paths.map((path, place) => [path, values[first + place]]));
      const paths = {json.dumps([*paths, "@styles"])};
      const kept = named(paths, 0), files = named({json.dumps(list(pictures))}, paths.length);
      try {{
        if (!window.{_FILLED_FLAG}) return;
        sessionStorage.setItem('{_STORE}', JSON.stringify(kept));
        sessionStorage.setItem('{_PICTURES}', JSON.stringify(files));
      }} catch {{}}
    }}"""


_SAME = """const same = (one, other) => JSON.stringify(one ?? "") === JSON.stringify(other ?? "");"""


def fill_if_other(initial: Sequence[Any], button: str) -> str:
    """Script that presses ``button`` when what the form opens with is not all that it was drawn with (``initial``):
    only then is every control read and filled, which takes a slow machine a second."""
    return f"""(opening) => {{
      const initial = {json.dumps(list(initial))};
      {_SAME}
      if (opening?.some((value, index) => !same(value, initial[index]))) document.getElementById('{button}')?.click();
      else window.{_FILLED_FLAG} = true;
    }}"""


def fill_untouched(initial: Sequence[Any], ids: Sequence[str]) -> str:
    """Script that gives each control its opening value, unless its user was quicker: it then differs from ``initial``,
    which it had when the page was drawn, or the page's script heard something written into the element of its id.

    A control that needs no new value is not written at all: gradio reads every control before it runs the script and
    writes after it, and what somebody types in between would be lost.
    """
    return f"""(opening, ...now) => {{
      const initial = {json.dumps(list(initial))};
      const leave = {{ __type__: "update" }};
      {_SAME}
      window.{_FILLED_FLAG} = true;
      const written = {json.dumps(list(ids))}.map((id) => window.sdcolab?.written.has(id));
      const fill = (value, index) =>
        opening && !written[index] && same(value, initial[index]) && !same(value, opening[index]);
      return now.map((value, index) => (fill(value, index) ? opening[index] : leave));
    }}"""


SHOW_CONTROL = """() => window.sdcolab.go({
  tab: document.querySelector("#sd-mode :is(textarea, input)")?.value || "txt2img",
  section: "controlnet",
})"""
"""Script for the event that gave a unit of ControlNet a picture: its section comes into view."""


def open_mode(tab: str) -> str:
    """Script for the event of a tab of generation: the page shows what belongs to it, and each has a size of its own.
    Takes and returns the mode, width, height, and the sizes of the others."""
    return f"""(mode, width, height, sizes) => {{
      window.sdcolab.openTab('{tab}');
      const kept = {{ ...(sizes || {{}}), ...(mode === '{tab}' ? {{}} : {{ [mode]: [width, height] }}) }};
      const own = kept['{tab}'];
      const leave = {{ __type__: "update" }};
      return ['{tab}', own ? own[0] : leave, own ? own[1] : leave, kept];
    }}"""


ASK_STYLE = f"""(name, prompt, negative, chosen) =>
  [window.prompt({json.dumps(STYLE_NAME)}, (chosen || [])[0] || "") || "", prompt, negative, chosen]"""
"""Asks what a new style is called."""
