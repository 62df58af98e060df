"""Files over several connections: what is asked for, what survives, what is shared."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from support.downloads import HURRY, LOOPBACK, SMALL_PIECES
from support.servers import LORA_SHAPES, CivitaiFile, CivitaiServer, Fault, FileServer, Handler, safetensors_bytes

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import DownloadInterrupted, NotAModelFile
from sdcolab.core.folders import Folders
from sdcolab.downloads.http import Patience
from sdcolab.downloads.parts import Part, gaps, with_span
from sdcolab.downloads.policies import Ceiling, Connections, Splitting
from sdcolab.downloads.providers import RemoteFile
from sdcolab.downloads.queue import DownloadQueue, LinkReport

DATA = safetensors_bytes({**LORA_SHAPES, "lora_unet_relleno.lora_down.weight": (256, 4096)})
ONE_TRY = Patience(attempts=1, read_timeout=1)
Serve = Callable[..., FileServer]


class Crowd(FileServer):
    """Counts how many requests wait for their answer at the same time, and refuses more than ``at_once``."""

    def __init__(self, files: dict[str, bytes], pause: float = 0.02, at_once: int = 1000) -> None:
        super().__init__(files)
        self.pause = pause
        self.at_once = at_once
        self.now = self.most = self.refused = 0
        self._gate = threading.Lock()

    def answer(self, request: Handler) -> None:
        with self._gate:
            self.now += 1
            self.most = max(self.most, self.now)
            refuse = self.now > self.at_once
            self.refused += refuse
            pause = self.pause_among(self.now)
        time.sleep(pause)
        with self._gate:
            self.now -= 1
        if refuse:
            request.reply(503, b"")
        else:
            super().answer(request)

    def pause_among(self, _number: int) -> float:
        """Seconds that a request waits which is the last of so many."""
        return self.pause


class Jam(Crowd):
    """Answers one request at a time fast, and several together much more slowly. ``crowds``: how many there were."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(files)
        self.crowds: list[int] = []

    def pause_among(self, number: int) -> float:
        self.crowds.append(number)
        return self.pause if number == 1 else 0.3


def queue(folders: Folders, patience: Patience = HURRY, splitting: Splitting = SMALL_PIECES) -> DownloadQueue:
    return DownloadQueue(folders, allow_private_hosts=LOOPBACK, patience=patience, splitting=splitting)


def run(wanted: DownloadQueue, server: FileServer) -> LinkReport:
    (report,) = wanted.run(f"{server.url}/x.safetensors")
    return report


def assert_good(report: LinkReport, folders: Folders) -> None:
    assert report.error is None
    assert report.path == folders.models(ModelKind.LORA) / "x.safetensors"
    assert report.path.read_bytes() == DATA
    assert [path.name for path in report.path.parent.iterdir()] == ["x.safetensors"]


def test_several_connections_ask_for_every_byte_once(folders: Folders) -> None:
    with Crowd({"/x.safetensors": DATA}) as server:
        assert_good(run(queue(folders), server), folders)
    assert 2 <= server.most <= SMALL_PIECES.connections
    assert server.sent == len(DATA) + 1 + 65_536


def test_small_files_and_unknown_versions_take_one_connection(folders: Folders) -> None:
    with Crowd({"/x.safetensors": DATA}) as server:
        assert_good(run(queue(folders, splitting=Splitting()), server), folders)
        assert server.most == 1
        (folders.models(ModelKind.LORA) / "x.safetensors").unlink()
        server.etags = False  # without one, pieces could be of different versions
        assert_good(run(queue(folders), server), folders)
        assert server.most == 1


def test_connections_are_shared_between_files(folders: Folders) -> None:
    files = {f"/{name}.safetensors": DATA[:-8] + name.encode() * 8 for name in "abcd"}
    with Crowd(files) as server:
        reports = queue(folders).run(" ".join(f"{server.url}{path}" for path in files))
    assert all(report.ok for report in reports)
    assert 2 <= server.most <= SMALL_PIECES.connections - 1 + 3  # three files at a time


@pytest.mark.parametrize(
    ("each", "line", "numbers"),
    [
        (10e6, 1e9, [1, 16, 16]),  # slow connections: all of them at once
        (100e6, 10e9, [1, 4, 16, 16]),  # fast ones, each brings its own
        (300e6, 350e6, [1, 4, 4, 4]),  # one nearly fills the line: more bring nothing
        (150e6, 500e6, [1, 4, 16, 16]),  # four would fill it, but nobody knew
        (900e6, 9e9, [1, 1, 1, 1]),  # one brings more than the disk takes
    ],
)
def test_connections_are_added_while_they_bring_more(each: float, line: float, numbers: list[int]) -> None:
    """``each`` bytes per second of a connection, ``line`` of all together."""
    received = 0
    ceiling = Ceiling(Splitting(), 16, received, now=0.0)
    seen = [ceiling.now]
    for second in range(1, len(numbers)):
        received += int(min(each * ceiling.now, line))
        ceiling.look(received, float(second))
        ceiling.look(received, second + 0.01)  # too soon to tell anything
        seen.append(ceiling.now)
    assert seen == numbers


def test_connections_that_are_in_each_others_way_become_fewer_again() -> None:
    ceiling = Ceiling(Splitting(), 16, 0, now=0.0)
    received = 0
    for second, (speed, number) in enumerate([(500e6, 4), (300e6, 1), (500e6, 1), (300e6, 1)], start=1):
        received += int(speed)
        ceiling.look(received, float(second))
        assert ceiling.now == number


def test_connections_leave_that_are_in_each_others_way(folders: Folders) -> None:
    eager = Splitting(connections=4, fast=0, per_connection=32_768, least=16_384, most=65_536, shortest=0)
    with Jam({"/x.safetensors": DATA}) as server:
        assert_good(run(queue(folders, splitting=eager), server), folders)
    after = server.crowds[server.crowds.index(4) :]
    assert after.count(1) > len(after) / 2


def test_a_lowered_number_of_connections_stays_low() -> None:
    ceiling = Ceiling(Splitting(), 16, 0, now=0.0)
    ceiling.lower(3)
    ceiling.look(1, 1.0)
    assert ceiling.now == 3
    ceiling.lower(0)
    assert ceiling.now == 1


def test_a_server_that_refuses_many_connections_gets_few(folders: Folders) -> None:
    with Crowd({"/x.safetensors": DATA}, at_once=2) as server:
        assert_good(run(queue(folders), server), folders)
    assert 0 < server.refused < 30


def test_resumes_only_what_is_missing_in_another_process(folders: Folders, serve: Serve) -> None:
    server = serve({"/x.safetensors": DATA}, [None, None, *[Fault(cut_after=40_000)] * 12])
    first = run(queue(folders, ONE_TRY), server)
    assert isinstance(first.error, DownloadInterrupted)
    (notes,) = folders.root.rglob("*.parcial.json")
    spans = json.loads(notes.read_bytes())["spans"]
    assert len(spans) > 1
    assert first.error.received == sum(end - start for start, end in spans)
    server.faults.clear()
    server.seen.clear()
    assert_good(run(queue(folders), server), folders)
    asked = [re.fullmatch(r"bytes=(\d+)-(\d*)", seen.headers.get("Range", "")) for seen in server.seen]
    assert None not in asked, "the whole file was asked for again"
    parts = [int(found[1]) for found in asked if found and found[0] not in ("bytes=0-0", "bytes=0-65535")]
    assert parts
    assert not [start for start in parts if any(begin <= start < end for begin, end in spans)]


@pytest.mark.parametrize(
    "notes",
    [
        b"",
        b"[]",
        b'{"spans": 5}',
        b'{"spans": [[0, 99999999999]]}',
        b'{"spans": [[5, 2]]}',
        b'{"spans": [[0, 5], [3, 9]]}',
        b'{"spans": [[-5, 5]]}',
        b'{"spans": [[0, 5.5]]}',
        b'{"spans": [[false, true]]}',
        b"[" * 100_000,
    ],
)
def test_broken_notes_are_not_believed(folders: Folders, serve: Serve, notes: bytes) -> None:
    server = serve({"/x.safetensors": DATA}, [None, None, *[Fault(cut_after=40_000)] * 12])
    run(queue(folders, ONE_TRY), server)
    (path,) = folders.root.rglob("*.parcial.json")
    if notes.startswith(b"{"):
        notes = json.dumps({**json.loads(path.read_bytes()), **json.loads(notes)}).encode()
    path.write_bytes(notes)
    server.faults.clear()
    assert_good(run(queue(folders), server), folders)


def test_a_server_that_stops_sending_parts_half_way(folders: Folders, serve: Serve) -> None:
    server = serve({"/x.safetensors": DATA}, [None, None, None, *[Fault(ignore_range=True)] * 30])
    assert_good(run(queue(folders), server), folders)


def test_a_killed_process_loses_no_more_than_two_seconds(folders: Folders, tmp_path: Path) -> None:
    remote = RemoteFile("x", "https://x", "x", size=100, validator='"a"')
    part = Part(tmp_path, "x", "x")
    part.prepare(remote)
    part.path.write_bytes(b"x" * 100)
    part.wrote(10, 30)
    part.wrote(50, 60)
    part.save()
    part.wrote(30, 50)
    again = Part(tmp_path, "x", "x")
    assert again.prepare(remote) == 30
    assert again.spans == ((10, 30), (50, 60))
    part.path.write_bytes(b"x" * 20)
    assert Part(tmp_path, "x", "x").prepare(remote) == 0


def test_a_part_is_saved_by_several_threads_at_once(tmp_path: Path) -> None:
    """As when a round ends while its last save still waits for the disk."""
    part = Part(tmp_path, "x", "x")
    part.path.write_bytes(b"x" * 100)
    part.wrote(0, 100)

    def save(_number: int) -> None:
        for _ in range(300):
            part.save()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(save, range(2)))


DOWNLOAD = f"""
import sys
from pathlib import Path
from sdcolab.core.folders import Folders
from sdcolab.downloads.queue import DownloadQueue
from sdcolab.downloads.policies import Splitting
queue = DownloadQueue(Folders(Path(sys.argv[1])), allow_private_hosts={LOOPBACK}, splitting={SMALL_PIECES})
queue.run(sys.argv[2], lambda event: print(getattr(event, "received", ""), flush=True))
"""


def bytes_on_record(folders: Folders) -> int:
    """How many bytes the notes of the unfinished file say are safe."""
    notes = [json.loads(path.read_text("utf-8")) for path in folders.root.rglob("*.parcial.json")]
    return sum(end - start for note in notes for start, end in note["spans"])


@pytest.mark.lento
def test_a_killed_process_is_continued(folders: Folders, serve: Serve) -> None:
    server = serve({"/x.safetensors": DATA}, [None, None, *[Fault(stall_after=60_000, stall=30)] * 5])
    command = [sys.executable, "-c", DOWNLOAD, str(folders.root), f"{server.url}/x.safetensors"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        while bytes_on_record(folders) < 4 * 60_000 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
    server.faults.clear()
    server.sent = 0
    assert_good(run(queue(folders), server), folders)
    assert server.sent < len(DATA) - 4 * 60_000 + 65_537


@pytest.mark.parametrize("ranges", [True, False])
def test_an_empty_file_is_refused(folders: Folders, serve: Serve, ranges: bool) -> None:
    report = run(queue(folders), serve({"/x.safetensors": b""}, [Fault(ignore_range=not ranges)] * 3))
    assert isinstance(report.error, NotAModelFile)
    assert report.error.reason == "empty"


def test_the_last_connection_is_not_waited_for_when_it_goes_silent(folders: Folders, serve: Serve) -> None:
    patience = replace(HURRY, read_timeout=60, slow_window=60, tail_timeout=0.3)
    server = serve({"/x.safetensors": DATA}, [None, None, None, Fault(stall_after=10_000, stall=60)])
    started = time.monotonic()
    assert_good(run(queue(folders, patience), server), folders)
    assert time.monotonic() - started < 10


def test_the_address_may_expire_while_many_connections_use_it(folders: Folders) -> None:
    with CivitaiServer({5: CivitaiFile("x.safetensors", DATA)}) as civitai:
        civitai.storage.faults = [None, None, None, None, *[Fault(status=403)] * 3, Fault(cut_after=50_000)]
        wanted = DownloadQueue(folders, civitai_url=civitai.url, patience=HURRY, splitting=SMALL_PIECES)
        (report,) = wanted.run("https://civitai.com/api/download/models/5")
        assert report.ok
        assert civitai.storage.signatures > 1
        assert civitai.storage.sent < len(DATA) + 400_000
    assert report.path
    assert report.path.read_bytes() == DATA


def test_spans() -> None:
    spans = with_span(with_span(with_span((), 10, 20), 30, 40), 18, 30)
    assert spans == ((10, 40),)
    assert with_span(spans, 5, 5) == spans
    assert gaps(spans, 50) == ((0, 10), (40, 50))
    assert gaps((), 7) == ((0, 7),)
    assert gaps(((0, 7),), 7) == ()


def test_the_reserve_of_connections_is_shared_fairly() -> None:
    connections = Connections(5)
    with connections.member() as first:
        assert [connections.take(first) for _ in range(6)] == [True] * 5 + [False]
        with connections.member() as second:
            assert not connections.take(second)
            assert connections.give_back(first, only_if_unfair=True)
            assert connections.take(second)
            assert connections.give_back(first, only_if_unfair=True)
            assert not connections.give_back(first, only_if_unfair=True)
        assert connections.take(first)
