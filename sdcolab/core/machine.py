"""How the program is opened on this machine: where pictures are saved, how it uses the card, and the page's password.

It is read when the program opens. The file lies where only its owner reads, and never travels to a Drive: folders and
memory are the machine's own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from sdcolab.core.errors import FolderUnfit
from sdcolab.core.folders import Folders
from sdcolab.core.kept import locked, peek_kept, read_kept, write_private
from sdcolab.core.memory_plan import MemoryChoice, Placement

FILE_NAME = "equipo.json"
PRIVATE_FOLDER = ".sesion"

USER_VARIABLE = "SDCOLAB_USUARIO"
"""Environment variable with ``nombre:contraseña`` of the page, for who opens it: the process list shows no password
then."""

_SECRET = re.compile(rf"(TOKEN|KEY)(?!IZERS_|_PATH$)|{USER_VARIABLE}", re.IGNORECASE)
"""What is in the names of environment variables that no child of ours inherits, be they ours or another program's:
``TOKENIZERS_PARALLELISM`` and ``HF_TOKEN_PATH`` are no secrets."""

MAX_PATH = 1000
LEAST_PASSWORD, MOST_PASSWORD, MOST_USER = 8, 200, 60
"""Characters."""

MOST_CHECKPOINTS = 10
"""As A1111's "Maximum number of checkpoints loaded at the same time"."""

PICTURE_FOLDERS = frozenset(
    {"txt2img-images", "img2img-images", "extras-images", "txt2img-grids", "img2img-grids", "detected_maps"}
)
"""By which a folder of pictures is known, ours or A1111's."""


class MemoryUse(StrEnum):
    """How much of the card is used: what fits, or less of it as with A1111's ``--medvram`` and ``--lowvram``."""

    AUTO = "auto"
    TURNS = "turns"
    STREAMED = "streamed"

    @property
    def fastest(self) -> Placement:
        """The fastest way to place weights that it leaves."""
        return Placement.GPU if self is MemoryUse.AUTO else Placement(self.value)


@dataclass(frozen=True, slots=True)
class Machine:
    """``outputs``: an absolute path, "" for the folder in the program's own. Without ``user`` the page asks for no
    password, unless who opens it says so. ``checkpoints``, 1 to 10: how many stay in memory while there is room.
    ``graphs``: whether a card replays the UNet's calls, which is experimental."""

    outputs: str = ""
    memory: MemoryUse = MemoryUse.AUTO
    user: str = ""
    password: str = field(default="", repr=False)
    checkpoints: int = 2
    graphs: bool = False

    @property
    def login(self) -> tuple[str, str] | None:
        """User and password of the page."""
        return (self.user, self.password) if self.user and self.password else None

    @property
    def memory_choice(self) -> MemoryChoice:
        """What the engine is told of it."""
        return MemoryChoice(self.memory.fastest, self.checkpoints, self.graphs)


class MachineFile:
    """Reads and writes it for the program in ``root``."""

    def __init__(self, root: Path) -> None:
        self.path = root / PRIVATE_FOLDER / FILE_NAME

    def peek(self) -> Machine:
        """What is saved; the defaults when there is nothing that can be read."""
        return peek_kept(self.path, _understood) or Machine()

    def change(self, change: Callable[[Machine], Machine]) -> Machine:
        """Save what ``change`` makes of it and return it. Raises ``SettingsUnreadable``, ``CannotRead``, ``DiskFull``
        or ``CannotWrite``."""
        with locked(self.path):
            changed = change(read_kept(self.path, _understood) or Machine())
            write_private(self.path, _kept(changed))
        return changed


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """What of ``environ`` a child process may know."""
    return {name: value for name, value in environ.items() if not _SECRET.search(name)}


def folders_in(root: Path) -> Folders:
    """The folders of the program in ``root``, with the one for pictures that this machine chose."""
    outputs = MachineFile(root).peek().outputs
    return Folders(root, Path(outputs) if outputs else None)


def picture_folder(text: str, root: Path) -> Path:
    """The folder that ``text`` means, where pictures of the program in ``root`` can be saved from now on: a new or
    empty one that its owner may write, or one with pictures of ours or A1111's. Nothing else, since whoever sees the
    page sees every picture in it. Nothing is made.

    Raises ``FolderUnfit``, which does not tell why: the page must not say what there is on the disk.
    """
    written = Path(text.strip()).expanduser()
    if "\0" in text or len(text) > MAX_PATH or not written.is_absolute():
        raise FolderUnfit(path=text[:MAX_PATH])
    try:
        folder, own = written.resolve(), root.resolve()
        around = own.is_relative_to(folder)
        inside = folder.is_relative_to(own) and not folder.is_relative_to(own / "outputs")
        if around or inside or not _usable(folder):
            raise FolderUnfit(path=text)
    except (OSError, RuntimeError) as error:  # a loop of links, a name too long for the disk
        raise FolderUnfit(path=text) from error
    return folder


def _usable(folder: Path) -> bool:
    if not folder.exists():
        parent = next(one for one in folder.parents if one.exists())
        return parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return False
    seen = [child for child in folder.iterdir() if not child.name.startswith(".")]
    return all(child.is_dir() for child in seen) and (not seen or any(one.name in PICTURE_FOLDERS for one in seen))


def _kept(machine: Machine) -> dict[str, Any]:
    return {
        "outputs": machine.outputs,
        "memory": machine.memory.value,
        "user": machine.user,
        "password": machine.password,
        "checkpoints": machine.checkpoints,
        "graphs": machine.graphs,
    }


def _understood(raw: Mapping[str, Any]) -> Machine:
    texts = {name: raw.get(name, "") for name in ("outputs", "user", "password")}
    if not all(isinstance(one, str) for one in texts.values()):
        raise ValueError("text")
    outputs = texts["outputs"]
    if outputs and not Path(outputs).is_absolute():
        raise ValueError("outputs")
    checkpoints = raw.get("checkpoints", Machine().checkpoints)
    if type(checkpoints) is not int or not 1 <= checkpoints <= MOST_CHECKPOINTS:
        raise ValueError("checkpoints")
    graphs = raw.get("graphs", False)
    if type(graphs) is not bool:
        raise ValueError("graphs")
    memory = MemoryUse(raw.get("memory", MemoryUse.AUTO))
    return Machine(memory=memory, checkpoints=checkpoints, graphs=graphs, **texts)
