"""The page, served to a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from web_fakes import Bench, make_bench
from web_visitor import LAPTOP, PASSWORD, USER, Visit, Visitor, only_page

from sdcolab.web.app import Server, serve


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return make_bench(tmp_path_factory.mktemp("estudio"))


@pytest.fixture(scope="module")
def server(bench: Bench) -> Iterator[Server]:
    server = serve(bench.studio, port=0, auth=(USER, PASSWORD))
    yield server
    server.close()
    bench.studio.jobs.close()


@pytest.fixture(scope="module")
def known_visitors() -> Iterator[dict[str, Visitor]]:
    """Who has been here, by what their browser is like: one that knows the page's scripts opens it sooner."""
    known: dict[str, Visitor] = {}
    yield known
    for visitor in known.values():
        visitor.context.close()


@pytest.fixture
def visit(browser: Browser, server: Server, bench: Bench, known_visitors: dict[str, Visitor]) -> Iterator[Visit]:
    """Opens the page in a profile that remembers nothing, as if nothing had been generated, or in the last profile
    (``again=True``). Nothing may go wrong in it.
    """
    visitors: list[Visitor] = []

    def visitor_with(options: dict[str, Any]) -> Visitor:
        known = known_visitors.get(repr(options))
        if known and known not in visitors:
            known.arrive()
            return known
        new = Visitor(browser, server, options)
        known_visitors.setdefault(repr(options), new)
        return new

    def open_page(*, again: bool = False, **options: Any) -> Page:
        if not (again and visitors):
            bench.studio.last_form.path.unlink(missing_ok=True)
            visitors.append(visitor_with(options))
        return visitors[-1].open()

    yield open_page
    bench.finish_jobs()
    trouble = [trouble for visitor in visitors for trouble in visitor.trouble]
    for visitor in visitors:
        visitor.leave()
        if visitor not in known_visitors.values():
            visitor.context.close()
    assert trouble == []


@pytest.fixture(scope="module")
def page(browser: Browser, server: Server, bench: Bench) -> Iterator[Page]:
    """One page on a laptop for a whole file: opening it is what takes time. Nothing may go wrong in it."""
    with only_page(browser, server, bench, LAPTOP) as page:
        yield page
