"""The safetensors header: names, shapes and types of a file's tensors, without reading the tensors.

Format: 8 bytes little-endian length N, then N bytes of JSON: ``{name: {dtype, shape, data_offsets}, "__metadata__":
{...}}`` (safetensors documentation, "Format"). Everything in it comes from strangers and is checked.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdcolab.core.contents import SEEN_BYTES, strange_content
from sdcolab.core.errors import CannotRead, ModelUnreadable
from sdcolab.core.files import system_reason

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""

ZIP_SIGN, PICKLE_SIGN = b"PK", b"\x80"
"""How a file of torch.save begins: a zip, or before 2020 a bare pickle."""

DTYPE_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
"""Element sizes of the types that occur in Stable Diffusion files. Others are accepted but not size-checked."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor: safetensors type name ("F16"), shape, and its byte range after the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TensorHeader:
    """What a safetensors file says about itself. ``size`` is the whole file's length in bytes that it promises."""

    tensors: dict[str, TensorInfo]
    metadata: dict[str, str] = field(default_factory=dict)
    size: int = 0

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of tensor ``name``, or None when the file has no such tensor."""
        info = self.tensors.get(name)
        return info.shape if info else None


class HeaderError(ValueError):
    """The bytes are no safetensors header. Callers add the file's name (``ModelUnreadable``)."""


def header_length(first_bytes: bytes) -> int:
    """Length of the JSON part, from a file's first 8 bytes.

    Raises ``HeaderError`` when the bytes cannot be the start of a safetensors file.
    """
    if len(first_bytes) < LENGTH_BYTES:
        raise HeaderError("shorter than 8 bytes")
    length = int.from_bytes(first_bytes[:LENGTH_BYTES], "little")
    if not 2 <= length <= MAX_HEADER_BYTES:
        raise HeaderError(f"header length {length}")
    return length


def parse_header(json_bytes: bytes) -> TensorHeader:
    """Read the JSON part. Raises ``HeaderError`` when it breaks a rule of the format."""
    try:
        raw = json.loads(json_bytes)
    except (ValueError, RecursionError) as error:
        raise HeaderError("not JSON") from error
    if not isinstance(raw, dict):
        raise HeaderError("not an object")
    metadata = raw.pop("__metadata__", {})
    if not isinstance(metadata, dict):  # as some programs write: null, a list
        metadata = {}
    tensors = {name: _tensor_info(name, entry) for name, entry in raw.items()}
    data_bytes = max((info.end for info in tensors.values()), default=0)
    return TensorHeader(
        tensors=tensors,
        metadata={str(key): value for key, value in metadata.items() if isinstance(value, str)},
        size=LENGTH_BYTES + len(json_bytes) + data_bytes,
    )


def read_header(path: Path) -> TensorHeader:
    """Header of the safetensors file at ``path``.

    Raises ``CannotRead``, or ``ModelUnreadable`` with reason "truncated", what ``strange_content`` says or
    "not_safetensors".
    """
    try:
        with path.open("rb") as file:
            start = file.read(SEEN_BYTES)
            length = header_length(start[:LENGTH_BYTES])
            file.seek(LENGTH_BYTES)
            json_bytes = file.read(length)
        actual = path.stat().st_size
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    except HeaderError as error:
        raise ModelUnreadable(path=path, reason=strange_content(start) or "not_safetensors") from error
    if len(json_bytes) < length:
        raise ModelUnreadable(path=path, reason="truncated")
    try:
        header = parse_header(json_bytes)
    except HeaderError as error:
        raise ModelUnreadable(path=path, reason="not_safetensors") from error
    if actual < header.size:
        raise ModelUnreadable(path=path, reason="truncated")
    return header


def is_safetensors(path: Path) -> bool:
    """Whether the file is safetensors, by its first bytes; where they tell nothing, by its name.

    Raises ``CannotRead``, or ``ModelUnreadable`` for what is no model at all.
    """
    try:
        with path.open("rb") as file:
            start = file.read(SEEN_BYTES)
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    if strange := strange_content(start):
        raise ModelUnreadable(path=path, reason=strange)
    try:
        header_length(start[:LENGTH_BYTES])
    except HeaderError:
        return path.suffix.lower() == ".safetensors" and not start.startswith((ZIP_SIGN, PICKLE_SIGN))
    return path.suffix.lower() == ".safetensors" or start[LENGTH_BYTES:].startswith(b"{")


def header_if_told(path: Path) -> TensorHeader | None:
    """Header of a file that begins like safetensors, whatever it is called; None for any other.

    Raises as ``read_header``.
    """
    try:
        with path.open("rb") as file:
            start = file.read(LENGTH_BYTES + 1)
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    return read_header(path) if begins_with_header(start) else None


def begins_with_header(start: bytes) -> bool:
    """Whether a file of which ``start`` are the first 9 bytes or more begins like safetensors."""
    try:
        header_length(start)
    except HeaderError:
        return False
    return start[LENGTH_BYTES:].startswith(b"{")


def _tensor_info(name: str, entry: Any) -> TensorInfo:
    try:
        dtype, shape, (start, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    except (KeyError, TypeError, ValueError) as error:
        raise HeaderError(f"tensor {name!r}") from error
    numbers = (*shape, start, end)
    if not isinstance(dtype, str) or not all(type(number) is int and number >= 0 for number in numbers) or end < start:
        raise HeaderError(f"tensor {name!r}")
    width = DTYPE_BYTES.get(dtype)
    if width is not None and math.prod(shape) * width != end - start:
        raise HeaderError(f"tensor {name!r}: size does not match its shape")
    return TensorInfo(dtype=dtype, shape=shape, start=start, end=end)
