"""The only door of the web server, in front of gradio.

gradio offers more routes than this page uses and some of them answer without a login, so everything is closed except a
short list. Only pictures are served, and only from the folders named here, after following links.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Iterable, Sequence
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sdcolab.web.access import COOKIE, SESSION_SECONDS, Access, LoginBrake
from sdcolab.web.gate import FileGate
from sdcolab.web.look import login_page

API = "/gradio_api"
FILE_PREFIX = f"{API}/file="
UPLOADS = frozenset({f"{API}/upload"})
"""Where files arrive as they are; every other body is JSON."""

LOGIN_PATH = "/login"
LOGOUT_PATH = "/logout"
WRONG_LOGIN_DELAY = 1.0
"""Seconds that a wrong password waits for its answer."""

MOST_WAITING_LOGINS = 10
"""Passwords that may wait for their turn at once."""

_MAX_LOGIN_BYTES = 4096
_WITHOUT_LOGIN = frozenset({"/favicon.ico"})
_EXACT = frozenset(
    {
        "/",
        "/config",
        "/favicon.ico",
        "/manifest.json",
        "/pwa_icon",
        "/robots.txt",
        "/theme.css",
        f"{API}/app_id",
        f"{API}/cancel",
        f"{API}/info",
        f"{API}/queue/data",
        f"{API}/queue/join",
        f"{API}/queue/status",
        f"{API}/reset",
        f"{API}/startup-events",
        f"{API}/theme.css",
        f"{API}/upload",
        f"{API}/upload_progress",
    }
)
_CLIENT_PREFIXES = ("/sdapi/", "/internal/")
"""What other programs ask for: A1111's HTTP API."""

_PREFIXES = ("/assets/", "/static/", "/svelte/", f"{API}/heartbeat/", f"{API}/call/", f"{API}/run/", f"{API}/api/")


class Guard:
    """ASGI middleware: asks for a login when there is an ``access``, and lets through only what the page needs.

    ``readable`` are the folders whose pictures may be served. ``hosts``, when given, are the only names by which the
    server may be called; without a password this is what keeps other web pages from using it (DNS rebinding).
    ``api``, when given, answers other programs, which may log in with each request (HTTP Basic).
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access | None,
        readable: Sequence[Path],
        hosts: frozenset[str] | None = None,
        api: ASGIApp | None = None,
    ) -> None:
        self._app = app
        self._api = api
        self._access = access
        self._files = FileGate(readable)
        self._hosts = hosts
        self._brake = LoginBrake()
        self._one_try = asyncio.Lock()
        self._trying = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            answer = await self._answer(scope, receive)
            await (answer or self._app)(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> ASGIApp | None:
        """Our own answer, or None when gradio should answer."""
        path, method, headers = scope["path"], scope["method"], Headers(scope=scope)
        if refusal := self._refuse_stranger(method, headers):
            return refusal
        if path == LOGIN_PATH and self._access:
            return await self._log_in(self._access, method, headers, receive)
        if path == LOGOUT_PATH:
            return _log_out()
        if self._api and path.startswith(_CLIENT_PREFIXES):
            return await self._for_client(self._api, method, headers)
        if not self._inside(headers) and path not in _WITHOUT_LOGIN:
            return _ask_login(path, method)
        if path.startswith(FILE_PREFIX):
            return None if self._files.admits(path.removeprefix(FILE_PREFIX)) else _refused()
        return None if path in _EXACT or path.startswith(_PREFIXES) else _refused()

    async def _for_client(self, api: ASGIApp, method: str, headers: Headers) -> ASGIApp:
        """``api`` for who has a session or sends the password, whom a session spares from sending it again.

        Browsers send a password that they remember with other sites' requests too, so those are refused here.
        """
        if _foreign(method, headers):
            return _refused()
        if self._inside(headers):
            return api
        login = _basic_login(headers)
        if self._access is None or login is None:
            return JSONResponse({"detail": "Hace falta iniciar sesión."}, 401, {"WWW-Authenticate": "Basic"})
        if self._trying >= MOST_WAITING_LOGINS:
            return _too_many()
        session = await self._try_password(self._access, *login)
        if session is None:
            await asyncio.sleep(WRONG_LOGIN_DELAY)
            return JSONResponse({"detail": "El usuario o la contraseña no son correctos."}, 401)
        return _with_session(api, session, headers)

    def _inside(self, headers: Headers) -> bool:
        return self._access is None or self._access.valid(_cookie(headers))

    def _refuse_stranger(self, method: str, headers: Headers) -> Response | None:
        """A refusal for requests that another web page makes on behalf of a server without a password."""
        if self._access:
            return None  # the session cookie does not travel with other sites' requests (SameSite)
        host = headers.get("host", "")
        if self._hosts is not None and (urlsplit(f"//{host}").hostname or "") not in self._hosts:
            return _refused()
        return _refused() if _foreign(method, headers) else None

    async def _log_in(self, access: Access, method: str, headers: Headers, receive: Receive) -> Response:
        if method in ("GET", "HEAD"):
            return RedirectResponse("/", 303) if self._inside(headers) else HTMLResponse(login_page(wrong=False))
        form = parse_qs((await _body(receive)).decode("utf-8", "replace"), keep_blank_values=True)
        if self._trying >= MOST_WAITING_LOGINS:
            return _too_many()
        session = await self._try_password(access, form.get("username", [""])[0], form.get("password", [""])[0])
        if session is None:
            await asyncio.sleep(WRONG_LOGIN_DELAY)
            return HTMLResponse(login_page(wrong=True), 401)
        answer: Response
        if "text/html" in headers.get("accept", ""):
            answer = RedirectResponse("/", 303)
        else:
            answer = JSONResponse({"success": True})
        _set_session(answer, session, headers)
        return answer

    async def _try_password(self, access: Access, user: str, password: str) -> str | None:
        """As ``Access.login``, one try after another and slower after several wrong ones."""
        self._trying += 1
        try:
            async with self._one_try:
                await asyncio.sleep(self._brake.wait_seconds())
                session = access.login(user, password)
                if session is None:
                    self._brake.wrong()
                else:
                    self._brake.right()
                return session
        finally:
            self._trying -= 1


def _foreign(method: str, headers: Headers) -> bool:
    """Whether another site's page makes this request, and it may change something."""
    origin = headers.get("origin")
    return bool(origin) and method not in ("GET", "HEAD") and urlsplit(origin).netloc != headers.get("host", "")


def _basic_login(headers: Headers) -> tuple[str, str] | None:
    """User and password of HTTP Basic (RFC 7617), in UTF-8 or in the Latin-1 of older clients."""
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.casefold() != "basic":
        return None
    try:
        raw = base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        return None
    try:
        user, _, password = raw.decode("utf-8").partition(":")
    except UnicodeDecodeError:
        user, _, password = raw.decode("latin-1").partition(":")
    return user, password


def _with_session(api: ASGIApp, session: str, headers: Headers) -> ASGIApp:
    """``api``, whose answer also carries the session's cookie."""
    carrier = Response()
    _set_session(carrier, session, headers)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("set-cookie", carrier.headers["set-cookie"])
            await send(message)

        await api(scope, receive, send_with_cookie)

    return answer


def _set_session(answer: Response, session: str, headers: Headers) -> None:
    secure = headers.get("x-forwarded-proto", "").split(",")[0].strip() == "https"
    answer.set_cookie(COOKIE, session, SESSION_SECONDS, httponly=True, samesite="lax", secure=secure)


def _cookie(headers: Headers) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found else None


async def _body(receive: Receive) -> bytes:
    """The request's body, cut at ``_MAX_LOGIN_BYTES``."""
    parts: list[bytes] = []
    while sum(map(len, parts)) < _MAX_LOGIN_BYTES:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(parts)[:_MAX_LOGIN_BYTES]


def _ask_login(path: str, method: str) -> Response:
    if path == "/" and method in ("GET", "HEAD"):
        return RedirectResponse(LOGIN_PATH, 303)
    return JSONResponse({"detail": "Hace falta iniciar sesión."}, 401)


def _log_out() -> Response:
    answer = RedirectResponse(LOGIN_PATH, 303)
    answer.delete_cookie(COOKIE)
    return answer


def _too_many() -> Response:
    return PlainTextResponse("Demasiados intentos a la vez. Espera un minuto y vuelve a probar.", 429)


def _refused() -> Response:
    return PlainTextResponse("No permitido.", 403)


def loopback_names(host: str) -> frozenset[str] | None:
    """The names that reach a server bound to ``host`` from its own computer; None when it is open to others."""
    names: Iterable[str] = ("localhost", "127.0.0.1", "::1")
    return frozenset(names) if host in names else None
