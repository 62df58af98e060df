"""Rooms: parts of the studio that draw themselves with an ES module of their own (the gallery, the cards, the queue).

A room answers questions in JSON, and gives files by name. The page asks over HTTP and the notebook's panel over its
kernel; what they ask is hostile, so a room takes values out of it with the readers below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sdcolab.core.errors import StrangeQuestion

MAX_NUMBERS = 5000
"""Most things that one question names."""

MAX_TEXT = 20_000
MAX_WORD = 500
"""Most characters of one text of a list."""

Answer = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class RoomFile:
    """What a room gives: bytes or a file that is its own to give, and its media type. ``name``: what it is called
    when it is saved, "" for what is only shown."""

    content: bytes | Path
    media: str
    name: str = ""


class Room(Protocol):
    """``answers`` by question, and the files."""

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What can be asked."""
        ...

    def file(self, kind: str, name: str) -> RoomFile | None:
        """The file of a ``kind`` called ``name``; None when there is none. Both come from outside."""
        ...


def ask(rooms: Mapping[str, Room], room: str, question: str, said: object) -> Any:
    """The answer of a room. Raises ``StrangeQuestion``, or whatever the room does."""
    answer = rooms[room].answers.get(question) if room in rooms else None
    if answer is None or not isinstance(said, dict):
        raise StrangeQuestion(question=f"{room[:40]}/{question[:40]}")
    return answer(said)


def number(said: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """A whole number. Raises ``StrangeQuestion``."""
    value = said.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**53:
        raise StrangeQuestion(question=name)
    return value


def numbers(said: Mapping[str, Any], name: str) -> list[int]:
    """A list of whole numbers. Raises ``StrangeQuestion``."""
    value = said.get(name)
    if not isinstance(value, list) or len(value) > MAX_NUMBERS:
        raise StrangeQuestion(question=name)
    return [number({name: one}, name) for one in value]


def text(said: Mapping[str, Any], name: str, default: str | None = None, most: int = MAX_TEXT) -> str:
    """A text of at most ``most`` characters. Raises ``StrangeQuestion``."""
    value = said.get(name, default)
    if not isinstance(value, str) or len(value) > most:
        raise StrangeQuestion(question=name)
    return value


def texts(said: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of texts, none of them empty; empty when it is not said. Raises ``StrangeQuestion``."""
    value = said.get(name, [])
    if not isinstance(value, list) or len(value) > MAX_NUMBERS:
        raise StrangeQuestion(question=name)
    return tuple(stripped for one in value if (stripped := text({name: one}, name, most=MAX_WORD).strip()))


def yes(said: Mapping[str, Any], name: str) -> bool:
    """Yes or no; no when it is not said. Raises ``StrangeQuestion``."""
    value = said.get(name, False)
    if not isinstance(value, bool):
        raise StrangeQuestion(question=name)
    return value
