"""The studio that the faces share, and the place where its work is done."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import SdcolabError
from sdcolab.core.events import Listener
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.picture_folders import picture_folders
from sdcolab.core.preferences import PreferencesFile
from sdcolab.core.remarks import Remarks
from sdcolab.core.settings import SettingsFile
from sdcolab.core.tasks import Download, LocalWorker, Origin, Place, Preload, Task, Tools, Worker
from sdcolab.core.translating import FetchTranslator
from sdcolab.gallery.room import GalleryRoom
from sdcolab.process.environment import engine_spec
from sdcolab.process.worker import ProcessWorker
from sdcolab.studio.cards_room import CardsRoom, Outside
from sdcolab.studio.form import ABSENT
from sdcolab.studio.guide_room import GuideRoom
from sdcolab.studio.help_room import HelpRoom
from sdcolab.studio.job import Job
from sdcolab.studio.jobs import JobQueue, last_picture
from sdcolab.studio.journal import JobJournal
from sdcolab.studio.last_form import LastForm
from sdcolab.studio.machine_desk import MachineDesk, Opened
from sdcolab.studio.made import MADE_ROOM, MadeRoom
from sdcolab.studio.pending import PendingJournal, settle_plan
from sdcolab.studio.plans import offered
from sdcolab.studio.poses_room import PosesRoom
from sdcolab.studio.preferences_room import PreferencesRoom
from sdcolab.studio.queue_room import QueueRoom
from sdcolab.studio.regions_room import RegionsRoom
from sdcolab.studio.session_room import SessionRoom
from sdcolab.studio.studio import Studio
from sdcolab.studio.words_room import Fetching, WordsRoom
from sdcolab.wiring.diagnosis import diagnose, save_report
from sdcolab.wiring.downloads import (
    absent_downloads,
    absent_files,
    catalog_choices,
    catalog_links,
    civitai_search,
    controls_on_offer,
    detector_links,
    embedding_families,
    embedding_links,
    face_links,
    upscaler_links,
)
from sdcolab.wiring.engine import build_engine, card_memory, native_size
from sdcolab.wiring.grids import PlanFolder, forecast, reading_ahead, script_lists, sheet_cells, wildcard_manager
from sdcolab.wiring.poses import draw_people, find_people
from sdcolab.wiring.tasks import TASKS
from sdcolab.wiring.training_tasks import tag_room, training_lists
from sdcolab.wiring.translating import build_translations


@dataclass(frozen=True, slots=True)
class Workplace:
    """The queue of jobs and who does them: ``engines`` in processes of their own, or nobody but us. What the rooms ask
    for comes from ``face``."""

    jobs: JobQueue
    engines: tuple[ProcessWorker, ...] = ()
    face: Origin = Origin.PAGE

    def submit(self, task: Task) -> Job:
        """Queue what a room asks for. Raises ``QueueFull``."""
        return self.jobs.submit(task, self.face)

    def start(self) -> None:
        """Begin to load what the first generation needs."""
        for engine in self.engines:
            engine.start()
        if not self.engines:
            self.jobs.submit(Preload())

    def cuda_memory(self) -> Mapping[str, object] | None:
        """What the first graphics card holds, in A1111's words; None without one, or when nobody can tell now."""
        if not self.engines:
            return card_memory()
        told: Any = self.engines[0].ask("card")
        return told if isinstance(told, dict) else None

    def close(self) -> None:
        """End what runs, and the processes."""
        self.jobs.close(stops=[engine.stop for engine in self.engines])


def workplace_here(
    folders: Folders, library: Library, listener: Listener | None = None, journal: JobJournal | None = None
) -> Workplace:
    """Everything is done in this process."""
    return Workplace(
        JobQueue(
            TASKS,
            dict.fromkeys(Place, (_local(folders, library),)),
            listener,
            journal=journal,
            soon=reading_ahead(library),
        )
    )


def workplace(
    folders: Folders,
    library: Library,
    model: Path | None = None,
    listener: Listener | None = None,
    journal: JobJournal | None = None,
    on_trouble: Callable[[SdcolabError], None] = lambda _error: None,
    engines: int = 1,
    vae: Path | None = None,
) -> Workplace:
    """The engines work in processes of their own, one a graphics card when there are several: this one never loads
    torch, and goes on when memory runs out there. ``on_trouble`` hears of their deaths that no job tells."""
    workers = tuple(
        ProcessWorker(
            engine_spec(folders, os.environ, model, vae=vae, card=None if engines == 1 else card),
            TASKS,
            on_trouble=on_trouble,
            first=Preload(),
        )
        for card in range(engines)
    )
    return _workplace_with(workers, _local(folders, library), library, listener, journal)


def studio_with(
    folders: Folders, library: Library, engines: tuple[ProcessWorker, ...], environ: Mapping[str, str]
) -> Studio:
    """A studio whose engines somebody else starts and stops; downloads find their tokens in ``environ``."""
    journal = PendingJournal(folders.config, TASKS)
    here = _local(folders, library, environ)
    place = replace(_workplace_with(engines, here, library, journal=journal), face=Origin.PANEL)
    return build_studio(folders, library, place, Opened(page=False))


def _workplace_with(
    engines: tuple[ProcessWorker, ...],
    here: Worker,
    library: Library,
    listener: Listener | None = None,
    journal: JobJournal | None = None,
) -> Workplace:
    places: dict[Place, tuple[Worker, ...]] = {Place.ENGINE: engines, Place.HERE: (here,)}
    return Workplace(JobQueue(TASKS, places, listener, journal=journal, soon=reading_ahead(library)), engines)


def _local(folders: Folders, library: Library, environ: Mapping[str, str] = os.environ) -> LocalWorker:
    return LocalWorker(TASKS, Tools(folders, library, build_engine(folders, library), environ))


def count_tokens(text: str) -> tuple[int, int]:
    """How many tokens a prompt has, and how many fit. Raises ``PromptSyntaxError``."""
    from sdcolab.engine import tokenizer

    if not text.strip():  # a face opens with empty prompts, and the vocabulary takes a while to read
        return 0, tokenizer.CHUNK_LENGTH
    counted = tokenizer.count_tokens(text, tokenizer.load())
    return counted.count, counted.limit


def build_studio(folders: Folders, library: Library, place: Workplace, opened: Opened | None = None) -> Studio:
    """Everything that a face works with; ``opened`` says how, None for a page of this machine without a password."""
    from sdcolab.colab.report import report_html
    from sdcolab.engine.hashes import HashCache

    def fetch(links: str) -> None:
        place.submit(Download(links))

    outside = Outside(
        lambda: last_picture(place.jobs), lambda: SettingsFile(folders.config).peek().styles, civitai_search, fetch
    )

    folders.make_for_models()
    plans = PlanFolder(library, folders, partial(settle_plan, folders.config, TASKS))
    translations = build_translations(folders)
    lists, upscalers, detectors = script_lists(library, folders), upscaler_links(), detector_links()
    gallery = GalleryRoom(folders, sheet_cells)
    return Studio(
        library=library,
        jobs=place.jobs,
        settings=SettingsFile(folders.config),
        last_form=LastForm(folders.config),
        count_tokens=count_tokens,
        native_size=native_size,
        folders=folders,
        report=lambda: report_html(save_report(folders, diagnose(folders, network=False)[0])),
        catalog=catalog_choices(adult=PreferencesFile(folders.config).peek().adult),
        known_hash=lambda file: HashCache(folders.hashes).known(file.path),
        cuda_memory=place.cuda_memory,
        more_lists={
            **lists,
            **training_lists(folders),
            "picture_folders": lambda: tuple(picture_folders(folders)),
            f"detectors{ABSENT}": lambda: absent_files(library, ModelKind.DETECTOR, detectors),
        },
        forecast=lambda task: forecast(task, library, folders),
        remarks=Remarks(library, cache(embedding_families), native_size).of,
        rooms={
            "galeria": gallery,
            "cola": QueueRoom(place.jobs),
            "cartas": CardsRoom(library, outside),
            "sesion": session_room(folders, plans, place),
            "zonas": RegionsRoom(),
            "poses": PosesRoom(folders, find_people, draw_people),
            "palabras": WordsRoom(
                folders, library, SettingsFile(folders.config), translations, *translator_errands(place)
            ),
            "ayuda": HelpRoom(),
            MADE_ROOM: MadeRoom(place.jobs),
            "ajustes": preferences_room(folders, opened or Opened()),
            "etiquetas": tag_room(folders, count_tokens, place.jobs, place.face),
            "guia": GuideRoom(catalog_links(), fetch, upscalers | detectors | face_links() | embedding_links()),
        },
        wildcards=wildcard_manager(folders),
        plans=plans,
        translations=translations,
        upscalers_on_offer={name: size for name, (_, size) in upscalers.items()},
        controls_on_offer=controls_on_offer(),
        ends=(gallery.close,),
    )


def session_room(folders: Folders, plans: PlanFolder, place: Workplace) -> SessionRoom:
    """The room of the session, which goes on with what others left."""
    return SessionRoom(
        folders,
        TASKS,
        lambda: absent_downloads(folders),
        lambda: offered(plans, place.jobs),
        plans.continued,
        place.submit,
    )


def preferences_room(folders: Folders, opened: Opened) -> PreferencesRoom:
    """The room of the settings, for a page or a panel that was ``opened`` so."""
    files = PreferencesFile(folders.config), SettingsFile(folders.config)
    return PreferencesRoom(*files, folders, MachineDesk(folders, opened))


def translator_errands(place: Workplace) -> tuple[Callable[[], object], Callable[[], Fetching | None]]:
    """What queues the download of the translator, and what tells how far it is."""

    def fetching() -> Fetching | None:
        coming = [job.snapshot for job in place.jobs.jobs() if isinstance(job.task, FetchTranslator)]
        now = next((one for one in reversed(coming) if not one.ended), None)
        return Fetching(sum(file.received for file in now.transfers)) if now else None

    return lambda: place.submit(FetchTranslator()), fetching
