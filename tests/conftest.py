"""Rules for the whole suite."""

from __future__ import annotations

import gc
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

settings.register_profile("sdcolab", deadline=None)  # how long an example takes is the machine's business, not ours
settings.load_profile("sdcolab")


def pytest_addoption(parser: pytest.Parser) -> None:
    """More of the same, for before a publication."""
    parser.addoption("--completo", action="store_true", help="también lo que tarda minutos más: las marcas «completo»")


def pytest_configure() -> None:
    """A shell that starts us in the background leaves SIGINT ignored, and so would every process that we start: tests
    that interrupt would wait for what never comes.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


LONGEST = (
    "test_web_page",
    "test_reference",
    "test_web_flows",
    "test_faults",  # this and some of those that follow mostly wait: another process has the cores meanwhile
    "test_notebook_end_to_end",
    "test_session",
    "test_web_house",
    "test_silence",
    "test_engine",
    "test_tunnel",
    "test_web_axe",
    "test_web_origins",
    "test_features",
    "test_parallel",
    "test_work",
    "test_web_access",
    "test_web_hands",
    "test_panel",
    "test_pickles",
    "test_panel_browser",
    "test_web_gates",
    "test_tasks",
    "test_web_engine",
)
"""Files that take a quarter of a minute or more, the longest first, with those that wait among them."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first: one that begins last keeps one process busy while the others have nothing to do."""
    if not config.getoption("completo"):
        more = [item for item in items if item.get_closest_marker("completo")]
        items[:] = [item for item in items if not item.get_closest_marker("completo")]
        config.hook.pytest_deselected(items=more)
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def pytest_collection_finish() -> None:
    """Millions of objects of the tests themselves live as long as the suite: left out, each full collection of garbage
    (the engine asks for one whenever a model goes) takes a tenth of a second and not a whole one.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A browser test that is skipped is a failure: without Chromium the page has not been tested."""
    report = yield
    if report.skipped and item.get_closest_marker("navegador") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Prueba del navegador omitida: {call.excinfo.value if call.excinfo else ''}"
    return report


CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium. Its absence is a failure and never a skip."""
    from playwright.sync_api import sync_playwright

    if not CHROMIUM.exists():
        pytest.fail(f"Falta Chromium en {CHROMIUM}: instala el paquete «chromium».", pytrace=False)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield chromium
        chromium.close()
