"""What the tab "Ajustes" changes of how the program is opened (``core.machine``): it counts from the next time on."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdcolab.core.borrowed import borrow, borrowed, give_back, program_in
from sdcolab.core.errors import PasswordUnfit, PasswordWrong, StrangeQuestion
from sdcolab.core.folders import Folders
from sdcolab.core.machine import (
    LEAST_PASSWORD,
    MAX_PATH,
    MOST_CHECKPOINTS,
    MOST_PASSWORD,
    MOST_USER,
    Machine,
    MachineFile,
    MemoryUse,
    picture_folder,
)
from sdcolab.core.rooms import text, yes

FREE_TRIES = 5
"""Wrong passwords after which none is taken until the program is opened again: who is inside already knows it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """How the page was opened: its user and password, if it has any, and whether only this machine reaches it. A
    notebook's panel is no page."""

    page: bool = True
    login: tuple[str, str] | None = None
    only_here: bool = True


class MachineDesk:
    """Changes the file of the program in ``folders``; ``opened`` says who may be asking."""

    def __init__(self, folders: Folders, opened: Opened) -> None:
        self._folders = folders
        self._file = MachineFile(folders.root)
        self._opened = opened
        self._wrong = 0
        self._lock = threading.Lock()

    @property
    def changes(self) -> Mapping[str, Callable[[Mapping[str, Any]], object]]:
        """What can be changed here, by name."""
        ways = {"memory": self._memory, "checkpoints": self._checkpoints, "graphs": self._graphs}
        if not self._opened.page:
            return ways
        ways |= {"outputs": self._outputs, "password": self._password}
        return ways | ({"linked": self._linked} if self._private else {})

    @property
    def now(self) -> Machine:
        """What is saved. Its password is for nobody's eyes."""
        return self._file.peek()

    @property
    def linked(self) -> list[str]:
        """The names of the folders of models of other programs that are in use."""
        return sorted({one.name for one in borrowed(self._folders)})

    @property
    def guarded(self) -> bool:
        """Whether a change of the password asks for that of now."""
        return self._opened.login is not None

    @property
    def _private(self) -> bool:
        return self._opened.only_here and self._opened.login is None

    def _memory(self, said: Mapping[str, Any]) -> None:
        try:
            use = MemoryUse(text(said, "value", most=20))
        except ValueError as error:
            raise StrangeQuestion(question="memory") from error
        self._file.change(lambda now: replace(now, memory=use))

    def _checkpoints(self, said: Mapping[str, Any]) -> None:
        number = said.get("value")
        if type(number) is not int or not 1 <= number <= MOST_CHECKPOINTS:
            raise StrangeQuestion(question="checkpoints")
        self._file.change(lambda now: replace(now, checkpoints=number))

    def _graphs(self, said: Mapping[str, Any]) -> None:
        wanted = yes(said, "value")
        self._file.change(lambda now: replace(now, graphs=wanted))

    def _outputs(self, said: Mapping[str, Any]) -> None:
        """Raises ``FolderUnfit``. Empty: the program's own folder."""
        written = text(said, "value", most=MAX_PATH).strip()
        chosen = str(picture_folder(written, self._folders.root)) if written else ""
        self._file.change(lambda now: replace(now, outputs=chosen))

    def _linked(self, said: Mapping[str, Any]) -> None:
        """Use a folder of another program, or no longer. Raises as ``core.borrowed``."""
        if gone := text(said, "gone", "", most=MAX_PATH):
            give_back(gone, self._folders)
        else:
            borrow(program_in(Path(text(said, "value", most=MAX_PATH).strip())), self._folders)

    def _password(self, said: Mapping[str, Any]) -> None:
        """Raises ``PasswordUnfit`` or ``PasswordWrong``. An empty user: no password."""
        user, password = text(said, "user", "", most=MAX_PATH).strip(), text(said, "value", "", most=MAX_PATH)
        self._require(text(said, "current", "", most=MAX_PATH))
        if user or password:
            plain = user.isprintable() and password.isprintable() and ":" not in user
            if not plain or not 0 < len(user) <= MOST_USER or not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
                raise PasswordUnfit()
        self._file.change(lambda now: replace(now, user=user, password=password))

    def _require(self, current: str) -> None:
        """The password of now, where there is one: a page left open must not give the house away."""
        if self._opened.login is None:
            return
        with self._lock:
            right = hmac.compare_digest(current.encode("utf-8", "replace"), self._opened.login[1].encode())
            if not right or self._wrong >= FREE_TRIES:
                self._wrong += not right
                raise PasswordWrong()
            self._wrong = 0
