"""Bytes that go from a socket to a file without passing through the program, and room taken beforehand."""

from __future__ import annotations

import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from support.downloads import HURRY, LOOPBACK
from support.servers import Fault, FileServer

from sdcolab.core.errors import HostUnreachable
from sdcolab.downloads import kernel
from sdcolab.downloads.http import Answer, Web
from sdcolab.downloads.kernel import Pipe, allocate, begin_writing, can_splice, open_pipe
from sdcolab.downloads.parts import Part
from sdcolab.downloads.providers import RemoteFile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these calls")

DATA = os.urandom(3_000_000)
Serve = Callable[..., FileServer]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a TCP connection; the second gives up waiting soon."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    far.settimeout(0.1)
    with near, far:
        yield near, far


def carry(pipe: Pipe, source: socket.socket, target: int, most: int = 1 << 20) -> int:
    position = 0
    while count := pipe.fill(source, most):
        pipe.empty(target, position, count)
        position += count
    return position


@pytest.mark.parametrize("flags", [0, os.O_APPEND])
def test_bytes_arrive_also_in_files_that_cannot_be_spliced_into(
    tmp_path: Path, ends: tuple[socket.socket, socket.socket], flags: int
) -> None:
    near, far = ends
    descriptor = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT | flags)
    thread = threading.Thread(target=lambda: (near.sendall(DATA), near.shutdown(socket.SHUT_WR)))
    thread.start()
    with open_pipe() as pipe:
        assert carry(pipe, far, descriptor) == len(DATA)
    thread.join()
    os.close(descriptor)
    assert (tmp_path / "x").read_bytes() == DATA


def test_silence_ends_in_the_sockets_time_out(ends: tuple[socket.socket, socket.socket], file: int) -> None:
    near, far = ends
    near.sendall(b"abc")
    with open_pipe() as pipe:
        assert pipe.fill(far, 2) == 2
        pipe.empty(file, 5, 2)
        assert pipe.fill(far, 2) == 1
        with pytest.raises(TimeoutError):
            pipe.fill(far, 2)
    assert os.pread(file, 10, 0) == b"\0" * 5 + b"ab"


def test_a_full_disk_is_said(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    near.sendall(b"abc")
    with open_pipe() as pipe, Path("/dev/full").open("wb", buffering=0) as full:
        count = pipe.fill(far, 3)
        assert count == 3
        with pytest.raises(OSError, match="space"):
            pipe.empty(full.fileno(), 0, count)


def test_kernels_that_cannot_are_told_apart(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_more: object) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "splice", refuse)
    with open_pipe() as pipe:
        assert pipe.fill(ends[1], 5) is None


def get(server: FileServer, session: requests.Session) -> Answer:
    return Web(session, HURRY, LOOPBACK).get(f"{server.url}/x")


def test_a_body_is_poured_and_the_connection_stays_good(serve: Serve, file: int) -> None:
    server = serve({"/x": DATA})
    with requests.Session() as session:
        for _ in range(2):
            with get(server, session) as answer:
                chunks = answer.chunks(1 << 16)
                first = next(chunks)
                counts = [*answer.poured(file, len(first), len(DATA))]
                assert sum(counts) == len(DATA) - len(first) - 1
                assert os.pread(file, len(DATA), len(first)) == DATA[len(first) : -1]
                assert [*chunks] == [DATA[-1:]]
    assert len({seen.client for seen in server.seen}) == 1


def test_no_more_is_poured_than_wanted(serve: Serve, file: int) -> None:
    with requests.Session() as session, get(serve({"/x": DATA}), session) as answer:
        first = next(answer.chunks(1 << 16))
        assert sum(answer.poured(file, 0, 1000)) == 1000
        assert [*answer.poured(file, 1000, 0)] == []
        rest = b"".join(answer.chunks(1 << 16))
    assert first + os.pread(file, 2000, 0) + rest == DATA


def test_a_connection_that_breaks_while_pouring(serve: Serve, file: int) -> None:
    server = serve({"/x": DATA}, [Fault(cut_after=2_000_000), Fault(stall_after=2_000_000, stall=5)])
    for reason in ("connection", "timeout"):
        with requests.Session() as session, get(server, session) as answer:
            first = next(answer.chunks(1 << 16))
            told = len(first)
            with pytest.raises(HostUnreachable) as caught:
                for count in answer.poured(file, len(first), len(DATA)):
                    told += count
        assert caught.value.reason == reason
        if reason == "timeout":  # a reset may lose what was on its way
            assert told == 2_000_000


def test_tls_is_not_spliced() -> None:

    with (
        socket.socket() as plain,
        ssl.create_default_context().wrap_socket(socket.socket(), server_hostname="x") as tls,
    ):
        assert can_splice(plain)
        assert not can_splice(tls)


def test_room_is_taken_and_given_back(tmp_path: Path) -> None:
    part = Part(tmp_path, "x", "x")
    remote = RemoteFile("x", "https://x", "x", size=50_000_000, validator='"a"')
    part.prepare(remote)
    if not part.allocate(50_000_000):
        pytest.skip("this file system takes no room beforehand")
    assert part.path.stat().st_size == 0
    assert part.path.stat().st_blocks * 512 >= 50_000_000
    assert part.room_needed(50_000_000) == 0
    with part.path.open("r+b") as file:
        file.write(b"x" * 100_000)
        begin_writing(file.fileno(), 0, 100_000)
    part.wrote(0, 100_000)
    part.trim()
    assert part.path.stat().st_size == 100_000
    assert part.path.stat().st_blocks * 512 < 1_000_000
    assert part.room_needed(49_900_000) > 49_000_000
    part.restart(remote)
    part.allocate(50_000_000)
    part.trim()
    assert [*tmp_path.iterdir()] == []


def test_room_that_is_not_there_is_an_error(file: int) -> None:
    with pytest.raises(OSError, match=r"space|large"):
        allocate(file, 1 << 60)


def test_without_the_calls_nothing_happens(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_system_call", lambda _name: None)
    assert not allocate(file, 1000)
    begin_writing(file, 0, 1000)
