"""Many random faults: no wrong file is ever left under its final name, no part is lost without reason, and a good
server afterwards ends every link. The message of a case that fails has its seed: ``plain_case(seed, folder)`` repeats
it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from support.downloads import HURRY, LOOPBACK, SMALL_PIECES
from support.servers import LORA_SHAPES, CivitaiFile, CivitaiServer, Fault, FileServer, etag_of, safetensors_bytes

from sdcolab.core.detect import ModelKind
from sdcolab.core.events import BytesReceived, Event
from sdcolab.core.folders import Folders
from sdcolab.downloads import http
from sdcolab.downloads.http import Patience
from sdcolab.downloads.parts import PART_SUFFIX
from sdcolab.downloads.policies import Splitting
from sdcolab.downloads.queue import DownloadQueue, LinkReport

DATA = safetensors_bytes({**LORA_SHAPES, "lora_unet_relleno.lora_down.weight": (64, 4096)})
OTHER = b"otra cosa"
"""What another host has at ``/y``, an honest file with a name of its own."""

BRISK = Patience(
    attempts=4, first_pause=0.001, longest_pause=0.002, read_timeout=0.15, slow_window=0.5, slow_rate=1, useful_bytes=1
)
CALM = replace(HURRY, read_timeout=30, slow_window=30, tail_timeout=30)
"""For a good server on a busy machine: what comes late is not asked for again."""

CASES_AT_ONCE = 8
"""Cases spend most of their time waiting for servers that have gone silent."""

BEFORE_THE_FILE = 1 + 65_536
"""Bytes that are read to learn what a file is."""

Case = Callable[[int, Path], None]


def passing_fault(dice: random.Random) -> Fault | None:
    """A fault that says nothing about the file: what is on the disk stays good."""
    size = len(DATA)
    choices = [
        None,
        Fault(cut_after=dice.randrange(size)),
        Fault(cut_after=dice.randrange(size // 8)),
        Fault(stall_after=dice.randrange(size), stall=0.3),
        Fault(status=dice.choice([429, 500, 502, 503, 504])),
        Fault(status=503, headers={"Retry-After": "0"}),
    ]
    return dice.choice(choices)


def any_faults(dice: random.Random, checked: bool, elsewhere: Sequence[str]) -> list[Fault | None]:
    """One fault, or a burst. ``checked``: the provider states a hash, so wrong bytes can be told. ``elsewhere``:
    addresses on another host."""
    size = len(DATA)
    choices = [
        passing_fault(dice),
        Fault(short=dice.randrange(1, size)),
        Fault(status=dice.choice([400, 403, 404, 416])),
        Fault(ignore_range=True),
        Fault(ignore_range=True, cut_after=dice.randrange(size)),
        Fault(wrong_total=dice.randrange(-5, 5)),
        Fault(page=True),
        Fault(etag='"otra"'),
        Fault(status=302, headers={"Location": dice.choice(elsewhere)}),
    ]
    if checked:
        choices.append(Fault(flip=True))
    if dice.random() < 0.15:
        return [Fault(status=dice.choice([500, 502, 503]))] * dice.randrange(2, 8)
    return [dice.choice(choices)]


def some_faults(dice: random.Random, checked: bool, elsewhere: Sequence[str]) -> list[Fault | None]:
    return [fault for _ in range(dice.randrange(1, 10)) for fault in any_faults(dice, checked, elsewhere)]


def splitting(dice: random.Random) -> Splitting:
    return dice.choice([Splitting(), SMALL_PIECES, SMALL_PIECES])


def wrong_files(folders: Folders) -> list[Path]:
    files = [path for path in folders.root.rglob("*") if path.is_file()]
    others = (".json", ".tmp", ".info", PART_SUFFIX)
    found = {path: path.read_bytes() for path in files if path.suffix not in others}
    return [path for path, data in found.items() if data != {"y": OTHER}.get(path.name, DATA)]


def wrong_parts(folders: Folders) -> list[Path]:
    """Parts that hold other bytes than they claim."""
    return [part for part in folders.root.rglob(f"*{PART_SUFFIX}") if not _claims_are_true(part)]


def _claims_are_true(part: Path) -> bool:
    data = part.read_bytes()
    return all(data[start:end] == DATA[start:end] for start, end in _claims(part))


def _claims(part: Path) -> list[list[int]]:
    notes = part.with_name(f"{part.name}.json")
    return json.loads(notes.read_bytes())["spans"] if notes.exists() else []


def kept_bytes(folders: Folders) -> int:
    """Bytes in parts of the true version of the file, which the next run has no reason to fetch again."""
    parts = [*folders.root.rglob(f"*{PART_SUFFIX}")]
    true = [
        part for part in parts if _claims(part) and f'"validator": {json.dumps(etag_of(DATA))}' in _notes_text(part)
    ]
    return max((sum(end - start for start, end in _claims(part)) for part in true), default=0)


def _notes_text(part: Path) -> str:
    return part.with_name(f"{part.name}.json").read_text(encoding="utf-8")


def assert_whole(report: LinkReport, folders: Folders) -> None:
    assert report.error is None
    assert (folders.models(ModelKind.LORA) / "x.safetensors").read_bytes() == DATA
    assert [*folders.root.rglob(f"*{PART_SUFFIX}*")] == [] or wrong_files(folders) == []


def plain_case(seed: int, folder: Path) -> None:
    dice = random.Random(seed)
    folders = Folders(folder)
    pieces = splitting(dice)
    with (
        FileServer({"/x.safetensors": DATA, "/y": OTHER}) as other,
        FileServer({"/x.safetensors": DATA}) as server,
    ):
        server.etags = dice.random() < 0.8
        elsewhere = [f"{other.url}/x.safetensors", f"{other.url}/y", f"{other.url}/nada", "https://192.168.1.1/x"]
        server.faults = some_faults(dice, False, elsewhere)
        link = f"{server.url}/x.safetensors"
        DownloadQueue(folders, allow_private_hosts=LOOPBACK, patience=BRISK, splitting=pieces).run(link)
        assert wrong_files(folders) == []
        assert wrong_parts(folders) == []
        kept = kept_bytes(folders)
        server.faults.clear()
        server.sent = 0
        queue = DownloadQueue(folders, allow_private_hosts=LOOPBACK, patience=CALM, splitting=pieces)
        (report,) = queue.run(link)
    assert_whole(report, folders)
    assert server.sent <= len(DATA) - kept + BEFORE_THE_FILE


def civitai_case(seed: int, folder: Path) -> None:
    dice = random.Random(100_000 + seed)
    folders = Folders(folder)
    pieces = splitting(dice)
    with CivitaiServer({5: CivitaiFile("x.safetensors", DATA)}) as civitai:
        elsewhere = [f"{civitai.url}/login", f"{civitai.url}/nada", "https://10.0.0.1/x"]
        civitai.storage.faults = some_faults(dice, True, elsewhere)
        civitai.refuse_next = [(dice.choice([404, 429, 500, 502]), {}) for _ in range(dice.randrange(3))]
        link = "https://civitai.com/models/1?modelVersionId=5"
        DownloadQueue(folders, civitai_url=civitai.url, patience=BRISK, splitting=pieces).run(link)
        assert wrong_files(folders) == []
        civitai.storage.faults.clear()
        civitai.refuse_next.clear()
        queue = DownloadQueue(folders, civitai_url=civitai.url, patience=CALM, splitting=pieces)
        report = queue.run(link)[0]
        if report.error and report.error.code == "download.hash_mismatch":  # wrong bytes in the part that was kept
            (report,) = queue.run(link)
    assert_whole(report, folders)


def passing_case(seed: int, folder: Path) -> None:
    """Faults that say nothing about the file never cost a byte that was on the disk."""
    dice = random.Random(200_000 + seed)
    events: list[Event] = []
    with FileServer({"/x.safetensors": DATA}) as server:
        server.faults = [None, None, *(passing_fault(dice) for _ in range(dice.randrange(1, 16)))]
        queue = DownloadQueue(Folders(folder), allow_private_hosts=LOOPBACK, patience=BRISK, splitting=splitting(dice))
        while not queue.run(f"{server.url}/x.safetensors", events.append)[0].ok:
            assert server.faults
    received = [event.received for event in events if isinstance(event, BytesReceived)]
    assert received == sorted(received)
    assert (Folders(folder).models(ModelKind.LORA) / "x.safetensors").read_bytes() == DATA


def run_cases(case: Case, seeds: range, folder: Path) -> None:
    def attempt(seed: int) -> str | None:
        try:
            case(seed, folder / f"{case.__name__}{seed}")
        except AssertionError as error:
            return f"seed {seed}: {error}"
        return None

    with ThreadPoolExecutor(CASES_AT_ONCE) as pool:
        assert [failure for failure in pool.map(attempt, seeds) if failure] == []


CASES = (plain_case, civitai_case, passing_case)


@pytest.fixture(params=["kernel", "program"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How bodies reach the disk: inside the kernel (plain HTTP on Linux) or through the program (TLS)."""
    if request.param == "program":
        monkeypatch.setattr(http, "can_splice", lambda _source: False)
    return str(request.param)


@pytest.mark.parametrize("case", CASES)
def test_some_faults(tmp_path: Path, case: Case, way: str) -> None:
    run_cases(case, range(16) if way == "kernel" else range(16, 32), tmp_path)


@pytest.mark.lento
@pytest.mark.parametrize("start", range(32, 192, 40))
@pytest.mark.parametrize("case", CASES)
def test_many_faults(tmp_path: Path, case: Case, start: int, way: str) -> None:
    """With the above, 576 seeds of up to dozens of faults each, half of them for each way."""
    first = start if way == "kernel" else start + 20
    run_cases(case, range(first, first + 20), tmp_path)
