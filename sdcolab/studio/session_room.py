"""The room of the session (``rooms/sesion.js``): going on after a cut, what takes room, settings as one file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcolab.core.errors import StrangeQuestion
from sdcolab.core.files import free_bytes
from sdcolab.core.folders import Folders
from sdcolab.core.rooms import Answer, RoomFile, numbers, text
from sdcolab.core.scripts import Grid
from sdcolab.core.tasks import Download, Generate, Task, TaskTable
from sdcolab.core.words import human_bytes, human_time
from sdcolab.core.words.session import (
    EXPORTED,
    EXPORTED_WITHOUT,
    FETCHING,
    FREED,
    IMPORTED,
    NOTHING_INSIDE,
    RESUMED,
    SPACE_GROUPS,
)
from sdcolab.core.words.tasks import TASK_NAMES
from sdcolab.studio import bundle, last_form, pending, space
from sdcolab.studio.plans import LeftPlan, sentence

TYPICAL_SPEED = 25_000_000
"""Bytes a second: what a download in Colab or on a good line gets, only to tell how long one will take."""

SHOWN_PROMPT = 70


@dataclass(frozen=True, slots=True)
class Absent:
    """A file that another session downloaded and this machine has not; ``link`` is what to download, ``size`` bytes."""

    link: str
    name: str
    size: int | None


class SessionRoom:
    """``absent`` tells what is not here any more, ``left_plan`` the script's plan to offer, which ``continued`` makes a
    task of by its name; ``submit`` queues work."""

    def __init__(
        self,
        folders: Folders,
        table: TaskTable,
        absent: Callable[[], Sequence[Absent]],
        left_plan: Callable[[], LeftPlan | None],
        continued: Callable[[str], Task],
        submit: Callable[[Task], object],
    ) -> None:
        self._folders = folders
        self._table = table
        self._absent = absent
        self._left_plan = left_plan
        self._continued = continued
        self._submit = submit
        self._resuming = threading.Lock()

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What can be asked of it."""
        return {
            "left": self._left,
            "fetch": self._fetch,
            "resume": self._resume,
            "discard": self._discard,
            "grid": self._grid,
            "space": self._space,
            "delete": self._delete,
            "import": self._import,
            "export": self._export,
        }

    def file(self, kind: str, name: str) -> RoomFile | None:
        """The settings as one file."""
        if (kind, name) != ("ajustes", bundle.BUNDLE_NAME):
            return None
        content, _ = bundle.exported(self._folders)
        return RoomFile(content, "application/json", bundle.BUNDLE_NAME)

    def _left(self, _said: Mapping[str, Any]) -> dict[str, Any]:
        """What another session left: whether it filled in the form, files to fetch, tasks and a script's plan."""
        plan = self._left_plan()
        return {
            "form": (self._folders.config / last_form.FILE_NAME).is_file(),
            "absent": [
                {
                    "name": one.name,
                    "size": human_bytes(one.size) if one.size else "",
                    "seconds": one.size / TYPICAL_SPEED if one.size else 0,
                    "time": human_time(one.size / TYPICAL_SPEED) if one.size else "",
                }
                for one in self._absent()
            ],
            "tasks": [_described(task) for task in self._tasks(plan)],
            "plan": {"name": plan.name, "told": sentence(plan)} if plan else None,
        }

    def _fetch(self, said: Mapping[str, Any]) -> str:
        """Queue the chosen downloads, by their places. Raises ``StrangeQuestion``."""
        absent, places = self._absent(), numbers(said, "places")
        if not places or not all(0 <= place < len(absent) for place in places):
            raise StrangeQuestion(question="places")
        self._submit(Download("\n".join(absent[place].link for place in places)))
        return FETCHING.format(count=len(places))

    def _resume(self, _said: Mapping[str, Any]) -> str:
        """Queue again what the last session had not done. Raises ``QueueFull`` and keeps offering what is left."""
        with self._resuming:  # a second click, or another tab, finds what is left by then
            tasks = self._tasks(self._left_plan())
            for task in tasks:
                self._submit(task)
                pending.settle(self._folders.config, self._table, [task])
        return RESUMED.format(count=len(tasks))

    def _discard(self, _said: Mapping[str, Any]) -> None:
        pending.settle(self._folders.config, self._table, self._tasks(self._left_plan()))

    def _tasks(self, plan: LeftPlan | None) -> tuple[Task, ...]:
        """What the last sessions had not done, but for the work of which ``plan`` is offered."""
        entries = pending.offered(self._folders.config, self._table)
        return tuple(entry.task for entry in entries if not (plan and pending.is_of_plan(entry.task, plan.job)))

    def _grid(self, said: Mapping[str, Any]) -> str:
        """Go on with the plan that is offered, by its name. Raises ``StrangeQuestion``."""
        plan = self._left_plan()
        if plan is None or text(said, "name") != plan.name:
            raise StrangeQuestion(question="name")
        self._submit(self._continued(plan.name))
        return RESUMED.format(count=1)

    def _space(self, _said: Mapping[str, Any]) -> dict[str, Any]:
        things = space.measured(self._folders)
        groups: dict[str, list[space.Thing]] = {name: [] for name in SPACE_GROUPS}
        for thing in things:
            groups.setdefault(thing.group, []).append(thing)
        return {
            "free": human_bytes(free_bytes(self._folders.root)),
            "used": human_bytes(sum(thing.size for thing in things)),
            "groups": [
                {
                    "title": SPACE_GROUPS.get(group, group),
                    "size": human_bytes(sum(thing.size for thing in inside)),
                    "things": [_told(thing) for thing in inside],
                }
                for group, inside in groups.items()
                if inside
            ],
        }

    def _delete(self, said: Mapping[str, Any]) -> str:
        """Delete what was chosen, by name. Raises ``StrangeQuestion`` or ``StorageError``."""
        names = said.get("names")
        if not isinstance(names, list) or len(names) > 5000 or not all(isinstance(name, str) for name in names):
            raise StrangeQuestion(question="names")
        return FREED.format(size=human_bytes(space.delete(self._folders, names)))

    def _export(self, _said: Mapping[str, Any]) -> str:
        """What the file for ``import`` holds, and what it does not."""
        _, left_out = bundle.exported(self._folders)
        name = bundle.BUNDLE_NAME
        return EXPORTED_WITHOUT.format(name=name, files=", ".join(left_out)) if left_out else EXPORTED.format(name=name)

    def _import(self, said: Mapping[str, Any]) -> str:
        """Put the settings of a file in place of those here. Raises ``NotOurSettings`` or ``StorageError``."""
        content = said.get("text")
        if not isinstance(content, str):
            raise StrangeQuestion(question="text")
        files = bundle.imported(self._folders, content)
        if not files:
            return NOTHING_INSIDE
        return IMPORTED.format(files=", ".join(Path(name).stem for name in files), before=bundle.BEFORE_NAME)


def _described(task: Task) -> str:
    name = TASK_NAMES.get(task.code, task.code)
    request = task.request if isinstance(task, Generate | Grid) else None
    return f"{name}: {request.prompt[:SHOWN_PROMPT]}" if request and request.prompt else name


def _told(thing: space.Thing) -> dict[str, Any]:
    return {
        "name": thing.name,
        "size": human_bytes(thing.size),
        "bytes": thing.size,
        "deletable": thing.deletable,
        "drive": thing.on_drive,
    }
