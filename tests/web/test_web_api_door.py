"""Other programs at the door: HTTP Basic beside the page's sessions."""

from __future__ import annotations

import base64

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive

from sdcolab.web import login
from sdcolab.web.access import FREE_TRIES, Access, LoginBrake
from sdcolab.web.cookies import PLAIN as COOKIE
from sdcolab.web.guard import Guard

USER, PASSWORD = "ana", "contraseña larga"


async def hello(request: Request) -> Response:
    return JSONResponse({"path": request.url.path})


PAGE = Starlette(routes=[Route("/", hello)])
API = Starlette(
    routes=[
        Route("/sdapi/v1/options", hello, methods=["GET", "POST"]),
        Route("/internal/ping", hello),
    ]
)
ACCESS = Access(USER, PASSWORD)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each answer to a wrong password had to wait, instead of waiting."""
    waited: list[float] = []

    async def stays(_receive: Receive, seconds: float) -> bool:
        waited.append(seconds)
        return True

    monkeypatch.setattr(login, "stays", stays)
    return waited


def ask(
    door: Guard,
    *requests: tuple[str, str],
    auth: tuple[str, str] | str | None = None,
    headers: dict[str, str] | None = None,
) -> list[httpx.Response]:
    """The answers to ``requests`` from one client with its own cookies."""

    async def run() -> list[httpx.Response]:
        sent = dict(headers or {})
        if isinstance(auth, str):
            sent["authorization"] = auth
        transport = httpx.ASGITransport(app=door)
        async with httpx.AsyncClient(transport=transport, base_url="http://prueba") as client:
            login = auth if isinstance(auth, tuple) else None
            return [await client.request(method, path, auth=login, headers=sent) for method, path in requests]

    return anyio.run(run)


def door(access: Access | None = ACCESS, *, with_api: bool = True) -> Guard:
    return Guard(PAGE, access=access, readable=(), api=API if with_api else None)


def statuses(answers: list[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


def test_the_password_of_the_page_opens_the_api() -> None:
    (answer,) = ask(door(), ("GET", "/sdapi/v1/options"), auth=(USER, PASSWORD))
    assert answer.json() == {"path": "/sdapi/v1/options"}
    assert COOKIE in answer.cookies


def test_older_clients_write_latin_1() -> None:
    encoded = base64.b64encode(f"{USER}:{PASSWORD}".encode("latin-1")).decode()
    assert statuses(ask(door(), ("POST", "/sdapi/v1/options"), auth=f"Basic {encoded}")) == [200]


def test_a_session_spares_the_password() -> None:
    session = ACCESS.login(USER, PASSWORD)
    assert statuses(ask(door(), ("GET", "/internal/ping"), headers={"cookie": f"{COOKIE}={session}"})) == [200]


@pytest.mark.parametrize("auth", [None, (USER, "otra"), ("otro", PASSWORD), "Basic %%%", "Bearer x", "Basic"])
def test_everybody_else_is_refused(auth: tuple[str, str] | str | None) -> None:
    (answer,) = ask(door(), ("GET", "/sdapi/v1/options"), auth=auth)
    assert answer.status_code == 401
    assert COOKIE not in answer.cookies


def test_clients_are_told_how_to_log_in() -> None:
    assert ask(door(), ("GET", "/sdapi/v1/options"))[0].headers["www-authenticate"] == "Basic"


def test_basic_opens_nothing_but_the_api() -> None:
    answers = ask(door(), ("GET", "/"), ("GET", "/gradio_api/info"), auth=(USER, PASSWORD))
    assert statuses(answers) == [303, 401]


def test_wrong_passwords_wait_longer_and_longer_and_the_right_one_does_not(waits: list[float]) -> None:
    closed = door()
    wrong = [("GET", "/sdapi/v1/options")] * (FREE_TRIES + 2)
    assert statuses(ask(closed, *wrong, auth=(USER, "otra"))) == [401] * len(wrong)
    assert statuses(ask(closed, ("GET", "/sdapi/v1/options"), auth=(USER, PASSWORD))) == [200]
    brake = LoginBrake()
    expected = []
    for _ in wrong:
        expected.append(max(login.WRONG_LOGIN_DELAY, brake.wait_seconds()))
        brake.wrong()
    assert waits == expected
    assert max(waits) >= 4


def test_pages_of_other_sites_are_refused_whatever_they_know() -> None:
    for access in (ACCESS, None):
        foreign = {"origin": "http://malo.example"}
        answers = ask(door(access), ("POST", "/sdapi/v1/options"), auth=(USER, PASSWORD), headers=foreign)
        assert statuses(answers) == [403]


def test_without_a_password_the_api_is_open_and_without_an_api_it_is_not_there() -> None:
    assert statuses(ask(door(None), ("GET", "/sdapi/v1/options"))) == [200]
    assert statuses(ask(door(None, with_api=False), ("GET", "/sdapi/v1/options"))) == [403]
