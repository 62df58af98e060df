"""The one stream of typed events that generating, downloading and training share, and the token that stops them.

Listeners are plain callables. Generators call them from their own threads, one event at a time; a listener must return
quickly and must not raise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from PIL import Image

from sdcolab.core.errors import Cancelled, SdcolabError


class Phase(StrEnum):
    """What a job is doing now. Its Spanish label lives in ``core.words.PHASE_LABELS``."""

    WAITING = "waiting"
    LOADING_LIBRARIES = "loading_libraries"
    LOADING_MODEL = "loading_model"
    ENCODING_PROMPT = "encoding_prompt"
    SAMPLING = "sampling"
    DECODING = "decoding"
    UPSCALING = "upscaling"
    DETAILING = "detailing"
    RESTORING = "restoring"
    SAVING = "saving"
    TRAINING = "training"
    DOWNLOADING = "downloading"
    LOOKING = "looking"


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """The job entered ``phase``; ``detail`` names what it works on (a model's file name, say) or is empty."""

    phase: Phase
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StepDone:
    """``step`` of ``total`` denoising steps of the whole job are done (all batches and passes counted together).

    ``preview`` is a small approximate RGB picture of the first image of the batch, or None on steps that made none.
    """

    step: int
    total: int
    batch: int
    batches: int
    preview: Image.Image | None = None


@dataclass(frozen=True, slots=True)
class StepLearnt:
    """A step of a training is done, with its ``loss`` and learning ``rate``."""

    step: int
    total: int
    loss: float
    rate: float


@dataclass(frozen=True, slots=True)
class PauseChanged:
    """The job waits because somebody wants it to (``paused``), or goes on."""

    paused: bool


@dataclass(frozen=True, slots=True)
class ImageSaved:
    """Image number ``index`` (from 0, over all batches) was written to ``path`` with its ``infotext``."""

    index: int
    path: Path
    seed: int
    infotext: str


@dataclass(frozen=True, slots=True)
class ImageReady:
    """Image number ``index`` is finished and was not written anywhere: the event takes ``ImageSaved``'s place."""

    index: int
    image: Image.Image
    seed: int
    infotext: str


Portion = tuple[float, float, float, float]
"""Left, top, right and bottom of a place on a picture, as parts (0..1) of its width and height."""


@dataclass(frozen=True, slots=True)
class CellMade:
    """Cell number ``cell`` (from 0) of a plan is finished, and its picture lies at ``path``.

    ``box`` is where it is on the live previews of the whole, ``name`` says for people which cell it is.
    """

    cell: int
    box: Portion
    name: str
    path: Path
    seed: int
    infotext: str


@dataclass(frozen=True, slots=True)
class SheetDrawn:
    """The picture at ``path`` is a sheet: ``cells`` says where each cell lies on it, by its number."""

    path: Path
    cells: tuple[tuple[int, Portion], ...]


@dataclass(frozen=True, slots=True)
class MapMade:
    """The map that unit number ``unit`` (from 1) of ControlNet follows; ``title`` is the user's name for it."""

    unit: int
    image: Image.Image
    title: str = ""


@dataclass(frozen=True, slots=True)
class FileMade:
    """A file that is no picture of a generation was written to ``path``: a model, a sheet, a download."""

    path: Path


@dataclass(frozen=True, slots=True)
class Note:
    """A finished sentence in Spanish for whoever asked: a line of the report of what was done."""

    text: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user should know that did not stop the job. It is explained like an error."""

    warning: SdcolabError


@dataclass(frozen=True, slots=True)
class BytesReceived:
    """A transfer moved: ``received`` of ``total`` bytes of ``name``; ``total`` is None until the server says."""

    name: str
    received: int
    total: int | None
    bytes_per_second: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The job is over: ``error`` is None when it went well, ``Cancelled`` when the user stopped it."""

    error: SdcolabError | None = None


Event = (
    PhaseStarted
    | StepDone
    | StepLearnt
    | PauseChanged
    | ImageSaved
    | ImageReady
    | CellMade
    | SheetDrawn
    | MapMade
    | FileMade
    | Note
    | Warned
    | BytesReceived
    | Ended
)
Listener = Callable[[Event], None]


def ignore_events(_event: Event) -> None:
    """A listener for callers who only want the result."""


def in_turns(listener: Listener) -> Listener:
    """``listener`` for generators with more than one thread: it takes an event at a time."""
    turn = threading.Lock()

    def hear(event: Event) -> None:
        with turn:
            listener(event)

    return hear


class CancelToken:
    """Lets one thread ask another to stop. Workers call ``raise_if_cancelled`` at least once a step or a block."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._skip = threading.Event()
        self._held = threading.Event()

    def skip(self) -> None:
        """Ask the worker to leave out what it is doing and go on with the next part (a batch). Safe from any thread."""
        self._skip.set()

    def take_skip(self) -> bool:
        """Whether somebody asked to skip since the last time this was asked."""
        asked = self._skip.is_set()
        self._skip.clear()
        return asked

    def hold(self, on: bool) -> None:
        """Ask the worker to wait, or to go on; only what ``TaskRow.pauses`` listens. Safe from any thread."""
        (self._held.set if on else self._held.clear)()

    @property
    def held(self) -> bool:
        """Whether the worker should wait."""
        return self._held.is_set()

    def cancel(self) -> None:
        """Ask the worker to stop. Safe from any thread, any number of times."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to stop."""
        return self._event.is_set()

    def raise_if_cancelled(self) -> None:
        """Raise ``Cancelled`` if somebody asked to stop."""
        if self._event.is_set():
            raise Cancelled()

    def wait(self, seconds: float) -> bool:
        """Sleep up to ``seconds``; return at once with True when cancelled (for retries and back-off)."""
        return self._event.wait(seconds)
