"""The cookie that remembers who has logged in, as each way to the page needs it.

Over https its name begins with ``__Host-``, so that no other site below the tunnel's domain can set it. Inside another
site's frame (Colab's cell) only ``SameSite=None; Partitioned`` arrives; whoever has that one must also prove that our
own page asks (``origins``).
"""

from __future__ import annotations

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


def sent_sessions(headers: Headers) -> list[tuple[str, str]]:
    """The sessions that came along, each with its cookie's name. There may be several: strangers can add some."""
    pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
    return [(name, value.strip('"')) for name, _, value in pairs if name in _ATTRIBUTES]


def remember(answer: MutableHeaders, session: str, asked: Headers) -> None:
    """Add to an answer's headers the cookie for ``session`` that suits who ``asked``."""
    name = PLAIN if not is_https(asked) else FRAMED if is_framed(asked) else SECURE
    answer.append("set-cookie", f"{name}={session}; Max-Age={SESSION_SECONDS}; Path=/; {_ATTRIBUTES[name]}")


def forget(answer: MutableHeaders) -> None:
    """Add to an answer's headers the end of all our cookies."""
    for name, attributes in _ATTRIBUTES.items():
        answer.append("set-cookie", f"{name}=; Max-Age=0; Path=/; {attributes}")
