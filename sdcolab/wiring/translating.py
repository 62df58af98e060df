"""The translator of prompts: where it is kept, how it comes, and the process that it works in."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sdcolab.core.events import CancelToken, Listener, Note, Phase, PhaseStarted
from sdcolab.core.folders import Folders
from sdcolab.core.preferences import PreferencesFile
from sdcolab.core.tasks import Tools
from sdcolab.core.translating import TRANSLATOR, TRANSLATOR_FILES, FetchTranslator
from sdcolab.core.words.preferences import TRANSLATOR_HERE
from sdcolab.process.asking import Asked
from sdcolab.process.environment import child_environ
from sdcolab.studio.translating import Translations
from sdcolab.wiring.downloads import HUGGINGFACE_VARIABLE

PATIENCE = 60.0
"""Seconds that a translation may take: the first one loads the model."""


def translator_folder(folders: Folders) -> Path:
    """Where the translator's files are."""
    return folders.root / "models" / "translators" / TRANSLATOR.rpartition("/")[2]


def fetch_translator(_task: FetchTranslator, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Download what is missing of the translator. Raises ``DownloadError``."""
    from sdcolab.downloads.hub import fetch_files

    folder, mirror = translator_folder(tools.folders), tools.environ.get(HUGGINGFACE_VARIABLE)
    for name in TRANSLATOR_FILES:
        cancel.raise_if_cancelled()
        listener(PhaseStarted(Phase.LOADING_MODEL, f"{TRANSLATOR}/{name}"))
        fetch_files(TRANSLATOR, (name,), folder, endpoint=mirror)
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
