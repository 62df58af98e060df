"""Files that are wanted soon."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcolab.core.ahead import ReadAhead

SIZE = 40_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "modelo.safetensors"
    path.write_bytes(bytes(SIZE))
    return path


def test_the_whole_file_is_read(file: Path) -> None:
    ahead = ReadAhead(lambda: 10 * SIZE)
    thread = ahead.begin(file)
    assert thread is not None
    thread.join(30)
    assert ahead.read == SIZE


@pytest.mark.parametrize("free", [None, 0, 2 * SIZE - 1])
def test_nothing_is_read_where_memory_is_short(file: Path, free: int | None) -> None:
    assert ReadAhead(lambda: free).begin(file) is None


def test_what_is_no_file_is_left_to_who_opens_it(tmp_path: Path) -> None:
    ahead = ReadAhead(lambda: 10 * SIZE)
    assert ahead.begin(tmp_path / "nada") is None
    folder = ahead.begin(tmp_path)
    assert folder is not None
    folder.join(30)
    assert ahead.read == 0
