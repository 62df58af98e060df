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
