"""All that a face works with, in one object that the composition root builds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sdcolab.core.control import ControlOnOffer
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import SdcolabError
from sdcolab.core.fields import Field, table_of
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.names import JOINED_NAMES, LATENT_UPSCALERS, SAMPLER_NAMES, SCHEDULE_NAMES
from sdcolab.core.preprocessors import PREPROCESSORS
from sdcolab.core.remarks import Draft
from sdcolab.core.request import AUTOMATIC
from sdcolab.core.rooms import Room
from sdcolab.core.scripts import Forecast, Grid
from sdcolab.core.settings import SettingsFile
from sdcolab.core.tasks import Origin, Task
from sdcolab.core.upscaling import upscaler_names
from sdcolab.studio.form import ABSENT, JOINED, is_live, shown
from sdcolab.studio.job import Job
from sdcolab.studio.jobs import JobQueue
from sdcolab.studio.last_form import LastForm
from sdcolab.studio.layout import Tool
from sdcolab.studio.plans import NoPlans, Plans
from sdcolab.studio.translating import Translations
from sdcolab.studio.wildcards import NoLists, WildcardLists

Choices = Callable[[], tuple[str, ...]]
"""What can be chosen at this moment."""


def unknown_hash(_file: ModelFile) -> str | None:
    """No hash is known."""
    return None


def no_card() -> Mapping[str, object] | None:
    """There is no graphics card to ask."""
    return None


def no_remarks(_draft: Draft) -> Iterable[SdcolabError]:
    """Nothing is said."""
    return ()


def no_forecast(_task: Grid) -> Forecast:
    """Nobody knows how much it is."""
    return Forecast(0, 0)


@dataclass(frozen=True, slots=True)
class Studio:
    """Everything behind page, panel and API, which import neither the engine nor the downloads.

    ``count_tokens`` gives (count, limit) as A1111's counter does and loads no torch; ``native_size`` gives pixels and
    reads only a file's header; ``samplers`` and ``schedules`` are the names to choose from; ``catalog`` holds what the
    downloads tab offers, each with the words that show it and the link to download. ``report`` writes the report for
    whoever helps and gives HTML that says where it is and links to it. ``known_hash`` gives a file's SHA-256 if it is
    known already, and reads no model; ``cuda_memory`` what the graphics card holds, in A1111's words, or None without
    one. ``more_lists`` are the live lists of features that bring their own, by name.
    ``forecast`` says how much a script is before it begins, and raises what is wrong with it. ``rooms`` are the parts
    that draw themselves, by the id of their tab; ``wildcards`` the lists for prompts with random parts; ``plans`` the
    scripts that another session left unfinished; ``upscalers_on_offer`` those of the catalogue, with their bytes (0
    when nobody says), and ``controls_on_offer`` its control models; ``translations`` what puts prompts into English;
    ``remarks`` what can be said of a request while it is being written; ``ends`` what closes what the rooms open.
    """

    library: Library
    jobs: JobQueue
    settings: SettingsFile
    last_form: LastForm
    count_tokens: Callable[[str], tuple[int, int]]
    native_size: Callable[[ModelFile], int]
    folders: Folders
    report: Callable[[], str]
    samplers: Sequence[str] = SAMPLER_NAMES
    schedules: Sequence[str] = SCHEDULE_NAMES
    catalog: Sequence[tuple[str, str]] = ()
    known_hash: Callable[[ModelFile], str | None] = unknown_hash
    cuda_memory: Callable[[], Mapping[str, object] | None] = no_card
    more_lists: Mapping[str, Choices] = field(default_factory=dict)
    forecast: Callable[[Grid], Forecast] = no_forecast
    rooms: Mapping[str, Room] = field(default_factory=dict)
    wildcards: WildcardLists = field(default_factory=NoLists)
    plans: Plans = field(default_factory=NoPlans)
    upscalers_on_offer: Mapping[str, int] = field(default_factory=dict)
    controls_on_offer: Sequence[ControlOnOffer] = ()
    translations: Translations = field(default_factory=Translations)
    remarks: Callable[[Draft], Iterable[SdcolabError]] = no_remarks
    ends: Sequence[Callable[[], None]] = ()

    def close(self, seconds: float, stops: Iterable[Callable[[], object]]) -> None:
        """End the queue (``JobQueue.close``) and what the rooms opened, which opens again if somebody asks."""
        self.jobs.close(seconds, stops)
        for end in self.ends:
            end()

    def submit(self, task: Task, by: Origin = Origin.PAGE) -> Job:
        """Put ``task`` in the queue of its place. Raises ``QueueFull``."""
        return self.jobs.submit(task, by)

    def start(self, tool: Tool, task: Any, by: Origin = Origin.PAGE, *, trying: bool = False) -> Job:
        """Queue what the form of ``tool`` gave. Raises ``QueueFull``."""
        job = self.submit(tool.finished(task, trying=trying), by)
        if tool.remembers:
            self.last_form.keep_task(task)
        return job

    def last_values(self, tool: Tool) -> dict[str, Any]:
        """What the form of ``tool`` showed when it was last used, by path; names that are no longer in their lists, and
        forms that do not remember, are left out."""
        task = self.last_form.last_task(tool.task) if tool.remembers else None
        if task is None:
            return {}
        table = table_of(tool.task)
        told = shown(tool.task, task)
        return {path: value for path, value in told.items() if self._is_offered(table[path], value)}

    def _is_offered(self, field: Field, value: Any) -> bool:
        return not is_live(field) or value in self.lists(field.choices)

    def lists(self, name: str) -> tuple[str, ...]:
        """What the live list called ``name`` offers now: what ``choices`` of a field names. The list of a feature that
        is not here is empty.
        """
        own: Mapping[str, Choices] = {
            "samplers": lambda: tuple(self.samplers),
            f"samplers{JOINED}": self._joined_samplers,
            "schedules": lambda: tuple(self.schedules),
            "upscalers": lambda: upscaler_names(self.library),
            "latent_upscalers": lambda: LATENT_UPSCALERS,
            "hires_upscalers": lambda: (*LATENT_UPSCALERS, *self.lists("upscalers")),
            f"upscalers{ABSENT}": self._absent_upscalers,
            f"hires_upscalers{ABSENT}": self._absent_upscalers,
            "checkpoints": lambda: self.files(ModelKind.CHECKPOINT),
            "vaes": lambda: (AUTOMATIC, *self.files(ModelKind.VAE)),
            "vae_files": lambda: self.files(ModelKind.VAE),
            "loras": lambda: self.files(ModelKind.LORA),
            "embeddings": lambda: self.files(ModelKind.EMBEDDING),
            "hypernetworks": lambda: self.files(ModelKind.HYPERNETWORK),
            "preprocessors": lambda: tuple(PREPROCESSORS),
            "controlnets": lambda: self.files(ModelKind.CONTROLNET),
            "detectors": lambda: self.files(ModelKind.DETECTOR),
        }
        found = self.more_lists.get(name) or own.get(name)
        return found() if found else ()

    def _joined_samplers(self) -> tuple[str, ...]:
        return tuple(
            name
            for name, (sampler, schedule) in JOINED_NAMES.items()
            if sampler in self.samplers and schedule in self.schedules
        )

    def _absent_upscalers(self) -> tuple[str, ...]:
        here = self.lists("upscalers")
        return tuple(name for name in self.upscalers_on_offer if name not in here)

    def files(self, kind: ModelKind) -> tuple[str, ...]:
        """Names of the library's files of ``kind``."""
        return tuple(file.name for file in self.library.files(kind))
