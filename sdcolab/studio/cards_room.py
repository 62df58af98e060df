"""The room of the cards (``rooms/cartas.js``): models to put in a prompt, with their pictures, words and notes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcolab.core.architectures import ModelFamily, declared_family, settled
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import PictureGone, StrangeQuestion
from sdcolab.core.file_facts import fits
from sdcolab.core.files import atomic_write
from sdcolab.core.folders import MODEL_FOLDERS
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.pictures import read_picture_file, small_png
from sdcolab.core.prompt import Style, apply_styles
from sdcolab.core.rooms import Answer, RoomFile, text, yes
from sdcolab.core.words.cards import CARDS
from sdcolab.core.words.faces import DOWNLOAD_QUEUED, MOVED_TO
from sdcolab.core.words.labels import KIND_NAMES
from sdcolab.studio.card_files import misplaced, move
from sdcolab.studio.cards import TITLE, Card, card_of, write_civitai, write_notes

KINDS: Mapping[str, ModelKind] = {
    "lora": ModelKind.LORA,
    "embedding": ModelKind.EMBEDDING,
    "hypernetwork": ModelKind.HYPERNETWORK,
    "checkpoint": ModelKind.CHECKPOINT,
    "vae": ModelKind.VAE,
}

STYLES = "style"
"""The kind of the cards that are no files: the user's styles."""

MAX_QUERY, MAX_LINK = 200, 2000
EDITABLE = (TITLE, "description", "notes", "activation text", "negative text", "sd version")
SIDE = 320
"""Longest side of the pictures on cards, in pixels."""

PREVIEW_SIDE = 768
"""The same of those that are put beside a file."""


def _no_styles() -> tuple[Style, ...]:
    return ()


def _nothing_found(_query: str, _kind: ModelKind, _adult: bool) -> list[dict[str, object]]:
    return []


@dataclass(frozen=True, slots=True)
class Outside:
    """What the room needs from others: the last picture that was made, to put on a card; the user's styles; civitai's
    models that fit some words (as ``downloads.providers.civitai_search.FoundModel``), of a kind, for adults too or not;
    and queueing a download."""

    last_picture: Callable[[], Path | None] = lambda: None
    styles: Callable[[], Sequence[Style]] = _no_styles
    search: Callable[[str, ModelKind, bool], list[dict[str, object]]] = _nothing_found
    download: Callable[[str], object] = lambda _link: None


class CardsRoom:
    """Reads what lies beside each file; a file that has not changed is read once."""

    def __init__(self, library: Library, outside: Outside = Outside()) -> None:
        self._library = library
        self._outside = outside
        self._facts = library.facts
        self._lock = threading.Lock()
        self._known: dict[tuple[ModelKind, str], tuple[object, Card]] = {}

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What can be asked of it."""
        return {
            "words": lambda _said: dict(CARDS),
            "cards": self._cards,
            "save": self._save,
            "facts": self._told_facts,
            "move": self._move,
            "picture": self._put_picture,
            "style": self._applied,
            "search": self._search,
            "get": self._get,
        }

    def file(self, kind: str, name: str) -> RoomFile | None:
        """The picture of a card, small; ``name`` is its place in the list of its kind."""
        if kind not in KINDS or not name.isascii() or not name.isdigit() or len(name) > 6:
            return None
        files = self._library.files(KINDS[kind])
        picture = card_of(files[int(name)]).picture if int(name) < len(files) else None
        small = small_png(read_picture_file(picture), SIDE) if picture else None
        return RoomFile(small, "image/png") if small else None

    def _cards(self, said: Mapping[str, Any]) -> list[dict[str, Any]]:
        if text(said, "kind") == STYLES:
            return [_told_style(place, style) for place, style in enumerate(self._outside.styles())]
        files = self._library.files(_kind(said))
        return [_told(place, self._card(file)) for place, file in enumerate(files)]

    def _card(self, file: ModelFile) -> Card:
        """The card, from memory while neither the folder nor the file beside it changed."""
        beside = [
            file.path.parent,
            file.path.with_suffix(".json"),
            file.path.with_name(f"{file.path.stem}.civitai.info"),
        ]
        stamp = tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in beside)
        with self._lock:
            known = self._known.get((file.kind, file.name))
            if known is None or known[0] != stamp:
                known = self._known[file.kind, file.name] = (stamp, card_of(file))
            return known[1]

    def _told_facts(self, said: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What each file of a kind is by its own tensors, and whether it goes with the ``checkpoint`` chosen: reading
        that takes longer than the cards, which do not wait for it."""
        kind = _kind(said)
        chosen = self._family_of(text(said, "checkpoint", ""))
        return [self._facts_of(place, file, chosen) for place, file in enumerate(self._library.files(kind))]

    def _family_of(self, checkpoint: str) -> ModelFamily:
        files = {file.name: file for file in self._library.files(ModelKind.CHECKPOINT)}
        found = self._facts.of(files[checkpoint].path) if checkpoint in files else None
        return found.family if found else ModelFamily.UNKNOWN

    def _facts_of(self, place: int, file: ModelFile, chosen: ModelFamily) -> dict[str, Any]:
        found = self._facts.of(file.path)
        said = declared_family(self._card(file).base)
        family = settled(found.family if found else ModelFamily.UNKNOWN, said)
        wrong = misplaced(file, found, self._library.folders)
        return {
            "place": place,
            "family": "" if family is ModelFamily.UNKNOWN else family.value,
            "fits": file.kind is ModelKind.CHECKPOINT or fits(family, chosen),
            "wrong": KIND_NAMES[wrong] if wrong else "",
        }

    def _move(self, said: Mapping[str, Any]) -> str:
        """Move a file to the folder of what it is. Raises ``StrangeQuestion``, ``UnknownFile`` or as ``move``."""
        file = self._library.find(_kind(said), text(said, "name"))
        wrong = misplaced(file, self._facts.of(file.path), self._library.folders)
        if wrong is None:
            raise StrangeQuestion(question="move")
        moved = move(file, wrong, self._library.folders)
        return MOVED_TO.format(name=moved.path.name, folder=MODEL_FOLDERS[wrong])

    def _put_picture(self, said: Mapping[str, Any]) -> None:
        """Make the last picture that of a card. Raises ``PictureGone``, ``UnknownFile``, or as writing does."""
        file, last = self._library.find(_kind(said), text(said, "name")), self._outside.last_picture()
        small = small_png(read_picture_file(last), PREVIEW_SIDE) if last else None
        if small is None:
            raise PictureGone()
        with atomic_write(file.path.with_suffix(".preview.png")) as target:
            target.write(small)

    def _applied(self, said: Mapping[str, Any]) -> list[str]:
        """Both prompts with a style in them. Raises ``StrangeQuestion``."""
        name = text(said, "name")
        chosen = [style for style in self._outside.styles() if style.name == name]
        if not chosen:
            raise StrangeQuestion(question=name[:40])
        return [*apply_styles(text(said, "prompt"), text(said, "negative"), chosen)]

    def _search(self, said: Mapping[str, Any]) -> list[dict[str, object]]:
        """Civitai's models. Raises ``StrangeQuestion`` or as searching does."""
        return self._outside.search(text(said, "query", most=MAX_QUERY).strip(), _kind(said), yes(said, "adult"))

    def _get(self, said: Mapping[str, Any]) -> str:
        """Queue the download of a link."""
        link = text(said, "link", most=MAX_LINK).strip()
        self._outside.download(link)
        return DOWNLOAD_QUEUED

    def _save(self, said: Mapping[str, Any]) -> None:
        """Change A1111's notes on a file. Raises ``StrangeQuestion`` or ``UnknownFile``."""
        file = self._library.find(_kind(said), text(said, "name"))
        changes: dict[str, Any] = {name: text(said, name) for name in EDITABLE if name in said}
        if "preferred weight" in said:
            weight = said["preferred weight"]
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not -10 <= weight <= 10:
                raise StrangeQuestion(question="preferred weight")
            changes["preferred weight"] = weight
        write_notes(file.path, changes)
        write_civitai(file.path, changes)


def _kind(said: Mapping[str, Any]) -> ModelKind:
    """The kind that a question is about. Raises ``StrangeQuestion``."""
    kind = text(said, "kind")
    if kind not in KINDS:
        raise StrangeQuestion(question=kind[:40])
    return KINDS[kind]


def _told_style(place: int, style: Style) -> dict[str, Any]:
    about = " · ".join(part for part in (style.prompt, style.negative_prompt) if part)
    called = dict.fromkeys(("name", "title", "label"), style.name)
    return {"place": place, **called, "description": about, "words": []}


def _told(place: int, card: Card) -> dict[str, Any]:
    return {
        "place": place,
        "name": card.file.name,
        "title": card.file.path.stem,
        "label": card.title or card.file.path.stem,
        "folder": card.file.name.rpartition("/")[0],
        "text": card.text,
        "negative": card.negative,
        "words": [*card.words],
        "weight": card.weight,
        "description": card.description,
        "notes": card.notes,
        "base": card.base,
        "link": card.link,
        "picture": card.picture is not None,
    }
