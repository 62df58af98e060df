"""Scripts with the user's models, styles and wildcards."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from sdcolab.core.ahead import ReadAhead
from sdcolab.core.detect import ModelKind
from sdcolab.core.events import CancelToken, Listener
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.names import LATENT_UPSCALERS, SAMPLER_NAMES, SCHEDULE_NAMES
from sdcolab.core.preprocessors import PREPROCESSORS
from sdcolab.core.prompt import Style
from sdcolab.core.scripts import DynamicPrompts, Forecast, Grid
from sdcolab.core.settings import SettingsFile
from sdcolab.core.sheets import LaidCell
from sdcolab.core.tasks import Tools
from sdcolab.core.upscaling import upscaler_names
from sdcolab.studio.form import TO_READ
from sdcolab.studio.plans import LeftPlan, continued

if TYPE_CHECKING:
    from sdcolab.grids.axes import Axis
    from sdcolab.grids.dynamic.files import WildcardFolder
    from sdcolab.grids.dynamic.manager import WildcardManager
    from sdcolab.grids.planfile import Progress
    from sdcolab.grids.run import Kit


class LibraryNames:
    """The names that scripts check, from a library and the saved settings."""

    def __init__(self, library: Library, folders: Folders) -> None:
        self._library = library
        self._folders = folders

    def choices(self, listed: str) -> Sequence[str]:
        """See ``grids.names.Names``."""
        lists: Mapping[str, Callable[[], Sequence[str]]] = {
            "samplers": lambda: SAMPLER_NAMES,
            "schedules": lambda: SCHEDULE_NAMES,
            "upscalers": lambda: upscaler_names(self._library),
            "hires_upscalers": lambda: (*LATENT_UPSCALERS, *upscaler_names(self._library)),
            "checkpoints": lambda: self._files(ModelKind.CHECKPOINT),
            "vaes": lambda: self._files(ModelKind.VAE),
            "loras": lambda: [name.rpartition(".")[0] for name in self._files(ModelKind.LORA)],
            "hypernetworks": lambda: self._files(ModelKind.HYPERNETWORK),
            "controlnets": lambda: self._files(ModelKind.CONTROLNET),
            "detectors": lambda: self._files(ModelKind.DETECTOR),
            "preprocessors": lambda: tuple(PREPROCESSORS),
        }
        return lists[listed]() if listed in lists else ()

    def styles(self) -> Mapping[str, Style]:
        """See ``grids.names.Names``."""
        return {style.name: style for style in SettingsFile(self._folders.config).peek().styles}

    def _files(self, kind: ModelKind) -> list[str]:
        return [file.name for file in self._library.files(kind)]


def bundled_wildcards() -> Path:
    """The lists that ship with the package."""
    return Path(str(resources.files("sdcolab") / "grids" / "dynamic" / "comodines"))


def wildcards_of(folders: Folders) -> WildcardFolder:
    """The user's lists and ours."""
    from sdcolab.grids.dynamic.files import WildcardFolder

    return WildcardFolder(folders.wildcards, bundled_wildcards())


def wildcard_manager(folders: Folders) -> WildcardManager:
    """The user's lists and ours, to edit."""
    from sdcolab.grids.dynamic.manager import WildcardManager

    return WildcardManager(folders.wildcards, bundled_wildcards())


def reading_ahead(library: Library) -> Callable[[str], None]:
    """What brings a checkpoint of ``library`` into the system's memory, without anybody waiting."""
    ahead = ReadAhead()

    def soon(checkpoint: str) -> None:
        ahead.begin(lambda: library.find(ModelKind.CHECKPOINT, checkpoint).path)

    return soon


def kit_of(tools: Tools) -> Kit:
    """What scripts work with, of what tasks have at hand."""
    from sdcolab.core.outputs import ImageStores
    from sdcolab.grids.run import Kit

    names, wildcards = LibraryNames(tools.library, tools.folders), wildcards_of(tools.folders)
    return Kit(
        tools.engine, tools.folders, names, wildcards, ImageStores.below(tools.folders), reading_ahead(tools.library)
    )


def run_grid(task: Grid, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Run a script."""
    from sdcolab.grids.run import run

    run(task, kit_of(tools), listener, cancel)


def forecast(task: Grid, library: Library, folders: Folders) -> Forecast:
    """How much a script is, without doing any of it. Raises ``GridError`` and ``RequestError``."""
    from sdcolab.grids import scripts

    return scripts.forecast(task, LibraryNames(library, folders), wildcards_of(folders))


def exported(task: Grid, library: Library, folders: Folders) -> Iterator[str]:
    """The jobs of a plan as JSON lines, each a task of its own, in the order in which they are best made.

    Raises ``GridError`` and ``RequestError``; ``ScriptNotPlanned`` for a script whose pictures follow from one another.
    """
    from sdcolab.core.codec import to_json
    from sdcolab.core.errors import ScriptNotPlanned
    from sdcolab.core.tasks import Generate
    from sdcolab.grids.scripts import prepare
    from sdcolab.grids.xyz import random_seed

    prepared = prepare(task, LibraryNames(library, folders), wildcards_of(folders), random_seed)
    if prepared.plan is None:
        raise ScriptNotPlanned(script=task.script.title if task.script else "")
    for request in prepared.plan.requests:
        yield json.dumps(to_json(Generate(request)), ensure_ascii=False)


def write_plan_page(plan: Path, target: Path, library: Library, folders: Folders) -> None:
    """A plan's page with sliders. Raises ``PlanUnreadable`` and what writing raises."""
    from sdcolab.core.errors import PlanUnreadable
    from sdcolab.grids.html import write_page
    from sdcolab.grids.planfile import read
    from sdcolab.grids.scripts import drawing_from, prepare

    progress = read(plan)
    names = LibraryNames(library, folders)
    prepared = prepare(progress.task, names, wildcards_of(folders), drawing_from(progress.draws))
    if prepared.plan is None:
        raise PlanUnreadable(path=plan)
    write_page(prepared.plan, progress, target)


def sheet_cells(sheet: Path) -> tuple[LaidCell, ...]:
    """The pictures on the sheet at a path, of this session or of an earlier one."""
    from sdcolab.grids.planfile import laid

    return laid(sheet)


def axis_lists() -> Mapping[str, Callable[[], tuple[str, ...]]]:
    """The axes of an X/Y/Z plot, for forms, and in A1111's order for each tab."""
    from sdcolab.grids.axes import in_groups, of_tab

    return {
        "axes": lambda: tuple(axis.label for axis in in_groups()),
        f"axes{TO_READ}": axis_titles,
        "axes_txt2img": lambda: tuple(axis.label for axis in of_tab(img2img=False)),
        "axes_img2img": lambda: tuple(axis.label for axis in of_tab(img2img=True)),
    }


def axis_titles() -> tuple[str, ...]:
    """The axes of an X/Y/Z plot for people, in the order of forms."""
    from sdcolab.grids.axes import in_groups

    return tuple(axis.title for axis in in_groups())


def _last_made(progress: Progress) -> datetime.datetime:
    """When the last cell was made."""
    times = [done.path.stat().st_mtime for done in progress.done.values() if done.path.is_file()]
    return datetime.datetime.fromtimestamp(max(times, default=0.0))


def script_lists(library: Library, folders: Folders) -> Mapping[str, Callable[[], tuple[str, ...]]]:
    """The live lists that scripts bring: axes, what each of them can be filled with ("axis.Sampler"), and plans to go
    on with."""
    from sdcolab.grids.axes import AXES

    names = LibraryNames(library, folders)

    def values_of(axis: Axis) -> Callable[[], tuple[str, ...]]:
        return lambda: axis.choices(names)

    return {
        **axis_lists(),
        **{f"axis.{axis.label}": values_of(axis) for axis in AXES},
        "unfinished_plans": lambda: tuple(plan.name for plan in PlanFolder(library, folders).unfinished()),
    }


class PlanFolder:
    """The plans beside the user's sheets that have not ended (``studio.plans``). ``settled`` hears the name of the job
    that made what there is of one, once it is gone on with or left."""

    def __init__(
        self, library: Library, folders: Folders, settled: Callable[[str], object] = lambda _job: None
    ) -> None:
        self._library = library
        self._folders = folders
        self._settled = settled

    def unfinished(self) -> tuple[LeftPlan, ...]:
        """Those with something done, the newest first, by their file below the folder of all outputs."""
        from sdcolab.grids.planfile import unfinished

        outputs = self._folders.outputs
        kinds = ("txt2img-grids", "img2img-grids")
        every = (one for kind in kinds for one in unfinished(outputs / kind))
        found = [(_last_made(progress), path, progress) for path, progress in every if progress.done]
        found.sort(key=lambda one: one[0], reverse=True)
        return tuple(
            LeftPlan(
                name=path.relative_to(outputs).as_posix(),
                title=(progress.task.script or DynamicPrompts).title,
                done=len(progress.done),
                total=self._cells(progress),
                when=when,
                job=progress.task.name,
            )
            for when, path, progress in found
        )

    def leave(self, name: str) -> None:
        """Raises ``PlanUnreadable`` for a name that is none of theirs, ``DiskFull`` or ``CannotWrite``."""
        from sdcolab.core.errors import PlanUnreadable
        from sdcolab.grids.planfile import leave

        plan = next((plan for plan in self.unfinished() if plan.name == name), None)
        if plan is None:
            raise PlanUnreadable(path=Path(name))
        leave(self._folders.outputs / name)
        self._settled(plan.job)

    def continued(self, name: str) -> Grid:
        """The task that goes on with one."""
        for plan in self.unfinished():
            if plan.name == name:
                self._settled(plan.job)
        return continued(name)

    def _cells(self, progress: Progress) -> int:
        """Cells of the whole plan; 0 where that is not known, as when a model is gone."""
        from sdcolab.core.errors import SdcolabError
        from sdcolab.grids.scripts import drawing_from, prepare

        names = LibraryNames(self._library, self._folders)
        try:
            prepared = prepare(progress.task, names, wildcards_of(self._folders), drawing_from(progress.draws))
        except SdcolabError:
            return 0
        return len(prepared.plan.cells) if prepared.plan else 0
