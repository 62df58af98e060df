"""``sdcolab`` as its users start it: a page that never loads torch, and an engine beside it that may be killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from sdcolab.core.errors import EngineKilled
from sdcolab.core.words.client import explain

PATIENCE = 120.0
SMALL = {"prompt": "cat face", "steps": 2, "width": 64, "height": 64, "seed": 5, "sampler_name": "Euler"}


@dataclass
class Program:
    process: subprocess.Popen[str]
    url: str

    def post(self, path: str, **payload: Any) -> requests.Response:
        return requests.post(f"{self.url}/sdapi/v1/{path}", json=payload, timeout=PATIENCE)

    def progress(self) -> dict[str, Any]:
        answer: dict[str, Any] = requests.get(f"{self.url}/sdapi/v1/progress", timeout=PATIENCE).json()
        return answer

    def engine(self) -> psutil.Process:
        (engine,) = [one for one in psutil.Process(self.process.pid).children() if "servicio" in one.cmdline()]
        return engine


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("programa")
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "sdcolab", "--puerto", port, "--carpeta", str(folder), "--eventos"]
    with (folder / "registro.txt").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environ)
        assert process.stdout
        safety = threading.Timer(PATIENCE, process.kill)
        safety.start()
        ready = json.loads(process.stdout.readline())
        safety.cancel()
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield Program(process, ready["url"])
        process.terminate()
        assert process.wait(20) == 0
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(folder) in (one.info["cmdline"] or ())]


def test_the_page_never_loads_torch(program: Program) -> None:
    answer = program.post("txt2img", **SMALL)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["images"]) == 1
    assert "libtorch" not in Path(f"/proc/{program.process.pid}/maps").read_text()
    assert "libtorch" in Path(f"/proc/{program.engine().pid}/maps").read_text()


def test_a_killed_engine_is_told_and_its_queue_goes_on(program: Program) -> None:
    first = program.engine().pid
    with ThreadPoolExecutor(2) as pool:
        long = pool.submit(program.post, "txt2img", **SMALL | {"steps": 150, "width": 256, "height": 256})
        wait_for(lambda: program.progress()["state"]["sampling_step"] > 0)
        waiting = pool.submit(program.post, "txt2img", **SMALL)
        os.kill(first, signal.SIGKILL)
        killed = long.result(PATIENCE)
        assert killed.status_code == 500
        assert killed.json()["detail"] == str(explain(EngineKilled()))
        assert waiting.result(PATIENCE).status_code == 200
    assert program.engine().pid != first
    assert requests.get(f"{program.url}/internal/ping", timeout=5).ok


def test_the_engine_enlarges_too(program: Program) -> None:
    picture = program.post("txt2img", **SMALL).json()["images"][0]
    answer = program.post("extra-single-image", image=picture, upscaler_1="Lanczos", upscaling_resize=2)
    assert answer.status_code == 200, answer.text
    assert "Postprocess upscale by: 2" in answer.json()["html_info"]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
