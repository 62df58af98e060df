"""Zips of strangers: nothing in them leads elsewhere, fills the disk or the memory, or passes for something else."""

from __future__ import annotations

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from sdcolab.core import zips
from sdcolab.core.errors import CannotRead
from sdcolab.core.words import explain

LIMITS = zips.ZipLimits(files=3, total=1000, each=400)


def made(path: Path, *names: str, content: bytes = b"hola") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as whole:
        for name in names:
            whole.writestr(name, content)
    return path


def read(path: Path) -> dict[str, bytes]:
    with zips.opened(path, lambda name: name.endswith(".txt"), LIMITS) as found:
        told = {}
        for member in found:
            with member.open() as stream:
                told[member.name] = stream.read()
        return told


def test_only_wanted_files_come_out(tmp_path: Path) -> None:
    path = made(tmp_path / "a.zip", "a.txt", "b.exe", "c/", "__MACOSX/a.txt", "d\\e.txt")
    with zipfile.ZipFile(path, "a") as whole:
        link = zipfile.ZipInfo("enlace.txt")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        whole.writestr(link, "/etc/passwd")
    assert read(path) == {"a.txt": b"hola", "d/e.txt": b"hola"}


def test_large_ones_are_left_out_and_too_much_is_refused(tmp_path: Path) -> None:
    assert read(made(tmp_path / "a.zip", "a.txt", content=b"x" * 401)) == {}
    for path in (
        made(tmp_path / "b.zip", "a.txt", "b.txt", "c.txt", content=b"x" * 350),
        made(tmp_path / "c.zip", "a.txt", "b.txt", "c.txt", "d.txt"),
    ):
        with pytest.raises(CannotRead) as raised:
            read(path)
        assert "demasiadas cosas" in str(explain(raised.value))


def test_a_size_that_lies_brings_no_more_than_it_says(tmp_path: Path) -> None:
    path = made(tmp_path / "a.zip", "a.txt", content=b"x" * 5000)
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<L", 5000), struct.pack("<L", 100)))
    with pytest.raises(CannotRead) as raised:
        read(path)
    assert "dañado" in str(explain(raised.value))


def test_a_list_of_contents_without_end_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "a.zip", *(f"{number}.dat" for number in range(300)))
    assert read(path) == {}
    monkeypatch.setattr(zips, "MAX_DIRECTORY", 10_000)
    with pytest.raises(CannotRead):
        read(path)


def test_passwords_are_told(tmp_path: Path) -> None:
    path = made(tmp_path / "a.zip", "a.txt")
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(CannotRead) as raised:
        read(path)
    assert "contraseña" in str(explain(raised.value))


@pytest.mark.parametrize("content", [b"", b"no soy un zip", b"PK\x03\x04" + bytes(80), b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_zip(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(CannotRead):
        read(tmp_path / "a.zip")


def test_any_damage_is_told_as_such(tmp_path: Path) -> None:
    data = made(tmp_path / "a.zip", "a.txt", "ñ.txt", content=bytes(range(200))).read_bytes()
    for at in range(len(data)):
        (tmp_path / "b.zip").write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        try:
            read(tmp_path / "b.zip")
        except CannotRead as error:
            assert error.reason.startswith("zip_") or error.reason.startswith("E")
