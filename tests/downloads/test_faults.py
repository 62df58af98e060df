"""Many random faults: no wrong file is ever left under its final name, and a good server afterwards ends every link."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.downloads import LOOPBACK
from support.servers import LORA_SHAPES, CivitaiFile, CivitaiServer, Fault, FileServer, safetensors_bytes

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.downloads.http import Patience
from sdcolab.downloads.queue import DownloadQueue

DATA = safetensors_bytes({**LORA_SHAPES, "lora_unet_relleno.lora_down.weight": (64, 4096)})
BRISK = Patience(
    attempts=4, first_pause=0.001, longest_pause=0.002, read_timeout=0.15, slow_window=0.5, slow_rate=1, useful_bytes=1
)
SEEDS = range(40)


def random_fault(dice: random.Random, checked: bool) -> Fault | None:
    """``checked``: the provider states a hash, so wrong bytes can be told."""
    size = len(DATA)
    choices = [
        None,
        Fault(cut_after=dice.randrange(size)),
        Fault(cut_after=dice.randrange(size)),
        Fault(stall_after=dice.randrange(size), stall=0.3),
        Fault(short=dice.randrange(1, size)),
        Fault(status=dice.choice([400, 403, 404, 416, 429, 500, 502, 503])),
        Fault(ignore_range=True),
        Fault(ignore_range=True, cut_after=dice.randrange(size)),
        Fault(wrong_total=dice.randrange(-5, 5)),
        Fault(page=True),
        Fault(etag='"otra"'),
    ]
    return dice.choice([*choices, Fault(flip=True)] if checked else choices)


def wrong_files(folders: Folders) -> list[Path]:
    files = [path for path in folders.root.rglob("*") if path.is_file()]
    unfinished = (".lock", ".parcial", ".json")
    return [path for path in files if path.suffix not in unfinished and path.read_bytes() != DATA]


@pytest.mark.parametrize("seed", SEEDS)
def test_plain_server(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    folders = Folders(tmp_path)
    faults = [random_fault(dice, checked=False) for _ in range(dice.randrange(1, 9))]
    with FileServer({"/x.safetensors": DATA}, faults, etags=dice.random() < 0.8) as server:
        queue = DownloadQueue(folders, allow_private_hosts=LOOPBACK, patience=BRISK)
        queue.run(f"{server.url}/x.safetensors")
        assert wrong_files(folders) == []
        server.faults.clear()
        (report,) = queue.run(f"{server.url}/x.safetensors")
    assert report.error is None
    assert (folders.models(ModelKind.LORA) / "x.safetensors").read_bytes() == DATA


@pytest.mark.parametrize("seed", SEEDS)
def test_civitai_storage(tmp_path: Path, seed: int) -> None:
    dice = random.Random(1000 + seed)
    folders = Folders(tmp_path)
    with CivitaiServer({5: CivitaiFile("x.safetensors", DATA)}) as civitai:
        civitai.storage.faults = [random_fault(dice, checked=True) for _ in range(dice.randrange(1, 12))]
        civitai.refuse_next = [(dice.choice([404, 429, 500, 502]), {}) for _ in range(dice.randrange(3))]
        queue = DownloadQueue(folders, civitai_url=civitai.url, patience=BRISK)
        queue.run("https://civitai.com/models/1?modelVersionId=5")
        assert wrong_files(folders) == []
        civitai.storage.faults.clear()
        civitai.refuse_next.clear()
        (report,) = queue.run("https://civitai.com/models/1?modelVersionId=5")
    assert report.error is None
    assert (folders.models(ModelKind.LORA) / "x.safetensors").read_bytes() == DATA
