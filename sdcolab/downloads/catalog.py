"""Files that the notebook and the web UI offer by name, read from ``catalog.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from sdcolab.core.clip_vision import CLIP_FILES
from sdcolab.core.details import DETECTORS
from sdcolab.core.detect import ModelFamily, ModelKind
from sdcolab.core.faces import FACE_FILES
from sdcolab.core.preprocessors import PREPROCESSOR_FILES, PREPROCESSORS, usual_weights
from sdcolab.core.registry import Registry
from sdcolab.core.words.control import CLIP_NAMES, CLIP_NOTE, PREPROCESSOR_NOTE
from sdcolab.core.words.details import DETECTOR_NAMES, DETECTOR_NOTE, FACE_NAMES, FACE_NOTE
from sdcolab.downloads.links import Link, parse_links
from sdcolab.downloads.report import RUNS_TODAY

ADULT_MARK = "🔞 "
CONTROLNET_BYTES = 722_600_000
"""Of each ControlNet 1.1 in fp16 for Stable Diffusion 1; all have the same size."""


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One file on offer. ``page`` is the address as its source gives it."""

    name: str
    aliases: tuple[str, ...]
    kind: ModelKind
    page: str
    note: str
    """Short description in Spanish."""
    source: str
    """Where the address comes from."""
    version: str = ""
    """Name of the version to take from a civitai page, "" for the one that the page shows first."""
    adult: bool = False
    family: ModelFamily = ModelFamily.UNKNOWN
    """UNKNOWN for what belongs to none, an upscaler say."""
    license: str = ""
    """"" for the one on the file's page."""
    file: str = ""
    """What to call the file, "" for its own name."""
    size: int | None = None
    """Bytes, where a public source states them."""
    sha256: str | None = None
    """In lower case, where a public source states it."""
    apart: bool = False
    """Not one of those that ``todos_modelos_controlnet`` takes."""
    sha256_source: str = ""
    """Who states ``size`` and ``sha256``."""

    @property
    def link(self) -> str:
        """What to give to ``DownloadQueue.run``. A version's name travels as the fragment, which no server sees."""
        address = f"{self.page}#{self.version}" if self.version else self.page
        return f"{address} > {self.file}" if self.file else address

    @property
    def weighs(self) -> int | None:
        """``size``, or what all of its sort weigh."""
        usual = self.kind is ModelKind.CONTROLNET and self.family is ModelFamily.SD1 and not self.apart
        return self.size or (CONTROLNET_BYTES if usual else None)

    def runs(self, families: frozenset[ModelFamily] = RUNS_TODAY) -> bool:
        """Whether this version of the program can use it."""
        return self.family in families or self.family is ModelFamily.UNKNOWN


def load_catalog() -> Registry[CatalogEntry]:
    """The catalogue, in its file's order, and then what IP-Adapters, preprocessors and others need. ``find`` knows
    other names too; raises ``UnknownName`` with close ones.
    """
    text = files("sdcolab.downloads").joinpath("catalog.toml").read_text(encoding="utf-8")
    entries = map(_entry, tomllib.loads(text)["archivo"])
    return Registry("catalog", (*entries, *_encoders(), *_weights_of_preprocessors(), *_detectors(), *_faces()))


def names_of_kind(
    catalog: Registry[CatalogEntry], kind: ModelKind, families: frozenset[ModelFamily] = RUNS_TODAY
) -> tuple[str, ...]:
    """Names of the entries of one kind that run, for a menu."""
    return tuple(name for name, entry in catalog.items() if entry.kind is kind and entry.runs(families))


def chosen_entry(catalog: Registry[CatalogEntry], name: str) -> CatalogEntry:
    """The entry that a list called ``name``, marked or not. Raises ``UnknownName``."""
    return catalog.find(name.strip().removeprefix(ADULT_MARK))


def controlnet_links(
    catalog: Registry[CatalogEntry], families: frozenset[ModelFamily] = frozenset({ModelFamily.SD1})
) -> str:
    """The links of ``todos_modelos_controlnet``, as one text for ``DownloadQueue.run``: the guide's ControlNets."""
    return ", ".join(entry.link for entry in controlnets(catalog, families))


def controlnets(catalog: Registry[CatalogEntry], families: frozenset[ModelFamily]) -> tuple[CatalogEntry, ...]:
    """The ControlNets of ``families`` that are taken all together."""
    found = (catalog[name] for name in names_of_kind(catalog, ModelKind.CONTROLNET, families))
    return tuple(entry for entry in found if entry.family in families and not entry.apart)


def controlnets_for(catalog: Registry[CatalogEntry], model: str) -> tuple[str, int, int]:
    """What ``todos_modelos_controlnet`` brings for the chosen ``model`` of the catalogue (any other name: Stable
    Diffusion 1), the usual preprocessors' weights with it: the links as one text, how many they are, and their bytes in
    all."""
    family = chosen_entry(catalog, model).family if model else ModelFamily.SD1
    found = controlnets(catalog, frozenset({family})) or controlnets(catalog, frozenset({ModelFamily.SD1}))
    weights = usual_weights()
    links = [*(one.link for one in found), *(one.link for one in weights)]
    size = sum(one.weighs or 0 for one in found) + sum(one.size for one in weights)
    return ", ".join(links), len(links), size


GUIDE_RESOURCES = ("EasyNegative", "Remacri")
"""What the guide says is installed, besides the VAEs of Stable Diffusion 1."""


def guide_links(catalog: Registry[CatalogEntry]) -> dict[str, str]:
    """Name and link of each file that the guide says is there already, the smallest first."""
    sd1 = frozenset({ModelFamily.SD1})
    vaes = [name for name in names_of_kind(catalog, ModelKind.VAE, sd1) if catalog[name].family in sd1]
    return {name: catalog.find(name).link for name in (*GUIDE_RESOURCES, *vaes)}


def known_hashes(catalog: Registry[CatalogEntry]) -> dict[str, str]:
    """The SHA-256 of the addresses for which the catalogue states it."""
    links = ((link, entry.sha256) for entry in catalog.values() for link in parse_links(entry.link))
    return {link.url: sha256 for link, sha256 in links if sha256 and isinstance(link, Link)}


def _encoders() -> Iterator[CatalogEntry]:
    for one in CLIP_FILES:
        yield CatalogEntry(
            name=CLIP_NAMES[one.name],
            aliases=(one.name,),
            kind=ModelKind.CLIP_VISION,
            page=one.link,
            note=CLIP_NOTE,
            source="huggingface.co/h94/IP-Adapter",
            license=one.licence,
            file=one.name,
            size=one.size,
            sha256=one.sha256,
            sha256_source="huggingface.co/h94/IP-Adapter",
        )


def _weights_of_preprocessors() -> Iterator[CatalogEntry]:
    for name, row in PREPROCESSOR_FILES.items():
        users = [one.name for one in PREPROCESSORS.values() if name in one.files]
        yield CatalogEntry(
            name=f"Preprocessor {users[0]} ({row.file})",
            aliases=(row.file,),
            kind=ModelKind.ANNOTATOR,
            page=row.link,
            note=PREPROCESSOR_NOTE.format(users=", ".join(users)),
            source="hechos/extensiones.md 3",
            license=row.licence,
            size=row.size,
            sha256_source="hechos/extensiones.md 3",
        )


def _detectors() -> Iterator[CatalogEntry]:
    for one in DETECTORS:
        yield CatalogEntry(
            name=DETECTOR_NAMES[one.subject],
            aliases=(one.file,),
            kind=ModelKind.DETECTOR,
            page=one.link,
            note=DETECTOR_NOTE,
            source="huggingface.co/deepghs",
            license=one.licence,
            file=one.file,
            size=one.size if one.sha256 else None,
            sha256=one.sha256 or None,
            sha256_source="huggingface.co/deepghs" if one.sha256 else "",
        )


def _faces() -> Iterator[CatalogEntry]:
    for one in FACE_FILES:
        yield CatalogEntry(
            name=FACE_NAMES[one.file],
            aliases=(one.file,),
            kind=ModelKind.FACES,
            page=one.link,
            note=FACE_NOTE,
            source="hechos/extensiones.md 8",
            license=one.licence,
            size=one.size,
            sha256=one.sha256,
            sha256_source=one.link.split("/resolve/")[0].split("/releases/")[0].removeprefix("https://"),
        )


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
        family=ModelFamily(raw.get("familia", ModelFamily.UNKNOWN.value)),
        license=raw.get("licencia", ""),
        file=raw.get("archivo", ""),
        size=raw.get("bytes"),
        sha256=raw.get("sha256"),
        apart=raw.get("aparte", False),
        sha256_source=raw.get("fuente_sha256", ""),
    )
