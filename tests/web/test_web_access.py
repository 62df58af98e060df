"""Wrong passwords wait; the right one does not, whatever others do."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from starlette.types import Message

from sdcolab.web import login
from sdcolab.web.access import TURN_SECONDS, Access, LoginBrake
from sdcolab.web.login import Logins, Refusal


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def waits() -> Message:
    """A client that stays and says nothing more."""
    await asyncio.sleep(3600)
    return {"type": "http.disconnect"}


async def gone() -> Message:
    """A client that has hung up."""
    return {"type": "http.disconnect"}


def test_the_brake() -> None:
    clock = Clock()
    brake = LoginBrake(clock)
    seconds = []
    for _ in range(12):
        seconds.append(brake.wait_seconds())
        brake.wrong()
    assert seconds == [0, 0, 0, 0, 0, 2, 4, 8, 16, 30, 30, 30]
    assert brake.turn_seconds() == TURN_SECONDS
    clock.now += 599
    assert brake.wait_seconds() == 30
    clock.now += 2
    assert brake.wait_seconds() == brake.turn_seconds() == 0


def test_the_right_password_does_not_wait_for_the_answers_to_wrong_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "WRONG_LOGIN_DELAY", 60.0)
    access = Access("ana", "buena")

    async def attack() -> tuple[str | Refusal, float]:
        logins = Logins()
        tries = [
            asyncio.create_task(logins.attempt(access, "ana", "mala", waits, address=str(number % 3)))
            for number in range(12)
        ]
        await asyncio.sleep(0)
        started = time.monotonic()
        answer = await logins.attempt(access, "ana", "buena", waits)
        seconds = time.monotonic() - started
        assert sum(one.done() for one in tries) == 0
        for one in tries:
            one.cancel()
        return answer, seconds

    answer, seconds = asyncio.run(attack())
    assert isinstance(answer, str)
    assert seconds < 13 * TURN_SECONDS + 1


def test_who_hangs_up_is_forgotten() -> None:
    access = Access("ana", "buena")

    async def attack() -> float:
        logins = Logins()
        started = time.monotonic()
        tries = [logins.attempt(access, "ana", "mala", gone) for _ in range(login.MOST_OF_ONE)]
        assert set(await asyncio.gather(*tries)) == {Refusal.WRONG}
        assert isinstance(await logins.attempt(access, "ana", "buena", waits), str)
        return time.monotonic() - started

    assert asyncio.run(attack()) < 1


def test_the_line_ends_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "MOST_ADDRESSES", 0)
    assert asyncio.run(Logins().attempt(Access("ana", "buena"), "ana", "mala", waits)) is Refusal.TOO_MANY


def test_a_flood_from_elsewhere_does_not_keep_the_owner_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """One address, or more of them than the line has room for: who has none waiting comes in, and soon."""
    monkeypatch.setattr(LoginBrake, "wait_seconds", lambda _self: 3600.0)
    access = Access("ana", "buena")

    async def attack(addresses: int) -> tuple[str | Refusal, float]:
        logins = Logins()
        tries = [
            asyncio.create_task(logins.attempt(access, "ana", "mala", waits, address=f"x{number % addresses}"))
            for number in range(300)
        ]
        await asyncio.sleep(0)
        started = time.monotonic()
        answer = await logins.attempt(access, "ana", "buena", waits, address="dueño")
        seconds = time.monotonic() - started
        for one in tries:
            one.cancel()
        return answer, seconds

    answer, seconds = asyncio.run(attack(1))
    assert isinstance(answer, str)
    assert seconds < (login.MOST_OF_ONE + 1) * TURN_SECONDS + 1
    answer, seconds = asyncio.run(attack(30))
    assert isinstance(answer, str)
    assert seconds < (login.MOST_IN_LINE + 1) * TURN_SECONDS + 1


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("203.0.113.9", 1), "203.0.113.9"),
        (("2001:db8:1:2:3::4", 1), "2001:db8:1:2::/64"),
        (("::ffff:203.0.113.9", 1), "203.0.113.9"),
        (("testclient", 1), ""),
        (None, ""),
    ],
)
def test_whom_a_request_comes_from(client: tuple[str, int] | None, address: str) -> None:
    assert login.source({"type": "http", "client": client}) == address


def test_tries_at_once_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many connections guess no faster than one."""
    monkeypatch.setattr(login, "WRONG_LOGIN_DELAY", 0.0)
    monkeypatch.setattr(LoginBrake, "wait_seconds", lambda _self: 0.0)
    access = Access("ana", "buena")

    async def attack() -> float:
        logins = Logins()
        started = time.monotonic()
        tries = (logins.attempt(access, "ana", "mala", waits, address=str(number)) for number in range(8))
        await asyncio.gather(*tries)
        return time.monotonic() - started

    assert asyncio.run(attack()) >= 3 * TURN_SECONDS - 0.01


def test_an_ended_session_stays_ended_also_in_the_next_process(tmp_path: Path) -> None:
    access = Access("ana", "buena", ended=tmp_path / "cerradas.json")
    first, second = (access.login("ana", "buena") for _ in range(2))
    assert first and second and first != second
    access.end(first)
    access.end("inventada")
    for one in (access, Access("ana", "buena", ended=tmp_path / "cerradas.json")):
        assert not one.valid(first)
        assert one.valid(second)


def test_programs_that_are_open_at_once_forget_no_session_that_another_one_ended(tmp_path: Path) -> None:
    one, other = (Access("ana", "buena", ended=tmp_path / "cerradas.json") for _ in range(2))
    sessions = [program.login("ana", "buena") for program in (one, other)]
    for program, session in zip((one, other), sessions, strict=True):
        program.end(session or "")
    later = Access("ana", "buena", ended=tmp_path / "cerradas.json")
    assert [later.valid(session) for session in sessions] == [False, False]
