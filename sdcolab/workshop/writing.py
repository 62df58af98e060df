"""Writing models one tensor after another."""

from __future__ import annotations

import contextlib
import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import IO, BinaryIO, cast

import torch
from torch import Tensor

from sdcolab.core.errors import NothingLeft
from sdcolab.core.events import CancelToken, Listener, StepDone
from sdcolab.core.tensors import LENGTH_BYTES
from sdcolab.workshop.model import NAMES, Model

ALIGNMENT = 8
"""Bytes: tensors begin at multiples of their numbers' size, and the header fills up to this."""

_KEPT_BYTES = 1 << 27
"""How much of a mapped file may stay in memory after it was read."""

_STEPS = 100
"""How often at most the progress of a file is told."""


def order(model: Model) -> list[str]:
    """The names in the order of the format: wide numbers first, so that every tensor is aligned."""
    return sorted(model.outline, key=lambda name: (-model.outline[name].element_size(), name))


def size_of(model: Model) -> int:
    """Bytes of all tensors."""
    return sum(one.numel() * one.element_size() for one in model.outline.values())


def write_safetensors(
    file: BinaryIO, model: Model, metadata: Mapping[str, str], listener: Listener, cancel: CancelToken
) -> None:
    """Write ``model`` as safetensors with ``metadata``. Raises ``NothingLeft``, ``Cancelled``, ``OSError``, and what
    getting a tensor raises."""
    names = order(model)
    if not names:
        raise NothingLeft(path=model.path)
    file.write(_header(model, names, metadata))
    for number, name in enumerate(names):
        cancel.raise_if_cancelled()
        tensor, outline = model.get(name), model.outline[name]
        if tensor.dtype != outline.dtype or tensor.shape != outline.shape:
            raise AssertionError(f"{name} is not what its outline says")
        file.write(_bytes(tensor))
        if (number + 1) * _STEPS // len(names) > number * _STEPS // len(names):
            listener(StepDone(number + 1, len(names), 1, 1))


def write_ckpt(file: BinaryIO, model: Model, draft: Path, listener: Listener, cancel: CancelToken) -> None:
    """Write ``model`` as a pickle of ``{"state_dict": ...}``, by way of a safetensors file called ``draft``, which is
    gone afterwards: torch writes pickles from whole models, and this one is mapped from the disk.

    Raises as ``write_safetensors``.
    """
    try:
        with draft.open("wb") as written:
            write_safetensors(written, model, {}, listener, cancel)
        with draft.open("rb") as written:
            mapped = mmap.mmap(written.fileno(), 0, access=mmap.ACCESS_COPY)  # goes with the last of its tensors
        torch.save({"state_dict": _mapped(mapped, model)}, cast(IO[bytes], _Forgetful(file, mapped)))
        del mapped
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _mapped(mapped: mmap.mmap, model: Model) -> dict[str, Tensor]:
    """The tensors of ``model`` in a mapped file that ``write_safetensors`` wrote."""
    place, found = int.from_bytes(mapped[:LENGTH_BYTES], "little") + LENGTH_BYTES, dict[str, Tensor]()
    for name in order(model):
        outline = model.outline[name]
        size = outline.numel() * outline.element_size()
        raw = torch.frombuffer(mapped, dtype=torch.uint8, count=size, offset=place) if size else torch.empty(0)
        found[name] = (
            raw.view(outline.dtype).reshape(outline.shape) if size else torch.empty_like(outline, device="cpu")
        )
        place += size
    return {name: found[name] for name in model.outline}


class _Forgetful:
    """A file that lets go of what was read of ``mapped`` meanwhile: systems count that as memory of the program."""

    def __init__(self, file: BinaryIO, mapped: mmap.mmap) -> None:
        self._file, self._mapped, self._read = file, mapped, 0

    def write(self, data: bytes | memoryview) -> int:
        """As a file's."""
        self._read += memoryview(data).nbytes
        if self._read >= _KEPT_BYTES and hasattr(self._mapped, "madvise"):  # not on Windows
            self._read = 0
            self._mapped.madvise(mmap.MADV_DONTNEED)
        return self._file.write(data)

    def flush(self) -> None:
        """As a file's."""
        self._file.flush()


def _header(model: Model, names: list[str], metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name in names:
        outline = model.outline[name]
        end = offset + outline.numel() * outline.element_size()
        entries[name] = {
            "dtype": NAMES[outline.dtype],
            "shape": list(outline.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data
