"""Windows' ways with files: reserved names, long paths, and files that another program has open."""

from __future__ import annotations

import errno
import ntpath
from pathlib import Path

import pytest

from sdcolab.core.errors import CannotWrite
from sdcolab.core.file_names import safe_name
from sdcolab.core.files import LOCKED_SECONDS, as_storage_error, patiently
from sdcolab.core.windows import LONGEST_PATH, is_locked, is_too_long


@pytest.mark.parametrize(
    "name",
    [
        "CON",
        "con.txt",
        "nul",
        "NUL.tar.gz",
        "aux .png",
        "prn  ",
        "COM1",
        "com0.json",
        "lpt9.x",
        "COM¹",
        "CONIN$",
        "conout$.a",
    ],
)
def test_reserved_names_are_changed(name: str) -> None:
    assert safe_name(name).startswith("_") and not ntpath.isabs(safe_name(name))


@pytest.mark.parametrize("name", ["console.txt", "conejo", "nulo.png", "comida.png", "COM10.png", "lpt.png", "auxilio"])
def test_names_that_only_begin_like_one_stay(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a:b.png", "a_b.png"),
        ("qué?.png", "qué_.png"),
        ("fin. ", "fin"),
        ("a|b<c>*.png", "a_b_c__.png"),
        (r"C:\\x\\y.png", "y.png"),
    ],
)
def test_what_windows_forbids(name: str, wanted: str) -> None:
    assert safe_name(name) == wanted


@pytest.mark.parametrize(
    ("length", "code", "too_long"),
    [
        (LONGEST_PATH, errno.ENOENT, False),
        (LONGEST_PATH + 1, errno.ENOENT, True),
        (LONGEST_PATH + 1, errno.EINVAL, True),
        (LONGEST_PATH + 1, errno.EACCES, False),
        (400, None, False),
    ],
)
def test_paths_that_are_too_long(length: int, code: int | None, too_long: bool) -> None:
    assert is_too_long("C:\\" + "x" * (length - 3), code) is too_long


def test_a_path_that_is_too_long_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdcolab.core.files.sys.platform", "win32")
    for path, reason in ((Path("C:/" + "x" * 300), "ENAMETOOLONG"), (Path("C:/x"), "ENOENT")):
        error = as_storage_error(path, FileNotFoundError(errno.ENOENT, "no such file"))
        assert isinstance(error, CannotWrite) and error.reason == reason


class WindowsError(PermissionError):
    """What Windows raises: with a number of its own."""

    def __init__(self, winerror: int) -> None:
        super().__init__(errno.EACCES, "in use")
        self.winerror = winerror


@pytest.mark.parametrize(
    ("winerror", "locked"), [(32, True), (33, True), (5, True), (3, False), (112, False), (None, False)]
)
def test_which_errors_pass(winerror: int | None, locked: bool) -> None:
    assert is_locked(winerror) is locked


def act_after(times: int, winerror: int, done: list[str]) -> None:
    if len(done) < times:
        done.append("en uso")
        raise WindowsError(winerror)
    done.append("hecho")


@pytest.mark.parametrize("times", range(len(LOCKED_SECONDS) + 1))
def test_a_file_in_use_is_waited_for(times: int) -> None:
    done: list[str] = []
    waited: list[float] = []
    patiently(lambda: act_after(times, 32, done), waited.append)
    assert done[-1] == "hecho" and waited == list(LOCKED_SECONDS[:times])


@pytest.mark.parametrize(("times", "winerror", "tries"), [(99, 32, len(LOCKED_SECONDS) + 1), (99, 3, 1)])
def test_there_is_an_end_of_waiting(times: int, winerror: int, tries: int) -> None:
    done: list[str] = []
    with pytest.raises(WindowsError):
        patiently(lambda: act_after(times, winerror, done), lambda _seconds: None)
    assert len(done) == tries
