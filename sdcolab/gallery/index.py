"""The index: what is known of every picture, in SQLite, so that a page of 100,000 pictures opens at once.

It only remembers: thrown away, it is made again from the pictures. What people say of pictures (stars, favourites) is
kept by ``gallery.marks`` in a file of its own.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcolab.core.files import make_folder
from sdcolab.gallery.facts import PictureFacts
from sdcolab.gallery.marks import UNMARKED, Marks
from sdcolab.gallery.search import Condition, read_query

_VERSION = 1

_SCHEMA = """
CREATE TABLE folders(name TEXT PRIMARY KEY, mtime INTEGER NOT NULL);
CREATE TABLE pictures(
  id INTEGER PRIMARY KEY, folder TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, made REAL NOT NULL,
  mtime INTEGER NOT NULL, bytes INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
  prompt TEXT NOT NULL, negative TEXT NOT NULL, model TEXT NOT NULL, sampler TEXT NOT NULL,
  steps INTEGER, cfg REAL, seed INTEGER, loras TEXT NOT NULL,
  stars INTEGER NOT NULL DEFAULT 0, favourite INTEGER NOT NULL DEFAULT 0,
  chance INTEGER NOT NULL DEFAULT (random()), UNIQUE(folder, name));
CREATE VIRTUAL TABLE words USING fts5(prompt, negative, model, sampler, name, lora, content='',
  tokenize='unicode61 remove_diacritics 2', prefix='2 3');
CREATE INDEX by_made ON pictures(made, kind, stars, steps, cfg, width, height);
CREATE INDEX by_kind ON pictures(kind, made);
CREATE INDEX by_stars ON pictures(stars); CREATE INDEX by_name ON pictures(name);
CREATE INDEX by_model ON pictures(model); CREATE INDEX by_bytes ON pictures(bytes);
CREATE INDEX by_seed ON pictures(seed); CREATE INDEX by_steps ON pictures(steps); CREATE INDEX by_cfg ON pictures(cfg);
CREATE INDEX by_chance ON pictures(chance); CREATE INDEX by_favourite ON pictures(favourite, made);
CREATE INDEX by_sampler ON pictures(sampler);
"""

ORDERS: Mapping[str, str] = {
    "date": "made",
    "name": "name",
    "stars": "stars",
    "model": "model",
    "size": "bytes",
    "seed": "seed",
    "steps": "steps",
    "cfg": "cfg",
    "sampler": "sampler",
    "random": "chance",
}
"""What pictures can be sorted by, with its column."""

MAX_PAGE = 500
MANY = 2000
_COLUMNS = "id, folder, name, made, mtime, width, height, stars, favourite"


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture file as it lies on the disk: where (``folder`` relative to the outputs, with forward slashes), and its
    ``mtime`` in nanoseconds."""

    folder: str
    name: str
    mtime: int
    size: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a page of pictures. ``made`` is in seconds since 1970."""

    id: int
    folder: str
    name: str
    made: float
    mtime: int
    width: int
    height: int
    stars: int
    favourite: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which pictures, in which order: ``kind`` is the first folder under outputs, "" for all, "*" for favourites."""

    query: str = ""
    kind: str = ""
    order: str = "date"
    upwards: bool = False
    start: int = 0
    count: int = 60


class GalleryIndex:
    """One file of SQLite. Safe to use from several threads: readers do not wait for who writes."""

    def __init__(self, path: Path) -> None:
        """Raises ``CannotWrite`` when its folder cannot be made. A damaged file, or one of another version, is made
        anew."""
        make_folder(path.parent)
        self._path = path
        self._writer = self._opened()
        self._reader = self._connection()
        self._reader.execute("PRAGMA query_only=1")
        self._write_lock, self._read_lock = threading.Lock(), threading.Lock()

    def close(self) -> None:
        """End both connections."""
        with self._write_lock, self._read_lock:
            self._writer.close()
            self._reader.close()

    # --- Looking ------------------------------------------------------------------------------------------------------

    def page(self, wanted: Wanted) -> tuple[tuple[Entry, ...], int]:
        """The pictures of a page, and how many there are in all."""
        condition = _condition(wanted)
        column, way = ORDERS.get(wanted.order, "made"), "ASC" if wanted.upwards else "DESC"
        count = max(1, min(wanted.count, MAX_PAGE))
        with self._reading() as cursor:
            total = _count(cursor, condition)
            # With many finds it is quicker to go along the order and leave out what was not found than to sort them.
            along = f"INDEXED BY by_{column}" if condition.match and total > MANY else ""
            rows = cursor.execute(
                f"SELECT {_COLUMNS} FROM pictures {along} WHERE {condition.sql} "
                f"ORDER BY {column} {way}, id {way} LIMIT ? OFFSET ?",
                (*condition.values, count, max(0, wanted.start)),
            ).fetchall()
        return tuple(_entry(row) for row in rows), total

    def entries(self, ids: Iterable[int]) -> tuple[Entry, ...]:
        """The pictures with these numbers that are still known, in that order."""
        with self._reading() as cursor:
            found = [
                cursor.execute(
                    f"SELECT {_COLUMNS} FROM pictures WHERE id = ?",
                    (number,),
                ).fetchone()
                for number in ids
            ]
        return tuple(_entry(row) for row in found if row)

    def numbers(self, root: Path, paths: Iterable[Path]) -> dict[Path, int]:
        """The numbers of those pictures below ``root`` that are known, by their path."""
        numbers: dict[Path, int] = {}
        with self._reading() as cursor:
            for path in paths:
                if path.is_relative_to(root):
                    place = path.parent.relative_to(root).as_posix(), path.name
                    for row in cursor.execute("SELECT id FROM pictures WHERE folder = ? AND name = ?", place):
                        numbers[path] = row[0]
        return numbers

    def kinds(self) -> tuple[tuple[str, int], ...]:
        """The first folders under outputs, with how many pictures each has; the favourites as "*"."""
        with self._reading() as cursor:
            rows = cursor.execute("SELECT kind, count(*) FROM pictures GROUP BY kind ORDER BY kind").fetchall()
            starred = cursor.execute("SELECT count(*) FROM pictures WHERE favourite = 1").fetchone()[0]
        return (*((str(kind), int(count)) for kind, count in rows), ("*", int(starred)))

    def known(self, folder: str) -> dict[str, tuple[int, int]]:
        """Time and size of the files known in ``folder``, by name."""
        with self._reading() as cursor:
            rows = cursor.execute("SELECT name, mtime, bytes FROM pictures WHERE folder = ?", (folder,))
            return {name: (mtime, size) for name, mtime, size in rows}

    def folders(self) -> dict[str, int]:
        """The folders known, with the time that each had when it was read."""
        with self._reading() as cursor:
            return dict(cursor.execute("SELECT name, mtime FROM folders").fetchall())

    # --- Writing ------------------------------------------------------------------------------------------------------

    def add(self, found: Iterable[tuple[Seen, PictureFacts]], marks: Callable[[], Marks]) -> None:
        """Put pictures in, or in the place of what was known of them. ``marks`` is asked when nobody else writes: what
        was marked while the pictures were read counts."""
        with self._writing() as cursor:
            marked = marks()
            for seen, facts in found:
                self._remove(cursor, seen.folder, [seen.name])
                loras = " ".join(facts.loras)
                stars, favourite = marked.get(f"{seen.folder}/{seen.name}", UNMARKED)
                cursor.execute(
                    "INSERT INTO pictures(folder, name, kind, made, mtime, bytes, width, height, prompt, negative, "
                    "model, sampler, steps, cfg, seed, loras, stars, favourite) "
                    "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                    (
                        *(seen.folder, seen.name, seen.folder.split("/")[0], seen.mtime / 1e9, seen.mtime, seen.size),
                        *(facts.width, facts.height, facts.prompt, facts.negative, facts.model, facts.sampler),
                        *(facts.steps, facts.cfg, facts.seed, loras, stars, favourite),
                    ),
                )
                cursor.execute(
                    "INSERT INTO words(rowid, prompt, negative, model, sampler, name, lora) VALUES(?,?,?,?,?,?,?)",
                    (cursor.lastrowid, facts.prompt, facts.negative, facts.model, facts.sampler, seen.name, loras),
                )

    def remove(self, folder: str, names: Iterable[str]) -> None:
        """Forget files that are gone."""
        with self._writing() as cursor:
            self._remove(cursor, folder, names)

    def set_folder(self, folder: str, mtime: int) -> None:
        """Remember that ``folder`` was read when its time was ``mtime``."""
        with self._writing() as cursor:
            cursor.execute("INSERT OR REPLACE INTO folders VALUES(?,?)", (folder, mtime))

    def drop_folder(self, folder: str) -> None:
        """Forget a folder that is gone, and its pictures."""
        self.remove(folder, self.known(folder))
        with self._writing() as cursor:
            cursor.execute("DELETE FROM folders WHERE name = ?", (folder,))

    def mark(self, folder: str, name: str, stars: int, favourite: bool) -> None:
        """Show a picture's stars, and whether it is a favourite. By its path: read again, it gets another number."""
        with self._writing() as cursor:
            cursor.execute(
                "UPDATE pictures SET stars = ?, favourite = ? WHERE folder = ? AND name = ?",
                (stars, favourite, folder, name),
            )

    def _remove(self, cursor: sqlite3.Cursor, folder: str, names: Iterable[str]) -> None:
        for name in names:
            row = cursor.execute(
                "SELECT id, prompt, negative, model, sampler, name, loras FROM pictures WHERE folder = ? AND name = ?",
                (folder, name),
            ).fetchone()
            if row is None:
                continue
            cursor.execute(  # how FTS5 forgets a row whose text it does not keep
                "INSERT INTO words(words, rowid, prompt, negative, model, sampler, name, lora) "
                "VALUES('delete', ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            cursor.execute("DELETE FROM pictures WHERE id = ?", row[:1])

    # --- The file -----------------------------------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        try:
            connection = self._connection()
            if connection.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
                return connection
            connection.close()
        except sqlite3.DatabaseError:
            pass
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        connection = self._connection()
        connection.executescript(f"{_SCHEMA}PRAGMA user_version={_VERSION};")
        return connection

    def _connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")  # it can be made again
        connection.execute("PRAGMA cache_size=-65536")
        return connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Cursor]:
        with self._read_lock:
            yield self._reader.cursor()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Cursor]:
        with self._write_lock:
            cursor = self._writer.cursor()
            cursor.execute("BEGIN")
            try:
                yield cursor
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")


def _entry(row: tuple[Any, ...]) -> Entry:
    number, folder, name, made, mtime, width, height, stars, favourite = row
    return Entry(number, folder, name, made, mtime, width, height, stars, bool(favourite))


def _count(cursor: sqlite3.Cursor, condition: Condition) -> int:
    def count(sql: str, *values: object) -> int:
        return int(cursor.execute(f"SELECT count(*) FROM {sql}", values).fetchone()[0])

    if condition.match:
        found = count("words WHERE words MATCH ?", condition.match)
        return count("pictures") - found if condition.without else found
    return count(f"pictures WHERE {condition.sql}", *condition.values)


def _condition(wanted: Wanted) -> Condition:
    condition = read_query(wanted.query)
    if wanted.kind == "*":
        return Condition("favourite = 1").joined("AND", condition)
    if wanted.kind:
        return Condition("kind = ?", (wanted.kind,)).joined("AND", condition)
    return condition
