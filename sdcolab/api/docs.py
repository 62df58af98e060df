"""What the API can do, for people (``/docs``) and for programs (``/openapi.json``, OpenAPI 3.1). Nothing is fetched
from elsewhere, so it opens without internet.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from sdcolab import __version__
from sdcolab.api.payload import FIELDS, Kind, settings
from sdcolab.core.codec import to_json
from sdcolab.core.fields import Field
from sdcolab.core.request import FIELDS as TABLE
from sdcolab.core.words import api as words
from sdcolab.core.words.fields import words_of

ROOT = "/sdapi/v1/"

_TYPES: Mapping[type, str] = {int: "integer", float: "number", bool: "boolean", str: "string"}
_JSON: Mapping[type, str] = {**_TYPES, list: "array", dict: "object"}
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
pre, code { font: .9em/1.5 ui-monospace, monospace; } pre { overflow: auto; padding: .75rem; border: 1px solid #8886; }
.rutas { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; margin: 0; } dd { margin: 0; }
.tabla { overflow: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #8884; }
summary { cursor: pointer; padding: .4rem 0; font-weight: 600; }
@media (max-width: 40rem) { .rutas { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
"""


def routes(described: Sequence[Route]) -> list[Route]:
    """Both routes, about those ``described``."""

    async def page(_request: Request) -> HTMLResponse:
        return HTMLResponse(page_of(described))

    async def document(_request: Request) -> JSONResponse:
        return JSONResponse(openapi(described))

    return [Route("/docs", page, methods=["GET"]), Route("/openapi.json", document, methods=["GET"])]


def openapi(described: Iterable[Route]) -> dict[str, Any]:
    """The document."""
    found: dict[str, dict[str, Any]] = {}
    for route in described:
        for method in sorted((route.methods or set()) - {"HEAD"}):
            operation: dict[str, Any] = {
                "summary": words.ROUTES.get(_short(route.path), ""),
                "responses": {"200": {"description": "OK", "content": {"application/json": {}}}},
            }
            if method == "POST":
                known = next((kind for kind in FIELDS if kind == _short(route.path)), None)
                schema = schema_of(known) if known else {"type": "object"}
                operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
            found.setdefault(route.path, {})[method.lower()] = operation
    return {"openapi": "3.1.0", "info": {"title": words.TITLE, "version": __version__}, "paths": found}


def schema_of(kind: Kind) -> dict[str, Any]:
    """What a payload may hold."""
    known = {name: field for field in TABLE.values() for name in field.api if "." not in name}
    return {
        "type": "object",
        "properties": {name: _property(known.get(name), default) for name, default in FIELDS[kind].items()},
    }


def _property(field: Field | None, default: Any) -> dict[str, Any]:
    if field is None:
        kind = _JSON.get(type(default), "")
        return {**({"type": kind} if kind else {}), "default": default}
    known = words_of(field.path)
    told: dict[str, Any] = {"description": ". ".join(filter(None, (known.label, known.help)))}
    kinds: Mapping[Any, str] = _TYPES
    inner: dict[str, Any] = {"type": kinds.get(field.kind, "string")}
    if field.is_choice:
        inner["enum"] = [str(one) for one in field.kind]
    if field.low is not None and field.high is not None and field.is_number:
        inner |= {"minimum": field.low, "maximum": field.high}
    told |= {"type": "array", "items": inner} if field.many else inner
    return {**told, "default": default}


# --- The page -----------------------------------------------------------------------------------------------------


def page_of(described: Sequence[Route]) -> str:
    """The page for people."""
    title = html.escape(words.TITLE)
    return "".join(
        (
            '<!doctype html><html lang="es"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>",
            f"<p>{html.escape(words.INTRODUCTION)}</p><p>{html.escape(words.EXAMPLE)}</p>",
            f'<pre tabindex="0">{html.escape(words.COMMAND)}</pre>',
            *_listed(described),
            f"<h2>{html.escape(words.FIELDS)}</h2>",
            *(_folded(kind, _fields(schema_of(kind)["properties"])) for kind in FIELDS),
            _folded(words.SETTINGS, _fields(_settings())),
            f'<p>{html.escape(words.MACHINE)} <a href="openapi.json">openapi.json</a></p></body></html>',
        )
    )


def _listed(described: Sequence[Route]) -> Iterator[str]:
    for title, method in ((words.GENERATE, "POST"), (words.READ, "GET")):
        yield f'<h2>{html.escape(title)}</h2><dl class="rutas">'
        for route in described:
            said = words.ROUTES.get(_short(route.path))
            if said and method in (route.methods or ()):
                yield f"<dt><code>{method} {html.escape(route.path)}</code></dt><dd>{html.escape(said)}</dd>"
        yield "</dl>"


def _settings() -> dict[str, Any]:
    return {
        key: _property(field, to_json(field.default))
        for key, setting in settings().items()
        if not (field := TABLE[setting.path]).required
    }


def _fields(properties: Mapping[str, Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{html.escape(one)}</th>" for one in (words.FIELD, words.KIND, words.DEFAULT, words.MEANING))
    rows = "".join(
        f"<tr><td><code>{html.escape(name)}</code></td><td>{html.escape(_admits(one))}</td>"
        f"<td><code>{html.escape(_default(one['default']))}</code></td>"
        f"<td>{html.escape(one.get('description', ''))}</td></tr>"
        for name, one in properties.items()
    )
    return f'<div class="tabla" tabindex="0"><table><tr>{head}</tr>{rows}</table></div>'


def _admits(one: Mapping[str, Any]) -> str:
    inner = one.get("items", one)
    if "enum" in inner:
        return " · ".join(inner["enum"])
    kind = words.TYPES[one.get("type", "")]
    return f"{kind} {words.span(inner['minimum'], inner['maximum'])}" if "minimum" in inner else kind


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "—" if value in (None, "") else str(value)


def _folded(title: str, inside: str) -> str:
    return f"<details><summary>{html.escape(title)}</summary>{inside}</details>"


def _short(path: str) -> str:
    return path.removeprefix(ROOT).removeprefix("/")
