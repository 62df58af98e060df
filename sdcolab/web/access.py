"""Who may come in: one user name and password, and the sessions of who has.

A session is signed with a key made from the password, so it outlives a restart of the web process and dies when the
password changes. What has logged out is remembered until it would have ended by itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sdcolab.core.errors import StorageError
from sdcolab.core.kept import change_kept, peek_kept

SESSION_SECONDS = 30 * 24 * 3600

FREE_TRIES = 5
"""Wrong passwords in a row that cost nothing but the answer's own delay."""

FORGET_SECONDS = 600.0
LONGEST_WAIT = 30.0
TURN_SECONDS = 0.25
"""Time between two tries after ``FREE_TRIES`` wrong ones, whoever makes them: 345,600 a day."""

_DEVICE = "d."
"""What marks of browsers begin with; sessions begin with a number."""


class LoginBrake:
    """How long the answer to a wrong password waits, by how many there were: nothing for 5, then 2, 4, 8… 30 seconds.

    For everybody together: behind a tunnel all callers have one address. Right passwords and open sessions do not wait
    for it, and do not forgive the wrong ones, which may be somebody else's.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong = 0
        self._last = 0.0

    def wait_seconds(self) -> float:
        """What the answer to a wrong password waits now; wrong ones are forgotten after a while without any."""
        late = self._remembered() - FREE_TRIES
        return min(LONGEST_WAIT, 2.0 ** min(late + 1, 10)) if late >= 0 else 0.0

    def turn_seconds(self) -> float:
        """How far apart tries are kept now, so that many connections at once guess no faster."""
        return TURN_SECONDS if self._remembered() >= FREE_TRIES else 0.0

    def wrong(self) -> None:
        """A password was wrong."""
        self._wrong += 1
        self._last = self._clock()

    def _remembered(self) -> int:
        if self._wrong and self._clock() - self._last > FORGET_SECONDS:
            self._wrong = 0
        return self._wrong


class Access:
    """Checks passwords, signs sessions and ends them. ``clock`` gives seconds since the epoch; ``ended`` is the file
    that remembers what has logged out, for the processes that come after this one."""

    def __init__(
        self, user: str, password: str, clock: Callable[[], float] = time.time, ended: Path | None = None
    ) -> None:
        self._user = user.encode()
        self._password = password.encode()
        self._key = hashlib.scrypt(self._password, salt=b"sdcolab/" + self._user, n=2**14, r=8, p=1)
        self._clock = clock
        self._path = ended
        self._lock = threading.Lock()
        self._ended: Mapping[str, int] = (peek_kept(ended, _ended_in) if ended else None) or {}

    def login(self, user: str, password: str) -> str | None:
        """A new session when both are right, else None. Takes as long for a wrong name as for a wrong password."""
        same_user = hmac.compare_digest(user.strip().encode(), self._user)
        same_password = hmac.compare_digest(password.encode(), self._password)
        return self._signed(f"{int(self._clock())}.{secrets.token_hex(8)}") if same_user and same_password else None

    def device(self) -> str:
        """A mark for a browser that has come in once. It opens nothing: see ``knows``."""
        return self._signed(f"{_DEVICE}{secrets.token_hex(8)}")

    def knows(self, device: str) -> bool:
        """Whether ``device`` is a mark that ``device`` gave since the password is what it is."""
        body, _, _ = device.rpartition(".")
        return body.startswith(_DEVICE) and hmac.compare_digest(device.encode(), self._signed(body).encode())

    def valid(self, session: str | None) -> bool:
        """Whether ``session`` is one that ``login`` gave, is not older than ``SESSION_SECONDS`` and was not ended."""
        body, _, _ = (session or "").rpartition(".")
        issued = body.partition(".")[0]
        if not session or not (issued.isascii() and issued.isdigit() and len(issued) < 20):
            return False
        same = hmac.compare_digest(session.encode(), self._signed(body).encode())
        return same and 0 <= self._clock() - int(issued) <= SESSION_SECONDS and session not in self._ended

    def end(self, session: str) -> None:
        """Make ``session`` useless, also to whoever has copied it."""
        if not self.valid(session):
            return
        with self._lock:
            self._ended = self._with_ended({session: int(session.partition(".")[0])})
            if path := self._path:
                with contextlib.suppress(StorageError):
                    self._ended = change_kept(path, lambda: peek_kept(path, _ended_in) or {}, self._with_ended)

    def _with_ended(self, there: Mapping[str, int]) -> Mapping[str, int]:
        """What ended ``there``, where other processes write too, and here, and would still be valid."""
        oldest = self._clock() - SESSION_SECONDS
        return {one: issued for one, issued in {**there, **self._ended}.items() if issued >= oldest}

    def _signed(self, body: str) -> str:
        return f"{body}.{hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()}"


def _ended_in(raw: Any) -> Mapping[str, int]:
    return {str(session): int(issued) for session, issued in raw.items()}
