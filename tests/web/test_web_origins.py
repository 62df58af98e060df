"""Other sites' pages, other names for the server, and what our answers tell browsers: over all routes."""

from __future__ import annotations

import argparse
import asyncio
import functools
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.routing import Route
from test_web_gates import PASSWORD, USER, events
from test_web_server import routes
from web_fakes import make_bench

from sdcolab.cli.web import origins
from sdcolab.web import guard, patience
from sdcolab.web.access import Access
from sdcolab.web.app import Server, build_page, serve
from sdcolab.web.cookies import FRAMED, PLAIN, SECURE
from sdcolab.web.guard import Guard
from sdcolab.web.login import MOST_ADDRESSES
from sdcolab.web.origins import COLAB_SITES, Caller, caller

API = "/gradio_api"
OTHERS: list[dict[str, str]] = [
    {"origin": "https://otra.gradio.live"},
    {"origin": "null"},
    {"origin": "http://["},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "origin": "https://otra.gradio.live"},
]
"""What browsers say of other sites' requests."""


async def hello(_request: Any) -> JSONResponse:
    return JSONResponse({})


OTHER_PROGRAMS = Starlette(routes=[Route("/sdapi/v1/options", hello, methods=["GET", "POST"])])


@pytest.fixture(scope="module", params=[True, False], ids=["con contraseña", "sin contraseña"])
def inside(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    bench = make_bench(tmp_path_factory.mktemp("orígenes"))
    server: Server = serve(bench.studio, port=0, auth=(USER, PASSWORD) if request.param else None, api=OTHER_PROGRAMS)
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        if request.param:
            assert client.post("/login", data={"username": USER, "password": PASSWORD}).is_success
        yield client
    server.close()
    bench.studio.jobs.close()


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    bench = make_bench(tmp_path_factory.mktemp("rutas"))
    found = routes(build_page(bench.studio))
    bench.studio.jobs.close()
    own = [("GET", "/"), ("POST", "/login"), ("POST", "/logout"), ("POST", "/sdapi/v1/options")]
    return [*found, *own, ("GET", "/sdapi/v1/options"), ("OPTIONS", "/sdapi/v1/options"), ("GET", f"{API}/file=/a.png")]


def test_other_sites_reach_no_route(inside: httpx.Client, known: list[tuple[str, str]]) -> None:
    for place, (method, path) in enumerate(known):
        for headers in (OTHERS[place % len(OTHERS)], OTHERS[(place + 3) % len(OTHERS)]):
            answer = inside.request(method, path, headers=headers)
            assert answer.status_code == 403, (method, path, headers)
            assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_other_sites_reach_no_event(inside: httpx.Client) -> None:
    for place, event in enumerate(events(inside)):
        for headers in (OTHERS[place % 4], OTHERS[(place + 1) % 4]):
            assert inside.post(f"{API}/run/predict", json=event.body(), headers=headers).status_code == 403


def test_the_launcher_s_page_hears_that_ours_answers_and_nothing_else(inside: httpx.Client) -> None:
    """A browser lets ``fetch(url, { mode: "no-cors" })`` succeed only with this header."""
    answer = inside.get("/", headers={"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"})
    assert (answer.status_code, answer.headers["cross-origin-resource-policy"]) == (403, "cross-origin")
    assert inside.get("/").headers["cross-origin-resource-policy"] == "same-origin"


def test_links_and_frames_of_other_sites_open_the_page(inside: httpx.Client) -> None:
    for site in ("cross-site", "same-site"):
        headers = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
        assert inside.get("/", headers=headers).status_code == 200
        assert inside.get(f"{API}/info", headers=headers).status_code == 403
        assert inside.post("/", headers=headers).status_code == 403


def test_our_own_page_is_let_in_even_when_a_proxy_changes_the_host(inside: httpx.Client) -> None:
    body = next(event for event in events(inside) if not event.arguments).body()
    headers = {"origin": "https://7860-colab.googleusercontent.com", "sec-fetch-site": "same-origin"}
    assert inside.post(f"{API}/run/predict", json=body, headers=headers).status_code == 200
    own = {"origin": str(inside.base_url).rstrip("/")}
    answer = inside.post(f"{API}/run/predict", json=body, headers=own)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("host", ["[", "", "[::1", "a:b:c:d]", "malo.example"])
def test_names_that_are_not_ours_are_refused(inside: httpx.Client, host: str) -> None:
    with_password = PLAIN in inside.cookies
    answer = inside.get("/config", headers={"host": host})
    assert answer.status_code == (200 if with_password and host == "malo.example" else 403) or (
        not host and answer.status_code == 400  # the server's own refusal
    )


def test_every_answer_protects_itself(inside: httpx.Client, known: list[tuple[str, str]]) -> None:
    for method, path in known:
        if path == "/logout":
            continue
        with inside.stream(method, path) as answer:  # some do not end
            headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "same-origin"
        assert headers["content-security-policy"] == f"frame-ancestors 'self' {' '.join(COLAB_SITES)}"


# --- Cookies ----------------------------------------------------------------------------------------------------------

ACCESS = Access("ana", "buena")
HTTPS = {"x-forwarded-proto": "https"}
FRAME = {"sec-fetch-dest": "iframe", "sec-fetch-site": "same-origin"}


def asked(
    method: str,
    path: str,
    headers: dict[str, str],
    data: dict[str, str] | None = None,
    door: Guard | None = None,
) -> httpx.Response:
    async def run() -> httpx.Response:
        app = door or Guard(OTHER_PROGRAMS, access=ACCESS, readable=(), api=OTHER_PROGRAMS)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://prueba") as client:
            return await client.request(method, path, headers=headers, data=data)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "name", "words"),
    [
        ({}, PLAIN, {"httponly", "samesite=lax"}),
        (HTTPS, SECURE, {"httponly", "secure", "samesite=lax"}),
        ({"origin": "https://prueba"}, SECURE, {"httponly", "secure", "samesite=lax"}),
        (HTTPS | FRAME, FRAMED, {"httponly", "secure", "samesite=none", "partitioned"}),
        (FRAME, PLAIN, {"httponly", "samesite=lax"}),
    ],
)
def test_each_way_to_the_page_gets_its_cookie(headers: dict[str, str], name: str, words: set[str]) -> None:
    answer = asked("POST", "/login", headers, {"username": "ana", "password": "buena"})
    cookies = answer.headers.get_list("set-cookie")
    assert cookies[0].startswith(f"{name}=")
    assert ["equipo" in cookie for cookie in cookies] == [False, True]
    for cookie in cookies:
        assert cookie.startswith("__Host-") == name.startswith("__Host-")
        assert {part.strip().lower() for part in cookie.split(";")[1:]} >= words | {"path=/"}
        assert "domain" not in cookie.lower()


def test_a_session_in_a_frame_must_prove_that_our_page_asks() -> None:
    cookie = {"cookie": f"{FRAMED}={ACCESS.login('ana', 'buena')}"}
    path = "/sdapi/v1/options"
    assert asked("GET", path, cookie).status_code == 200
    assert asked("POST", path, cookie).status_code == 401
    assert asked("POST", path, cookie | {"origin": "http://prueba"}).status_code == 200
    assert asked("POST", path, cookie | {"sec-fetch-site": "same-origin"}).status_code == 200
    assert asked("POST", path, cookie | {"origin": "https://otra.gradio.live"}).status_code == 403
    plain = {"cookie": f"{SECURE}={ACCESS.login('ana', 'buena')}"}
    assert asked("POST", path, plain).status_code == 200


def test_requests_whose_end_is_not_clear_are_refused(inside: httpx.Client) -> None:
    """Two lengths, as they smuggle a second request past a proxy: the connection ends with the answer."""
    host = inside.base_url
    asked = f"POST /login HTTP/1.1\r\nHost: {host.host}:{host.port}\r\nContent-Length: 6\r\n"
    asked += "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /login HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection((host.host, host.port or 80), timeout=20) as connection:
        connection.sendall(asked.encode())
        told = b"".join(iter(functools.partial(connection.recv, 65536), b""))
    assert told.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400"))
    assert told.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("headers", [{}, HTTPS, HTTPS | FRAME])
def test_strangers_never_keep_a_browser_that_came_in_before_from_coming_in(
    headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wrong passwords wait; and its mark opens nothing by itself."""
    login = {"username": "ana", "password": "buena"}
    cookie = asked("POST", "/login", headers, login).headers.get_list("set-cookie")[1].partition(";")[0]
    crowded = Guard(OTHER_PROGRAMS, access=ACCESS, readable=(), api=OTHER_PROGRAMS)
    monkeypatch.setattr(crowded._logins, "_in_line", Counter({str(one): 1 for one in range(MOST_ADDRESSES)}))
    assert asked("POST", "/login", headers, login, crowded).status_code == 429
    marked = headers | {"cookie": f"otra=1; {cookie}"}
    assert asked("POST", "/login", marked, login, crowded).json() == {"success": True}
    assert asked("POST", "/login", marked, login | {"password": "mala"}, crowded).status_code == 401
    assert asked("GET", "/sdapi/v1/options", marked, door=crowded).status_code == 401
    session = {"cookie": cookie.partition("=")[0] + f"={ACCESS.login('ana', 'buena')}"}
    assert asked("POST", "/login", headers | session, login, crowded).status_code == 429


def test_marks_of_browsers_end_with_their_password() -> None:
    mark = ACCESS.device()
    assert ACCESS.knows(mark)
    assert not ACCESS.valid(mark)
    assert not Access("ana", "otra").knows(mark)
    assert not any(map(ACCESS.knows, ("", "d.", mark[:-1], "d.ñ", ACCESS.login("ana", "buena") or "")))


def test_cookies_that_a_stranger_adds_lock_nobody_out() -> None:
    good = ACCESS.login("ana", "buena")
    for cookies in (f"{PLAIN}=falsa; {SECURE}={good}", f"{PLAIN}={good}; {PLAIN}=1.2; raro; =; a=b=c"):
        assert asked("GET", "/sdapi/v1/options", {"cookie": cookies}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "who"),
    [
        ({}, Caller.UNKNOWN),
        ({"host": "A.example:80", "origin": "http://a.example:80"}, Caller.OWN),
        ({"host": "a.example", "origin": "https://b.example"}, Caller.FOREIGN),
        ({"host": "a.example", "origin": "https://a.example", "sec-fetch-site": "same-site"}, Caller.FOREIGN),
        ({"sec-fetch-site": "none"}, Caller.OWN),
        ({"sec-fetch-site": "SAME-ORIGIN"}, Caller.FOREIGN),
    ],
)
def test_who_asks(headers: dict[str, str], who: Caller) -> None:
    assert caller(Headers(headers)) is who


# --- Connections ------------------------------------------------------------------------------------------------------


def test_half_a_request_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(guard, "LOGIN_SECONDS", 0.3)
    bench = make_bench(tmp_path)
    server = serve(bench.studio, port=0, auth=(USER, PASSWORD))
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
            slow.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90\r\n\r\nusername=")
            assert slow.recv(12) == b"HTTP/1.1 408"
            while slow.recv(65536):
                pass
        for said in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Y: "):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
                slow.sendall(said)
                begun = time.monotonic()
                assert slow.recv(10) == b""
                assert time.monotonic() - begun < 5
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as again:
            again.sendall(b"GET /favicon.ico HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert again.recv(12) == b"HTTP/1.1 200"
            again.sendall(b"GET /con")
            while again.recv(65536):
                pass
    finally:
        server.close()
        bench.studio.jobs.close()


# --- Sites that may use the API ---------------------------------------------------------------------------------------

SITE = "http://localhost:5173"


def visit(method: str, path: str, headers: dict[str, str], access: Access | None = ACCESS) -> httpx.Response:
    async def run() -> httpx.Response:
        door = Guard(
            OTHER_PROGRAMS, access=access, readable=(), api=OTHER_PROGRAMS, hosts=None, guests=frozenset({SITE})
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=door), base_url="http://prueba") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(run())


def test_a_page_of_an_allowed_site_uses_the_api_with_the_password_and_nothing_else() -> None:
    path, origin = "/sdapi/v1/options", {"origin": SITE, "sec-fetch-site": "same-site"}
    password = {"authorization": httpx.BasicAuth("ana", "buena")._auth_header}
    asking = origin | {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    before = visit("OPTIONS", path, asking)
    assert before.status_code == 204
    assert before.headers["access-control-allow-origin"] == SITE
    assert "authorization" in before.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in before.headers
    answer = visit("POST", path, origin | password)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, SITE)
    assert "origin" in answer.headers["vary"].casefold()
    assert visit("POST", path, origin).status_code == 401
    cookie = {"cookie": f"{PLAIN}={ACCESS.login('ana', 'buena')}"}
    assert visit("GET", path, cookie).status_code == 200
    assert visit("GET", path, origin | cookie).status_code == 401  # its visitor's session is not its own
    assert visit("POST", path, origin, access=None).status_code == 200
    for other in ("/config", "/", f"{API}/queue/join"):
        refused = visit("GET", other, origin | password)
        assert refused.status_code == 403
        assert "access-control-allow-origin" not in refused.headers
    assert visit("POST", path, {"origin": "http://localhost:5174"} | password).status_code == 403


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("http://LOCALHOST:5173, https://a.es/", {SITE, "https://a.es"}),
        ("", set()),
        *(
            (text, None)
            for text in ("*", "a.es", "https://a.es/ruta", "https://ana:x@a.es", "null", "http://a:b", "ftp://a")
        ),
    ],
)
def test_sites_are_written_as_their_address(text: str, found: set[str] | None) -> None:
    if found is None:
        with pytest.raises(argparse.ArgumentTypeError):
            origins(text)
    else:
        assert origins(text) == found
