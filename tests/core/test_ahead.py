"""Files that are wanted soon."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sdcolab.core.ahead import ReadAhead
from sdcolab.core.errors import UnknownName

SIZE = 40_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "modelo.safetensors"
    path.write_bytes(bytes(SIZE))
    return path


def test_the_whole_file_is_read(file: Path) -> None:
    reading = ReadAhead(lambda: 10 * SIZE).begin(lambda: file)
    reading.join(30)
    assert reading.read == SIZE


@pytest.mark.parametrize("free", [None, 0, 2 * SIZE - 1])
def test_nothing_is_read_where_memory_is_short(file: Path, free: int | None) -> None:
    reading = ReadAhead(lambda: free).begin(lambda: file)
    reading.join(30)
    assert reading.read == 0


@pytest.mark.parametrize("name", ["nada", "."])
def test_what_is_no_file_is_left_to_who_opens_it(name: str, tmp_path: Path) -> None:
    reading = ReadAhead(lambda: 10 * SIZE).begin(lambda: tmp_path / name)
    reading.join(30)
    assert reading.read == 0


def test_what_nobody_finds_is_left_to_who_asks_for_it() -> None:
    def find() -> Path:
        raise UnknownName(kind="checkpoint", name="x")

    reading = ReadAhead(lambda: 10 * SIZE).begin(find)
    reading.join(30)
    assert not reading.is_alive() and reading.read == 0


def test_the_next_one_ends_the_one_before(file: Path) -> None:
    ahead, found = ReadAhead(lambda: 10 * SIZE), threading.Event()

    def find() -> Path:
        found.wait(30)
        return file

    first, second = ahead.begin(find), ahead.begin(lambda: file)
    found.set()
    first.join(30), second.join(30)
    assert (first.read, second.read) == (0, SIZE)
