"""Trying passwords: the right one comes in at once, wrong ones wait, and nobody can keep the others from trying."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from enum import Enum

from starlette.types import Receive, Scope

from sdcolab.web.access import Access, LoginBrake

WRONG_LOGIN_DELAY = 1.0
"""Seconds that the answer to a wrong password waits at least."""

MOST_IN_LINE = 40
"""Passwords that may wait for their turn at once: a right one waits 10 s at most."""

MOST_OF_ONE = 4
"""Of those, the ones of a single address: a flood from one leaves room for the others, who wait 1 s behind it."""

MOST_ADDRESSES = 400
"""An address with none in line comes in beyond ``MOST_IN_LINE``, up to so many passwords in all."""

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
        self._in_line: Counter[str] = Counter()
        self._waiting = 0

    async def attempt(
        self, access: Access, user: str, password: str, receive: Receive, *, address: str = "", unread: bool = False
    ) -> str | Refusal:
        """A session for who asks from ``address``; or why there is none, after the wait that a wrong password costs.
        Who hangs up meanwhile does not count any more; with ``unread``, when the body is still wanted by others, that
        is seen only after the check."""
        if self._is_full(address):
            return Refusal.TOO_MANY
        self._in_line[address] += 1
        try:
            async with self._turn:
                if unread:
                    await asyncio.sleep(self._brake.turn_seconds())
                elif not await stays(receive, self._brake.turn_seconds()):
                    return Refusal.WRONG
        finally:
            self._in_line -= Counter((address,))  # forgets those with none
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

    def _is_full(self, address: str) -> bool:
        """Whether there is no room in the line for one more from ``address``."""
        if self._in_line[address]:
            return self._in_line[address] >= MOST_OF_ONE or self._in_line.total() >= MOST_IN_LINE
        return self._in_line.total() >= MOST_ADDRESSES


def source(scope: Scope) -> str:
    """Whom a request comes from: its address, of IPv6 the network that one customer has (/64); "" where nobody says.
    Behind a tunnel uvicorn has put there what the tunnel says."""
    try:
        address = ipaddress.ip_address(str((scope.get("client") or ("",))[0]))
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address) or address.ipv4_mapped:
        return str(getattr(address, "ipv4_mapped", None) or address)
    return str(ipaddress.ip_network((address, 64), strict=False))


async def stays(receive: Receive, seconds: float) -> bool:
    """Wait; False, and at once, when the client hangs up before, or has already."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return True
    return False
