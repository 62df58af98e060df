from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdcolab.core.errors import CannotRead, ModelUnreadable
from sdcolab.core.tensors import HeaderError, TensorInfo, header_length, parse_header, read_header


def file_bytes(header: Any, data: int = 0) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(data)


GOOD = {
    "__metadata__": {"modelspec.resolution": "128x128", "número": 3},
    "a": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]},
    "b": {"dtype": "F32", "shape": [], "data_offsets": [12, 16]},
    "c": {"dtype": "RARO", "shape": [9], "data_offsets": [16, 20]},
}


def test_reads_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(file_bytes(GOOD, 20))
    header = read_header(path)
    assert header.tensors["a"] == TensorInfo("F16", (2, 3), 0, 12)
    assert header.shape("b") == ()
    assert header.shape("z") is None
    assert header.metadata == {"modelspec.resolution": "128x128"}
    assert header.size == path.stat().st_size


def test_agrees_with_the_safetensors_library(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    numpy = pytest.importorskip("numpy")
    path = tmp_path / "x.safetensors"
    safetensors.save_file({"w": numpy.zeros((3, 4), "float16"), "v": numpy.ones(5, "int64")}, path, {"a": "b"})
    header = read_header(path)
    assert {name: (info.dtype, info.shape) for name, info in header.tensors.items()} == {
        "w": ("F16", (3, 4)),
        "v": ("I64", (5,)),
    }
    assert header.metadata == {"a": "b"}
    assert header.size == path.stat().st_size


@pytest.mark.parametrize(
    "data", [b"", b"\x05", b"<html>no</html>", bytes(100), b"\xff" * 100, file_bytes([1]), file_bytes({"a": 1})]
)
def test_what_is_no_safetensors(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(ModelUnreadable):
        read_header(path)


@pytest.mark.parametrize("missing", [1, 15, 25, 200])
def test_a_file_cut_short_says_so(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(file_bytes(GOOD, 20)[:-missing])
    with pytest.raises(ModelUnreadable) as caught:
        read_header(path)
    assert caught.value.reason == "truncated"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(CannotRead):
        read_header(tmp_path / "no")


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F16", "shape": [2], "data_offsets": [0, 5]},
        {"dtype": "F16", "shape": [-2], "data_offsets": [0, 4]},
        {"dtype": "F16", "shape": [2], "data_offsets": [8, 4]},
        {"dtype": "F16", "shape": "2", "data_offsets": [0, 4]},
        {"dtype": "F16", "shape": [True, 2], "data_offsets": [0, 4]},
        {"dtype": "F16", "shape": [2.0], "data_offsets": [0, 4]},
        {"dtype": 16, "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F16", "shape": [2], "data_offsets": [0]},
        {"dtype": "F16", "shape": [10**400], "data_offsets": [0, 4]},
        {"dtype": "F16", "shape": None, "data_offsets": [0, 4]},
        [],
        None,
    ],
)
def test_broken_entries(entry: Any) -> None:
    with pytest.raises(HeaderError):
        parse_header(json.dumps({"x": entry}).encode())


@pytest.mark.parametrize("metadata", ["[]", "null", "7", '"x"'])
def test_metadata_that_are_no_object_say_nothing(metadata: str) -> None:
    assert parse_header(b'{"__metadata__": %s}' % metadata.encode()).metadata == {}


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000, b"{" + b"9" * 10_000, b"\xff\xfe", b"{}}"])
def test_json_made_to_break_parsers(text: bytes) -> None:
    with pytest.raises(HeaderError):
        parse_header(text)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    for read in (header_length, parse_header):
        with contextlib.suppress(HeaderError):
            read(data)
