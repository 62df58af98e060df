"""Writing models one tensor after another."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import safe_open
from torch import Tensor

from sdcolab.core.errors import NothingLeft
from sdcolab.core.events import CancelToken, Listener, StepDone
from sdcolab.core.tensors import LENGTH_BYTES
from sdcolab.workshop.model import NAMES, Model

ALIGNMENT = 8
"""Bytes: tensors begin at multiples of their numbers' size, and the header fills up to this."""

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
    gone afterwards: torch writes pickles from whole models, and one that is mapped from the disk needs no memory.

    Raises as ``write_safetensors``.
    """
    try:
        with draft.open("wb") as written:
            write_safetensors(written, model, {}, listener, cancel)
        with safe_open(draft, framework="pt") as mapped:
            torch.save({"state_dict": {name: mapped.get_tensor(name) for name in model.outline}}, file)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


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
