"""What is told about the ways to open the page: the public link, and Colab's own."""

from __future__ import annotations

import contextlib
import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sdcolab.colab.host import Host
from sdcolab.colab.waiting import telling
from sdcolab.core.errors import ProxyUnavailable, ShareLost
from sdcolab.core.words import explain
from sdcolab.core.words import notebook as words
from sdcolab.process.public_link import Service
from sdcolab.process.tunnel import link_error


@dataclass(frozen=True, slots=True)
class Access:
    """User and password of the public link."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _State:
    """What the user was told."""

    public_url: str = ""
    announced: str = ""
    proxy_offered: bool = False
    service: str = ""
    troubles: frozenset[str] = frozenset()
    """Codes of the errors told since there was a link."""


class LinkTeller:
    """Tells each link once. ``port`` and ``access`` are the page's; ``web_ready_at`` is when it could first be
    opened."""

    def __init__(self, host: Host, say: Callable[[str], object], show_html: Callable[[str], object]) -> None:
        self._host = host
        self.port = 0
        self.access = Access("", "")
        self._say = say
        self._show_html = show_html
        self._link = _State()
        self.web_ready_at: float | None = None

    @property
    def public_url(self) -> str:
        """The public link; empty without one."""
        return self._link.public_url

    @property
    def troubled(self) -> bool:
        """Whether something was said to be wrong since there was a link."""
        return bool(self._link.troubles)

    def hear(self, message: Mapping[str, object]) -> None:
        """Take in what the process of the link says."""
        match message:
            case {"event": "public_url", "url": str(url)}:
                service = message.get("service", Service.GRADIO)
                self._link = replace(self._link, public_url=url, service=str(service), troubles=frozenset())
                self.announce()
            case {"event": "lost"}:
                self.lose()
            case {"event": "failed"}:
                error = link_error(message)
                if error.code not in self._link.troubles:
                    self._link = replace(self._link, troubles=self._link.troubles | {error.code}, public_url="")
                    self._say(f"⚠️ {explain(error)}")
                self.offer_proxy()
            case _:
                pass

    def lose(self) -> None:
        """The link is gone."""
        if self._link.public_url:
            self._link = replace(self._link, public_url="", announced="", proxy_offered=False)
            self._say(f"⚠️ {explain(ShareLost())}")

    def announce(self) -> None:
        """Show the public link once, when there is a page behind it."""
        link = self._link
        if self.web_ready_at is None or not link.public_url or link.announced == link.public_url:
            return
        self._link = replace(link, announced=link.public_url)
        self._say(words.PUBLIC_LINK)
        self._say(words.RUNNING_ON.format(url=link.public_url))
        self._say(self.access_line)
        if link.service == Service.NGROK:
            self._say(words.NGROK_ASKS)
        self._show_own_link()

    def offer_proxy(self) -> None:
        """Colab's own link, once, when there is no public one (hechos/lanzadores.md 5c and 7b)."""
        if self.web_ready_at is None or self._link.proxy_offered or not self._host.is_colab:
            return
        self._link = replace(self._link, proxy_offered=True)
        try:
            with telling(self._say, words.ASKING_FOR_LINK):
                url = self._host.proxy_url(self.port)
        except ProxyUnavailable as error:
            self._say(f"⚠️ {explain(error)}")
            return
        self._say(words.MEANWHILE.format(url=url))
        self._say(self.access_line)
        self._show_html(page_frame(url))

    def _show_own_link(self) -> None:
        """Colab's own link beside the public one; silence when Colab gives none."""
        if self._link.proxy_offered or not self._host.is_colab:
            return
        self._link = replace(self._link, proxy_offered=True)
        with contextlib.suppress(ProxyUnavailable):
            url = self._host.proxy_url(self.port)
            self._say(words.OWN_LINK.format(url=url))
            self._show_html(page_frame(url))

    @property
    def access_line(self) -> str:
        """User and password, to be told."""
        return words.ACCESS.format(user=self.access.user, password=self.access.password)


def page_frame(url: str) -> str:
    """The page inside the cell, folded until somebody wants it."""
    safe = html.escape(url, quote=True)
    return (
        f"<details><summary>{words.PAGE_IN_CELL}</summary>"
        f'<iframe src="{safe}" width="100%" height="800" loading="lazy" style="border:0"></iframe></details>'
    )
