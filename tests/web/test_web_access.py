"""Five wrong passwords slow down the next."""

from __future__ import annotations

import asyncio
import time

from sdcolab.web import guard
from sdcolab.web.access import Access, LoginBrake
from sdcolab.web.guard import Guard


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_brake() -> None:
    clock = Clock()
    brake = LoginBrake(clock)
    waits = []
    for _ in range(12):
        waits.append(brake.wait_seconds())
        brake.wrong()
    assert waits == [0, 0, 0, 0, 0, 2, 4, 8, 16, 30, 30, 30]
    clock.now += 599
    assert brake.wait_seconds() == 30
    clock.now += 2
    assert brake.wait_seconds() == 0
    for _ in range(6):
        brake.wrong()
    brake.right()
    assert brake.wait_seconds() == 0


def test_wrong_passwords_at_once_are_tried_one_by_one() -> None:
    """Many connections do not get around the wait, and the right password still comes in."""

    async def app(*_arguments: object) -> None: ...

    async def attack() -> tuple[list[str | None], float]:
        door = Guard(app, access=None, readable=())
        access = Access("ana", "buena")
        for _ in range(5):
            assert await door._try_password(access, "ana", "mala") is None
        started = time.monotonic()
        tries = [door._try_password(access, "ana", "mala"), door._try_password(access, "ana", "buena")]
        return list(await asyncio.gather(*tries)), time.monotonic() - started

    answers, seconds = asyncio.run(attack())
    assert answers[0] is None
    assert answers[1]
    assert seconds >= 5.9  # 2 s for the sixth and 4 s for the seventh
    assert guard.MOST_WAITING_LOGINS == 10
