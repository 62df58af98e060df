"""The only door of the web server, in front of gradio.

gradio offers more routes than this page uses and some of them answer without a login, so everything is closed except a
short list. Only pictures are served, and only from the folders named here, after following links.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sdcolab.core.arrival import HungUp, read_body
from sdcolab.core.untrusted import clean_text
from sdcolab.core.words import page as words
from sdcolab.web.access import Access
from sdcolab.web.cookies import FRAMED, forget, remember, remember_device, sent_devices, sent_sessions
from sdcolab.web.gate import FileGate
from sdcolab.web.login import Logins, Refusal, source
from sdcolab.web.look import login_page
from sdcolab.web.origins import (
    REFUSAL,
    SAFE_METHODS,
    Caller,
    caller,
    guest,
    host_name,
    is_intrusion,
    preflight,
    protected,
)
from sdcolab.web.shown import HIDDEN_SUFFIXES, AsPng

API = "/gradio_api"
FILE_PREFIX = f"{API}/file="
UPLOADS = frozenset({f"{API}/upload"})
"""Where files arrive as they are; every other body is JSON."""

STREAMS = (f"{API}/queue/data", f"{API}/heartbeat/", f"{API}/call/", f"{API}/upload_progress")
"""Beginnings of the paths whose answers stay open."""

ROOMS_PREFIX = "/sdcolab/"
LOGIN_PATH = "/login"
LOGOUT_PATH = "/logout"
_MAX_LOGIN_BYTES = 4096
LOGIN_SECONDS = 20.0
"""How long user and password may take to arrive: whoever sends them has not come in yet."""

_WITHOUT_LOGIN = frozenset({"/favicon.ico"})
_EXACT = frozenset(
    {
        "/",
        "/config",
        "/favicon.ico",
        "/manifest.json",
        "/pwa_icon",
        "/pwa_icon/192",
        "/pwa_icon/512",
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
"""The icons are those that the manifest names: gradio would draw one of any size."""

_CLIENT_PREFIXES = ("/sdapi/", "/internal/", "/controlnet/", "/docs", "/openapi.json")
"""What other programs ask for: A1111's HTTP API."""

_PREFIXES = ("/assets/", "/static/", "/svelte/", f"{API}/heartbeat/", f"{API}/call/", f"{API}/run/", f"{API}/api/")


class Guard:
    """ASGI middleware: asks for a login when there is an ``access``, and lets through only what the page needs.

    ``readable`` are the folders whose pictures may be served. ``hosts``, when given, are the only names by which the
    server may be called; without a password this is what keeps other web pages from using it (DNS rebinding).
    ``guests`` are the origins of other sites whose pages may use ``api``, with the password if there is one.
    ``api``, when given, answers other programs, which may log in with each request (HTTP Basic). ``rooms``, when given,
    answers what our own page asks of the rooms of the studio.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access | None,
        readable: Sequence[Path],
        hosts: frozenset[str] | None = None,
        api: ASGIApp | None = None,
        rooms: ASGIApp | None = None,
        guests: frozenset[str] = frozenset(),
    ) -> None:
        self._app = app
        self._api = api
        self._rooms = rooms
        self._access = access
        self._files = FileGate(readable)
        self._hosts = hosts
        self._guests = guests
        self._logins = Logins()
        self._known_logins = Logins()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            headers = Headers(scope=scope)
            origin = guest(headers, self._guests) if self._api and scope["path"].startswith(_CLIENT_PREFIXES) else ""
            answer = await (self._answer_guest(scope, receive) if origin else self._answer(scope, receive))
            await (answer or self._app)(scope, receive, protected(send, origin))

    async def _answer_guest(self, scope: Scope, receive: Receive) -> ASGIApp:
        """The answer to a page of an allowed site. Its visitor's cookies are ours and count for nothing here."""
        method = scope["method"]
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name.lower() != b"cookie"]
        headers = Headers(scope=scope)
        if self._api is None or self._called_wrongly(headers):
            return _refused()
        if method == "OPTIONS":
            return preflight()
        return await self._for_client(self._api, method, headers, receive, source(scope))

    async def _answer(self, scope: Scope, receive: Receive) -> ASGIApp | None:
        """Our own answer, or None when gradio should answer."""
        path, method, headers = scope["path"], scope["method"], Headers(scope=scope)
        if self._called_wrongly(headers) or is_intrusion(path, method, headers):
            return _refused()
        if path == LOGIN_PATH and self._access:
            return await self._log_in(self._access, method, headers, receive, source(scope))
        if path == LOGOUT_PATH and self._access:
            return self._log_out(self._access, method, headers)
        if self._api and path.startswith(_CLIENT_PREFIXES):
            return await self._for_client(self._api, method, headers, receive, source(scope))
        if not self._inside(method, headers) and path not in _WITHOUT_LOGIN:
            return _ask_login(path, method)
        if self._rooms and path.startswith(ROOMS_PREFIX):
            return self._rooms
        if path.startswith(FILE_PREFIX):
            name = path.removeprefix(FILE_PREFIX)
            if not self._files.admits(name):
                return _refused()
            return AsPng(Path(name)) if name.lower().endswith(HIDDEN_SUFFIXES) else None
        return None if path in _EXACT or path.startswith(_PREFIXES) else _refused()

    async def _for_client(self, api: ASGIApp, method: str, headers: Headers, receive: Receive, address: str) -> ASGIApp:
        """``api`` for who has a session or sends the password, whom a session spares from sending it again."""
        if self._inside(method, headers):
            return api
        login = _basic_login(headers)
        if self._access is None or login is None:
            return JSONResponse({"detail": words.LOGIN_NEEDED}, 401, {"WWW-Authenticate": "Basic"})
        session = await self._logins.attempt(self._access, *login, receive, address=address, unread=True)
        if session is Refusal.TOO_MANY:
            return _too_many()
        if isinstance(session, Refusal):
            return JSONResponse({"detail": words.WRONG_PASSWORD}, 401)
        return _with_session(api, session, headers)

    def _inside(self, method: str, headers: Headers) -> bool:
        """Whether a valid session comes along. What is shown inside another site's page must also prove, before it
        changes anything, that our own page asks: its cookie would come with anybody's request."""
        if self._access is None:
            return True
        names = {name for name, session in sent_sessions(headers) if self._access.valid(session)}
        if names != {FRAMED}:
            return bool(names)
        return method in SAFE_METHODS or caller(headers) is Caller.OWN

    def _called_wrongly(self, headers: Headers) -> bool:
        if "transfer-encoding" in headers and "content-length" in headers:
            return True  # where one request ends is not the same for everybody (RFC 9112, 6.3)
        name = host_name(headers)
        return not name or (self._hosts is not None and name not in self._hosts)

    async def _log_in(self, access: Access, method: str, headers: Headers, receive: Receive, address: str) -> Response:
        if method in SAFE_METHODS:
            inside = self._inside(method, headers)
            return RedirectResponse("/", 303) if inside else HTMLResponse(login_page(wrong=False))
        if method != "POST":
            return _wrong_method("GET, POST")
        try:
            body = await read_body(receive, _MAX_LOGIN_BYTES, LOGIN_SECONDS)
        except TimeoutError:
            return PlainTextResponse(words.DATA_TOO_SLOW, 408, {"Connection": "close"})
        except HungUp:
            return Response(status_code=400)  # nobody reads it
        if body is None:
            return PlainTextResponse(words.TOO_LONG, 413)
        form = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
        user, password = (clean_text(form.get(name, [""])[0]) for name in ("username", "password"))
        known = any(map(access.knows, sent_devices(headers)))
        logins = self._known_logins if known else self._logins  # strangers stand in another line
        session = await logins.attempt(access, user, password, receive, address=address)
        if session is Refusal.TOO_MANY:
            return _too_many()
        if isinstance(session, Refusal):
            return HTMLResponse(login_page(wrong=True), 401)
        page = "text/html" in headers.get("accept", "")
        answer: Response = RedirectResponse("/", 303) if page else JSONResponse({"success": True})
        remember(answer.headers, session, headers)
        remember_device(answer.headers, access.device(), headers)
        return answer

    def _log_out(self, access: Access, method: str, headers: Headers) -> Response:
        if method != "POST":
            return _wrong_method("POST")
        for _, session in sent_sessions(headers):
            access.end(session)
        answer = RedirectResponse(LOGIN_PATH, 303)
        forget(answer.headers)
        return answer


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

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                remember(MutableHeaders(scope=message), session, headers)
            await send(message)

        await api(scope, receive, send_with_cookie)

    return answer


def _ask_login(path: str, method: str) -> Response:
    if path == "/" and method in ("GET", "HEAD"):
        return RedirectResponse(LOGIN_PATH, 303)
    return JSONResponse({"detail": words.LOGIN_NEEDED}, 401)


def _wrong_method(allowed: str) -> Response:
    return PlainTextResponse(words.WRONG_METHOD, 405, {"Allow": allowed})


def _too_many() -> Response:
    return PlainTextResponse(words.TOO_MANY_TRIES, 429)


def _refused() -> Response:
    return PlainTextResponse(words.NOT_ALLOWED, 403, REFUSAL)


def loopback_names(host: str) -> frozenset[str] | None:
    """The names that reach a server bound to ``host`` from its own computer; None when it is open to others."""
    names: Iterable[str] = ("localhost", "127.0.0.1", "::1")
    return frozenset(names) if host in names else None
