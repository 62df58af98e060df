"""What model files are by their own headers, each read once, and which go together."""

from __future__ import annotations

import threading
from pathlib import Path

from sdcolab.core.architectures import ModelFamily
from sdcolab.core.detect import Detected, detect
from sdcolab.core.errors import SdcolabError
from sdcolab.core.tensors import read_header

_SAME_PLACE = (frozenset({ModelFamily.SDXL, ModelFamily.SDXL_REFINER}),)


class FileFacts:
    """Reads each file's header once, until it changes. Only safetensors: a pickle is not opened to look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[tuple[int, int], Detected | None]] = {}

    def of(self, path: Path) -> Detected | None:
        """What the file is; None when its header does not say."""
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


def _detected(path: Path) -> Detected | None:
    if path.suffix.lower() != ".safetensors":
        return None
    try:
        return detect(read_header(path))
    except (SdcolabError, OSError):
        return None


def fits(one: ModelFamily, other: ModelFamily) -> bool:
    """Whether files of two families go together; what is not known is given the benefit of the doubt."""
    if ModelFamily.UNKNOWN in (one, other) or one is other:
        return True
    return any({one, other} <= together for together in _SAME_PLACE)
