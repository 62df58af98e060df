"""What the page weighs: bytes that travel, elements, how soon it can be used beside an empty gradio page, and what it
does while nobody touches it.

    python tools/bench/page.py [TIMES]

The page is the real one, in a new folder, with the demo model; Chromium comes from the system. Each visit is a new
profile, so that nothing is in its cache.
"""

from __future__ import annotations

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
IDLE_SECONDS = 10.0
PATIENCE = 120_000
EMPTY = """
import sys, gradio as gr
with gr.Blocks() as page:
    gr.Textbox(label="Prompt", elem_id="sd-prompt")
    gr.Button("Generar", elem_id="sd-generate")
page.launch(server_port=int(sys.argv[1]), quiet=True, prevent_thread_lock=False)
"""


@dataclass(frozen=True)
class Visit:
    """``seconds`` until the button can be pressed; ``bytes`` as they travelled, compressed; ``nodes`` are elements;
    ``busy`` is the share of a core that the page takes while nobody touches it."""

    seconds: float
    bytes: int
    nodes: int
    busy: float


def visit(browser: Browser, url: str) -> Visit:
    """Open ``url`` for the first time."""
    context = browser.new_context(viewport={"width": 1366, "height": 768}, base_url=url)
    page = context.new_page()
    wire = context.new_cdp_session(page)
    travelled: list[float] = []
    wire.on("Network.loadingFinished", lambda said: travelled.append(said["encodedDataLength"]))
    wire.send("Network.enable")
    wire.send("Performance.enable")
    begun = time.perf_counter()
    page.goto("/")
    expect(page.locator("#sd-generate")).to_be_enabled(timeout=PATIENCE)
    seconds = time.perf_counter() - begun
    if page.locator("#sd-seed").count():
        expect(page.locator("#sd-seed input, #sd-seed textarea").first).to_have_value(re.compile(".+"))
    page.wait_for_timeout(3000)
    before = _task_seconds(wire.send("Performance.getMetrics"))
    page.wait_for_timeout(IDLE_SECONDS * 1000)
    busy = (_task_seconds(wire.send("Performance.getMetrics")) - before) / IDLE_SECONDS
    nodes = page.evaluate("document.querySelectorAll('*').length")
    context.close()
    return Visit(seconds, int(sum(travelled)), nodes, busy)


def _task_seconds(said: dict[str, list[dict[str, float | str]]]) -> float:
    return next(float(one["value"]) for one in said["metrics"] if one["name"] == "TaskDuration")


@contextmanager
def served(command: list[str], port: int) -> Iterator[str]:
    """The address of a page that ``command`` serves."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "GRADIO_ANALYTICS_ENABLED": "False"}
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(url, timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main() -> None:
    """Print the medians as JSON, ours and the empty page's, visited in turns."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    ports = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        ours = [sys.executable, "-m", "sdcolab", "--carpeta", folder, "--puerto", str(ports[0])]
        empty = [sys.executable, "-c", EMPTY, str(ports[1])]
        with served(ours, ports[0]) as our_url, served(empty, ports[1]) as empty_url:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            time.sleep(15)  # the engine loads its libraries meanwhile
            visits: dict[str, list[Visit]] = {"ours": [], "empty": []}
            for _ in range(times):
                visits["ours"].append(visit(browser, our_url))
                visits["empty"].append(visit(browser, empty_url))
            browser.close()
    told = {
        name: {
            "seconds": round(statistics.median(one.seconds for one in made), 2),
            "megabytes": round(statistics.median(one.bytes for one in made) / 1e6, 3),
            "nodes": statistics.median(one.nodes for one in made),
            "busy": round(statistics.median(one.busy for one in made), 4),
        }
        for name, made in visits.items()
    }
    told["ratio"] = {"seconds": round(told["ours"]["seconds"] / told["empty"]["seconds"], 2)}
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
