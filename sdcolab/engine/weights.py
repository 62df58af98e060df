"""Opening model files without copying them into memory, and without ever running what a pickle says."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sdcolab.core.errors import CannotRead, ModelUnreadable, ModelUnsafe
from sdcolab.core.files import system_reason
from sdcolab.core.tensors import TensorHeader, TensorInfo, read_header

_ZIP, _PICKLE = b"PK", b"\x80"
"""How a file of torch.save begins: a zip, or before 2020 a bare pickle."""

_WRAPPERS = ("state_dict", "params_ema", "params")
"""Names under which trainers store the state dict; the last two are BasicSR's, of upscalers, the better one first."""

_BROKEN = (EOFError, RuntimeError, ValueError, LookupError, AttributeError, TypeError, OverflowError, struct.error)
"""What torch's reader raises for broken zips and broken pickle streams."""


Stamp = tuple[Path, int, int]
"""Path, size and time of change: tells a file from another one that took its name."""


@dataclass(frozen=True, slots=True)
class Weights:
    """An open model file: what it holds, and how to get one tensor (memory-mapped, on the CPU, in the file's type)."""

    path: Path
    header: TensorHeader
    get: Callable[[str], Tensor]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor by name."""
        return {name: info.shape for name, info in self.header.tensors.items()}


def open_weights(path: Path) -> Weights:
    """Open a ``.safetensors`` file by mmap, or any other by torch's weights-only unpickler.

    Raises ``CannotRead``, ``ModelUnreadable`` (damaged) or ``ModelUnsafe`` (a pickle with anything but data in it).
    """
    if path.suffix.lower() == ".safetensors":
        return _open_safetensors(path)
    return _open_pickle(path)


def _open_safetensors(path: Path) -> Weights:
    header = read_header(path)
    try:
        file = safe_open(path, framework="pt")
    except SafetensorError as error:
        raise ModelUnreadable(path=path, reason="damaged") from error
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    return Weights(path=path, header=header, get=file.get_tensor)


def _open_pickle(path: Path) -> Weights:
    tensors = _tensors_in(read_pickle(path))
    if not tensors:
        raise ModelUnreadable(path=path, reason="not_a_model")
    infos = {name: TensorInfo(str(tensor.dtype), tuple(tensor.shape), 0, 0) for name, tensor in tensors.items()}
    return Weights(path=path, header=TensorHeader(tensors=infos), get=tensors.__getitem__)


def read_pickle(path: Path, allowed: Sequence[type] = ()) -> Any:
    """What the pickle holds, by torch's weights-only unpickler, which knows the types ``allowed`` too. Old files that
    are no zip cannot be memory-mapped and are read whole.

    Raises ``CannotRead``, ``ModelUnreadable`` or ``ModelUnsafe``.
    """
    try:
        with path.open("rb") as file:
            start = file.read(2)
        if start == _ZIP and not _sums_are_right(path):
            raise ModelUnreadable(path=path, reason="damaged")
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=start == _ZIP)
    except pickle.UnpicklingError as error:
        if start == _ZIP or start.startswith(_PICKLE):
            raise ModelUnsafe(path=path) from error
        raise ModelUnreadable(path=path, reason="damaged") from error
    except _BROKEN as error:
        raise ModelUnreadable(path=path, reason="damaged") from error
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error


def _sums_are_right(path: Path) -> bool:
    """Whether a zip holds what was put into it: torch maps the file into memory and checks no sums, and a damaged model
    would paint rubbish. Reading it for this also brings it into memory, where it is wanted next."""
    try:
        with zipfile.ZipFile(path) as archive:
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
            return stored and archive.testzip() is None
    except (zipfile.BadZipFile, NotImplementedError):
        return False


def _tensors_in(loaded: Any) -> dict[str, Tensor]:
    """The state dict, which trainers wrap in ``{"state_dict": ...}`` or another of ``_WRAPPERS``."""
    if isinstance(loaded, Mapping):
        loaded = next((loaded[name] for name in _WRAPPERS if isinstance(loaded.get(name), Mapping)), loaded)
    if not isinstance(loaded, Mapping):
        return {}
    return {name: value for name, value in loaded.items() if isinstance(name, str) and isinstance(value, Tensor)}


def stamp_of(path: Path) -> Stamp:
    """What tells the file at ``path`` from others. Raises ``CannotRead``."""
    try:
        status = path.stat()
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    return path, status.st_size, status.st_mtime_ns
