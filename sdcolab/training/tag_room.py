"""The tag editor as a room: what its module asks (``studio/assets/rooms/etiquetas.js``; hechos/extensiones.md 10)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdcolab.core.errors import DatasetMissing, StrangeQuestion, UnsavedCaptions
from sdcolab.core.files import make_folder
from sdcolab.core.folders import Folders
from sdcolab.core.rooms import Answer, RoomFile, number, numbers, text, texts, yes
from sdcolab.core.tasks import Task
from sdcolab.core.training import PictureWork, PreparePictures, training_home, training_projects
from sdcolab.core.words import tag_editor as words
from sdcolab.core.words.kitchen import BY_CATEGORY
from sdcolab.training.bases import CAPTIONERS, TAGGERS
from sdcolab.training.dataset import mask_of
from sdcolab.training.recipe_form import Places, check_name, structure_of
from sdcolab.training.tag_desk import REPEATS, TagDesk, Uploads, checked_folder, keep_mask
from sdcolab.training.tags import Captioned, TagBook, TagFilter, restore, search_tags

MOST_TAGS = 400
"""Tags of one answer."""
MOST_CELLS = 200
"""Pictures of one answer."""
MAX_MASK = 900_000
"""Characters of a painted mask."""
FIRST_FOLDER = f"{REPEATS}_repeticiones"
"""Where pictures go that nobody gives a folder: the guide's own."""

_MEDIA = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".bmp": "image/bmp"}

Thumbnail = Callable[[Path, int], bytes | None]
"""Picture and time of its last change -> a small WebP; None when it cannot be opened."""

CountTokens = Callable[[str], tuple[int, int]]
"""A caption -> its tokens, and those of the blocks that it fills."""

Act = Callable[[TagBook, "Asked", TagFilter], TagBook]


class Asked:
    """What an edit says: ``tags`` and ``new`` are lists, ``old_text`` and ``new_text`` parts of tags."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.tags = texts(said, "tags")
        self.new = texts(said, "new")
        self.every = yes(said, "every")
        self.old_text = text(said, "old_text", "", 500)
        self.new_text = text(said, "new_text", "", 500)
        self.keep = max(0, min(number(said, "keep", 0), 100))


ACTS: Mapping[str, Act] = {
    "first": lambda book, said, only: book.add(said.tags, only=only),
    "last": lambda book, said, only: book.add(said.tags, first=False, only=only),
    "remove": lambda book, said, only: book.remove(said.tags, only),
    "replace": lambda book, said, only: book.replace(said.tags, said.new, every=said.every, only=only),
    "rename": lambda book, said, only: book.rename(said.old_text, said.new_text, only),
    "sort": lambda book, said, only: book.sort(said.keep, only),
    "once": lambda book, _said, only: book.without_repeats(only),
}
"""What can be done with the captions of all pictures that a filter lets through."""


@dataclass(frozen=True, slots=True)
class Work:
    """The queue of jobs, as far as the room needs it: ``start`` gives the number of a new job, ``look`` what is to be
    told of it."""

    start: Callable[[Task], int]
    look: Callable[[int], WorkState]


@dataclass(frozen=True, slots=True)
class WorkState:
    """A job: how far it is (0 to 1, None before anybody knows), whether it is over, and what it has to say: while it
    goes on, of the files that come; then how it ended."""

    fraction: float | None
    ended: bool
    told: str


class TagRoom:
    """Opens a project when somebody first asks for it, and keeps it."""

    def __init__(self, folders: Folders, thumbnail: Thumbnail, count_tokens: CountTokens, work: Work) -> None:
        self._work = work
        self._folders = folders
        self._thumbnail = thumbnail
        self._count_tokens = count_tokens
        self._desks: dict[str, TagDesk] = {}
        self._uploads = Uploads(folders.temporary / "subidas")
        self._lock = threading.RLock()

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What can be asked of it. Those that change something answer with what there is then."""
        changing: Mapping[str, Answer] = {
            "open": self._open,
            "fresh": lambda said: self._desk(said).look_if_changed(),
            "edit": self._edit,
            "write": self._write,
            "undo": lambda said: self._desk(said).undo(),
            "save": lambda said: words.SAVED.format(count=self._desk(said).save()),
            "reload": lambda said: self._desk(said).look_again(keep=False),
            "restore": self._restore,
            "aside": self._aside,
            "upload": self._upload,
            "mask": self._mask,
        }
        looking: Mapping[str, Answer] = {
            "words": lambda _said: dict(words.EDITOR_WORDS),
            "projects": lambda _said: training_projects(self._folders),
            "create": self._create,
            "target": lambda said: checked_folder(text(said, "folder", most=80)),
            "page": self._page,
            "tags": self._tags,
            "taggers": lambda _said: {"names": [*TAGGERS, *CAPTIONERS], "sentences": [*CAPTIONERS]},
            "tag": self._tag,
            "tagging": lambda said: asdict(self._work.look(number(said, "job"))),
            "tokens": lambda said: self._count_tokens(text(said, "text")),
        }
        return {**{name: self._stated(answer) for name, answer in changing.items()}, **looking}

    def file(self, kind: str, name: str) -> RoomFile | None:
        """A picture or its thumbnail; ``name`` is ``PROJECT:NUMBER``."""
        project, _, place = name.rpartition(":")
        if kind not in ("thumb", "picture", "mask") or not place.isascii() or not place.isdigit() or len(place) > 7:
            return None
        with self._lock:
            desk = self._desks.get(project)
            if desk is None or int(place) >= len(desk.book.pictures):
                return None
            path = desk.path(int(place))
        if kind == "mask":
            mask = mask_of(path)
            return RoomFile(mask, _MEDIA[mask.suffix.lower()]) if mask else None
        if kind == "picture":
            return RoomFile(path, _MEDIA[path.suffix.lower()]) if path.is_file() else None
        made = self._thumbnail(path, path.stat().st_mtime_ns) if path.is_file() else None
        return RoomFile(made, "image/webp") if made else None

    # --- Projects ----------------------------------------------------------------------------------------------------

    def _desk(self, said: Mapping[str, Any]) -> TagDesk:
        """The project that is meant, read if it was not. Raises ``ProjectName``, ``DatasetMissing``,
        ``CaptionUnreadable``.
        """
        project = text(said, "project", most=100)
        if project not in self._desks:
            self._desks[project] = TagDesk(self._pictures_of(project))
        return self._desks[project]

    def _pictures_of(self, project: str) -> Path:
        home, name = training_home(self._folders), check_name(project)
        structure = structure_of(home, name)
        if structure is None:
            raise DatasetMissing(folder=Places.of(home, name, BY_CATEGORY).pictures)
        return Places.of(home, name, structure).pictures

    def _stated(self, answer: Answer) -> Answer:
        """``answer``, and then the state of the project; its own text, if any, is what is told. An answer of more than
        a text says all of it.
        """

        def both(said: Mapping[str, Any]) -> dict[str, Any]:
            with self._lock:
                told = answer(said)
                more = told if isinstance(told, dict) else {"told": told or ""}
                return {**self._state(said), **more}

        return both

    def _state(self, said: Mapping[str, Any]) -> dict[str, Any]:
        desk = self._desk(said)
        book = desk.book
        names = dict.fromkeys(one.path.parent.name for one in book.pictures if one.path.parent != desk.folder)
        return {
            "pictures": len(book.pictures),
            "bare": sum(not one.tags for one in book.pictures),
            "changed": book.changed,
            "undo": desk.can_undo,
            "folders": [*names],
            "often": [*book.intrinsic()],
            "place": str(desk.folder),
        }

    def _create(self, said: Mapping[str, Any]) -> str:
        """Make the folder of a new project, the guide's way; its name."""
        name = check_name(text(said, "project", most=100))
        if structure_of(training_home(self._folders), name) is None:
            make_folder(Places.of(training_home(self._folders), name, BY_CATEGORY).pictures / FIRST_FOLDER)
        return name

    def _open(self, said: Mapping[str, Any]) -> str:
        known = text(said, "project", most=100) in self._desks
        desk = self._desk(said)
        if known:
            desk.look_again()
        count = desk.book.foreign
        return words.FOREIGN.format(count=count) if count else ""

    # --- Looking -----------------------------------------------------------------------------------------------------

    def _page(self, said: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            desk = self._desk(said)
            wanted, book = _filter_of(said, desk), desk.book
        start = number(said, "start", 0)
        count = max(0, min(number(said, "count", 60), MOST_CELLS))
        shown = [place for place, one in enumerate(book.pictures) if one.has(wanted)]
        cells = [
            _told(place, book.pictures[place], book.saved[place], self._count_tokens)
            for place in shown[max(0, start) : max(0, start) + count]
        ]
        return {"total": len(shown), "entries": cells}

    def _tags(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """The tags of the pictures that are shown and how many have each, the commonest first."""
        with self._lock:
            desk = self._desk(said)
            wanted, book = _filter_of(said, desk), desk.book
        counts = book.counts(wanted)
        found = search_tags(text(said, "search", "", 200), counts)
        by_name = yes(said, "by_name")
        found.sort(key=str.casefold if by_name else lambda tag: (-counts[tag], tag.casefold()))
        return {"total": len(found), "tags": [[tag, counts[tag]] for tag in found[:MOST_TAGS]]}

    # --- Changing ----------------------------------------------------------------------------------------------------

    def _edit(self, said: Mapping[str, Any]) -> str:
        act = ACTS.get(text(said, "act"))
        if act is None:
            raise StrangeQuestion(question="act")
        desk, asked = self._desk(said), Asked(said)
        only = _filter_of(said, desk)
        count = desk.edit(lambda book: act(book, asked, only))
        return words.CHANGED.format(count=count) if count else words.UNCHANGED

    def _write(self, said: Mapping[str, Any]) -> None:
        desk = self._desk(said)
        path, caption = desk.path(number(said, "id")), text(said, "text")
        desk.edit(lambda book: book.write(path, caption))

    def _restore(self, said: Mapping[str, Any]) -> str:
        desk = self._desk(said)
        count = restore(desk.folder)
        desk.look_again(keep=False)
        return words.RESTORED.format(count=count)

    def _aside(self, said: Mapping[str, Any]) -> str:
        ids = numbers(said, "ids")
        return words.PUT_ASIDE.format(count=len(ids), folder=self._desk(said).set_aside(ids).name)

    def _mask(self, said: Mapping[str, Any]) -> str:
        """What somebody painted over a picture, white on black, or "" for no mask."""
        kept = keep_mask(self._desk(said).path(number(said, "id")), text(said, "data", "", MAX_MASK))
        return words.MASK_SAVED.format(name=kept.name) if kept else words.MASK_DROPPED

    def _tag(self, said: Mapping[str, Any]) -> dict[str, int]:
        """Queue what writes captions by itself; the number of the job. What is not saved must not be lost in it."""
        desk = self._desk(said)
        if desk.book.changed:
            raise UnsavedCaptions(count=desk.book.changed)
        return {"job": self._work.start(_tagging(said))}

    def _upload(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """A piece of a file; with ``last`` it is put in its folder, which is told with how many ``came`` so far:
        ``before`` of them in earlier files.
        """
        desk, key = self._desk(said), text(said, "key", most=32)
        folder = checked_folder(text(said, "folder", FIRST_FOLDER, 80))
        self._uploads.take(key, number(said, "at"), text(said, "data", most=1_000_000))
        came = max(0, number(said, "before", 0))
        if not yes(said, "last"):
            return {"told": "", "came": came}
        came += self._uploads.finish(key, text(said, "name", most=300), desk.folder / folder)
        if yes(said, "look"):
            desk.look_again()
        return {"told": words.UPLOADED.format(count=came, folder=folder), "came": came}


def _told(place: int, one: Captioned, saved: Captioned, count_tokens: CountTokens) -> dict[str, Any]:
    """What is shown of a picture."""
    tokens, room = count_tokens(one.text)
    return {
        "id": place,
        "name": one.path.name,
        "folder": one.path.parent.name,
        "text": one.text,
        "tags": len(one.tags),
        "tokens": tokens,
        "room": room,
        "changed": one != saved,
        "mask": mask_of(one.path) is not None,
        "stamp": one.path.stat().st_mtime_ns % 2**40 if one.path.is_file() else 0,
    }


def _tagging(said: Mapping[str, Any]) -> PreparePictures:
    """The work that a question asks of a tagger. Raises ``StrangeQuestion``, ``ProjectName``."""
    return PreparePictures(
        project=check_name(text(said, "project", most=100)),
        work=PictureWork.TAG,
        tagger=text(said, "tagger", most=100),
        threshold=max(0, min(number(said, "percent"), 100)) / 100,
        only_bare=yes(said, "only_bare"),
    )


def _filter_of(said: Mapping[str, Any], desk: TagDesk) -> TagFilter:
    """The pictures that a question is about. Raises ``StrangeQuestion``."""
    ids = numbers(said, "ids") if "ids" in said else []
    return TagFilter(
        every=texts(said, "all_of"),
        some=texts(said, "some_of"),
        none=texts(said, "none_of"),
        folder=text(said, "folder_of", "", 200),
        bare=yes(said, "bare"),
        only=frozenset(desk.path(one) for one in ids),
    )
