"""Copies what the program makes to Google Drive, without ever waiting for Drive.

Images are written on the machine first; a thread here copies them below ``MyDrive/sdcolab`` under the same relative
path. What is left to copy is what the machine has and Drive has not, so a new run catches up alone. Nothing on Drive
is ever overwritten by an image: a fresh machine numbers its images from 0 again, and a name that is taken gets the next
free number.

Drive can be full, slow, read-only or gone at any moment (hechos/lanzadores.md 3.10). Nothing is created unless the
user's own folder in Drive is really there: a folder made below an empty mount point would stop the next mount (5a).
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import filecmp
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sdcolab.core.errors import DriveFull, DriveLost, DriveUnread, HostError
from sdcolab.core.files import free_beside, system_reason
from sdcolab.core.folders import Folders
from sdcolab.core.kept import MAX_KEPT_BYTES
from sdcolab.core.settings import SettingsFile
from sdcolab.core.style_files import FILE_NAME as STYLES_NAME
from sdcolab.core.style_files import peek_styles
from sdcolab.core.words import notebook as words

DRIVE_FOLDER = "sdcolab"
"""The program's folder in the user's Drive."""

TEMPORARY_SUFFIX = ".sdcolab-parcial"
OLD_STYLES = Path("WebUI", "configs", STYLES_NAME)
"""Where the notebooks of before keep the user's styles on Drive (hechos/lanzadores.md 1)."""

STALE_SECONDS = 3600
"""Half copies older than this were left by a machine that is gone."""

NUMBER_NOTE = "{last:05}-en-drive.txt"
"""File put in a fresh machine's folder of the day so that numbering goes on after Drive's (see ``reserve_numbers``)."""

_NUMBERED = re.compile(r"(\d{5,12})(-.*)", re.DOTALL)
_NOTE = re.compile(r"\d{5,12}-en-drive\.txt")

Copy = Callable[[Path, Path], None]


@dataclass(frozen=True, slots=True)
class DriveTrouble:
    """Drive stopped taking files; the worker goes on trying."""

    error: HostError


@dataclass(frozen=True, slots=True)
class DriveRecovered:
    """Everything that was waiting is on Drive again."""


DriveNews = DriveTrouble | DriveRecovered


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds between looks at the disk when all is well, and between attempts while Drive fails (the last repeats)."""

    interval: float = 3.0
    retries: tuple[float, ...] = (2.0, 5.0, 15.0, 30.0, 60.0)
    patience: float = 20.0
    """How long the end waits for a Drive that takes nothing."""


def copy_in_one_piece(source: Path, target: Path) -> None:
    """Copy so that ``target`` appears whole or not at all; its size and time are the source's. Raises ``OSError``."""
    temporary = target.with_name(f".{target.name}{TEMPORARY_SUFFIX}")
    expected = source.stat()
    try:
        with source.open("rb") as reading, temporary.open("wb") as writing:
            shutil.copyfileobj(reading, writing, 1 << 20)
            writing.flush()
            _settle(writing.fileno())
        _require_size(temporary, expected.st_size)
        with contextlib.suppress(OSError):  # some mounts refuse times; they are only a convenience
            os.utime(temporary, ns=(expected.st_atime_ns, expected.st_mtime_ns))
        temporary.replace(target)
        _require_size(target, expected.st_size)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _settings_in(folder: Path) -> list[Path]:
    """The files of settings there: none that is no file, is a link, or is larger than any of ours."""
    found = [*sorted(folder.glob("*.json")), folder / STYLES_NAME]
    return [path for path in found if path.is_file() and not path.is_symlink() and _size(path) <= MAX_KEPT_BYTES]


def _size(path: Path) -> int:
    return path.stat().st_size


class DriveSettings:
    """The settings on both sides: ``local`` on this machine and ``saved`` on Drive, the newest wins. ``require`` raises
    ``OSError`` where Drive is gone."""

    def __init__(self, local: Path, saved: Path, copy: Copy, require: Callable[[], None]) -> None:
        self._local = local
        self._saved = saved
        self._copy = copy
        self._require = require
        self._known: dict[str, bytes] = {}

    def fetch(self) -> None:
        """Drive -> machine, for each file that the machine lacks or has older."""
        self._require()
        for saved in _settings_in(self._saved):
            local = self._local / saved.name
            content = saved.read_bytes()
            if not local.exists() or (local.read_bytes() != content and local.stat().st_mtime < saved.stat().st_mtime):
                local.parent.mkdir(parents=True, exist_ok=True)
                copy_in_one_piece(saved, local)
            self._known[saved.name] = content

    def save(self) -> None:
        """Machine -> Drive, for each file that changed. A version on Drive that we never saw is kept aside."""
        for local in _settings_in(self._local):
            content = local.read_bytes()
            if self._known.get(local.name) == content:
                continue
            saved = self._saved / local.name
            self._require()
            saved.parent.mkdir(parents=True, exist_ok=True)
            there = saved.read_bytes() if saved.exists() else None
            if there is not None and there not in (content, self._known.get(local.name)):
                saved.replace(free_beside(saved, "anterior", ".bak"))
            if there != content:
                self._copy(local, saved)
            self._known[local.name] = content


class DriveSync:
    """The copying thread. ``start`` it, ``poke`` it when there is news, ``flush`` and ``stop`` it at the end.

    ``listener`` hears of trouble and recovery from the worker's thread, once for each change.
    """

    def __init__(
        self,
        folders: Folders,
        my_drive: Path,
        *,
        images: bool,
        settings: bool,
        listener: Callable[[DriveNews], None],
        copy: Copy = copy_in_one_piece,
        rhythm: Rhythm | None = None,
    ) -> None:
        self._folders = folders
        self._my_drive = my_drive
        self._images = images
        self._settings = settings
        self._listener = listener
        self._copy = copy
        self._rhythm = rhythm or Rhythm()
        self._done: set[tuple[PurePosixPath, int, int]] = set()
        self._kept = DriveSettings(folders.config, self.home / "config", copy, self._require_drive)
        self._trouble: HostError | None = None
        self._lock = threading.Condition()
        self._asked = self._answered = self._refused = 0
        self._stopping = self._hurried = False
        self._worker = threading.Thread(target=self._work, name="sdcolab-drive", daemon=True)

    @property
    def home(self) -> Path:
        """The program's folder on Drive."""
        return self._my_drive / DRIVE_FOLDER

    @property
    def trouble(self) -> HostError | None:
        """Why Drive does not take files now."""
        return self._trouble

    def prepare(self, today: Callable[[], datetime.date] = datetime.date.today) -> None:
        """Before anything is generated: bring Drive's settings and go on with its numbering. Raises ``DriveUnread``."""
        try:
            if self._settings:
                self._kept.fetch()
                adopt_styles(self._my_drive / OLD_STYLES, self._folders.config)
            if self._images:
                reserve_numbers(self.home / "outputs", self._folders.outputs, today())
        except OSError as error:
            raise DriveUnread(reason=system_reason(error)) from error

    def start(self) -> None:
        """Start copying."""
        self._worker.start()

    def poke(self) -> None:
        """There may be something new: look now."""
        with self._lock:
            self._asked += 1
            self._lock.notify_all()

    def left(self) -> int:
        """How many images of this machine are not known to be on Drive yet. Looks at the local disk only."""
        if not self._images:
            return 0
        return sum(_key(self._folders.outputs, path) not in self._done for path in _local_images(self._folders.outputs))

    def flush(self, seconds: float) -> int:
        """Wait until all that exists now is on Drive, at most ``seconds``, and less when it is full or nothing moves;
        return how many images are left."""
        copied, moved = len(self._done), time.monotonic()
        deadline = time.monotonic() + seconds
        with self._lock:
            self._hurried = True
            self._asked += 1
            wanted = self._asked
            self._lock.notify_all()
            while self._answered < wanted and (rest := deadline - time.monotonic()) > 0:
                if self._refused >= wanted and isinstance(self._trouble, DriveFull):
                    break  # nobody frees room while we look
                self._lock.wait(min(rest, 0.5))  # short waits let an interruption through
                if len(self._done) > copied:
                    copied, moved = len(self._done), time.monotonic()
                elif time.monotonic() - moved > self._rhythm.patience:
                    break
            self._hurried = False
        return self.left()

    def stop(self) -> None:
        """Ask the thread to end. It is a daemon: a copy stuck in Drive stops nobody."""
        with self._lock:
            self._stopping = True
            self._lock.notify_all()

    # --- The worker's thread -----------------------------------------------------------------------------------------

    def _work(self) -> None:
        failures = 0
        while not self._stopping:
            with self._lock:
                target = self._asked
            failed = self._pass()
            failures = failures + 1 if failed else 0
            with self._lock:
                if failed:
                    self._refused = target
                else:
                    self._answered = target
                self._lock.notify_all()
                self._pause(failures, target)

    def _pause(self, failures: int, target: int) -> None:
        """Sleep until the next look. News cut it short when all is well; ``flush`` and ``stop`` always do."""
        if failures:
            delays, hurried = self._rhythm.retries, self._hurried
            delay = delays[0] if hurried else delays[min(failures, len(delays)) - 1]
            self._lock.wait_for(lambda: self._stopping or self._hurried != hurried, delay)
        else:
            self._lock.wait_for(lambda: self._stopping or self._asked > target, self._rhythm.interval)

    def _pass(self) -> bool:
        """Copy everything that is pending; whether something could not be."""
        problem = None
        try:
            self._require_drive()
            if self._settings:
                problem = self._save_settings()
            if self._images:
                problem = self._save_images() or problem
        except OSError as error:
            problem = error
        self._tell(problem)
        return problem is not None

    def _tell(self, problem: OSError | None) -> None:
        trouble = as_drive_error(problem, self.left()) if problem else None
        if trouble and (self._trouble is None or trouble.code != self._trouble.code):
            self._listener(DriveTrouble(trouble))
        elif self._trouble and not trouble:
            self._listener(DriveRecovered())
        self._trouble = trouble

    def _require_drive(self) -> None:
        if not self._my_drive.is_dir():
            raise FileNotFoundError(errno.ENOENT, words.NOT_CONNECTED)

    def _save_settings(self) -> OSError | None:
        """Copy changed settings and return what stopped it, which is no reason to leave images where they are."""
        try:
            self._kept.save()
        except OSError as error:
            self._require_drive()
            return error
        return None

    def _save_images(self) -> OSError | None:
        """Copy pending images and return the last failure. One does not stop the rest, unless Drive is full or gone."""
        problem = None
        for source in _local_images(self._folders.outputs):
            if self._stopping:
                break
            key = _key(self._folders.outputs, source)
            if key in self._done:
                continue
            try:
                self._save_image(source)
                self._done.add(key)
            except FileNotFoundError:
                if source.exists():
                    raise
                # else the user deleted it meanwhile
            except OSError as error:
                problem = error
                self._require_drive()
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOTCONN):
                    break
        return problem

    def _save_image(self, source: Path) -> None:
        relative = source.relative_to(self._folders.outputs)
        folder = self.home / "outputs" / relative.parent
        self._require_drive()
        folder.mkdir(parents=True, exist_ok=True)
        names = _names(folder)
        if not any(_same(source, folder / name) for name in names if _may_be(name, relative.name)):
            self._copy(source, folder / free_name(relative.name, names))


def as_drive_error(error: OSError, pending: int) -> HostError:
    """What a failed copy means for the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DriveFull(pending=max(1, pending))  # settings, where it is no image that did not fit
    return DriveLost(pending=max(1, pending), reason=system_reason(error))


def free_name(name: str, taken: set[str]) -> str:
    """``name``, or when it is taken, the same image under the first number above all of the folder's.

    A name without a number gets one at its end: ``gato-2.png``. Names that differ in capitals alone are one: Drive may
    be synchronised to a disk that knows no difference.
    """
    folded = {one.casefold() for one in taken}
    if name.casefold() not in folded:
        return name
    if numbered := _NUMBERED.fullmatch(name):
        numbers = [int(match[1]) for match in map(_NUMBERED.fullmatch, taken) if match]
        return f"{max(numbers) + 1:05}{numbered[2]}"
    stem, dot, suffix = name.rpartition(".")
    return next(
        candidate
        for count in range(2, len(taken) + 3)
        if (candidate := f"{stem or name}-{count}{dot}{suffix if dot else ''}").casefold() not in folded
    )


def reserve_numbers(drive_outputs: Path, local_outputs: Path, today: datetime.date) -> None:
    """Let this machine's images of today continue Drive's numbering instead of starting at 00000 again.

    Image stores number from the highest name in the day's folder, so a note named after Drive's highest is enough.
    """
    for day in drive_outputs.glob(f"*/{today.isoformat()}"):
        numbers = [int(match[1]) for match in map(_NUMBERED.fullmatch, _names(day)) if match]
        local = local_outputs / day.parent.name / day.name
        ours = [int(match[1]) for match in map(_NUMBERED.fullmatch, _names(local)) if match] if local.is_dir() else []
        if numbers and max(numbers) > max(ours, default=-1):
            local.mkdir(parents=True, exist_ok=True)
            (local / NUMBER_NOTE.format(last=max(numbers))).write_text(words.NUMBER_TAKEN, encoding="utf-8")


def adopt_styles(theirs: Path, config: Path) -> None:
    """Begin with the styles in the file ``theirs`` where there are no settings yet. Raises ``StorageError``."""
    file = SettingsFile(config)
    if not file.path.exists() and not file.styles_path.exists() and (styles := peek_styles(theirs)):
        file.change(lambda settings: dataclasses.replace(settings, styles=styles))


def _local_images(outputs: Path) -> Iterator[Path]:
    """Finished files below ``outputs``, oldest folder first; hidden ones are half-written."""
    if not outputs.is_dir():
        return
    for folder, subfolders, names in os.walk(outputs):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and not _NOTE.fullmatch(name):
                yield Path(folder, name)


def _key(outputs: Path, path: Path) -> tuple[PurePosixPath, int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return PurePosixPath(path.relative_to(outputs)), -1, -1
    return PurePosixPath(path.relative_to(outputs)), found.st_size, found.st_mtime_ns


def _names(folder: Path) -> set[str]:
    """Names in ``folder``; half copies left by a machine that is gone are removed on the way."""
    names = set()
    for entry in os.scandir(folder):
        if entry.name.endswith(TEMPORARY_SUFFIX):
            with contextlib.suppress(OSError):
                if time.time() - entry.stat().st_mtime > STALE_SECONDS:
                    Path(entry.path).unlink()
        else:
            names.add(entry.name)
    return names


def _may_be(saved: str, name: str) -> bool:
    """Whether ``saved`` could be the copy of ``name``: its own name, or the same seed under another number."""
    if saved == name:
        return True
    theirs, ours = _NUMBERED.fullmatch(saved), _NUMBERED.fullmatch(name)
    if theirs and ours:
        return theirs[2] == ours[2]
    stem, suffix = Path(name).stem, Path(name).suffix
    return re.fullmatch(f"{re.escape(stem)}-\\d+{re.escape(suffix)}", saved) is not None


def _same(source: Path, saved: Path) -> bool:
    return source.stat().st_size == saved.stat().st_size and filecmp.cmp(source, saved, shallow=False)


def _settle(descriptor: int) -> None:
    """Ask the system to write now. A mount that cannot is not an error; a full one is."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise


def _require_size(path: Path, size: int) -> None:
    if path.stat().st_size != size:
        raise OSError(errno.EIO, words.CUT_COPY)
