"""What the page works with, in one object that the composition root builds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sdcolab.core.events import CancelToken, Listener
from sdcolab.core.folders import Folders
from sdcolab.core.jobs import JobQueue
from sdcolab.core.last_form import LastForm
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.settings import SettingsFile
from sdcolab.core.upscaling import Upscaling

Download = Callable[[str, Listener, CancelToken], Sequence[str]]
"""Links as the user typed them -> one Spanish report line a link."""


@dataclass(frozen=True, slots=True)
class Studio:
    """Everything behind the page. The page imports neither the engine nor the downloads.

    ``count_tokens`` gives (count, limit) as A1111's counter does and loads no torch; ``native_size`` gives pixels and
    reads only a file's header; ``samplers`` and ``schedules`` are the names to choose from; ``catalog`` holds what the
    downloads tab offers, each with the words that show it and the link to download. Without ``upscaling`` the page
    offers no upscaling models and no tab to enlarge finished pictures. ``report`` writes the report for whoever helps
    and gives HTML that says where it is and links to it.
    """

    library: Library
    jobs: JobQueue
    settings: SettingsFile
    last_form: LastForm
    download: Download
    count_tokens: Callable[[str], tuple[int, int]]
    native_size: Callable[[ModelFile], int]
    samplers: Sequence[str]
    schedules: Sequence[str]
    folders: Folders
    report: Callable[[], str]
    catalog: Sequence[tuple[str, str]] = ()
    upscaling: Upscaling | None = None
