"""Rules for the whole suite."""

from __future__ import annotations

import signal
from collections.abc import Generator

import pytest
from hypothesis import settings

settings.register_profile("sdcolab", deadline=None)  # how long an example takes is the machine's business, not ours
settings.load_profile("sdcolab")


def pytest_configure() -> None:
    """A shell that starts us in the background leaves SIGINT ignored, and so would every process that we start: tests
    that interrupt would wait for what never comes.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
