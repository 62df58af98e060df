"""A browser profile that has logged in, and short words for what a visitor does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from web_fakes import Bench

from sdcolab.web.app import Server

USER, PASSWORD = "ana", "secreto"
PATIENCE = 30_000
"""Milliseconds that an expectation may take on a busy machine."""

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


LAPTOP: dict[str, Any] = {"viewport": {"width": 1366, "height": 768}}


class Visitor:
    """A logged-in browser profile. Keeps what went wrong in its pages."""

    def __init__(self, browser: Browser, server: Server, options: dict[str, Any]) -> None:
        self.url = server.url
        self.context: BrowserContext = browser.new_context(base_url=server.url, locale="en-US", **options)
        self.context.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        self.trouble: list[str] = []
        self.arrive()

    def arrive(self) -> None:
        """Log in, with nothing remembered of the time before."""
        self.trouble.clear()
        self.context.clear_cookies()
        self.context.request.post("/login", form={"username": USER, "password": PASSWORD})

    def leave(self) -> None:
        """Close its tabs and what they had kept; the browser still knows the page's scripts."""
        for page in self.context.pages:
            if page.url.startswith(self.url):
                page.evaluate("localStorage.clear()")
            page.close()

    def open(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.trouble.append(f"error: {error}\n{error.stack}"))
        page.on("console", lambda said: self.trouble.append(said.text) if said.type == "error" else None)
        page.on("request", lambda asked: self._outside(asked.url))
        page.goto("/")
        expect(part(page, "generate")).to_be_enabled()
        expect(part(page, "seed").locator("input, textarea")).to_have_value(re.compile(r".+"))
        return page

    def _outside(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:")):
            self.trouble.append(f"petición a {url}")


Visit = Callable[..., Page]
"""Opens the page in a fresh profile, or in the last one (``again=True``)."""


def part(page: Page, name: str) -> Locator:
    return page.locator(f"#sd-{name}")


def field(page: Page, name: str) -> Locator:
    return part(page, name).locator("input, textarea").first


def tab(page: Page, name: str) -> None:
    """Open the tab called ``name``."""
    page.get_by_role("tab", name=name, exact=True).click()


def write(page: Page, prompt: str, **fields: str) -> None:
    field(page, "prompt").fill(prompt)
    for name, value in fields.items():
        field(page, name).fill(value)
        field(page, name).blur()


def generate(page: Page, prompt: str, **fields: str) -> None:
    write(page, prompt, **fields)
    part(page, "generate").click()


def choose(page: Page, name: str, option: str) -> None:
    """Pick an option with the keyboard: the list is drawn anew while it opens, and a click may miss it."""
    field(page, name).click()
    field(page, name).fill(option)
    expect(page.get_by_role("option", name=option, exact=True).first).to_be_visible()
    field(page, name).press("Enter")


def infotext(page: Page) -> Locator:
    return part(page, "infotext").locator("textarea")


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    width: int = page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
    return width


@contextmanager
def only_page(browser: Browser, server: Server, bench: Bench, options: dict[str, Any]) -> Iterator[Page]:
    """One page for many tests: opening it is what takes time. Nothing may go wrong in it."""
    visitor = Visitor(browser, server, options)
    yield visitor.open()
    bench.finish_jobs()
    visitor.context.close()
    assert visitor.trouble == []
