"""Links in, model files in their folders out: parse -> resolve -> look ahead -> transfer -> look inside -> place.

One bad link never stops the rest: each ends in one ``LinkReport``.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import requests

from sdcolab.core.detect import Detected, ModelFamily, ModelKind
from sdcolab.core.errors import (
    Cancelled,
    DownloadDamaged,
    KindUnknown,
    ModelFamilyUnsupported,
    ModelUnsafe,
    NotALink,
    NotAModelFile,
    PickleNotInspected,
    SavedUnderOtherName,
    SdcolabError,
    WebPageInsteadOfFile,
)
from sdcolab.core.events import BytesReceived, CancelToken, Ended, Event, Listener, Warned, ignore_events
from sdcolab.core.files import atomic_write, free_bytes, storage_errors
from sdcolab.core.folders import MODEL_FOLDERS, Folders
from sdcolab.core.messages import DOWNLOAD_RESULTS, KIND_NAMES, explain, human_bytes
from sdcolab.core.registry import Registry
from sdcolab.downloads.classify import Contents, look_ahead, look_inside
from sdcolab.downloads.http import GuardedSession, Patience, Tokens, Web, origin
from sdcolab.downloads.links import Link, parse_links
from sdcolab.downloads.names import numbered, split_suffix, with_suffix
from sdcolab.downloads.parts import DiskSpace, Part, exclusive
from sdcolab.downloads.providers import Provider, RemoteFile, default_providers, provider_for
from sdcolab.downloads.transfer import CHUNK, Connections, Splitting, Transfer, same_content, same_file

FILES_AT_ONCE = 3
"""Files that are downloaded at the same time; each may have ``Splitting.connections`` connections, and all together not
more than that and one for each other file."""
MAX_SAME_NAME = 50
"""Different files that may share a name."""

POLL_SECONDS = 0.2
"""How often a run looks whether it was cancelled."""

PROGRESS_SECONDS = 0.25
"""Least time between two progress events of one file."""


class LinkStatus(StrEnum):
    """How a link ended. Its Spanish words live in ``core.messages.DOWNLOAD_RESULTS``."""

    DOWNLOADED = "downloaded"
    ALREADY_HERE = "already_here"
    SET_ASIDE = "set_aside"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class LinkReport:
    """How one link ended. ``link`` is its shown address (or the text that was no link): nothing secret in here."""

    link: str
    status: LinkStatus
    name: str = ""
    """File name, "" when it never became known."""
    kind: ModelKind | None = None
    family: ModelFamily | None = None
    path: Path | None = None
    """Where the file is now, if it is."""
    size: int | None = None
    error: SdcolabError | None = None
    warnings: tuple[SdcolabError, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the file is there to be used."""
        return self.status in (LinkStatus.DOWNLOADED, LinkStatus.ALREADY_HERE)


def report_line(report: LinkReport) -> str:
    """One Spanish line: file, kind, folder, size, result, what to do."""
    result = DOWNLOAD_RESULTS[report.status.value]
    family = f" {report.family.value}" if report.family not in (None, ModelFamily.UNKNOWN) else ""
    kind = f"{KIND_NAMES[report.kind]}{family}" if report.kind else ""
    folder = ""
    if report.path:
        known = report.kind is not None and report.status is not LinkStatus.SET_ASIDE
        folder = MODEL_FOLDERS[report.kind] if report.kind and known else report.path.parent.name
    size = human_bytes(report.size) if report.size is not None else ""
    notes = [str(explain(problem)) for problem in (report.error, *report.warnings) if problem]
    if isinstance(report.error, Cancelled) or not notes:
        notes = [result.advice]
    pieces = (report.name or report.link, kind, folder, size, f"{result.text} {' '.join(notes)}".strip())
    return " · ".join(piece for piece in pieces if piece)


def report_data(report: LinkReport) -> dict[str, object]:
    """A report as plain JSON values, with Spanish keys, for ``--json`` and the notebook."""
    return {
        "enlace": report.link,
        "estado": report.status.value,
        "archivo": report.name or None,
        "tipo": report.kind.value if report.kind else None,
        "familia": report.family.value if report.family else None,
        "ruta": str(report.path) if report.path else None,
        "bytes": report.size,
        "error": report.error.code if report.error else None,
        "avisos": [warning.code for warning in report.warnings],
        "mensaje": report_line(report),
    }


class DownloadQueue:
    """Downloads lists of links into ``folders``. Safe to use from several threads; holds no state between lists.

    ``civitai_url`` and ``huggingface_url`` replace the official addresses (their hosts become trusted);
    ``allow_private_hosts`` names hosts that may be private addresses or use plain http. ``free_space`` tells the free
    bytes of the disk that holds a folder.
    """

    def __init__(
        self,
        folders: Folders,
        *,
        tokens: Tokens | None = None,
        civitai_url: str | None = None,
        huggingface_url: str | None = None,
        providers: Registry[Provider] | None = None,
        allow_private_hosts: frozenset[str] = frozenset(),
        new_session: Callable[[], requests.Session] | None = None,
        patience: Patience | None = None,
        files_at_once: int = FILES_AT_ONCE,
        splitting: Splitting | None = None,
        supported_families: frozenset[ModelFamily] = frozenset({ModelFamily.SD1}),
        free_space: Callable[[Path], int] = free_bytes,
    ) -> None:
        bases = (url for url in (civitai_url, huggingface_url) if url)
        self._trusted = allow_private_hosts | {origin(url)[1] for url in bases}
        self._new_session = new_session or (lambda: GuardedSession(self._trusted))
        self._patience = patience or Patience()
        self._files_at_once = files_at_once
        splitting = splitting or Splitting()
        self._shared = _Shared(
            folders=folders,
            providers=providers or default_providers(tokens or Tokens(), civitai_url, huggingface_url),
            supported=supported_families | {ModelFamily.UNKNOWN},
            space=DiskSpace(free_space),
            splitting=splitting,
            connections=Connections(splitting.connections - 1),
            claims=_Claims(),
            placing=threading.Lock(),
        )

    def run(
        self,
        text: str,
        listener: Listener = ignore_events,
        cancel: CancelToken | None = None,
        on_report: Callable[[LinkReport], None] | None = None,
    ) -> tuple[LinkReport, ...]:
        """Download every link in ``text`` and tell how each ended, in their order.

        ``listener`` gets ``BytesReceived``, ``Warned`` and at last one ``Ended``, one event at a time but from several
        threads; ``on_report`` gets each report as soon as its link has ended. Cancelling leaves parts that the next run
        resumes, and reports the rest as cancelled. Nothing that a link does raises; only bugs do.
        """
        cancel = cancel or CancelToken()
        teller = _Teller(listener, on_report)
        sessions = _Sessions(self._new_session)
        entries = parse_links(text)
        with ThreadPoolExecutor(self._files_at_once, thread_name_prefix="descarga") as pool:
            jobs: list[Future[LinkReport]] = [
                pool.submit(self._one, entry, sessions, teller, cancel) for entry in entries
            ]
            try:
                while wait(jobs, timeout=POLL_SECONDS).not_done:
                    if cancel.cancelled:
                        sessions.abort()
            finally:
                if not all(job.done() for job in jobs):
                    # Leaving early (Ctrl+C, the cell's stop button): do not make the user wait.
                    cancel.cancel()
                    sessions.abort()
        reports = tuple(job.result() for job in jobs)
        stopped = any(report.status is LinkStatus.CANCELLED for report in reports)
        teller.event(Ended(Cancelled() if stopped else None))
        return reports

    def _one(self, entry: Link | NotALink, sessions: _Sessions, teller: _Teller, cancel: CancelToken) -> LinkReport:
        if isinstance(entry, NotALink):
            report = LinkReport(link=entry.text, status=LinkStatus.FAILED, error=entry)
        else:
            with sessions.open() as session:
                web = Web(session, self._patience, self._trusted)
                report = _Job(self._shared, entry, web, teller, cancel).run()
        for warning in report.warnings:
            teller.event(Warned(warning))
        teller.report(report)
        return report


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all jobs of a queue use. ``placing`` is held while a file gets its final name."""

    folders: Folders
    providers: Registry[Provider]
    supported: frozenset[ModelFamily]
    space: DiskSpace
    splitting: Splitting
    connections: Connections
    claims: _Claims
    placing: threading.Lock


class _Job:
    """One link on its way. ``report`` collects what is known about it."""

    def __init__(self, shared: _Shared, link: Link, web: Web, teller: _Teller, cancel: CancelToken) -> None:
        self._shared = shared
        self._folders = shared.folders
        self._link = link
        self._web = web
        self._teller = teller
        self._cancel = cancel
        self._report = LinkReport(link=link.shown, status=LinkStatus.FAILED)

    def run(self) -> LinkReport:
        """Download the link. Every expected failure ends in the report."""
        try:
            return self._download()
        except Cancelled as stop:
            return replace(self._report, status=LinkStatus.CANCELLED, error=stop)
        except SdcolabError as error:
            return replace(self._report, status=LinkStatus.FAILED, error=error)

    def _download(self) -> LinkReport:
        self._cancel.raise_if_cancelled()
        provider = provider_for(self._link, self._shared.providers)
        remote = provider.resolve(self._link, self._web, self._cancel)
        self._note(remote, None)
        contents = look_ahead(self._web, remote, self._link, self._cancel)
        name = _fitting_name(remote.name, contents)
        self._note(remote, contents, name)
        part = self._part(self._folders.models(self._kind(remote, contents)), name, remote.identity)
        lock_file = self._folders.temporary / "descargas" / f"{part.path.name}.lock"
        with self._shared.claims.hold(part.path, self._cancel), exclusive(lock_file, name):
            return self._already_here(remote, contents, name) or self._fetch(provider, remote, part, name)

    def _part(self, folder: Path, name: str, identity: str) -> Part:
        """The part in ``folder``, or the one that was begun elsewhere when the server told less or more of the file."""
        places = (folder, *(self._folders.models(kind) for kind in ModelKind))
        parts = [Part(place, name, identity) for place in places]
        return next((part for part in parts if part.path.exists()), parts[0])

    def _fetch(self, provider: Provider, remote: RemoteFile, part: Part, name: str) -> LinkReport:
        def renew() -> RemoteFile:
            return provider.resolve(self._link, self._web, self._cancel)

        meter = _Meter(name, self._teller)
        transfer = Transfer(
            web=self._web,
            link=self._link,
            part=part,
            renew=renew,
            space=self._shared.space,
            progress=meter.at,
            cancel=self._cancel,
            splitting=self._shared.splitting,
            connections=self._shared.connections,
        )
        remote = transfer.run(remote)
        size = part.received
        meter.finish(size)
        try:
            contents = look_inside(part.path, name, self._link)
        except (WebPageInsteadOfFile, NotAModelFile, DownloadDamaged):
            part.discard()
            raise
        except (ModelUnsafe, PickleNotInspected) as error:
            return self._set_aside(error, part, name, size)
        self._note(remote, contents, name)
        return self._place(remote, contents, part, _fitting_name(name, contents), size)

    def _note(self, remote: RemoteFile, contents: Contents | None, name: str = "") -> None:
        """Put what is known by now into the report, for whatever comes."""
        self._report = replace(self._report, name=name or remote.name, size=remote.size)
        if contents:
            family = _family(remote, contents.detected)
            self._report = replace(self._report, kind=self._kind(remote, contents), family=family)

    def _already_here(self, remote: RemoteFile, contents: Contents | None, name: str) -> LinkReport | None:
        """The report of a file that an earlier download left, or None."""
        known = contents or self._link.kind
        kinds = (self._kind(remote, contents),) if known else tuple(ModelKind)
        for kind in kinds:
            for path in _names_in_use(self._folders.models(kind), name):
                if same_file(path, remote, self._cancel):
                    done = replace(self._report, status=LinkStatus.ALREADY_HERE, kind=kind, path=path)
                    return self._with_warnings(done, ())
        for path in _names_in_use(self._folders.set_aside, name):
            if same_file(path, remote, self._cancel):
                unsafe = ModelUnsafe(path=path)
                return replace(self._report, status=LinkStatus.SET_ASIDE, path=path, error=unsafe)
        return None

    def _set_aside(self, error: ModelUnsafe | PickleNotInspected, part: Part, name: str, size: int) -> LinkReport:
        with self._shared.placing:
            path = _free_name(self._folders.set_aside, name)
            _move(part.path, path)
        part.finish()
        return replace(self._report, status=LinkStatus.SET_ASIDE, path=path, size=size, error=type(error)(path=path))

    def _place(self, remote: RemoteFile, contents: Contents, part: Part, name: str, size: int) -> LinkReport:
        """Give the finished file its name. An older file of that name stays: this one gets a number, unless they are
        the same."""
        folder = self._folders.models(self._kind(remote, contents))
        done = replace(self._report, name=name, size=size)
        with self._shared.placing:
            for path in _names_in_use(folder, name):
                if same_content(path, part.path, self._cancel):
                    part.discard()
                    return self._with_warnings(replace(done, status=LinkStatus.ALREADY_HERE, path=path), ())
            path = _free_name(folder, name)
            _move(part.path, path)
        part.finish()
        renamed = (SavedUnderOtherName(name=name, path=path),) if path.name != name else ()
        done = replace(done, status=LinkStatus.DOWNLOADED, name=path.name, path=path)
        return self._with_warnings(done, renamed)

    def _kind(self, remote: RemoteFile, contents: Contents | None) -> ModelKind:
        """What the user says it is, else what its contents say, else (for known contents) what its provider says."""
        if self._link.kind:
            return self._link.kind
        found = contents.detected.kind if contents else ModelKind.OTHER
        return found if found is not ModelKind.OTHER or not contents else remote.kind or ModelKind.OTHER

    def _with_warnings(self, report: LinkReport, warnings: tuple[SdcolabError, ...]) -> LinkReport:
        path = report.path or Path(report.name)
        if report.kind is ModelKind.OTHER:
            warnings = (*warnings, KindUnknown(path=path))
        elif report.family and report.family not in self._shared.supported:
            warnings = (*warnings, ModelFamilyUnsupported(path=path, family=report.family.value))
        return replace(report, warnings=warnings)


class _Teller:
    """Passes events and reports on, one at a time."""

    def __init__(self, listener: Listener, on_report: Callable[[LinkReport], None] | None) -> None:
        self._listener = listener
        self._on_report = on_report
        self._lock = threading.Lock()

    def event(self, event: Event) -> None:
        with self._lock:
            self._listener(event)

    def report(self, report: LinkReport) -> None:
        if self._on_report:
            with self._lock:
                self._on_report(report)


class _Sessions:
    """The HTTP sessions of one run, one for each link that is on its way."""

    def __init__(self, new_session: Callable[[], requests.Session]) -> None:
        self._new_session = new_session
        self._lock = threading.Lock()
        self._opened: list[requests.Session] = []

    @contextlib.contextmanager
    def open(self) -> Iterator[requests.Session]:
        with self._new_session() as session:
            with self._lock:
                self._opened.append(session)
            try:
                yield session
            finally:
                with self._lock:
                    self._opened.remove(session)

    def abort(self) -> None:
        """Break connections that wait for data (sessions of another class end with their own time-outs)."""
        with self._lock:
            for session in self._opened:
                if isinstance(session, GuardedSession):
                    session.abort()


class _Meter:
    """Turns byte counts into ``BytesReceived`` events: a few a second, with a smoothed speed."""

    def __init__(self, name: str, teller: _Teller) -> None:
        self._name = name
        self._teller = teller
        self._last: tuple[float, int] | None = None
        self._speed = 0.0
        self._total: int | None = None

    def at(self, received: int, total: int | None) -> None:
        """``received`` bytes are on the disk."""
        now = time.monotonic()
        self._total = total
        if self._last and now - self._last[0] < PROGRESS_SECONDS and received >= self._last[1]:
            return
        if self._last and received > self._last[1]:
            speed = (received - self._last[1]) / (now - self._last[0])
            self._speed = speed if not self._speed else 0.7 * self._speed + 0.3 * speed
        self._last = (now, received)
        self._tell(received)

    def finish(self, size: int) -> None:
        """The file is complete."""
        self._total = size
        self._tell(size)

    def _tell(self, received: int) -> None:
        self._teller.event(BytesReceived(self._name, received, self._total, self._speed))


class _Claims:
    """Lets one thread at a time work on a file; the others wait, because they may then find it done."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken: set[Path] = set()

    @contextlib.contextmanager
    def hold(self, path: Path, cancel: CancelToken) -> Iterator[None]:
        while not self._take(path):
            cancel.wait(0.1)
            cancel.raise_if_cancelled()
        try:
            yield
        finally:
            with self._guard:
                self._taken.discard(path)

    def _take(self, path: Path) -> bool:
        with self._guard:
            free = path not in self._taken
            self._taken.add(path)
            return free


def _family(remote: RemoteFile, detected: Detected) -> ModelFamily:
    return detected.family if detected.family is not ModelFamily.UNKNOWN else remote.family or ModelFamily.UNKNOWN


def _fitting_name(name: str, contents: Contents | None) -> str:
    """``name`` with the extension that its contents ask for."""
    if not contents or not contents.suffix or split_suffix(name)[1].lower() == contents.suffix:
        return name
    return with_suffix(name, contents.suffix)


def _names_in_use(folder: Path, name: str) -> Iterator[Path]:
    """The files that are called ``name``, ``name (2)`` and so on in ``folder``."""
    for number in range(1, MAX_SAME_NAME + 1):
        path = folder / (name if number == 1 else numbered(name, number))
        if not path.exists():
            return
        yield path


def _free_name(folder: Path, name: str) -> Path:
    used = sum(1 for _ in _names_in_use(folder, name))
    return folder / (numbered(name, used + 1) if used else name)


def _move(source: Path, target: Path) -> None:
    """Move a file in one step. Across disks (a folder that is a link to Drive) it is copied and then takes its name."""
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            source.replace(target)
            return
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
    with atomic_write(target) as out, source.open("rb") as file:
        shutil.copyfileobj(file, out, CHUNK)
    source.unlink(missing_ok=True)
