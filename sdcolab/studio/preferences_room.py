"""The room of the settings (``rooms/ajustes.js``): what the user prefers, and what A1111's own files say of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from sdcolab.core.codec import to_json
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import StrangeQuestion
from sdcolab.core.fields import Field, table_of
from sdcolab.core.folders import Folders
from sdcolab.core.machine import MOST_CHECKPOINTS
from sdcolab.core.preferences import Preferences, PreferencesFile
from sdcolab.core.prompt import Style
from sdcolab.core.request import FIELDS
from sdcolab.core.rooms import Answer, RoomFile, text
from sdcolab.core.settings import Settings, SettingsFile
from sdcolab.core.speed import Speed
from sdcolab.core.style_files import styles_in
from sdcolab.core.untrusted import parse_json
from sdcolab.core.words import preferences as words
from sdcolab.core.words.fields import OPTION_WORDS, words_of
from sdcolab.studio.foreign_settings import imported
from sdcolab.studio.layout import barred
from sdcolab.studio.machine_desk import MachineDesk

MAX_FILE = 900_000
"""Longest file that is imported, in characters."""

SPEED = "speed"
"""The one row that is a default of the form."""

NEXT_TIME = ("outputs", "memory", "checkpoints", "graphs", "password")
"""What counts from the next time that the program is opened on."""

MOST_TOLD = 12
"""Keys without a place that are named."""


class PreferencesRoom:
    """``settings`` hold the form's defaults, which an import changes too; ``machine`` changes how the program is opened
    in ``folders``."""

    def __init__(
        self,
        file: PreferencesFile,
        settings: SettingsFile,
        folders: Folders | None = None,
        machine: MachineDesk | None = None,
    ) -> None:
        self._file = file
        self._settings = settings
        self._folders = folders
        self._machine = machine

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What can be asked of it."""
        return {
            "settings": lambda _said: self._told(),
            "page": lambda _said: self._page(),
            "change": self._change,
            "reset": lambda _said: self._reset(),
            "import": self._import,
        }

    def file(self, _kind: str, _name: str) -> RoomFile | None:
        """It has none."""
        return None

    def _page(self) -> dict[str, Any]:
        now = self._file.peek()
        return {"bar": [*now.bar], "look": now.look.value, "sound": now.sound, "notify": now.notify}

    def _told(self) -> dict[str, Any]:
        now: Mapping[str, Any] = to_json(self._file.peek())
        rows = [_row(name, field, now[name]) for name, field in table_of(Preferences).items()]
        rows += [_speed(self._settings.peek().defaults.speed)]
        if self._folders and self._machine:
            rows += machine_rows(self._folders, self._machine)
        return {"rows": rows, "import": {"title": words.IMPORT_TITLE, "help": words.IMPORT_HELP}}

    def _change(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Change one. Raises ``StrangeQuestion``, or as ``PreferencesFile.change`` and ``MachineDesk.changes``."""
        name, value = text(said, "name"), said.get("value")
        if self._machine and (way := self._machine.changes.get(name)):
            way(said)
            return self._told()
        if name == SPEED:
            return self._change_speed(value)
        if name == "bar" and isinstance(value, list):
            value = [path for path in value if path in barred()]
        try:
            changed = Preferences().with_value(name, value)
        except (ValueError, TypeError) as error:
            raise StrangeQuestion(question=name[:40]) from error
        self._file.change(lambda now: replace(now, **{name: getattr(changed, name)}))
        return self._told()

    def _change_speed(self, value: object) -> dict[str, Any]:
        """Of the form's defaults: it changes pixels, so it is no preference but part of each request."""
        if value not in [*Speed]:
            raise StrangeQuestion(question=SPEED)
        speed = Speed(str(value))
        self._settings.change(lambda now: replace(now, defaults=replace(now.defaults, speed=speed)))
        return self._told()

    def _reset(self) -> dict[str, Any]:
        self._file.change(lambda _now: Preferences())
        return self._told()

    def _import(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Read one of A1111's files. Raises ``StrangeQuestion``."""
        written = text(said, "text", most=MAX_FILE)
        with contextlib.suppress(ValueError):
            return self._import_styles(styles_in(written))
        try:
            raw = parse_json(written.encode("utf-8", "replace"))
        except ValueError as error:
            raise StrangeQuestion(question="import") from error
        if not isinstance(raw, dict):
            raise StrangeQuestion(question="import")
        found = imported(raw, self._file.peek(), self._settings.load().defaults)
        if not found.used:
            return {"said": words.NOTHING_TO_IMPORT, **self._told()}
        self._file.change(lambda now: imported(raw, now, found.defaults).preferences)
        self._settings.change(lambda now: replace(now, defaults=imported(raw, Preferences(), now.defaults).defaults))
        names = ", ".join(found.left[:MOST_TOLD]) + ("…" if len(found.left) > MOST_TOLD else "")
        left = words.NOT_USED.format(names=names) if names else words.EVERYTHING_USED
        return {"said": words.IMPORTED.format(used=found.used, left=left), **self._told()}

    def _import_styles(self, styles: tuple[Style, ...]) -> dict[str, Any]:
        """Add the styles that are not here: those of the same name stay ours."""
        new = 0

        def change(settings: Settings) -> Settings:
            nonlocal new
            ours = {style.name for style in settings.styles}
            added = tuple(style for style in styles if style.name not in ours)
            new = len(added)
            return replace(settings, styles=(*settings.styles, *added))

        self._settings.change(change)
        return {"said": words.styles_imported(new, len(styles) - new), **self._told()}


def _told(name: str, value: str | int) -> dict[str, Any]:
    own = words.TOLD_WORDS[name]
    return {
        "name": name,
        "label": own.label,
        "help": own.help,
        "group": own.group,
        "key": "",
        "kind": "told",
        "value": value,
        "choices": [],
        "next": name in NEXT_TIME,
    }


def machine_rows(folders: Folders, machine: MachineDesk) -> Iterator[dict[str, Any]]:
    """How the program is opened: what may be changed from here, and the rest told."""
    now, changes = machine.now, machine.changes
    outputs = now.outputs or str(folders.outputs.absolute())
    yield _told("outputs", outputs) | ({"kind": "str"} if "outputs" in changes else {})
    yield _told("models", str(folders.models(ModelKind.CHECKPOINT).parent.absolute()))
    if "linked" in changes:
        yield _told("linked", "") | {"kind": "linked", "choices": machine.linked}
    choices = [(use.value, name) for use, name in words.MEMORY_NAMES.items()]
    yield _told("memory", now.memory.value) | {"kind": "choice", "choices": choices}
    yield _told("checkpoints", now.checkpoints) | {"kind": "int", "low": 1, "high": MOST_CHECKPOINTS}
    yield _told("graphs", now.graphs) | {"kind": "bool"}
    if "password" in changes:
        said = words.HAS_PASSWORD.format(user=now.user) if now.login else words.NO_PASSWORD
        yield _told("password", said) | {"kind": "password", "guarded": machine.guarded}
    else:
        yield _told("password", words.PASSWORD_OF_NOTEBOOK)


def _speed(now: Speed) -> dict[str, Any]:
    choices = [(speed.value, OPTION_WORDS[Speed][speed]) for speed in Speed]
    return _told(SPEED, now.value) | {"kind": "choice", "choices": choices}


def _row(name: str, field: Field, value: Any) -> dict[str, Any]:
    own = words.PREFERENCE_WORDS[name]
    kind = "names" if field.many else "choice" if issubclass(field.kind, StrEnum) else field.kind.__name__
    choices = words.CHOICES.get(name, {})
    if name == "bar":
        choices = {path: words_of(path).label for path in barred() if path in FIELDS}
    return {
        "name": name,
        "label": own.label,
        "help": own.help,
        "group": own.group,
        "key": field.key,
        "kind": kind,
        "value": value,
        "low": field.low,
        "high": field.high,
        "choices": [*choices.items()],
    }
