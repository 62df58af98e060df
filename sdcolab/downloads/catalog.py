"""Files that the notebook and the web UI offer by name, read from ``catalog.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from sdcolab.core.detect import ModelKind
from sdcolab.core.registry import Registry


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One file on offer. ``page`` is the address as its source gives it."""

    name: str
    aliases: tuple[str, ...]
    kind: ModelKind
    page: str
    version: str
    """Name of the version to take from a civitai page, "" for the one that the page shows first."""
    note: str
    """Short description in Spanish."""
    adult: bool
    source: str
    """Where the address comes from."""

    @property
    def link(self) -> str:
        """What to give to ``DownloadQueue.run``. A version's name travels as the fragment, which no server sees."""
        return f"{self.page}#{self.version}" if self.version else self.page


def load_catalog() -> Registry[CatalogEntry]:
    """The catalogue, in its file's order. ``find`` knows other names too; raises ``UnknownName`` with close ones."""
    text = files("sdcolab.downloads").joinpath("catalog.toml").read_text(encoding="utf-8")
    return Registry("catalog", (_entry(raw) for raw in tomllib.loads(text)["archivo"]))


def names_of_kind(catalog: Registry[CatalogEntry], kind: ModelKind) -> tuple[str, ...]:
    """Names of the entries of one kind, for a menu."""
    return tuple(name for name, entry in catalog.items() if entry.kind is kind)


def _entry(raw: dict[str, Any]) -> CatalogEntry:
    return CatalogEntry(
        name=raw["nombre"],
        aliases=tuple(raw.get("otros_nombres", ())),
        kind=ModelKind(raw["tipo"]),
        page=raw["enlace"],
        version=raw.get("version", ""),
        note=raw["nota"],
        adult=raw.get("adultos", False),
        source=raw["fuente"],
    )
