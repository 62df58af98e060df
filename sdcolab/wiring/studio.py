"""The studio that the faces share, and the queue that does its work."""

from __future__ import annotations

import sys

from sdcolab.core.events import Listener
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.settings import SettingsFile
from sdcolab.core.tasks import LocalWorker, Place, Tools
from sdcolab.studio.jobs import JobQueue
from sdcolab.studio.journal import JobJournal
from sdcolab.studio.last_form import LastForm
from sdcolab.studio.studio import Studio
from sdcolab.wiring.diagnosis import diagnose, save_report
from sdcolab.wiring.downloads import catalog_choices
from sdcolab.wiring.engine import build_engine, hash_file, native_size
from sdcolab.wiring.tasks import TASKS


def local_jobs(
    folders: Folders, library: Library, listener: Listener | None = None, journal: JobJournal | None = None
) -> JobQueue:
    """A queue whose work is done in this process."""
    worker = LocalWorker(TASKS, Tools(folders, library, build_engine(folders, library)))
    return JobQueue(TASKS, dict.fromkeys(Place, (worker,)), listener, journal=journal)


def build_studio(folders: Folders, library: Library, jobs: JobQueue) -> Studio:
    """Everything that a face works with."""
    from sdcolab.colab.report import report_html
    from sdcolab.engine import tokenizer
    from sdcolab.engine.hashes import HashCache

    def count_tokens(text: str) -> tuple[int, int]:
        counted = tokenizer.count_tokens(text, tokenizer.load())
        return counted.count, counted.limit

    return Studio(
        library=library,
        jobs=jobs,
        settings=SettingsFile(folders.config),
        last_form=LastForm(folders.config),
        count_tokens=count_tokens,
        native_size=native_size,
        folders=folders,
        report=lambda: report_html(save_report(folders, diagnose(folders, network=False)[0])),
        catalog=catalog_choices(),
        known_hash=lambda file: HashCache(hash_file(folders)).known(file.path),
        cuda_memory=_cuda_memory,
    )


def _cuda_memory() -> dict[str, object] | None:
    """What the graphics card holds; None without one, or before torch has been loaded."""
    if "torch" not in sys.modules:
        return None
    from sdcolab.engine.memory import card_memory

    return card_memory()
