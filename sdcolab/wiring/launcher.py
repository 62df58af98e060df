"""The launcher with what it knows of this machine."""

from __future__ import annotations

import contextlib
import re
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sdcolab.colab.host import nvidia_gpu
from sdcolab.core.detect import ModelFamily, ModelKind
from sdcolab.core.errors import ModelTooBigForCard, ModelTooBigForRam, SdcolabError
from sdcolab.core.folders import Folders
from sdcolab.core.kept import peek_kept, write_kept
from sdcolab.core.launching import LaunchForm, launch_form
from sdcolab.core.memory_plan import GB, FreeMemory, WeightCounts, WorkMemory, memory_bytes, plan_memory
from sdcolab.core.words import human_bytes
from sdcolab.core.words import launching as words
from sdcolab.training.families import TRAINABLE
from sdcolab.web.launcher import Complaint, Launcher, Machine
from sdcolab.wiring.engine import build_library

FILE_NAME = "lanzador.json"

_FAMILIES: Mapping[str, tuple[WeightCounts, WorkMemory]] = {
    words.OF_SD1: (TRAINABLE[ModelFamily.SD1].full, WorkMemory()),
    words.OF_SDXL: (TRAINABLE[ModelFamily.SDXL].full, WorkMemory(2 * GB, 6 * GB)),
}
"""The weights of what people use most, and the memory that each takes to work (``engine.families``, which would load
torch)."""

_HALF, _FULL = 2, 4
"""Bytes of a weight on a card and on a processor."""

_USED_BY_SYSTEM = 0.08
"""Share of a card that screens and drivers take."""


def ask(folders: Folders, *, complaint: Complaint, browser: bool, say: Callable[[str], None]) -> Sequence[str] | None:
    """Show the launcher, whose address ``say`` gets, until somebody opens the program: the arguments to open it with,
    in our words; None when it is interrupted."""
    path = folders.config / FILE_NAME
    launcher = Launcher(peek_kept(path, launch_form) or LaunchForm(), machine(folders), complaint)
    say(launcher.url)
    if browser:
        webbrowser.open(launcher.url)
    try:
        form = launcher.wait()
    except KeyboardInterrupt:
        return None
    finally:
        launcher.close()
    if form is None:
        return None
    with contextlib.suppress(SdcolabError):  # a full disk keeps nobody from opening
        write_kept(path, form.kept())
    return form.understood().arguments


def machine(folders: Folders) -> Machine:
    """What is to be said of this machine, without loading torch."""
    library = build_library(folders)
    models, vaes = (tuple(file.name for file in library.files(kind)) for kind in (ModelKind.CHECKPOINT, ModelKind.VAE))
    return Machine(advice(nvidia_gpu(), memory_bytes()), models, vaes)


def advice(card: str | None, ram: tuple[int, int] | None) -> tuple[str, ...]:
    """The sentences about memory: the ``card`` as its driver tells it ("Tesla T4, 15360 MiB") and total and free
    ``ram`` in bytes."""
    found = re.search(r"(.+?),\s*(\d+)\s*MiB", card or "")
    lines = [words.LAUNCH_CARD.format(card=card) if found else words.LAUNCH_NO_CARD]
    if ram:
        lines.append(words.LAUNCH_RAM.format(total=human_bytes(ram[0]), free=human_bytes(ram[1])))
    vram = int(int(found[2]) * 1024**2 * (1 - _USED_BY_SYSTEM)) if found else None
    free = FreeMemory(ram=ram[1] if ram else None, vram=vram)
    for family, (weights, work) in _FAMILIES.items():
        placement = words.PLACEMENTS[_placement(weights, work, free)]
        lines.append(words.PLACED.format(family=family, placement=placement))
    return tuple(lines)


def _placement(weights: WeightCounts, work: WorkMemory, free: FreeMemory) -> str:
    size = _FULL if free.vram is None else _HALF
    try:
        return plan_memory(Path(), weights, work, free, element_bytes=size).placement.value
    except (ModelTooBigForCard, ModelTooBigForRam):
        return "none"
