"""What both faces draw with: the canvas module, the variables of the look, and one family of icons (lucide, ISC)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from urllib.parse import quote

from sdcolab.core.words.canvas import CANVAS_WORDS
from sdcolab.core.words.rooms import ROOM_WORDS

_FOLDER = resources.files("sdcolab.studio") / "assets"
_OPENING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="black" stroke-width="2" '
    'stroke-linecap="round" stroke-linejoin="round">'
)


def asset(name: str) -> str:
    """The text of a file in ``studio/assets``."""
    return (_FOLDER / name).read_text(encoding="utf-8")


_FILLED = r"""const filled = (template, facts, shown = String) =>
  template.replace(/\{(\w+)(?::([^{}|]*)\|([^{}|]*))?\}/g, (_, name, one, many) => {
    const fact = shown(facts[name] ?? "");
    if (many === undefined) return fact;
    const text = Number(facts[name]) === 1 ? one : many;
    return (one + many).includes("#") ? text.replaceAll("#", fact) : `${fact} ${text}`;
  });"""
"""``core.words.base.Template`` for modules: ``{0}``, and ``{count:imagen|imágenes}``."""

_PHRASE = "const phrase = (name, ...facts) => filled(WORDS[name], facts);"


def room_module(name: str) -> str:
    """The ES module of a room, with its words at the head: ``WORDS.key``, ``phrase("key", facts...)``, and ``filled``.

    Raises ``FileNotFoundError``.
    """
    module = f"{_FILLED}\n{asset(f'rooms/{name}.js')}"
    if name not in ROOM_WORDS:
        return module
    return f"const WORDS = {json.dumps(ROOM_WORDS[name], ensure_ascii=False)};\n{_PHRASE}\n{module}"


def canvas_part() -> str:
    """``mountCanvas`` and ``CANVAS_WORDS`` for a module that has other things too, whose names stay apart."""
    words = json.dumps(CANVAS_WORDS, ensure_ascii=False)
    module = asset("canvas.js").replace("export const ", "const ").replace("export default { render };", "")
    return f"const CANVAS_WORDS = {words};\nconst mountCanvas = (() => {{\n{module}\nreturn mountCanvas;\n}})();\n"


def cells_part() -> str:
    """``layCells`` and ``fitCells`` for a module that has other things too, whose names stay apart."""
    module = asset("cells.js").replace("export const ", "const ").replace("export default { render };", "")
    return f"const {{ layCells, fitCells }} = (() => {{\n{module}\nreturn {{ layCells, fitCells }};\n}})();\n"


@cache
def icons() -> Mapping[str, str]:
    """Every icon by its name in lucide, each as what goes inside its <svg>, 24 by 24."""
    loaded: dict[str, str] = json.loads(asset("icons.json"))
    return loaded


def icon_rules(names: Iterable[str] | None = None) -> str:
    """CSS that gives the class ``sd-icon-NAME`` its drawing, for the named icons or for all. Raises ``KeyError``."""
    return "\n".join(icon_rule(f".sd-icon-{name}", name) for name in (icons() if names is None else names))


def icon_rule(selector: str, name: str) -> str:
    """CSS that gives what ``selector`` finds the drawing of an icon. Raises ``KeyError``."""
    return f'{selector} {{ --sd-icon: url("data:image/svg+xml,{quote(f"{_OPENING}{icons()[name]}</svg>")}") }}'


def icon(name: str) -> str:
    """HTML of an icon that says nothing by itself. Raises ``KeyError``."""
    if name not in icons():
        raise KeyError(name)
    return f'<i class="sd-icon-{name}" aria-hidden="true"></i>'


def shared_css() -> str:
    """The style sheet that both faces begin with: variables, icons, canvas."""
    sheets = ("canvas.css", "cells.css", "rooms/rooms.css", "rooms/etiquetas.css")
    return "\n".join((asset("tokens.css"), icon_rules(), *(asset(sheet) for sheet in sheets)))
