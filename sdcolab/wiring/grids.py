"""Scripts with the user's models, styles and wildcards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from sdcolab.core.detect import ModelKind
from sdcolab.core.events import CancelToken, Listener
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.names import LATENT_UPSCALERS, SAMPLER_NAMES, SCHEDULE_NAMES
from sdcolab.core.prompt import Style
from sdcolab.core.scripts import Grid
from sdcolab.core.settings import SettingsFile
from sdcolab.core.tasks import Tools
from sdcolab.core.upscaling import upscaler_names

if TYPE_CHECKING:
    from sdcolab.grids.dynamic.files import WildcardFolder


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


def run_grid(task: Grid, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Run a script."""
    from sdcolab.core.outputs import ImageStores
    from sdcolab.grids.run import Kit, run

    names = LibraryNames(tools.library, tools.folders)
    stores = ImageStores.below(tools.folders)
    run(task, Kit(tools.engine, tools.folders, names, wildcards_of(tools.folders), stores), listener, cancel)


def script_lists() -> Mapping[str, Callable[[], tuple[str, ...]]]:
    """The live lists that scripts bring: their axes in A1111's order, for each tab."""
    from sdcolab.grids.axes import of_tab

    return {
        "axes": lambda: tuple(axis.label for axis in of_tab(img2img=False)),
        "axes_img2img": lambda: tuple(axis.label for axis in of_tab(img2img=True)),
    }
