"""A model as the workshop sees it: names, what each tensor will be, and how to get one of them when its turn comes.

What is made of models is a model again, and nothing is computed before it is written: a merge of merges needs the
memory of a few tensors. Files are read and not mapped: the pages of a mapping count as memory of the program, and
systems that limit memory may kill it for them.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from sdcolab.core.detect import ModelKind, detect
from sdcolab.core.errors import CannotRead, MergeUnlike, ModelUnreadable, ModelWrongKind
from sdcolab.core.files import system_reason
from sdcolab.core.tensors import LENGTH_BYTES, TensorHeader, TensorInfo, header_length, read_header
from sdcolab.engine.weights import Weights, open_weights

DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The safetensors format's types of numbers that Stable Diffusion files have."""

NAMES: Mapping[torch.dtype, str] = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """``outline``: every tensor by name on torch's meta device, which has a type and a shape and no numbers. ``get``
    gives the tensor of a name, on the CPU; it may be the file's own memory and must not be written to. ``metadata`` of
    the file it comes from, ``path`` the file; of a model made of others, the first one's.
    """

    path: Path
    outline: Mapping[str, Tensor]
    get: Callable[[str], Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def weights(self) -> Weights:
        """The model as the engine opens files: it can be painted with before it is written."""
        infos = {name: TensorInfo(NAMES[one.dtype], tuple(one.shape), 0, 0) for name, one in self.outline.items()}
        return Weights(self.path, TensorHeader(infos, dict(self.metadata)), self.get)


def check_alike(first: Model, second: Model) -> None:
    """Raises ``MergeUnlike`` when the two have no tensor in common, as a model and a LoRA."""
    if not first.outline.keys() & second.outline.keys():
        raise MergeUnlike(path=second.path, other=first.path)


_NO_MODELS = frozenset({ModelKind.LORA, ModelKind.EMBEDDING, ModelKind.HYPERNETWORK, ModelKind.UPSCALER})
"""What is refused in place of a checkpoint. Not every file of unknown tensors: the parts of other architectures and
VAEs can be converted like any model."""


def check_kind(model: Model) -> None:
    """Raises ``ModelWrongKind`` for a LoRA and others that people leave among the models."""
    kind = detect(model.weights().header).kind
    if kind in _NO_MODELS:
        raise ModelWrongKind(path=model.path, expected=ModelKind.CHECKPOINT.value, found=kind.value)


@contextlib.contextmanager
def open_model(path: Path) -> Iterator[Model]:
    """The model in the file at ``path``, as long as the block lasts.

    Raises ``CannotRead``, ``ModelUnreadable`` or ``ModelUnsafe``.
    """
    if path.suffix.lower() != ".safetensors":
        opened = open_weights(path)
        names = tuple(opened.header.tensors)
        outline = {name: torch.empty_like(opened.get(name), device="meta") for name in names}
        yield Model(path, outline, opened.get)
        return
    header = read_header(path)
    if any(info.dtype not in DTYPES for info in header.tensors.values()):
        raise ModelUnreadable(path=path, reason="damaged")
    outline = {
        name: torch.empty(info.shape, dtype=DTYPES[info.dtype], device="meta") for name, info in header.tensors.items()
    }
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    with file:
        start = header_length(file.read(LENGTH_BYTES)) + LENGTH_BYTES

        def get(name: str) -> Tensor:
            return _read(file, path, start, header.tensors[name])

        yield Model(path, outline, get, header.metadata)


def _read(file: io.RawIOBase, path: Path, start: int, info: TensorInfo) -> Tensor:
    data = torch.empty(info.end - info.start, dtype=torch.uint8)
    view, done = data.numpy().data, 0
    try:
        file.seek(start + info.start)
        while done < len(view) and (count := file.readinto(view[done:])):
            done += count
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    if done < len(view):
        raise ModelUnreadable(path=path, reason="truncated")
    return data.view(DTYPES[info.dtype]).reshape(info.shape)
