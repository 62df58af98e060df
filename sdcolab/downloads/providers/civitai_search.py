"""Looking for models on civitai, by its public API (``GET /api/v1/models``; hechos/lanzadores.md 4a)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard
from urllib.parse import urlencode, urlsplit

from sdcolab.core.detect import ModelKind
from sdcolab.core.untrusted import clean_text
from sdcolab.downloads.http import Answer, Bearer, Web, error_for_status

MOST_FOUND = 24
"""Models of one answer."""

MAX_NAME = 200
SAFE_LEVEL = 1
"""Civitai's ``nsfwLevel`` of what anybody may see (PG)."""

TYPES: Mapping[ModelKind, tuple[str, ...]] = {
    ModelKind.CHECKPOINT: ("Checkpoint",),
    ModelKind.LORA: ("LORA", "LoCon", "DoRA"),
    ModelKind.EMBEDDING: ("TextualInversion",),
    ModelKind.HYPERNETWORK: ("Hypernetwork",),
    ModelKind.VAE: ("VAE",),
    ModelKind.CONTROLNET: ("Controlnet",),
    ModelKind.UPSCALER: ("Upscaler",),
}
"""Civitai's types of each kind that this program uses."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model of civitai's. ``link`` downloads its newest version; ``page`` shows it; ``picture`` is the address of one
    that anybody may see, "" without any; ``size`` in bytes, 0 when it is not told."""

    name: str
    author: str
    base: str
    link: str
    page: str
    picture: str = ""
    size: int = 0
    downloads: int = 0
    adult: bool = False


def search(
    web: Web, root: str, key: Bearer | None, query: str, kind: ModelKind, *, adult: bool = False
) -> tuple[FoundModel, ...]:
    """The models that fit ``query``, the most used ones first. What is for adults is left out unless it is asked for.

    Raises ``DownloadError``.
    """
    asked = [("query", query), *(("types", name) for name in TYPES.get(kind, ()))]
    asked += [("limit", str(MOST_FOUND)), ("sort", "Most Downloaded"), ("nsfw", "true" if adult else "false")]
    with web.get(f"{root}/api/v1/models?{urlencode([pair for pair in asked if pair[1]])}", key=key) as answer:
        if error := error_for_status(answer, root):
            raise error
        return tuple(one for one in _models(answer, root) if adult or not one.adult)[:MOST_FOUND]


def _models(answer: Answer, root: str) -> Iterator[FoundModel]:
    for model in _every(answer.json(), "items"):
        number = model.get("id")
        version = next((one for one in _every(model, "modelVersions") if _number(one.get("id"))), None)
        if version is None or not _number(number):
            continue
        files = [*_every(version, "files")]
        first = next((file for file in files if file.get("primary")), files[0] if files else {})
        size = first.get("sizeKB")
        used = _object(model.get("stats")).get("downloadCount")
        yield FoundModel(
            name=_text(model.get("name")),
            author=_text(_object(model.get("creator")).get("username")),
            base=_text(version.get("baseModel")),
            link=f"{root}/api/download/models/{version['id']}",
            page=f"{root}/models/{number}",
            picture=_picture(version),
            size=round(size * 1024) if isinstance(size, int | float) and 0 < size < 1e12 else 0,
            downloads=used if _number(used) else 0,
            adult=model.get("nsfw") not in (None, False),
        )


def _picture(version: Mapping[str, Any]) -> str:
    for image in _every(version, "images"):
        level, url = image.get("nsfwLevel"), image.get("url")
        if image.get("type", "image") != "image" or not isinstance(url, str):
            continue
        safe = level <= SAFE_LEVEL if isinstance(level, int) else image.get("nsfw") in (None, False, "None")
        try:
            parts = urlsplit(url)
        except ValueError:  # "https://[": what a site sends is no address
            continue
        if safe and parts.scheme == "https" and (parts.hostname or "").endswith(".civitai.com"):
            return url
    return ""


def _every(value: Any, name: str) -> Iterator[Mapping[str, Any]]:
    found = _object(value).get(name)
    return (one for one in (found if isinstance(found, list) else ()) if isinstance(one, dict))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12


def _text(value: Any) -> str:
    return clean_text(value).strip()[:MAX_NAME] if isinstance(value, str) else ""
