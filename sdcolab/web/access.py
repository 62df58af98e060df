"""Who may come in: one user name and password, and the cookie that remembers them.

The cookie is signed with a key made from the password, so it outlives a restart of the web process and dies when
the password changes.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable

COOKIE = "sdcolab_sesion"
SESSION_SECONDS = 30 * 24 * 3600


FREE_TRIES = 5
"""Wrong passwords in a row that cost nothing but the answer's own delay."""

FORGET_SECONDS = 600.0
LONGEST_WAIT = 30.0


class LoginBrake:
    """How long the next password must wait, by the wrong ones in a row: nothing for five, then 2, 4, 8… 30 seconds.

    For everybody together: behind a tunnel all callers have one address. Open sessions are not affected.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong = 0
        self._last = 0.0

    def wait_seconds(self) -> float:
        """What the next try must wait; wrong ones are forgotten after a while without any."""
        if self._wrong and self._clock() - self._last > FORGET_SECONDS:
            self._wrong = 0
        late = self._wrong - FREE_TRIES
        return min(LONGEST_WAIT, 2.0 ** min(late + 1, 10)) if late >= 0 else 0.0

    def wrong(self) -> None:
        """A password was wrong."""
        self._wrong += 1
        self._last = self._clock()

    def right(self) -> None:
        """A password was right."""
        self._wrong = 0


class Access:
    """Checks passwords and signs sessions. ``clock`` gives seconds since the epoch."""

    def __init__(self, user: str, password: str, clock: Callable[[], float] = time.time) -> None:
        self._user = user.encode()
        self._password = password.encode()
        self._key = hashlib.scrypt(self._password, salt=b"sdcolab/" + self._user, n=2**14, r=8, p=1)
        self._clock = clock

    def login(self, user: str, password: str) -> str | None:
        """A new session when both are right, else None. Takes as long for a wrong name as for a wrong password."""
        same_user = hmac.compare_digest(user.strip().encode(), self._user)
        same_password = hmac.compare_digest(password.encode(), self._password)
        return self._session(int(self._clock())) if same_user and same_password else None

    def valid(self, session: str | None) -> bool:
        """Whether ``session`` is one that ``login`` gave, not older than ``SESSION_SECONDS``."""
        if not session:
            return False
        issued = session.partition(".")[0]
        if not (issued.isascii() and issued.isdigit() and len(issued) < 20):
            return False
        same = hmac.compare_digest(session.encode(), self._session(int(issued)).encode())
        return same and 0 <= self._clock() - int(issued) <= SESSION_SECONDS

    def _session(self, issued: int) -> str:
        return f"{issued}.{hmac.new(self._key, str(issued).encode(), hashlib.sha256).hexdigest()}"
