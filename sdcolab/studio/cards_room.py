"""The room of the cards (``rooms/cartas.js``): models to put in a prompt, with their pictures, words and notes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import StrangeQuestion
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.pictures import read_picture_file, small_png
from sdcolab.core.rooms import Answer, RoomFile, text
from sdcolab.studio.cards import Card, card_of, write_notes

KINDS: Mapping[str, ModelKind] = {
    "lora": ModelKind.LORA,
    "embedding": ModelKind.EMBEDDING,
    "hypernetwork": ModelKind.HYPERNETWORK,
    "checkpoint": ModelKind.CHECKPOINT,
}

EDITABLE = ("description", "notes", "activation text", "negative text", "sd version")
SIDE = 320
"""Longest side of the pictures on cards, in pixels."""


class CardsRoom:
    """Reads what lies beside each file; a file that has not changed is read once."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._known: dict[tuple[ModelKind, str], tuple[object, Card]] = {}

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What can be asked of it."""
        return {"cards": self._cards, "save": self._save}

    def file(self, kind: str, name: str) -> RoomFile | None:
        """The picture of a card, small; ``name`` is its place in the list of its kind."""
        if kind not in KINDS or not name.isascii() or not name.isdigit() or len(name) > 6:
            return None
        files = self._library.files(KINDS[kind])
        picture = card_of(files[int(name)]).picture if int(name) < len(files) else None
        small = small_png(read_picture_file(picture), SIDE) if picture else None
        return RoomFile(small, "image/png") if small else None

    def _cards(self, said: Mapping[str, Any]) -> list[dict[str, Any]]:
        kind = text(said, "kind")
        if kind not in KINDS:
            raise StrangeQuestion(question=kind[:40])
        return [_told(place, self._card(file)) for place, file in enumerate(self._library.files(KINDS[kind]))]

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

    def _save(self, said: Mapping[str, Any]) -> None:
        """Change A1111's notes on a file. Raises ``StrangeQuestion`` or ``UnknownFile``."""
        kind = text(said, "kind")
        if kind not in KINDS:
            raise StrangeQuestion(question=kind[:40])
        file = self._library.find(KINDS[kind], text(said, "name"))
        changes: dict[str, Any] = {name: text(said, name) for name in EDITABLE if name in said}
        if "preferred weight" in said:
            weight = said["preferred weight"]
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not -10 <= weight <= 10:
                raise StrangeQuestion(question="preferred weight")
            changes["preferred weight"] = weight
        write_notes(file.path, changes)


def _told(place: int, card: Card) -> dict[str, Any]:
    return {
        "place": place,
        "name": card.file.name,
        "title": card.file.path.stem,
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
