"""The translator of prompts: where it is kept, how it comes, and the process that it works in."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sdcolab.core.events import CancelToken, Listener, Note
from sdcolab.core.folders import Folders
from sdcolab.core.preferences import PreferencesFile
from sdcolab.core.tasks import Tools
from sdcolab.core.translating import TRANSLATOR, TRANSLATOR_FILES, FetchTranslator
from sdcolab.core.words.preferences import TRANSLATOR_HERE
from sdcolab.process.asking import Asked
from sdcolab.process.environment import child_environ
from sdcolab.studio.translating import Translations
from sdcolab.wiring.downloads import build_downloads

PATIENCE = 60.0
"""Seconds that a translation may take: the first one loads the model."""


def translator_folder(folders: Folders) -> Path:
    """Where the translator's files are."""
    return folders.root / "models" / "translators" / TRANSLATOR.rpartition("/")[2]


def fetch_translator(_task: FetchTranslator, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Download what is missing of the translator. Raises ``DownloadError``."""
    folder = translator_folder(tools.folders)
    missing = [name for name in TRANSLATOR_FILES if not (folder / name).is_file()]
    links = [f"https://huggingface.co/{TRANSLATOR}/resolve/main/{name}" for name in missing]
    build_downloads(tools.folders, tools.environ).fetch(links, folder, listener, cancel)
    listener(Note(TRANSLATOR_HERE))


def build_translations(folders: Folders) -> Translations:
    """What translates prompts: by the model too as soon as its files are there."""
    folder, preferences = translator_folder(folders), PreferencesFile(folders.config)
    command = (sys.executable, "-m", "sdcolab.engine.translator", str(folder))
    program = Asked(command, child_environ(os.environ) | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "2"})

    def model(phrases: Sequence[str]) -> Sequence[str] | None:
        found = program.ask([*phrases], PATIENCE) if phrases and there() else None
        return [str(one) for one in found] if isinstance(found, list) else None

    def there() -> bool:
        return all((folder / name).is_file() for name in TRANSLATOR_FILES)

    return Translations(model, there, lambda: preferences.peek().translate)
