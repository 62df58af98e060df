"""What a checkpoint takes on a card, beside what the planner says: a T4's room, and less, made on a bigger card.

    python tools/bench/card.py                  # needs CUDA; writes files of random weights (9 GB) and deletes them
    python tools/bench/card.py --carpeta DIR    # keeps them there

Another process fills the card up to the room wanted, so that CUDA itself says no beyond it. In what is left, a process
with at most 12.7 GB of RAM (a group of cgroups(7) where one can be made) loads the checkpoint with the engine and makes
pictures of its native size. Told are the planner's figures and what was taken: of the card, and of RAM by the process
itself (``RssAnon`` and ``RssShmem`` of proc(5): pages of the mapped file go when others need them); and the time.

* the planner's figures must not be below what was taken, or somebody's picture would fail after a promise;
* with the room that it asks for at least, the picture must be made, and with less it must refuse.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import ModelTooBigForCard
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.memory_plan import GB
from sdcolab.core.request import GenerationRequest
from sdcolab.engine.engine import Engine
from sdcolab.engine.memory import require_room
from sdcolab.engine.models import check_checkpoint
from sdcolab.engine.weights import open_weights
from tools.bench.loading import write_file

T4 = int(15.6 * GB)
"""What nvidia-smi says a T4 has, 15360 MiB less what the driver keeps."""
COLAB_RAM = int(12.7 * GB)
STEPS = 10
GROUP = Path("/sys/fs/cgroup/sdcolab-bench")


def own_ram() -> int:
    """Bytes of this process that belong to no file."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    sizes = {name: value for name, _, value in (line.partition(":") for line in lines)}
    return sum(int(sizes[name].split()[0]) * 1024 for name in ("RssAnon", "RssShmem"))


@contextmanager
def watched(peaks: list[int]) -> Iterator[None]:
    """Add ``own_ram`` to ``peaks`` again and again while it lasts."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            peaks.append(own_ram())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def one_picture(path: Path) -> dict[str, Any]:
    """Plan, load and make a picture in this process."""
    free, before = torch.cuda.mem_get_info()[0], own_ram()
    weights = open_weights(path)
    try:
        _, family = check_checkpoint(weights)
        plan = require_room(path, weights.header, family.work, torch.device("cuda"), torch.float16)
    except ModelTooBigForCard as refusal:
        return {"refused": refusal.needed, "free": free}
    peaks: list[int] = []
    request = GenerationRequest(prompt="gato rojo", negative_prompt="borroso", steps=STEPS, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        file = ModelFile(ModelKind.CHECKPOINT, path.name, path)
        engine = Engine(Library(Folders(Path(folder)), bundled=(file,)), None, device="cuda")
        start = time.perf_counter()
        with watched(peaks):
            image = engine.generate(request).images[0].image
        first = time.perf_counter() - start
        start = time.perf_counter()
        engine.generate(request)
        again = time.perf_counter() - start
    return {
        "free": free,
        "placement": plan.placement.value,
        "planned": plan.vram,
        "taken": free - torch.cuda.mem_get_info()[0],  # torch keeps what it once took
        "planned_ram": plan.ram,
        "ram": max(peaks) - before,
        "size": image.size,
        "first": first,
        "again": again,
    }


@contextmanager
def card_of(room: int) -> Iterator[None]:
    """While it lasts, others find ``room`` bytes on the card."""
    code = (
        "import sys, torch\n"
        "torch.cuda.init(); torch.zeros(1, device='cuda')\n"
        f"kept = torch.empty(torch.cuda.mem_get_info()[0] - {room}, dtype=torch.uint8, device='cuda')\n"
        "print('listo', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ballast:
        assert ballast.stdout and ballast.stdin
        ballast.stdout.readline()
        try:
            yield
        finally:
            ballast.stdin.close()


def ram_limited() -> bool:
    """Make the group of processes with Colab's RAM; False where that is not allowed."""
    try:
        GROUP.mkdir(exist_ok=True)
        (GROUP / "memory.max").write_text(str(COLAB_RAM), encoding="ascii")
    except OSError:
        return False
    return True


def in_a_child(path: Path, room: int) -> dict[str, Any]:
    """``one_picture`` in a new process, on a card of ``room`` bytes."""
    with card_of(room):
        run = subprocess.run([sys.executable, __file__, "--archivo", str(path)], capture_output=True, text=True)
    if run.returncode:
        return {"failed": run.stderr[-2000:]}
    answer: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return answer


def told(family: str, answer: dict[str, Any]) -> bool:
    """Print what happened; whether the planner kept its word."""
    if "failed" in answer:
        print(f"{family}: MAL: {answer['failed']}", flush=True)
        return False
    free = answer["free"] / GB
    if "refused" in answer:
        print(f"{family}, {free:.2f} GB libres: se niega, pide {answer['refused'] / GB:.2f} GB", flush=True)
        return True
    kept: bool = answer["taken"] <= answer["planned"] and answer["ram"] <= answer["planned_ram"]
    print(
        f"{family}, {free:.2f} GB libres: {answer['placement']}, previsto {answer['planned'] / GB:.2f} GB, "
        f"usado {answer['taken'] / GB:.2f} GB; RAM prevista {answer['planned_ram'] / GB:.2f} GB, "
        f"usada {answer['ram'] / GB:.2f} GB; "
        f"{answer['size']}, {STEPS} pasos: {answer['first']:.1f} s con la carga, {answer['again']:.2f} s otra vez"
        f"{'' if kept else '; MAL'}",
        flush=True,
    )
    return kept


def least_room(path: Path) -> int:
    """The room in which the planner finds no more than it asks for at least: CUDA itself takes some first."""
    answer = in_a_child(path, GB)
    needed: int = answer["refused"] + GB - answer["free"]
    return needed


def main() -> int:
    """Read the command line; 1 when the planner did not keep its word."""
    parser = argparse.ArgumentParser(description="Mide lo que ocupa un modelo en la tarjeta, junto a lo previsto")
    parser.add_argument("--carpeta", type=Path, help="dónde guardar los modelos de pesos al azar")
    parser.add_argument("--archivo", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.archivo:
        if GROUP.is_dir():
            (GROUP / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
        print(json.dumps(one_picture(options.archivo)))
        return 0
    print(f"RAM limitada a {COLAB_RAM / GB} GB: {'sí' if ram_limited() else 'no se puede aquí'}", flush=True)
    kept = True
    with tempfile.TemporaryDirectory() as temporary:
        for family in ("sd1", "sdxl"):
            path = (options.carpeta or Path(temporary)) / f"{family}-al-azar.safetensors"
            if not path.exists():
                write_file(path, family)
            least = least_room(path)
            for room in (T4, least + GB // 10, least - GB // 10):
                answer = in_a_child(path, room)
                kept &= told(family, answer)
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
