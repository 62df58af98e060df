"""The captions of a folder, edited together: filters, activation word, remove, replace, undo. Nothing is written
before ``save``.

Captions are lists of tags split at commas; those that were not changed keep their text byte by byte
(hechos/extensiones.md 10).
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sdcolab.core.errors import CaptionEmpty, CaptionUnreadable, NothingToUndo
from sdcolab.core.files import atomic_write, storage_errors
from sdcolab.training.dataset import MAX_CAPTION_BYTES, picture_paths, read_caption
from sdcolab.training.preview import frequent_tags

EXTENSION = ".txt"
BACKUP = ".000"


@dataclass(frozen=True, slots=True)
class Captioned:
    """A picture and its tags."""

    path: Path
    tags: tuple[str, ...]

    @property
    def text(self) -> str:
        """Its caption."""
        return ", ".join(self.tags)

    def has(self, wanted: TagFilter) -> bool:
        """Whether ``wanted`` lets it through."""
        own = set(self.tags)
        every = set(wanted.every) <= own
        some = not wanted.some or bool(own & set(wanted.some))
        right_place = not wanted.folder or self.path.parent.name == wanted.folder
        chosen = not wanted.only or self.path in wanted.only
        return every and some and right_place and chosen and not own & set(wanted.none) and not (wanted.bare and own)


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Pictures with ``every`` tag, with ``some`` of them, and with ``none``; those in the folder called ``folder``,
    those without any tag (``bare``), or ``only`` the ones named.
    """

    every: tuple[str, ...] = ()
    some: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    folder: str = ""
    bare: bool = False
    only: frozenset[Path] = frozenset()


@dataclass(frozen=True, slots=True)
class TagBook:
    """The pictures of a folder with their tags. Every edit gives a new book."""

    pictures: tuple[Captioned, ...]
    saved: tuple[Captioned, ...] = ()

    @classmethod
    def read(cls, folder: Path, extension: str = EXTENSION) -> TagBook:
        """All pictures in ``folder`` and in the folders below it. Captions that are not in UTF-8 are read as Windows
        wrote them, and are changed ones: saving makes them what trainers read. Raises ``CaptionUnreadable``.
        """
        found, saved = [], []
        for path in pictures_below(folder):
            foreign = False
            try:
                caption = read_caption(path, extension)
            except CaptionEmpty:
                caption = None
            except CaptionUnreadable:
                caption, foreign = _foreign_caption(path.with_suffix(extension)), True
            found.append(Captioned(path, split_tags(caption or "")))
            saved.append(Captioned(path, ()) if foreign else found[-1])
        return cls(tuple(found), tuple(saved))

    def counts(self, only: TagFilter | None = None) -> Counter[str]:
        """How many pictures have each tag."""
        return Counter(tag for one in self.shown(only) for tag in dict.fromkeys(one.tags))

    def shown(self, only: TagFilter | None = None) -> tuple[Captioned, ...]:
        """The pictures that a filter lets through."""
        return self.pictures if only is None else tuple(one for one in self.pictures if one.has(only))

    def add(self, tags: Sequence[str], *, first: bool = True, only: TagFilter | None = None) -> TagBook:
        """Tags at the front (the activation word) or at the end, where they are not yet; at the front they are moved
        there.
        """

        def edit(own: tuple[str, ...]) -> tuple[str, ...]:
            if first:
                return (*tags, *(tag for tag in own if tag not in tags))
            return (*own, *(tag for tag in tags if tag not in own))

        return self._edited(edit, only)

    def remove(self, tags: Iterable[str], only: TagFilter | None = None) -> TagBook:
        """Without these tags."""
        gone = set(tags)
        return self._edited(lambda own: tuple(tag for tag in own if tag not in gone), only)

    def replace(
        self, wanted: Sequence[str], new: Sequence[str], *, every: bool = False, only: TagFilter | None = None
    ) -> TagBook:
        """Where one of ``wanted`` is (``every``: where all are), ``new`` in the place of the first."""

        def edit(own: tuple[str, ...]) -> tuple[str, ...]:
            found = [tag for tag in own if tag in wanted]
            if not found or (every and set(found) != set(wanted)):
                return own
            made: list[str] = []
            for tag in own:
                if tag == found[0]:
                    made += new
                elif tag not in wanted:
                    made.append(tag)
            return tuple(dict.fromkeys(made))

        return self._edited(edit, only)

    def sort(self, keep: int = 0, only: TagFilter | None = None) -> TagBook:
        """Tags in alphabetical order, the first ``keep`` in their place."""
        return self._edited(lambda own: (*own[:keep], *sorted(own[keep:], key=str.casefold)), only)

    def without_repeats(self, only: TagFilter | None = None) -> TagBook:
        """Each tag once."""
        return self._edited(lambda own: tuple(dict.fromkeys(own)), only)

    def rename(self, wanted: str, new: str, only: TagFilter | None = None) -> TagBook:
        """The text ``wanted`` inside any tag becomes ``new``: "red tie" with "red " and "" is "tie"."""

        def edit(own: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(dict.fromkeys(made for tag in own if (made := tag.replace(wanted, new).strip())))

        return self._edited(edit, only) if wanted else self

    def write(self, path: Path, text: str) -> TagBook:
        """With ``text`` as the caption of one picture."""
        return self._edited(lambda _own: split_tags(text), TagFilter(only=frozenset({path})))

    def carried(self, fresh: TagBook) -> TagBook:
        """What a new look at the folder found, with the edits of this book that are not saved yet."""
        own = {one.path: one for one, old in zip(self.pictures, self.saved, strict=True) if one != old}
        return TagBook(tuple(own.get(one.path, one) for one in fresh.pictures), fresh.saved)

    @property
    def changed(self) -> int:
        """Pictures whose captions differ from their files."""
        return sum(one != old for one, old in zip(self.pictures, self.saved, strict=True))

    @property
    def foreign(self) -> int:
        """Captions whose files are not in UTF-8 yet."""
        pairs = zip(self.pictures, self.saved, strict=True)
        return sum(one != old and not old.tags and has_caption(one.path) for one, old in pairs)

    def intrinsic(self) -> tuple[str, ...]:
        """Tags of nearly every picture that are no activation word: candidates for cleaning."""
        return frequent_tags([one.text for one in self.pictures])

    def save(self, extension: str = EXTENSION) -> TagBook:
        """Write the captions that changed, after keeping each as it was (``NAME.000``). Raises ``StorageError``."""
        for one, old in zip(self.pictures, self.saved, strict=True):
            if one != old:
                write_caption(one.path, f"{one.text}\n", extension)
        return TagBook(self.pictures, self.pictures)

    def _edited(self, edit: Callable[[tuple[str, ...]], tuple[str, ...]], only: TagFilter | None) -> TagBook:
        edited = tuple(
            replace(one, tags=edit(one.tags)) if only is None or one.has(only) else one for one in self.pictures
        )
        return TagBook(edited, self.saved)


def _foreign_caption(path: Path) -> str:
    """The first line of a caption in one of the encodings that Windows' programs write. Raises ``CaptionUnreadable``
    for what is no caption at all.
    """
    with storage_errors(path):
        data = path.read_bytes()
    if len(data) > MAX_CAPTION_BYTES:
        raise CaptionUnreadable(path=path)
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "cp1252"
    return data.decode(encoding, "replace").partition("\n")[0]


def write_caption(picture: Path, text: str, extension: str = EXTENSION) -> None:
    """Write what is beside ``picture``, after keeping it as it was (``NAME.000``): ``restore`` brings it back. Raises
    ``StorageError``.
    """
    target, data = picture.with_suffix(extension), text.encode("utf-8")
    with storage_errors(target):
        old = target.read_bytes() if target.is_file() else b""
    if old == data:
        return
    for path, content in ((picture.with_suffix(BACKUP), old), (target, data)):
        with atomic_write(path) as file:
            file.write(content)


def restore(folder: Path, extension: str = EXTENSION) -> int:
    """Captions as they were before they were written last; how many. Raises ``NothingToUndo``."""
    count = 0
    for path in pictures_below(folder):
        backup = path.with_suffix(BACKUP)
        if backup.is_file():
            data = backup.read_bytes()
            if data:
                with atomic_write(path.with_suffix(extension)) as file:
                    file.write(data)
            else:
                path.with_suffix(extension).unlink(missing_ok=True)
            backup.unlink()
            count += 1
    if not count:
        raise NothingToUndo(folder=folder)
    return count


def pictures_below(folder: Path) -> list[Path]:
    """Pictures in ``folder`` and in the folders right below it that are no set-aside ones."""
    below = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    folders = [folder, *(path for path in below if not path.name.startswith(("_", ".")))]
    return [path for one in folders for path in picture_paths(one)]


def has_caption(picture: Path) -> bool:
    """Whether something is written beside ``picture``."""
    path = picture.with_suffix(EXTENSION)
    return path.is_file() and path.stat().st_size > 0


def split_tags(text: str, separator: str = ",") -> tuple[str, ...]:
    """Tags of a caption: split at commas, trimmed, none empty."""
    return tuple(tag.strip() for tag in text.split(separator) if tag.strip())


SPANISH = {
    "pelo": "hair", "ojos": "eyes", "azul": "blue", "rojo": "red", "verde": "green", "negro": "black",
    "blanco": "white", "rubio": "blonde", "castaño": "brown", "rosa": "pink", "morado": "purple", "gris": "grey",
    "largo": "long", "corto": "short", "falda": "skirt", "vestido": "dress", "camisa": "shirt", "corbata": "tie",
    "sombrero": "hat", "orejas": "ears", "gato": "cat", "perro": "dog", "sonrisa": "smile", "chica": "girl",
    "chico": "boy", "sola": "solo", "cara": "face", "manos": "hands", "fondo": "background", "playa": "beach",
    "cielo": "sky", "noche": "night", "día": "day", "lluvia": "rain", "árbol": "tree", "flor": "flower",
    "espada": "sword", "gafas": "glasses", "zapatos": "shoes", "botas": "boots", "guantes": "gloves",
    "uniforme": "uniform", "bikini": "bikini", "bañador": "swimsuit", "sentada": "sitting", "sentado": "sitting",
    "de pie": "standing", "tumbada": "lying", "alas": "wings", "cola": "tail", "cuernos": "horns",
    "coleta": "ponytail", "trenza": "braid", "flequillo": "bangs", "boca": "mouth", "abierta": "open",
    "cerrados": "closed", "lazo": "ribbon", "collar": "necklace", "animal": "animal", "camiseta": "t-shirt",
    "pantalones": "pants", "medias": "thighhighs", "calcetines": "socks", "capa": "cape",
}  # fmt: skip
"""Words that people look for, and the word of the English tags that means them."""


def search_tags(text: str, tags: Iterable[str]) -> list[str]:
    """Tags that have every word of ``text``, in English or in Spanish: "pelo azul" finds "blue hair"."""
    wanted = [(word, SPANISH.get(word, word)) for word in text.casefold().split()]
    return [tag for tag in tags if all(any(one in tag.casefold() for one in pair) for pair in wanted)]
