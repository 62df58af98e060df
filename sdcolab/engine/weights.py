"""Opening model files without copying them into memory, and without ever running what a pickle says."""

from __future__ import annotations

import mmap
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sdcolab.core.errors import CannotRead, ModelUnreadable, ModelUnsafe
from sdcolab.core.files import system_reason
from sdcolab.core.pickles import harmless_globals, insides, no_weights, state_dict_in
from sdcolab.core.tensors import (
    LENGTH_BYTES,
    PICKLE_SIGN,
    ZIP_SIGN,
    TensorHeader,
    TensorInfo,
    header_length,
    is_safetensors,
    read_header,
)

_LOCAL_HEADER = struct.Struct("<26xHH")
"""A zip entry's own header: the lengths of its name and of its extra field are what is wanted of it."""

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
    """Open a safetensors file by mmap, or any other by torch's weights-only unpickler, whatever it is called.

    Raises ``CannotRead``, ``ModelUnreadable`` (damaged) or ``ModelUnsafe`` (a pickle with anything but data in it).
    """
    return _open_safetensors(path) if is_safetensors(path) else _open_pickle(path)


def _open_safetensors(path: Path) -> Weights:
    header = read_header(path)
    try:
        file = safe_open(path, framework="pt")
    except SafetensorError:  # stricter than need be: null in the metadata, bytes behind the last tensor
        return _with_scales(Weights(path=path, header=header, get=_Mapped(path, header).tensor))
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    return _with_scales(Weights(path=path, header=header, get=file.get_tensor))


_SCALES = (".scale_weight", ".weight_scale")
"""How files of 8-bit floats call the number that a layer's weights are to be multiplied with ("scaled fp8")."""

_PACKED = (".quant_map", ".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4", ".weight_scale_2")
"""How the names of tensors end that only 4-bit files have (bitsandbytes, NVFP4)."""

_SCALE_OF_INPUTS = (".scale_input", ".input_scale", "scaled_fp8")
"""What speeds such files up on some cards, and changes nothing here."""


def _with_scales(weights: Weights) -> Weights:
    """``weights`` as they were before they were divided by their scales, which stand in the file no longer."""
    tensors, get = weights.header.tensors, weights.get
    if any(name.endswith(_PACKED) for name in tensors):
        raise ModelUnreadable(path=weights.path, reason="quantized")
    scales = {f"{name.removesuffix(end)}.weight": name for name in tensors for end in _SCALES if name.endswith(end)}
    scales = {name: scale for name, scale in scales.items() if name in tensors}
    if not scales:
        return weights
    gone = {*scales.values(), *(name for name in tensors if name.endswith(_SCALE_OF_INPUTS))}
    kept = {
        name: replace(info, dtype="F32") if name in scales else info
        for name, info in tensors.items()
        if name not in gone
    }

    def scaled(name: str) -> Tensor:
        tensor = get(name)
        if name not in scales:
            return tensor
        scale = _spread(get(scales[name]).float(), tensor.shape)
        if scale is None:
            raise ModelUnreadable(path=weights.path, reason="quantized")
        return tensor.float() * scale

    return Weights(weights.path, replace(weights.header, tensors=kept), scaled)


def _spread(scale: Tensor, shape: torch.Size) -> Tensor | None:
    """``scale`` so that it can be multiplied with weights of ``shape``: it is one number, one for each output, or one
    for each block of a matrix. None for anything else."""
    if scale.numel() == 1:
        return scale.reshape(())
    if scale.numel() == shape[0] and scale.shape[0] == shape[0]:
        return scale.reshape(-1, *[1] * (len(shape) - 1))
    if scale.ndim != len(shape) or any(side < parts for side, parts in zip(shape, scale.shape, strict=True)):
        return None
    for axis, (side, parts) in enumerate(zip(shape, scale.shape, strict=True)):
        scale = scale.repeat_interleave(-(-side // parts), axis).narrow(axis, 0, side)
    return scale


_DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}


class _Mapped:
    """A safetensors file read by its header alone."""

    def __init__(self, path: Path, header: TensorHeader) -> None:
        """Raises ``CannotRead``, or ``ModelUnreadable`` when the file holds a type of numbers that torch lacks."""
        if any(info.dtype not in _DTYPES for info in header.tensors.values()):
            raise ModelUnreadable(path=path, reason="damaged")
        try:
            with path.open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as error:
            raise CannotRead(path=path, reason=system_reason(error) if isinstance(error, OSError) else "EIO") from error
        self._header = header
        self._start = header_length(self._bytes[:LENGTH_BYTES]) + LENGTH_BYTES

    def tensor(self, name: str) -> Tensor:
        """The tensor called ``name``."""
        info = self._header.tensors[name]
        if info.start == info.end:
            return torch.empty(info.shape, dtype=_DTYPES[info.dtype])
        data = memoryview(self._bytes)[self._start + info.start : self._start + info.end]
        return torch.frombuffer(data, dtype=torch.uint8).clone().view(_DTYPES[info.dtype]).reshape(info.shape)


def _open_pickle(path: Path) -> Weights:
    tensors = _tensors_in(read_pickle(path))
    if not tensors:
        raise ModelUnreadable(path=path, reason="not_a_model")
    infos = {name: TensorInfo(str(tensor.dtype), tuple(tensor.shape), 0, 0) for name, tensor in tensors.items()}
    return Weights(path=path, header=TensorHeader(tensors=infos), get=tensors.__getitem__)


def read_pickle(path: Path) -> Any:
    """What the pickle holds, by torch's weights-only unpickler, which knows what is harmless too (``core.pickles``).
    Old files that are no zip cannot be memory-mapped and are read whole.

    Raises ``CannotRead``, ``ModelUnreadable`` or ``ModelUnsafe``.
    """
    try:
        with path.open("rb") as file:
            start = file.read(2)
        if reason := no_weights(path):
            raise ModelUnreadable(path=path, reason=reason)
        if start == ZIP_SIGN and not _sums_are_right(path):
            raise ModelUnreadable(path=path, reason="damaged")
        with torch.serialization.safe_globals(harmless_globals()), path.open("rb") as file:
            misnamed = path.suffix.lower() == ".safetensors"  # which torch would believe
            source, mapped = (file, False) if misnamed else (path, start == ZIP_SIGN)
            return torch.load(source, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        if start == ZIP_SIGN or start.startswith(PICKLE_SIGN):
            raise ModelUnsafe(path=path) from error
        raise ModelUnreadable(path=path, reason="damaged") from error
    except _BROKEN as error:
        raise ModelUnreadable(path=path, reason="damaged") from error
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error


def _sums_are_right(path: Path) -> bool:
    """Whether a zip holds what was put into it: torch maps the file into memory and checks no sums, and a damaged model
    would paint rubbish. Entries are summed side by side; reading them also brings them into memory, where they are
    wanted next."""
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                return False
            with (
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
                memoryview(data) as view,
                ThreadPoolExecutor() as pool,
            ):
                return all(pool.map(lambda entry: _sum_is_right(view, entry), entries))
    except (zipfile.BadZipFile, NotImplementedError):
        return False


def _sum_is_right(view: memoryview, entry: zipfile.ZipInfo) -> bool:
    """Of one stored entry, whose data lie behind its local header (APPNOTE 4.3.7: 30 bytes, a name, an extra field)."""
    header = bytes(view[entry.header_offset : entry.header_offset + _LOCAL_HEADER.size])
    if len(header) < _LOCAL_HEADER.size:
        return False
    begin = entry.header_offset + _LOCAL_HEADER.size + sum(_LOCAL_HEADER.unpack(header))
    with view[begin : begin + entry.file_size] as content:
        return len(content) == entry.file_size and zlib.crc32(content) == entry.CRC


def _tensors_in(loaded: Any) -> dict[str, Tensor]:
    """By name; where there are none but in groups (IP-Adapters' .bin), by their group's and their own."""
    content = {name: insides(value) for name, value in state_dict_in(loaded).items()}
    if found := {name: value for name, value in content.items() if isinstance(value, Tensor)}:
        return found
    groups = {group: value for group, value in content.items() if isinstance(value, Mapping)}
    return {
        f"{group}.{name}": value
        for group, inner in groups.items()
        for name, value in inner.items()
        if isinstance(value, Tensor)
    }


def stamp_of(path: Path) -> Stamp:
    """What tells the file at ``path`` from others. Raises ``CannotRead``."""
    try:
        status = path.stat()
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    return path, status.st_size, status.st_mtime_ns
