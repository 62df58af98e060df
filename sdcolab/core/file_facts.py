"""What model files are by their own headers, each read once, and which go together."""

from __future__ import annotations

import threading
from pathlib import Path

from sdcolab.core.architectures import RUN_HERE, ModelFamily
from sdcolab.core.detect import Detected, ModelKind, detect
from sdcolab.core.errors import (
    ModelError,
    ModelFamilyUnsupported,
    ModelPartAlone,
    ModelUnreadable,
    ModelWrongKind,
    SdcolabError,
)
from sdcolab.core.pickles import no_weights
from sdcolab.core.tensors import is_safetensors, read_header

_SAME_PLACE = (frozenset({ModelFamily.SDXL, ModelFamily.SDXL_REFINER}),)


class FileFacts:
    """Reads each file's header once, until it changes. Only safetensors: of a pickle it is seen whether it may be one,
    and it is not opened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[tuple[int, int], Detected | ModelError | None]] = {}

    def of(self, path: Path) -> Detected | None:
        """What the file is; None when its header does not say."""
        told = self._told(path)
        return told if isinstance(told, Detected) else None

    def trouble(self, path: Path) -> ModelError | None:
        """Why no pictures can be made with the checkpoint at ``path``; None when its header says nothing against it."""
        told = self._told(path)
        return no_checkpoint(path, told) if isinstance(told, Detected) else told

    def _told(self, path: Path) -> Detected | ModelError | None:
        try:
            status = path.stat()
        except OSError:
            return None
        stamp = (status.st_mtime_ns, status.st_size)
        with self._lock:
            known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = (stamp, _detected(path))
            with self._lock:
                self._known[path] = known
        return known[1]


def _detected(path: Path) -> Detected | ModelError | None:
    try:
        if is_safetensors(path):
            return detect(read_header(path))
        reason = no_weights(path)
    except ModelError as error:
        return error
    except (SdcolabError, OSError):
        return None
    return None if reason is None else ModelUnreadable(path=path, reason=reason)


_PARTS = frozenset({ModelKind.UNET, ModelKind.TEXT_ENCODER})
"""Of models that other programs put together from several files."""


def part_alone(path: Path, kind: ModelKind) -> ModelPartAlone | None:
    """That the file of ``kind`` at ``path`` is a part of a model, if it is."""
    return ModelPartAlone(path=path, found=kind.value) if kind in _PARTS else None


def no_checkpoint(path: Path, found: Detected) -> ModelError | None:
    """Why the file at ``path``, which is what ``found`` says, is no checkpoint that runs here; None when it is one."""
    if found.kind is ModelKind.OTHER:
        return ModelUnreadable(path=path, reason="not_a_model")
    if part := part_alone(path, found.kind):
        return part
    if found.kind is not ModelKind.CHECKPOINT:
        return ModelWrongKind(path=path, expected=ModelKind.CHECKPOINT.value, found=found.kind.value)
    if found.family not in RUN_HERE:
        return ModelFamilyUnsupported(path=path, family=found.family.value)
    return None


def fits(one: ModelFamily, other: ModelFamily) -> bool:
    """Whether files of two families go together; what is not known is given the benefit of the doubt."""
    if ModelFamily.UNKNOWN in (one, other) or one is other:
        return True
    return any({one, other} <= together for together in _SAME_PLACE)
