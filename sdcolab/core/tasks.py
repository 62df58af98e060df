"""Work as data: what can be asked for, and who does it.

A task is a frozen dataclass with a ``code``. It says everything that there is to do and nothing of how, so that it can
wait in a queue, be written down, and travel to another process. Its row in the table of ``wiring.tasks`` says where it
runs and what runs it; ``core.words.TASK_NAMES`` says it in Spanish.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeVar, cast, runtime_checkable

from PIL import Image

from sdcolab.core.codec import PictureIn, PictureOut, from_json, picture_from_text, png_text, to_json
from sdcolab.core.details import DetailUnit
from sdcolab.core.events import CancelToken, Listener
from sdcolab.core.fields import fact
from sdcolab.core.finishing import Caption, Flip, FocalCrop, SizedCrop, Split
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.request import GenerationRequest
from sdcolab.core.result import GenerationResult, Generator, Retouching, Trying
from sdcolab.core.upscaling import Enlargement, Restoring, Upscaling

T = TypeVar("T")


@runtime_checkable
class Task(Protocol):
    """Any work: a frozen dataclass whose fields ``core.codec`` can write."""

    @property
    def code(self) -> str:
        """Name of this kind of work, as it is written down."""
        ...


@dataclass(frozen=True, slots=True)
class Generate:
    """Make the pictures of ``request``; with ``save`` False none is written to disk."""

    code: ClassVar[str] = "generate"

    request: GenerationRequest
    save: bool = True


@dataclass(frozen=True, slots=True)
class Enlarge:
    """Enlarge finished ``pictures`` (any mode). ``infotexts`` has one text a picture, or is empty: each has its own
    inside. ``details``: what is found in the large pictures and drawn again, with the model and prompts that each was
    made with. ``folder``: one whose pictures follow, by its name in ``core.picture_folders``. The other parts: what
    becomes of each (``core.finishing``)."""

    code: ClassVar[str] = "enlarge"

    pictures: tuple[Image.Image, ...] = fact((), control="pictures")
    enlargement: Enlargement = field(default_factory=Enlargement)
    infotexts: tuple[str, ...] = ()
    details: tuple[DetailUnit, ...] = ()
    save: bool = True
    folder: str = fact("", choices="picture_folders")
    split: Split | None = None
    focal: FocalCrop | None = None
    sized: SizedCrop | None = None
    flip: Flip | None = None
    caption: Caption | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """Download ``links``, as a user types them, each into its folder."""

    code: ClassVar[str] = "download"

    links: str


@dataclass(frozen=True, slots=True)
class Preload:
    """Load the libraries and ``checkpoint`` (empty: the default one), so that the first picture waits for neither."""

    code: ClassVar[str] = "preload"

    checkpoint: str = ""


@dataclass(frozen=True, slots=True)
class Unload:
    """Let go of the models in memory."""

    code: ClassVar[str] = "unload"


class Place(StrEnum):
    """Where a kind of work runs, each place with a queue of its own."""

    ENGINE = "engine"
    """Where the models are: one after another, in a process that may die without taking anything else along."""
    HERE = "here"
    """Beside them, in the process that was asked: what needs neither the card nor much memory."""


class Origin(StrEnum):
    """Who asked. Its Spanish label lives in ``core.words.ORIGIN_NAMES``."""

    PAGE = "page"
    PANEL = "panel"
    API = "api"


class Models(Protocol):
    """The models in memory."""

    def preload(self, checkpoint: str = "") -> None:
        """Load the libraries and ``checkpoint`` (empty: the default one). Raises ``SdcolabError``."""
        ...

    def unload(self) -> None:
        """Let go of the models that are loaded."""
        ...


class WholeEngine(Generator, Trying, Upscaling, Restoring, Retouching, Models, Protocol):
    """Everything that an engine can be asked for."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the work has at hand. ``engine`` loads torch only when it is first used; ``environ`` are the variables that
    name tokens and mirrors for downloads."""

    folders: Folders
    library: Library
    engine: WholeEngine
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)


Runner = Callable[[Any, Tools, Listener, CancelToken], GenerationResult | None]
"""Does a task of one kind in the caller's thread. It tells the listener what happens, pictures and files included, and
raises ``SdcolabError``; ``Cancelled`` soon after it is asked to stop."""


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One kind of work: its dataclass, where it runs, and what runs it.

    ``resumes``: when a process died in the midst of it, the next begins it again (downloads go on where they were);
    else it counts as lost, since it may be what killed the process. ``listed`` False is for errands that nobody
    follows, such as loading a model in advance. ``pauses``: it waits while its token is held. ``apart``: it has a place
    of its own on the faces (downloads), and is no news beside the forms.
    """

    task: type[Any]
    place: Place
    run: Runner
    resumes: bool = False
    listed: bool = True
    pauses: bool = False
    apart: bool = False

    @property
    def code(self) -> str:
        """Its name."""
        return str(self.task.code)


class TaskTable(Mapping[str, TaskRow]):
    """The kinds of work by their code."""

    def __init__(self, rows: Iterable[TaskRow]) -> None:
        self._rows = {row.code: row for row in rows}

    def __getitem__(self, code: str) -> TaskRow:
        return self._rows[code]

    def __iter__(self) -> Any:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def to_json(self, task: Task, picture: PictureOut = png_text) -> dict[str, Any]:
        """``task`` as JSON values; ``picture`` says how pictures are written. Raises ``KeyError`` for a kind that is
        not in the table."""
        written: dict[str, Any] = to_json(task, picture)
        return {"code": self[task.code].code, **written}

    def from_json(self, raw: Mapping[str, Any], picture: PictureIn = picture_from_text) -> Task:
        """The task that ``to_json`` turned into ``raw``. Raises ``KeyError``, ``ValueError``, ``TypeError`` or
        ``SdcolabError`` when it is none."""
        return cast(Task, from_json(self[raw["code"]].task, raw, picture))


class Worker(Protocol):
    """Who does the work: this process, another one, or another machine."""

    def run(self, task: Task, listener: Listener, cancel: CancelToken) -> GenerationResult | None:
        """Do ``task`` in the caller's thread, telling ``listener``; the result of a generation, else None.

        Raises ``SdcolabError``; ``Cancelled`` soon after ``cancel.cancel()``.
        """
        ...


class LocalWorker:
    """Does the work in this process."""

    def __init__(self, table: TaskTable, tools: Tools) -> None:
        self._table = table
        self._tools = tools

    def run(self, task: Task, listener: Listener, cancel: CancelToken) -> GenerationResult | None:
        """As ``Worker.run``."""
        return self._table[task.code].run(task, self._tools, listener, cancel)
