"""The cookie that remembers who has logged in, as each way to the page needs it.

Over https its name begins with ``__Host-``, so that no other site below the tunnel's domain can set it. Inside another
site's frame (Colab's cell) only ``SameSite=None; Partitioned`` arrives; whoever has that one must also prove that our
own page asks (``origins``).
"""

from __future__ import annotations

from collections.abc import Iterator

from starlette.datastructures import Headers, MutableHeaders

from sdcolab.web.access import SESSION_SECONDS
from sdcolab.web.origins import is_framed, is_https

PLAIN = "sdcolab_sesion"
SECURE = "__Host-sdcolab_sesion"
FRAMED = "__Host-sdcolab_marco"

_ATTRIBUTES = {
    PLAIN: "HttpOnly; SameSite=lax",
    SECURE: "HttpOnly; Secure; SameSite=lax",
    FRAMED: "HttpOnly; Secure; SameSite=none; Partitioned",
}
_DEVICES = {PLAIN: "sdcolab_equipo", SECURE: "__Host-sdcolab_equipo", FRAMED: "__Host-sdcolab_equipo_marco"}
"""Beside each session's cookie, the one that says that this browser has come in before; logging out leaves it."""

DEVICE_SECONDS = 365 * 24 * 3600


def sent_sessions(headers: Headers) -> list[tuple[str, str]]:
    """The sessions that came along, each with its cookie's name. There may be several: strangers can add some."""
    return [(name, value) for name, value in _sent(headers) if name in _ATTRIBUTES]


def sent_devices(headers: Headers) -> list[str]:
    """The marks of browsers that have come in before which came along."""
    return [value for name, value in _sent(headers) if name in _DEVICES.values()]


def _sent(headers: Headers) -> Iterator[tuple[str, str]]:
    for pair in headers.get("cookie", "").split(";"):
        name, _, value = pair.strip().partition("=")
        yield name, value.strip('"')


def remember(answer: MutableHeaders, session: str, asked: Headers) -> None:
    """Add to an answer's headers the cookie for ``session`` that suits who ``asked``."""
    name = _fitting(asked)
    answer.append("set-cookie", f"{name}={session}; Max-Age={SESSION_SECONDS}; Path=/; {_ATTRIBUTES[name]}")


def remember_device(answer: MutableHeaders, device: str, asked: Headers) -> None:
    """The same for the mark of a browser."""
    name = _fitting(asked)
    answer.append("set-cookie", f"{_DEVICES[name]}={device}; Max-Age={DEVICE_SECONDS}; Path=/; {_ATTRIBUTES[name]}")


def _fitting(asked: Headers) -> str:
    return PLAIN if not is_https(asked) else FRAMED if is_framed(asked) else SECURE


def forget(answer: MutableHeaders) -> None:
    """Add to an answer's headers the end of all our cookies."""
    for name, attributes in _ATTRIBUTES.items():
        answer.append("set-cookie", f"{name}=; Max-Age=0; Path=/; {attributes}")
