"""The page, served to a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from web_fakes import Bench, make_bench
from web_visitor import PASSWORD, PATIENCE, USER, Visit, Visitor

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


@pytest.fixture
def visit(browser: Browser, server: Server, bench: Bench) -> Iterator[Visit]:
    """Opens the page in a fresh profile as if nothing had been generated, or in the last profile (``again=True``).
    Nothing may go wrong in it.
    """
    expect.set_options(timeout=PATIENCE)
    visitors: list[Visitor] = []

    def open_page(*, again: bool = False, **options: Any) -> Page:
        if not (again and visitors):
            bench.studio.last_form.path.unlink(missing_ok=True)
            visitors.append(Visitor(browser, server, options))
        return visitors[-1].open()

    yield open_page
    bench.finish_jobs()
    for visitor in visitors:
        visitor.context.close()
    assert [trouble for visitor in visitors for trouble in visitor.trouble] == []
