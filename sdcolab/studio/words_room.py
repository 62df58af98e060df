"""The room of the words that help (``rooms/palabras.js``): tags, networks, wildcards, styles, what is used often,
and translating a prompt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sdcolab.core.detect import ModelKind
from sdcolab.core.files import changed
from sdcolab.core.folders import Folders
from sdcolab.core.kept import change_kept, peek_kept, read_kept
from sdcolab.core.library import Library
from sdcolab.core.prompt import with_points
from sdcolab.core.rooms import Answer, RoomFile, text, yes
from sdcolab.core.settings import SettingsFile
from sdcolab.core.translating import TRANSLATOR_BYTES
from sdcolab.core.words.road import PRESETS
from sdcolab.studio.last_form import LastForm
from sdcolab.studio.tags import as_lines, every_tag
from sdcolab.studio.translating import Translations

USES_NAME = "palabras.json"
MOST_LEARNED = 5000
TAGS_FOLDER = "tags"

Uses = dict[str, dict[str, list[int]]]
"""Times and day (since 1970) of the last use, by name, for "positive" and "negative"."""


@dataclass(frozen=True, slots=True)
class Fetching:
    """The translator on its way: bytes that have arrived."""

    received: int


class WordsRoom:
    """Reads the lists when somebody first asks, and again when a file of the folder changed. ``fetch`` brings the
    translator, and ``fetching`` tells how far it is, None while nobody brings it."""

    def __init__(
        self,
        folders: Folders,
        library: Library,
        settings: SettingsFile,
        translations: Translations | None = None,
        fetch: Callable[[], object] = lambda: None,
        fetching: Callable[[], Fetching | None] = lambda: None,
    ) -> None:
        self._translations = translations or Translations()
        self._fetch = fetch
        self._fetching = fetching
        self._folder = folders.root / TAGS_FOLDER
        self._wildcards = folders.wildcards
        self._library = library
        self._settings = settings
        self._last_form = LastForm(folders.config)
        self._uses = folders.config / USES_NAME
        self._lock = threading.Lock()
        self._lines: tuple[object, str] | None = None

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What can be asked of it."""
        return {
            "tags": lambda _said: self.tags(),
            "things": lambda _said: self._things(),
            "uses": lambda _said: peek_kept(self._uses, _uses_from) or _uses_from({}),
            "used": self._used,
            "prompts": lambda _said: self._prompts(),
            "translate": self._translate,
            "translating": lambda _said: self._translations.automatic,
            "fetch_translator": self._fetch_translator,
            "translator": lambda _said: self._translator(),
            "points": lambda said: with_points(text(said, "prompt")),
        }

    def file(self, _kind: str, _name: str) -> RoomFile | None:
        """It has none."""
        return None

    def tags(self) -> str:
        """Every tag, as the module reads them."""
        stamp = tuple(sorted((path.name, changed(path)) for path in self._folder.glob("*.csv")))
        with self._lock:
            if self._lines is None or self._lines[0] != stamp:
                self._lines = (stamp, as_lines(every_tag(self._folder)))
            return self._lines[1]

    def _things(self) -> dict[str, Any]:
        writes: Mapping[ModelKind, tuple[str, Callable[[str], str]]] = {
            ModelKind.LORA: ("lora", lambda name: f"<lora:{name}:1>"),
            ModelKind.EMBEDDING: ("embedding", str),
            ModelKind.HYPERNETWORK: ("hypernetwork", lambda name: f"<hypernet:{name}:1>"),
        }
        networks = [
            {"kind": kind, "name": file.path.stem, "text": write(file.path.stem)}
            for model, (kind, write) in writes.items()
            for file in self._library.files(model)
        ]
        lists = sorted(
            path.relative_to(self._wildcards).with_suffix("").as_posix() for path in self._wildcards.rglob("*.txt")
        )
        styles = [{"name": style.name, "prompt": style.prompt} for style in self._settings.peek().styles]
        return {"networks": networks, "wildcards": lists, "styles": styles}

    def _translate(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """The prompt in English, and how many bytes the translator that could do more would take (0: none)."""
        found = self._translations.english(text(said, "prompt"))
        missing = not found.whole and not self._translations.has_model
        return {"text": found.text, "missing": TRANSLATOR_BYTES if missing else 0}

    def _fetch_translator(self, _said: Mapping[str, Any]) -> None:
        self._fetch()

    def _translator(self) -> dict[str, Any]:
        """How the translator comes: bytes that are here and all of them, and whether it still comes or is whole."""
        now = self._fetching()
        return {
            "coming": now is not None,
            "received": now.received if now else 0,
            "total": TRANSLATOR_BYTES,
            "here": self._translations.has_model,
        }

    def _prompts(self) -> dict[str, Any]:
        """The base prompts of the guide, and those of the last generations."""
        last = self._last_form.peek()
        return {"presets": [asdict(preset) for preset in PRESETS], "recent": [*(last.prompts if last else ())]}

    def _used(self, said: Mapping[str, Any]) -> None:
        name, side = text(said, "name")[:200], "negative" if yes(said, "negative") else "positive"

        def once_more(uses: Uses) -> Uses:
            times = uses[side].get(name, [0, 0])[0]
            uses[side][name] = [times + 1, int(time.time() // 86400)]
            if len(uses[side]) > MOST_LEARNED:
                oldest = min(uses[side], key=lambda known: uses[side][known][1])
                del uses[side][oldest]
            return uses

        change_kept(self._uses, lambda: read_kept(self._uses, _uses_from) or _uses_from({}), once_more, indent=None)


def _uses_from(raw: Mapping[str, Any]) -> Uses:
    return {
        side: {str(name): [int(times), int(day)] for name, (times, day) in raw.get(side, {}).items()}
        for side in ("positive", "negative")
    }
