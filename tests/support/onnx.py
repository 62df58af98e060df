"""The smallest ONNX files (onnx.proto3): a model of one image input whose outputs are constants."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

_FLOAT = 1


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _field(tag: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return _number(tag << 3) + _number(value)
    return _number(tag << 3 | 2) + _number(len(value)) + value


def _shape(name: str, sizes: tuple[int, ...]) -> bytes:
    dims = b"".join(_field(1, _field(1, size)) for size in sizes)
    tensor = _field(1, _FLOAT) + _field(2, dims)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def constant_model(
    path: Path, height: int, width: int, outputs: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> Path:
    """Writes a model that takes [1, 3, height, width] and always answers ``outputs``."""
    nodes, initializers, declared = b"", b"", b""
    for name, value in outputs.items():
        array = np.asarray(value, np.float32)
        dims = b"".join(_field(1, size) for size in array.shape)
        initializers += _field(
            5, dims + _field(2, _FLOAT) + _field(8, f"{name}_kept".encode()) + _field(9, array.tobytes())
        )
        nodes += _field(1, _field(1, f"{name}_kept".encode()) + _field(2, name.encode()) + _field(4, b"Identity"))
        declared += _field(12, _shape(name, array.shape))
    graph = (
        nodes + _field(2, b"constant") + initializers + _field(11, _shape("image", (1, 3, height, width))) + declared
    )
    told = b"".join(
        _field(14, _field(1, key.encode()) + _field(2, value.encode())) for key, value in (metadata or {}).items()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_field(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _field(2, 13)) + told)
    return path
