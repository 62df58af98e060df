"""Trying passwords: the right one comes in at once, wrong ones wait, and nobody can keep the others from trying."""

from __future__ import annotations

import asyncio
from enum import Enum

from starlette.types import Receive

from sdcolab.web.access import Access, LoginBrake

WRONG_LOGIN_DELAY = 1.0
"""Seconds that the answer to a wrong password waits at least."""

MOST_IN_LINE = 40
"""Passwords that may wait for their turn at once: a right one waits 10 s at most."""

MOST_WAITING = 100
"""Answers to wrong passwords that may wait at once; further ones are given at once."""


class Refusal(Enum):
    """Why a try gives no session."""

    WRONG = "wrong"
    TOO_MANY = "too many"


class Logins:
    """The tries of everybody."""

    def __init__(self) -> None:
        self._brake = LoginBrake()
        self._turn = asyncio.Lock()
        self._in_line = 0
        self._waiting = 0

    async def attempt(
        self, access: Access, user: str, password: str, receive: Receive, *, unread: bool = False
    ) -> str | Refusal:
        """A session; or why there is none, after the wait that a wrong password costs. Who hangs up meanwhile does not
        count any more; with ``unread``, when the body is still wanted by others, that is seen only after the check."""
        if self._in_line >= MOST_IN_LINE:
            return Refusal.TOO_MANY
        self._in_line += 1
        try:
            async with self._turn:
                if unread:
                    await asyncio.sleep(self._brake.turn_seconds())
                elif not await stays(receive, self._brake.turn_seconds()):
                    return Refusal.WRONG
        finally:
            self._in_line -= 1
        session = access.login(user, password)
        if session is not None:
            return session
        delay = max(WRONG_LOGIN_DELAY, self._brake.wait_seconds())
        self._brake.wrong()
        if self._waiting < MOST_WAITING:
            self._waiting += 1
            try:
                await stays(receive, delay)
            finally:
                self._waiting -= 1
        return Refusal.WRONG


async def stays(receive: Receive, seconds: float) -> bool:
    """Wait; False, and at once, when the client hangs up before, or has already."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return True
    return False
