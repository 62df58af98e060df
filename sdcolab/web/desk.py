"""Downloads in the background: one worker at a time, any number of pages watching."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass, replace

from sdcolab.core.errors import SdcolabError, Unexpected
from sdcolab.core.events import BytesReceived, CancelToken, Event, Warned
from sdcolab.web.studio import Download

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeskSnapshot:
    """Everything a page shows of the downloads at one moment. ``version`` grows with each change, ``finished`` with
    each batch of links that ended. ``transfers`` holds the latest news of each file, in order of appearance."""

    version: int = 0
    running: bool = False
    finished: int = 0
    transfers: tuple[BytesReceived, ...] = ()
    reports: tuple[str, ...] = ()
    problems: tuple[SdcolabError, ...] = ()


class DownloadDesk:
    """Takes links and downloads them in a thread of its own, whoever looks. ``close`` before throwing it away."""

    def __init__(self, download: Download) -> None:
        self._download = download
        self._lock = threading.Lock()
        self._waiting: deque[str] = deque()
        self._snapshot = DeskSnapshot()
        self._cancel = CancelToken()
        self._worker: threading.Thread | None = None

    @property
    def snapshot(self) -> DeskSnapshot:
        """The downloads at this moment."""
        return self._snapshot

    def start(self, links: str) -> None:
        """Download ``links`` after those already asked for. On an idle desk it clears the previous report."""
        with self._lock:
            self._waiting.append(links)
            if self._snapshot.running:
                return
            self._change(running=True, transfers=(), reports=(), problems=())
            self._worker = threading.Thread(target=self._work, name="sdcolab-descargas", daemon=True)
            self._worker.start()

    def cancel(self) -> None:
        """Stop the download that runs and forget those that wait."""
        with self._lock:
            self._waiting.clear()
            self._cancel.cancel()

    def close(self, seconds: float = 10.0) -> None:
        """Cancel everything and wait up to ``seconds`` for the worker to stop."""
        self.cancel()
        if self._worker:
            self._worker.join(seconds)

    def _work(self) -> None:
        while (links := self._next()) is not None:
            reports, problem = self._run(links)
            with self._lock:
                self._change(
                    finished=self._snapshot.finished + 1,
                    transfers=(),
                    reports=(*self._snapshot.reports, *reports),
                    problems=(*self._snapshot.problems, *([problem] if problem else [])),
                )

    def _next(self) -> str | None:
        with self._lock:
            if self._waiting:
                self._cancel = CancelToken()
                return self._waiting.popleft()
            self._change(running=False)
            return None

    def _run(self, links: str) -> tuple[tuple[str, ...], SdcolabError | None]:
        try:
            return tuple(self._download(links, self._hear, self._cancel)), None
        except SdcolabError as error:
            return (), error
        except Exception as error:  # noqa: BLE001 - an edge: a bug must not end in silence; its traceback is logged
            _log.exception("descarga")
            return (), Unexpected(kind=type(error).__name__, detail=str(error))

    def _hear(self, event: Event) -> None:
        with self._lock:
            match event:
                case BytesReceived(name):
                    known = self._snapshot.transfers
                    if any(transfer.name == name for transfer in known):
                        self._change(transfers=tuple(event if old.name == name else old for old in known))
                    else:
                        self._change(transfers=(*known, event))
                case Warned(warning):
                    self._change(problems=(*self._snapshot.problems, warning))
                case _:
                    pass

    def _change(self, **changes: object) -> None:
        self._snapshot = replace(self._snapshot, version=self._snapshot.version + 1, **changes)  # type: ignore[arg-type]
