"""Links in, model files in their folders out: parse -> resolve -> look ahead -> transfer -> look inside -> place.

One bad link never stops the rest: each ends in one ``LinkReport``.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

import requests

from sdcolab.core.architectures import settled
from sdcolab.core.details import DETECTOR_FILE_NAMES
from sdcolab.core.detect import Detected, ModelFamily, ModelKind
from sdcolab.core.errors import (
    ArchiveNotModel,
    Cancelled,
    DownloadDamaged,
    KindDisputed,
    KindNotAsSaid,
    LfsPointer,
    LoneWord,
    ModelUnsafe,
    NotALink,
    NotAModelFile,
    PickleNotInspected,
    SavedUnderOtherName,
    SdcolabError,
    WebPageInsteadOfFile,
)
from sdcolab.core.events import BytesReceived, CancelToken, Ended, Event, Listener, Warned, ignore_events
from sdcolab.core.faces import FACE_FILE_NAMES
from sdcolab.core.file_names import safe_name, split_suffix, with_suffix
from sdcolab.core.files import free_bytes
from sdcolab.core.folders import Folders
from sdcolab.core.preprocessors import PREPROCESSOR_FILE_NAMES
from sdcolab.core.registry import Registry
from sdcolab.downloads.beside import save_beside
from sdcolab.downloads.classify import Contents, look_ahead, look_inside
from sdcolab.downloads.guide import as_guided
from sdcolab.downloads.history import DownloadHistory
from sdcolab.downloads.http import GuardedSession, Patience, Tokens, Web, origin
from sdcolab.downloads.links import Entry, Link, LocalFile, parse_links
from sdcolab.downloads.local import LocalJob, files_at
from sdcolab.downloads.names import chosen_name
from sdcolab.downloads.parts import DiskSpace, Part, exclusive
from sdcolab.downloads.placing import free_name, move, names_in_use
from sdcolab.downloads.policies import Connections, Splitting
from sdcolab.downloads.providers import Provider, RemoteFile, default_providers, provider_for
from sdcolab.downloads.report import (
    RUNS_TODAY,
    LinkReport,
    LinkStatus,
    doubts,
    foreign_family,
    report_data,
    report_line,
)
from sdcolab.downloads.transfer import Transfer, same_content, same_file

__all__ = ["DownloadQueue", "LinkReport", "LinkStatus", "report_data", "report_line"]

FILES_AT_ONCE = 3
"""Files that are downloaded at the same time; each may have ``Splitting.connections`` connections, and all together not
more than that and one for each other file."""
CHOSEN_KINDS = frozenset(
    {
        *(ModelKind.CHECKPOINT, ModelKind.LORA, ModelKind.VAE, ModelKind.EMBEDDING),
        *(ModelKind.CONTROLNET, ModelKind.UPSCALER, ModelKind.HYPERNETWORK),
    }
)
"""Kinds that tensors tell well; a preprocessor or a detector may look like anything."""
POLL_SECONDS = 0.2
"""How often a run looks whether it was cancelled."""

PROGRESS_SECONDS = 0.25
"""Least time between two progress events of one file."""


class DownloadQueue:
    """Downloads lists of links into ``folders``. Safe to use from several threads; holds no state between lists.

    ``civitai_url`` and ``huggingface_url`` replace the official addresses (their hosts become trusted);
    ``allow_private_hosts`` names hosts that may be private addresses or use plain http. ``free_space`` tells the free
    bytes of the disk that holds a folder. ``drive_root`` is the user's Drive (``.../MyDrive``), where paths are looked
    for too. ``history`` remembers what has arrived. ``known_hashes`` are the SHA-256 of addresses whose server may not
    state any.
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
        supported_families: frozenset[ModelFamily] = RUNS_TODAY,
        free_space: Callable[[Path], int] = free_bytes,
        drive_root: Path | None = None,
        history: DownloadHistory | None = None,
        known_hashes: Mapping[str, str] | None = None,
    ) -> None:
        self._history = history
        self._drive_root = drive_root
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
            known_hashes=known_hashes or {},
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
        entries = parse_links(text, lambda path: files_at(path, self._drive_root))
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

    def fetch(
        self, links: Sequence[str], folder: Path, listener: Listener = ignore_events, cancel: CancelToken | None = None
    ) -> None:
        """Download files that are no models of ours into ``folder``, one after another, under the names that end their
        addresses.

        ``listener`` gets ``BytesReceived``. Raises what the first one that fails raises, or ``Cancelled``; what has
        arrived of it is gone on with the next time.
        """
        teller, sessions = _Teller(listener, None), _Sessions(self._new_session)
        for entry in parse_links("\n".join(links), lambda _path: ()):
            if not isinstance(entry, Link):
                raise entry if isinstance(entry, NotALink) else NotALink(text=str(entry))
            with sessions.open() as session:
                web = Web(session, self._patience, self._trusted)
                _Job(self._shared, entry, web, teller, cancel or CancelToken()).fetch_into(folder)

    def _one(self, entry: Entry, sessions: _Sessions, teller: _Teller, cancel: CancelToken) -> LinkReport:
        if isinstance(entry, NotALink):
            report = LinkReport(link=entry.text, status=LinkStatus.FAILED, error=entry)
        elif isinstance(entry, LocalFile):
            meter = _Meter(entry.path.name, teller)
            shared = self._shared
            report = LocalJob(
                entry, shared.folders, shared.supported, shared.space, shared.placing, meter.at, cancel
            ).run()
        else:
            with sessions.open() as session:
                web = Web(session, self._patience, self._trusted)
                report = _Job(self._shared, entry, web, teller, cancel).run()
        if self._history and report.ok and not isinstance(entry, NotALink):
            self._history.remember(entry, report)
        for warning in report.warnings:
            teller.warn(report.link, warning)
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
    known_hashes: Mapping[str, str]


class _Job:
    """One link on its way. ``report`` collects what is known about it."""

    def __init__(self, shared: _Shared, link: Link, web: Web, teller: _Teller, cancel: CancelToken) -> None:
        self._shared = shared
        self._folders = shared.folders
        self._link = link
        self._web = web
        self._teller = teller
        self._cancel = cancel
        beside = tuple(LoneWord(text=word) for word in link.words)
        self._report = LinkReport(link=link.shown, status=LinkStatus.FAILED, warnings=beside)

    def run(self) -> LinkReport:
        """Download the link. Every expected failure ends in the report."""
        try:
            return self._download()
        except Cancelled as stop:
            return replace(self._report, status=LinkStatus.CANCELLED, error=stop)
        except SdcolabError as error:
            return replace(self._report, status=LinkStatus.FAILED, error=error)

    def fetch_into(self, folder: Path) -> None:
        """Put the link's file into ``folder``, whatever it is."""
        provider = provider_for(self._link, self._shared.providers)
        remote, name = self._resolve(provider), safe_name(self._link.parts.path.rpartition("/")[2])
        part = Part(folder, name, remote.identity)
        lock_file = self._folders.temporary / "descargas" / f"{part.path.name}.lock"
        with self._shared.claims.hold(part.path, self._cancel), exclusive(lock_file, name):
            self._transfer(provider, remote, part, name)
            move(part.path, folder / name)
            part.finish()

    def _download(self) -> LinkReport:
        self._cancel.raise_if_cancelled()
        self._link = as_guided(self._link)
        provider = provider_for(self._link, self._shared.providers)
        remote = self._resolve(provider)
        self._note(remote, None)
        if remote.size == 0:
            raise NotAModelFile(name=remote.name, reason="empty")
        contents = look_ahead(self._web, remote, self._link, self._cancel)
        name = _fitting_name(remote.name, contents)
        self._note(remote, contents, name)
        for warning in (*foreign_family(self._report, self._shared.supported), *remote.offers):
            self._teller.warn(self._report.link, warning)  # before gigabytes come that cannot be used
        part = self._part(self._folders.models(self._kind(remote, contents)), name, remote.identity)
        lock_file = self._folders.temporary / "descargas" / f"{part.path.name}.lock"
        with self._shared.claims.hold(part.path, self._cancel), exclusive(lock_file, name):
            report = self._already_here(remote, contents, name) or self._fetch(provider, remote, part, name)
        if report.path and report.ok:
            save_beside(report.path, remote, self._web, self._cancel)
        return replace(report, warnings=(*report.warnings, *remote.offers))

    def _resolve(self, provider: Provider) -> RemoteFile:
        remote = provider.resolve(self._link, self._web, self._cancel)
        return replace(
            remote,
            name=chosen_name(self._link.name, remote.name),
            sha256=remote.sha256 or self._shared.known_hashes.get(self._link.url),
        )

    def _part(self, folder: Path, name: str, identity: str) -> Part:
        """The part in ``folder``, or the one that was begun elsewhere when the server told less or more of the file."""
        places = (folder, *(self._folders.models(kind) for kind in ModelKind))
        parts = [Part(place, name, identity) for place in places]
        return next((part for part in parts if part.path.exists()), parts[0])

    def _transfer(self, provider: Provider, remote: RemoteFile, part: Part, name: str) -> RemoteFile:
        """Fetch the file into its part, and tell how much of it is here."""
        meter = _Meter(name, self._teller)
        transfer = Transfer(
            web=self._web,
            link=self._link,
            part=part,
            renew=lambda: self._resolve(provider),
            space=self._shared.space,
            progress=meter.at,
            cancel=self._cancel,
            splitting=self._shared.splitting,
            connections=self._shared.connections,
        )
        remote = transfer.run(remote)
        meter.finish(part.received)
        return remote

    def _fetch(self, provider: Provider, remote: RemoteFile, part: Part, name: str) -> LinkReport:
        remote = self._transfer(provider, remote, part, name)
        size = part.received
        try:
            contents = look_inside(part.path, name, self._link.shown)
        except (WebPageInsteadOfFile, NotAModelFile, LfsPointer, ArchiveNotModel, DownloadDamaged):
            part.discard()
            raise
        except (ModelUnsafe, PickleNotInspected) as error:
            return self._set_aside(error, part, name, size)
        self._note(remote, contents, name)
        return self._place(remote, contents, part, _fitting_name(name, contents), size)

    def _note(self, remote: RemoteFile, contents: Contents | None, name: str = "") -> None:
        """Put what is known by now into the report, for whatever comes: until the file can be read, its site's word."""
        self._report = replace(
            self._report,
            name=name or remote.name,
            size=remote.size,
            family=_family(remote, contents.detected) if contents else remote.family,
            site_family=remote.site_family,
        )
        if contents:
            self._report = replace(self._report, kind=self._kind(remote, contents))

    def _already_here(self, remote: RemoteFile, contents: Contents | None, name: str) -> LinkReport | None:
        """The report of a file that an earlier download left, or None."""
        known = contents or self._link.kind or remote.kind
        kinds = (self._kind(remote, contents),) if known else tuple(ModelKind)
        for kind in kinds:
            for path in names_in_use(self._folders.models(kind), name):
                if same_file(path, remote, self._cancel):
                    done = replace(self._report, status=LinkStatus.ALREADY_HERE, kind=kind, path=path)
                    return self._with_warnings(done, self._dispute(remote, contents, path))
        for path in names_in_use(self._folders.set_aside, name):
            if same_file(path, remote, self._cancel):
                unsafe = ModelUnsafe(path=path)
                return replace(self._report, status=LinkStatus.SET_ASIDE, path=path, error=unsafe)
        return None

    def _set_aside(self, error: ModelUnsafe | PickleNotInspected, part: Part, name: str, size: int) -> LinkReport:
        with self._shared.placing:
            path = free_name(self._folders.set_aside, name)
            move(part.path, path)
        part.finish()
        return replace(self._report, status=LinkStatus.SET_ASIDE, path=path, size=size, error=type(error)(path=path))

    def _place(self, remote: RemoteFile, contents: Contents, part: Part, name: str, size: int) -> LinkReport:
        """Give the finished file its name. An older file of that name stays: this one gets a number, unless they are
        the same."""
        folder = self._folders.models(self._kind(remote, contents))
        done = replace(self._report, name=name, size=size)
        with self._shared.placing:
            for path in names_in_use(folder, name):
                if same_content(path, part.path, self._cancel):
                    part.discard()
                    done = replace(done, status=LinkStatus.ALREADY_HERE, path=path)
                    return self._with_warnings(done, self._dispute(remote, contents, path))
            path = free_name(folder, name)
            move(part.path, path)
        part.finish()
        renamed = (SavedUnderOtherName(name=name, path=path),) if path.name != name else ()
        done = replace(done, status=LinkStatus.DOWNLOADED, name=path.name, path=path)
        return self._with_warnings(done, (*renamed, *self._dispute(remote, contents, path)))

    def _kind(self, remote: RemoteFile, contents: Contents | None) -> ModelKind:
        """What the user says it is, else what its provider or its name says, else what its contents say."""
        found = contents.detected.kind if contents else ModelKind.OTHER
        names = {remote.name, self._link.name}
        annotator = ModelKind.ANNOTATOR if names & PREPROCESSOR_FILE_NAMES else None
        detector = ModelKind.DETECTOR if names & DETECTOR_FILE_NAMES else None
        faces = ModelKind.FACES if names & FACE_FILE_NAMES else None
        return self._link.kind or remote.kind or annotator or detector or faces or found

    def _dispute(self, remote: RemoteFile, contents: Contents | None, path: Path) -> tuple[SdcolabError, ...]:
        """A warning when the user's or the provider's word decided and the contents contradict it."""
        found = contents.detected.kind if contents else ModelKind.OTHER
        said = self._link.kind or remote.kind
        if said is None or found in (ModelKind.OTHER, said):
            return ()
        if not self._link.kind:
            return (KindDisputed(path=path, expected=said.value, found=found.value),)
        useful = (said, found) == (ModelKind.VAE, ModelKind.CHECKPOINT)  # whose VAE is taken
        if useful or said not in CHOSEN_KINDS:
            return ()
        return (KindNotAsSaid(path=path, expected=said.value, found=found.value),)

    def _with_warnings(self, report: LinkReport, warnings: tuple[SdcolabError, ...]) -> LinkReport:
        return replace(report, warnings=(*warnings, *doubts(report, self._shared.supported), *report.warnings))


class _Teller:
    """Passes events and reports on, one at a time."""

    def __init__(self, listener: Listener, on_report: Callable[[LinkReport], None] | None) -> None:
        self._listener = listener
        self._on_report = on_report
        self._warned: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def event(self, event: Event) -> None:
        with self._lock:
            self._listener(event)

    def warn(self, link: str, warning: SdcolabError) -> None:
        """Tell of ``warning``, once for each link."""
        with self._lock:
            known = (link, warning.code) in self._warned
            self._warned.add((link, warning.code))
        if not known:
            self.event(Warned(warning))

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
    return settled(detected.family, remote.family or ModelFamily.UNKNOWN)


def _fitting_name(name: str, contents: Contents | None) -> str:
    """``name`` with the extension that its contents ask for."""
    if not contents or not contents.suffix or split_suffix(name)[1].lower() == contents.suffix:
        return name
    return with_suffix(name, contents.suffix)
