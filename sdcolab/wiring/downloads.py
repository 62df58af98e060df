"""The download queue with this machine's tokens and mirrors, and what shows its work."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sdcolab.core.architectures import ModelFamily
from sdcolab.core.control import ControlOnOffer
from sdcolab.core.details import DETECTORS
from sdcolab.core.detect import ModelKind
from sdcolab.core.events import CancelToken, Listener, ignore_events
from sdcolab.core.faces import FACE_FILES
from sdcolab.core.folders import Folders
from sdcolab.core.library import MODEL_SUFFIXES, Library
from sdcolab.core.upscaling import upscaler_name
from sdcolab.core.words import KIND_NAMES, human_bytes
from sdcolab.core.words import downloads as words
from sdcolab.studio.session_room import Absent
from sdcolab.wiring.demo import DEMO_SHA256, DEMO_VARIABLE

if TYPE_CHECKING:
    from sdcolab.downloads.catalog import CatalogEntry
    from sdcolab.downloads.queue import DownloadQueue

CIVITAI_VARIABLE = "SDCOLAB_CIVITAI_URL"
HUGGINGFACE_VARIABLE = "SDCOLAB_HUGGINGFACE_URL"
"""Environment variables with the address of a mirror, for networks that reach only that (and for the tests)."""

CIVITAI = "https://civitai.com"

DRIVE_ROOT = Path("/content/drive/MyDrive")
"""Where Colab mounts the user's Drive: paths in lists of links are looked for there too."""


@dataclass(frozen=True, slots=True)
class DownloadOutcome:
    """How a list of links ended: one Spanish line a link, and the same as JSON values."""

    lines: tuple[str, ...]
    entries: tuple[dict[str, object], ...]
    all_well: bool


def build_downloads(folders: Folders, environment: Mapping[str, str] = os.environ) -> DownloadQueue:
    """The download queue with the tokens and mirrors that ``environment`` names; whoever logged in to huggingface with
    its own program needs to name none."""
    from sdcolab.downloads.catalog import known_hashes, load_catalog
    from sdcolab.downloads.history import DownloadHistory
    from sdcolab.downloads.http import Tokens
    from sdcolab.downloads.providers.huggingface import saved_login
    from sdcolab.downloads.queue import DownloadQueue

    return DownloadQueue(
        folders,
        tokens=Tokens(environment.get("HF_TOKEN") or saved_login(), environment.get("CIVITAI_TOKEN")),
        civitai_url=environment.get(CIVITAI_VARIABLE),
        huggingface_url=environment.get(HUGGINGFACE_VARIABLE),
        drive_root=DRIVE_ROOT,
        history=DownloadHistory(folders.config),
        known_hashes=known_hashes(load_catalog()) | {environment.get(DEMO_VARIABLE, ""): DEMO_SHA256},
    )


def download(
    links: str, *, folders: Folders, listener: Listener = ignore_events, cancel: CancelToken | None = None
) -> DownloadOutcome:
    """Download ``links`` into the model folders."""
    from sdcolab.downloads.queue import report_data, report_line

    reports = build_downloads(folders).run(links, listener, cancel)
    return DownloadOutcome(
        lines=tuple(report_line(report) for report in reports),
        entries=tuple(report_data(report) for report in reports),
        all_well=all(report.ok for report in reports),
    )


def absent_downloads(folders: Folders) -> tuple[Absent, ...]:
    """What other sessions downloaded and is not in ``folders`` now."""
    from sdcolab.downloads.history import DownloadHistory

    missing = DownloadHistory(folders.config).missing(folders)
    return tuple(Absent(entry.link, entry.name, entry.size) for entry in missing)


def catalog_choices(*, adult: bool = True) -> tuple[tuple[str, str], ...]:
    """What the catalogue offers and this program can use, for adults too or not: words to show and link to download."""
    from sdcolab.downloads.catalog import load_catalog

    offered = (entry for entry in load_catalog().values() if entry.runs() and (adult or not entry.adult))
    return tuple((_menu_line(entry), entry.link) for entry in offered)


def model_note(name: str) -> str:
    """What to know of the model that was chosen in the notebook's list. Raises ``UnknownName``."""
    from sdcolab.downloads.catalog import chosen_entry, load_catalog

    return _menu_line(chosen_entry(load_catalog(), name))


def catalog_links() -> dict[str, tuple[str, int]]:
    """The link of every file of the catalogue by its name, and its bytes (0 when nobody says)."""
    from sdcolab.downloads.catalog import load_catalog

    return {name: (entry.link, entry.weighs or 0) for name, entry in load_catalog().items()}


def civitai_search(
    query: str, kind: ModelKind, adult: bool = False, environment: Mapping[str, str] = os.environ
) -> list[dict[str, object]]:
    """The models of civitai that fit ``query``, as JSON values. Raises ``DownloadError``."""
    from sdcolab.downloads.http import GuardedSession, Patience, Web, bearer, origin
    from sdcolab.downloads.providers.civitai_search import search

    mirror = environment.get(CIVITAI_VARIABLE)
    root = (mirror or CIVITAI).rstrip("/")
    trusted = frozenset({origin(mirror)[1]} if mirror else ())
    with GuardedSession(trusted) as session:
        key = bearer(environment.get("CIVITAI_TOKEN"), root)
        found = search(Web(session, Patience(), trusted), root, key, query, kind, adult=adult)
    return [asdict(model) | {"size": human_bytes(model.size) if model.size else ""} for model in found]


def upscaler_links() -> dict[str, tuple[str, int]]:
    """The link of every upscaler of the catalogue, by the name that it has once it is here, and its bytes."""
    from sdcolab.downloads.catalog import load_catalog

    found = (entry for entry in load_catalog().values() if entry.kind is ModelKind.UPSCALER)
    return {upscaler_name(_stem(entry)): (entry.link, entry.size or 0) for entry in found}


def controls_on_offer() -> tuple[ControlOnOffer, ...]:
    """The control models of the catalogue, without those whose link is a page of several."""
    from sdcolab.downloads.catalog import load_catalog

    return tuple(
        ControlOnOffer(f"{_stem(one)}.safetensors", one.family, one.link, one.weighs or 0)
        for one in load_catalog().values()
        if one.kind is ModelKind.CONTROLNET and (one.file or one.page.endswith(".safetensors"))
    )


def embedding_links() -> dict[str, tuple[str, int]]:
    """The link of every embedding of the catalogue, by the word that calls it, and its bytes."""
    return {_stem(entry): (entry.link, entry.size or 0) for entry in _embeddings()}


def embedding_families() -> dict[str, ModelFamily]:
    """What each embedding of the catalogue was made for, by the word that calls it."""
    return {_stem(entry): entry.family for entry in _embeddings()}


def _embeddings() -> tuple[CatalogEntry, ...]:
    from sdcolab.downloads.catalog import load_catalog

    return tuple(entry for entry in load_catalog().values() if entry.kind is ModelKind.EMBEDDING)


def detector_links() -> dict[str, tuple[str, int]]:
    """The link of every detector of the detail pass, by its file's name, and its bytes."""
    return {one.file: (f"{one.link} > {one.file}", one.size) for one in DETECTORS}


def absent_files(library: Library, kind: ModelKind, names: Iterable[str]) -> tuple[str, ...]:
    """Those of ``names`` that are no files of ``kind`` here."""
    here = {file.name for file in library.files(kind)}
    return tuple(name for name in names if name not in here)


def face_links() -> dict[str, tuple[str, int]]:
    """The same of what restoring faces needs."""
    return {one.file: (one.link, one.size) for one in FACE_FILES}


def _stem(entry: CatalogEntry) -> str:
    name = PurePosixPath(entry.file or unquote(entry.page.rpartition("/")[2]))
    return name.stem if name.suffix.lower() in MODEL_SUFFIXES else name.name  # ours may be without an ending


def _menu_line(entry: CatalogEntry) -> str:
    """What to know before choosing: for adults, what it is and for which family, how big, under which licence."""
    adult = words.FOR_ADULTS if entry.adult else ""
    size = f" · {human_bytes(entry.weighs)}" if entry.weighs else ""
    family = "" if entry.family is ModelFamily.UNKNOWN else words.FOR_FAMILY.format(family=entry.family.value)
    license = entry.license or words.LICENSE_OF_PAGE
    return f"{adult}{entry.name}, {KIND_NAMES[entry.kind]}{family}: {entry.note}{size} · {words.LICENSE}: {license}"
