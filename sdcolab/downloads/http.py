"""The one door to the network: redirects by hand, keys only to their own hosts, no visits to private addresses.

``requests`` follows redirects itself and drops ``Authorization`` when the host changes; here every hop is checked
before it is made, because a hop may also lead to this computer's own network, or drop from https to http.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import ipaddress
import json
import math
import re
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import requests.adapters
import urllib3.connection
import urllib3.connectionpool
import urllib3.exceptions
import urllib3.util

from sdcolab import __version__
from sdcolab.core.contents import strange_content
from sdcolab.core.errors import (
    AccessDenied,
    DownloadError,
    HostUnreachable,
    InsecureLink,
    LinkGone,
    LinkNotFound,
    LinkTokenRejected,
    NotALink,
    NotAModelFile,
    PrivateAddress,
    RegionBlocked,
    ServerFailed,
    TokenRejected,
    TooManyRedirects,
    TooManyRequests,
)
from sdcolab.core.events import CancelToken
from sdcolab.core.file_names import safe_name
from sdcolab.downloads.kernel import Pipe, can_splice, has_arrived, open_pipe
from sdcolab.downloads.links import redacted
from sdcolab.downloads.names import offered_name

USER_AGENT = f"sdcolab/{__version__}"
"""Names us. Civitai sends anything that looks like a browser to its login page (hechos/lanzadores.md 4a)."""

MAX_REDIRECTS = 10
MAX_IDLE_CONNECTIONS = 32
"""Connections to one host that are kept open between requests."""

MAX_ANSWER_BYTES = 8_000_000
"""Largest API answer or error page that is read, in bytes."""

PEEKED_BYTES = 512
"""How much of a body is looked at to tell what it is."""

_BEFORE_A_PAGE = b"\xef\xbb\xbf \t\r\n"
"""What may stand before the first tag of a page."""

POURED_BYTES = 1 << 20
POURED_SECONDS = 0.05
"""How much ``Answer.poured`` moves, or how long it works, before it tells."""

_ODD = re.compile(r"[\\\s\x00-\x20\x7f]")
"""What no address has, and libraries read each in its own way: backslashes, blanks, control characters."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait and how often to try again. Times in seconds."""

    attempts: int = 5
    """Consecutive failures before giving up (1 = never retry)."""
    first_pause: float = 1.0
    """Pause after the first failure; it doubles after each further one."""
    longest_pause: float = 30.0
    """No pause is longer, and a server that asks for a longer one (Retry-After) is reported instead."""
    connect_timeout: float = 15.0
    read_timeout: float = 30.0
    """Silence on a connection before it counts as failed."""
    tail_timeout: float = 5.0
    """The same for the last of several connections of a file, when all others have ended."""
    slow_window: float = 60.0
    slow_rate: float = 1024.0
    """A transfer below this many bytes per second over the window counts as failed."""
    useful_bytes: int = 65_536
    """An attempt that brought at least this much clears the count of failures."""

    def pause(self, failures: int) -> float:
        """Pause after the given number of consecutive failures (>= 1)."""
        return min(self.longest_pause, self.first_pause * 2.0 ** (failures - 1))


@dataclass(frozen=True, slots=True)
class Bearer:
    """A key, and the origins (scheme, host, port) it may be sent to. It never appears in a repr."""

    token: str = field(repr=False)
    origins: frozenset[tuple[str, str, int]]
    from_link: bool = False
    """Whether it was written in the link, instead of in the user's settings."""

    def goes_to(self, url: str) -> bool:
        """Whether ``url`` belongs to the key's own site."""
        return origin(url) in self.origins


@dataclass(frozen=True, slots=True)
class Tokens:
    """The user's keys. They never appear in a repr; an empty string counts as no key."""

    huggingface: str | None = field(default=None, repr=False)
    civitai: str | None = field(default=None, repr=False)


def bearer(token: str | None, *urls: str) -> Bearer | None:
    """``token`` bound to the origins of ``urls``; None when there is no usable token (empty, or not one plain word)."""
    clean = (token or "").strip()
    if not clean or not clean.isascii() or not clean.isprintable() or " " in clean:
        return None
    return Bearer(clean, frozenset(origin(url) for url in urls))


def own_or_pasted(own: str | None, pasted: str | None, *urls: str) -> Bearer | None:
    """The user's ``own`` token, or else the one ``pasted`` in a link, bound to the origins of ``urls``."""
    found = bearer(pasted, *urls)
    return bearer(own, *urls) or (replace(found, from_link=True) if found else None)


def rejected(key: Bearer, host: str, token: str) -> DownloadError:
    """What to say of a ``key`` that ``host`` refuses: the one in the secret ``token``, or the one in the link."""
    error = LinkTokenRejected if key.from_link else TokenRejected
    return error(host=host, token=token)


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of ``url``."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    return parts.scheme.lower(), (parts.hostname or "").lower(), port


@dataclass(frozen=True, slots=True)
class Hop:
    """One request of a chain of redirects. ``url`` may be signed and is never shown."""

    url: str = field(repr=False)
    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Case-insensitive."""


class Answer:
    """The last answer of a chain of redirects, its body unread. Leaving its ``with`` block closes it."""

    def __init__(self, response: requests.Response, hops: tuple[Hop, ...]) -> None:
        self._response = response
        self.hops = hops
        self.url = hops[-1].url
        self.status = hops[-1].status
        self.headers = hops[-1].headers
        self._seen = b""
        """The first bytes of the body, where they have been looked at already."""

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the body."""
        self._response.close()

    def abort(self) -> None:
        """End the body now, from another thread: whoever reads it gets an error or its end."""
        # RuntimeError: the body has ended meanwhile. AttributeError: urllib3 before 2.3; there the read times out.
        with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):
            self._response.raw.shutdown()

    @property
    def host(self) -> str:
        """Host that gave the answer."""
        return origin(self.url)[1]

    @property
    def is_web_page(self) -> bool:
        """Whether the body is declared as HTML, and begins so: some servers call every file a page.

        Raises ``HostUnreachable`` when the connection breaks before its first bytes.
        """
        if "html" not in self.headers.get("Content-Type", "").lower():
            return False
        if not self._seen:
            self._seen = next(self.chunks(PEEKED_BYTES), b"")
        return strange_content(self._seen) == "web_page" or not self._seen.lstrip(_BEFORE_A_PAGE) or self._seen == b"<"

    @property
    def packed(self) -> bool:
        """Whether the body is compressed although nobody asked for that: its lengths are not the file's."""
        return self.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity")

    @property
    def length(self) -> int | None:
        """Declared length of the file in bytes, or None."""
        return None if self.packed else as_size(self.headers.get("Content-Length"))

    @property
    def content_range(self) -> tuple[int | None, int | None]:
        """First byte and whole length from ``Content-Range: bytes 5-9/10`` (RFC 9110 14.4); None where unknown."""
        unit, _, rest = self.headers.get("Content-Range", "").strip().partition(" ")
        span, _, total = rest.partition("/")
        if unit.lower() != "bytes":
            return None, None
        return as_size(span.partition("-")[0]), as_size(total)

    @property
    def retry_after(self) -> float | None:
        """Seconds the server asks to wait (``Retry-After``, or ``t=`` of huggingface's ``RateLimit``), or None."""
        seconds = as_size(self.headers.get("Retry-After")) or _seconds_until(self.headers.get("Retry-After"))
        if seconds is None:
            fields = self.headers.get("RateLimit", "").replace(",", ";").split(";")
            named = [value for key, _, value in (item.strip().partition("=") for item in fields) if key == "t"]
            seconds = as_size(named[0]) if named else None
        return float(seconds) if seconds is not None else None

    def chunks(self, size: int) -> Iterator[bytes]:
        """The body in pieces of at most ``size`` bytes, each as soon as it is here.

        Raises ``HostUnreachable`` when the connection breaks before the declared end, ``ServerFailed`` when what is
        said to be compressed is not.
        """
        seen, self._seen = self._seen, b""
        if seen:
            yield seen
        try:
            while data := self._response.raw.read1(size, decode_content=self.packed):
                yield data
        except (urllib3.exceptions.ReadTimeoutError, TimeoutError) as error:
            raise HostUnreachable(host=self.host, reason="timeout") from error
        except urllib3.exceptions.DecodeError as error:
            raise ServerFailed(host=self.host, status=self.status) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise HostUnreachable(host=self.host, reason="connection") from error

    def poured(self, file: int, position: int, most: int) -> Iterator[int]:
        """Move up to ``most`` further bytes of the body straight into ``file`` from ``position``, telling how many each
        time; nothing where that cannot be done (TLS, another system, a body of unknown length).

        To be used after a piece of ``chunks``, when nothing of the body waits in the program any more. The body's last
        byte is left to ``chunks``. Raises as ``chunks`` does, and ``OSError`` when the file cannot be written.
        """
        raw: Any = self._response.raw
        inner = getattr(raw, "_original_response", None)
        source = getattr(getattr(raw, "connection", None), "sock", None)
        if self.packed or not can_splice(source) or not isinstance(inner, http.client.HTTPResponse) or inner.chunked:
            return
        left = min(most, (inner.length or 0) - 1, (raw.length_remaining or 0) - 1)
        if left <= 0:
            return
        moved = 0
        told = time.monotonic()
        try:
            with open_pipe() as pipe:
                while moved < left and (count := self._fill(pipe, source, left - moved)):
                    pipe.empty(file, position, count)
                    # What went past the two libraries is still a part of the body that they count.
                    inner.length -= count  # type: ignore[operator]
                    raw.length_remaining -= count
                    position += count
                    moved += count
                    due = moved >= POURED_BYTES or time.monotonic() - told > POURED_SECONDS
                    # What is here must not be told only when more comes: the connection may have gone silent.
                    if due or (moved < left and not has_arrived(source, POURED_SECONDS)):
                        left -= moved
                        yield moved
                        moved, told = 0, time.monotonic()
        except HostUnreachable:
            if moved:
                yield moved
            raise
        if moved:
            yield moved

    def _fill(self, pipe: Pipe, source: socket.socket, most: int) -> int | None:
        try:
            return pipe.fill(source, most)
        except TimeoutError as error:
            raise HostUnreachable(host=self.host, reason="timeout") from error
        except OSError as error:
            raise HostUnreachable(host=self.host, reason="connection") from error

    def read(self, limit: int) -> bytes:
        """The first ``limit`` bytes of the body (fewer if it is shorter)."""
        data = bytearray()
        for chunk in self.chunks(min(limit, 65_536)):
            data += chunk
            if len(data) >= limit:
                break
        return bytes(data[:limit])

    def json(self) -> Any:
        """The body as JSON, or None when it is not JSON or larger than ``MAX_ANSWER_BYTES``."""
        try:
            return json.loads(self.read(MAX_ANSWER_BYTES))
        except (ValueError, RecursionError):
            return None


class Web:
    """Makes requests for one link at a time. ``trusted_hosts`` may be private addresses and may use plain http."""

    def __init__(
        self, session: requests.Session, patience: Patience, trusted_hosts: frozenset[str] = frozenset()
    ) -> None:
        self._session = session
        self.patience = patience
        self._trusted = frozenset(host.lower() for host in trusted_hosts)

    def get(self, url: str, headers: Mapping[str, str] | None = None, key: Bearer | None = None) -> Answer:
        """GET ``url``, following redirects. ``key`` is sent to its own origins only, whatever the redirects.

        Raises ``DownloadError`` when there is no HTTP answer; any status is an answer.
        """
        hops: list[Hop] = []
        while len(hops) <= MAX_REDIRECTS:
            self.check(url)
            sent = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity", **(headers or {})}
            if key and key.goes_to(url):
                sent["Authorization"] = f"Bearer {key.token}"
            response = self._request(url, sent)
            hops.append(Hop(url, response.status_code, response.headers))
            target = self._session.get_redirect_target(response)
            if not target:
                return Answer(response, tuple(hops))
            response.close()
            url = urljoin(url, target)
        raise TooManyRedirects(host=origin(hops[0].url)[1])

    def check(self, url: str) -> None:
        """Refuse an address that must not be visited: ``InsecureLink``, ``PrivateAddress`` or ``NotALink``.

        Names are checked again, as addresses, once connected (``GuardedSession``).
        """
        try:
            scheme, host, _ = origin(url)
            connected = (urllib3.util.parse_url(url).host or "").lower()
        except (ValueError, urllib3.exceptions.HTTPError) as error:
            raise NotALink(text=redacted(url)) from error
        # What the key and these checks are for must be what the connection goes to, however odd the address.
        if _ODD.search(url) or connected.strip("[]") != host:
            raise NotALink(text=redacted(url))
        if host in self._trusted:
            return
        if scheme == "http":
            raise InsecureLink(link=redacted(url))
        if scheme != "https" or not host:
            raise NotALink(text=redacted(url))
        name = host.rstrip(".")  # the root of all names, which may be written
        if name == "localhost" or name.endswith((".localhost", ".local", ".internal")) or is_private(name):
            raise PrivateAddress(host=host)

    def _request(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        host = origin(url)[1]
        timeouts = (self.patience.connect_timeout, self.patience.read_timeout)
        # Hosts that the operator named are reached directly, never through the system's proxy.
        proxies = {"no_proxy": host} if host in self._trusted else None
        try:
            return self._session.get(
                url, headers=dict(headers), stream=True, allow_redirects=False, timeout=timeouts, proxies=proxies
            )
        except requests.exceptions.SSLError as error:
            raise HostUnreachable(host=host, reason="certificate") from error
        except requests.exceptions.Timeout as error:
            raise HostUnreachable(host=host, reason="timeout") from error
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError) as error:
            raise NotALink(text=redacted(url)) from error
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise HostUnreachable(host=host, reason=_reason(error)) from error


def retrying(patience: Patience, cancel: CancelToken, call: Callable[[], Result]) -> Result:
    """``call()``, again after a pause while it fails in ways that pass (no connection, 5xx, short 429).

    Raises the last error, or ``Cancelled``.
    """
    failures = 0
    while True:
        cancel.raise_if_cancelled()
        try:
            return call()
        except (HostUnreachable, ServerFailed, TooManyRequests) as error:
            failures += 1
            pause = pause_before_retry(patience, error, failures)
            if pause is None:
                raise
            cancel.wait(pause)


def pause_before_retry(patience: Patience, error: DownloadError, failures: int) -> float | None:
    """Seconds to wait after ``failures`` consecutive failures, or None when trying again is no use."""
    if failures >= patience.attempts or (isinstance(error, HostUnreachable) and error.reason == "certificate"):
        return None
    pause = patience.pause(failures)
    if isinstance(error, TooManyRequests) and error.seconds is not None:
        return max(pause, error.seconds) if error.seconds <= patience.longest_pause else None
    return pause


def error_for_status(answer: Answer, link: str) -> DownloadError | None:
    """What an HTTP status means for the user, or None when it is a success. ``link`` is a shown address."""
    status = answer.status
    if status in (200, 206):
        return None
    if status in (401, 403, 407):
        return AccessDenied(link=link)
    if status in (400, 404, 405):
        return LinkNotFound(link=link)
    if status == 410:
        return LinkGone(link=link)
    if status == 429:
        return TooManyRequests(host=answer.host, seconds=answer.retry_after)
    if status == 451:
        return RegionBlocked(host=answer.host)
    if status == 416 and answer.content_range[1] == 0:  # even the first byte is not there
        name = safe_name(offered_name(answer.headers.get("Content-Disposition"), answer.url))
        return NotAModelFile(name=name, reason="empty")
    return ServerFailed(host=answer.host, status=status)


def _seconds_until(date: str | None) -> int | None:
    """Whole seconds until an HTTP date (RFC 9110 5.6.7), at least 0; None for anything else."""
    try:
        then = email.utils.parsedate_to_datetime(date or "")
        wait = then.timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0, math.ceil(wait))


def as_size(text: str | None) -> int | None:
    """A non-negative decimal number from a header, or None."""
    clean = (text or "").strip()
    return int(clean) if clean.isascii() and clean.isdigit() and len(clean) <= 18 else None


_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        (
            *("192.0.0.0/24", "192.88.99.0/24"),  # protocol assignments; 6to4 relays (RFC 6890, RFC 7526)
            *("64:ff9b:1::/48", "fec0::/10", "3fff::/20", "5f00::/16"),  # RFC 8215, RFC 3879, RFC 9637, RFC 9602
        ),
    )
)
"""What the registries keep from the public internet, and ``ipaddress`` does not always know."""

_AROUND_IPV4 = tuple(map(ipaddress.ip_network, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
"""IPv6 networks whose last 32 bits are an IPv4 address: compatible, mapped, translated (RFC 4291, 2765, 6052)."""


def is_private(host: str) -> bool:
    """Whether ``host`` is an IP address that is not on the public internet. Names are never private here."""
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.sixtofour
        if any(address in network for network in _AROUND_IPV4):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        address = inner or address
    return not address.is_global or address.is_multicast or any(address in network for network in _PRIVATE)


class GuardedSession(requests.Session):
    """A session that hangs up before sending anything when a name turns out to be a private address.

    The check is made on the connected socket, so a name that changes its address in between gains nothing. It never
    takes passwords from ``.netrc``. Through a proxy, the proxy decides what may be reached.
    """

    def __init__(self, trusted_hosts: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.auth = _no_password
        self._sockets = _Sockets()
        adapter = _GuardedAdapter(frozenset(host.lower() for host in trusted_hosts), self._sockets)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def abort(self) -> None:
        """Break every open connection, from another thread: whoever waits for data gets an error now."""
        self._sockets.abort()


class _Sockets:
    """The open sockets of a session, which several threads may use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def add(self, opened: socket.socket) -> None:
        with self._lock:
            self._opened.add(opened)

    def abort(self) -> None:
        with self._lock:
            opened = list(self._opened)
        for one in opened:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _no_password(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class _GuardedAdapter(requests.adapters.HTTPAdapter):
    """Checks each new direct connection, and remembers its socket in ``sockets``."""

    def __init__(self, trusted: frozenset[str], sockets: _Sockets) -> None:
        self._trusted = trusted
        self._sockets = sockets
        super().__init__(pool_maxsize=MAX_IDLE_CONNECTIONS)

    def admit(self, host: str, opened: socket.socket) -> socket.socket:
        """Look at who answered, before anything is said to it. Raises ``PrivateAddress``."""
        if host.lower() not in self._trusted and is_private(str(opened.getpeername()[0])):
            opened.close()
            raise PrivateAddress(host=host)
        return opened

    def remember(self, opened: socket.socket | None) -> None:
        """A connection is ready (with TLS it has another socket object by now)."""
        if opened is not None:
            self._sockets.add(opened)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Called by the base class: the same pools, with connections that look at who answered."""
        super().init_poolmanager(*args, **kwargs)
        adapter = self

        class Plain(urllib3.connection.HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return adapter.admit(self.host, super()._new_conn())

            def connect(self) -> None:
                super().connect()
                adapter.remember(self.sock)

        class Secure(urllib3.connection.HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return adapter.admit(self.host, super()._new_conn())

            def connect(self) -> None:
                super().connect()
                adapter.remember(self.sock)

        class PlainPool(urllib3.connectionpool.HTTPConnectionPool):
            ConnectionCls = Plain  # pyright: ignore[reportAssignmentType] - as urllib3 itself does

        class SecurePool(urllib3.connectionpool.HTTPSConnectionPool):
            ConnectionCls = Secure  # pyright: ignore[reportAssignmentType]

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def _reason(error: BaseException) -> str:
    inner = error.args[0] if error.args else None
    cause = getattr(inner, "reason", inner)
    return "dns" if isinstance(cause, urllib3.exceptions.NameResolutionError) else "connection"
