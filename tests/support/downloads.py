"""Settings for download tests against loopback servers."""

from __future__ import annotations

from sdcolab.downloads.http import Patience
from sdcolab.downloads.policies import Splitting

HURRY = Patience(
    attempts=4,
    first_pause=0.01,
    longest_pause=0.05,
    connect_timeout=5,
    read_timeout=0.5,
    slow_window=1.0,
    useful_bytes=1,
)
"""Retries without waiting."""

LOOPBACK = frozenset({"127.0.0.1"})

SMALL_PIECES = Splitting(connections=5, first=4, per_connection=32_768, least=16_384, most=131_072, shortest=0)
"""Parallel ranges also for the small files of tests."""
