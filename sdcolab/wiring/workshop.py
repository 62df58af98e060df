"""The workshop's kinds of work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sdcolab.core.detect import ModelKind
from sdcolab.core.events import CancelToken, Listener
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.tasks import Tools
from sdcolab.core.workshop import Convert, Extract, Merge

if TYPE_CHECKING:
    from sdcolab.workshop.work import Workshop


def convert(task: Convert, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Write a checkpoint anew."""
    workshop(tools.library, tools.folders, None, listener, cancel).convert(task)


def merge(task: Merge, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Merge checkpoints."""
    from sdcolab.workshop.recipe import Step

    workshop(tools.library, tools.folders, None, listener, cancel).merge(Step(task))


def extract(task: Extract, tools: Tools, listener: Listener, cancel: CancelToken) -> None:
    """Make a LoRA of what a model differs by."""
    workshop(tools.library, tools.folders, None, listener, cancel, ModelKind.LORA).extract(task)


def workshop(
    library: Library,
    folders: Folders,
    output: Path | None,
    listener: Listener,
    cancel: CancelToken,
    kind: ModelKind = ModelKind.CHECKPOINT,
) -> Workshop:
    """The workshop that writes in ``output``, or among the user's files of ``kind``."""
    from sdcolab.engine.hashes import HashCache
    from sdcolab.workshop.work import Workshop

    return Workshop(library, output or folders.models(kind), HashCache(folders.hashes), listener, cancel)
