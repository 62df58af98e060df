"""How fast sdcolab downloads, against aria2 and against a bare socket.

    python tools/bench/download.py [--folder DIR] [--mebibytes N] [--runs N] [--limits BYTES_PER_S ...]

Serves a random file on the loopback address from processes of its own, and downloads it with
  * ``DownloadQueue`` (everything: probe, header, parallel ranges, sync to disk, file looked at and named),
  * ``aria2c -x16 -s16`` (Debian's ``aria2``), every connection limited to 10 and to 100 MB/s,
  * one bare socket, with no limit: read only, and read and written to a file (what is written is not brought to the
    disk, as ``DownloadQueue`` does before a file gets its name).
Beside them stands a bound: the file received over four connections by a loop of a few lines that does the least that
must be done to have it safely on the disk (room taken, ``splice``, one ``fsync``).
Runs are interleaved; medians and bests and their ratios are printed. Last comes the peak memory for three file sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

BLOCK = 1 << 20
NAME = "x.safetensors"


# --- Server -------------------------------------------------------------------------------------------------------


def serve(path: Path, bytes_per_second: float) -> None:
    """Answer GET with Range from ``path`` for ever; prints the port. 0 bytes per second is no limit."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_answer_all, args=(connection, path, bytes_per_second), daemon=True).start()


def _answer_all(connection: socket.socket, path: Path, limit: float) -> None:
    size = path.stat().st_size
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened = time.monotonic()
    sent = 0
    with connection, path.open("rb") as file, connection.makefile("rb") as incoming:
        try:
            while request := _read_request(incoming):
                wanted = re.search(rb"range: bytes=(\d+)-(\d*)", request.lower())
                start = int(wanted[1]) if wanted else 0
                end = min(int(wanted[2]) + 1, size) if wanted and wanted[2] else size
                head = [f"Content-Length: {end - start}", 'ETag: "banco"', "Accept-Ranges: bytes"]
                if wanted:
                    head.append(f"Content-Range: bytes {start}-{end - 1}/{size}")
                status = "206 Partial Content" if wanted else "200 OK"
                connection.sendall("\r\n".join([f"HTTP/1.1 {status}", *head, "", ""]).encode())
                while start < end:
                    count = min(end - start, 65_536 if limit else 8 * BLOCK)
                    start += os.sendfile(connection.fileno(), file.fileno(), start, count)
                    sent += count
                    if limit:
                        # No credit is saved up while a connection is idle between two requests.
                        opened = max(opened, time.monotonic() - (sent + 262_144) / limit)
                        time.sleep(max(0.0, opened + sent / limit - time.monotonic()))
        except OSError:
            return


def _read_request(incoming: object) -> bytes:
    lines = []
    while (line := incoming.readline()).strip():  # type: ignore[attr-defined]
        lines.append(line)
    return b"".join(lines)


class Server:
    """``serve`` in a process of its own."""

    def __init__(self, path: Path, bytes_per_second: float) -> None:
        command = [sys.executable, __file__, "--serve", str(path), str(bytes_per_second)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/{NAME}"

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


# --- Clients ------------------------------------------------------------------------------------------------------


def with_sdcolab(server: Server, folder: Path) -> float:
    """Seconds in a new process, which also reports its memory."""
    done = subprocess.run(
        [sys.executable, __file__, "--client", server.url, str(folder)], capture_output=True, text=True, check=True
    )
    return float(json.loads(done.stdout)["seconds"])


def client(url: str, folder: Path) -> None:
    """Download ``url`` and print seconds and peak memory in bytes."""
    from sdcolab.core.folders import Folders
    from sdcolab.downloads.queue import DownloadQueue

    queue = DownloadQueue(Folders(folder), allow_private_hosts=frozenset({"127.0.0.1"}))
    before = _peak()
    started = time.perf_counter()
    (report,) = queue.run(url)
    seconds = time.perf_counter() - started
    if not report.ok:
        raise SystemExit(f"{report}")
    print(json.dumps({"seconds": seconds, "before": before, "peak": _peak(), "size": report.size}))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def with_aria2(server: Server, folder: Path) -> float:
    command = ["aria2c", "-x16", "-s16", "-q", "--allow-overwrite=true", "-d", str(folder), "-o", NAME, server.url]
    started = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - started


def with_socket(server: Server, target: Path) -> float:
    """One GET over one socket, written to ``target``."""
    buffer = bytearray(BLOCK)
    started = time.perf_counter()
    with socket.create_connection(("127.0.0.1", server.port)) as connection, target.open("wb", buffering=0) as file:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1)
        left = int(re.search(rb"Content-Length: (\d+)", head)[1])  # type: ignore[index]
        while left:
            count = connection.recv_into(buffer)
            file.write(memoryview(buffer)[:count])
            left -= count
    return time.perf_counter() - started


def least_work(server: Server, size: int, target: Path, connections: int = 4) -> float:
    """Receive the file over a few connections and bring it to the disk, and nothing else."""
    from sdcolab.downloads.kernel import allocate, begin_writing, open_pipe

    def fetch(file: int, start: int, end: int) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as connection, open_pipe() as pipe:
            request = f"GET / HTTP/1.1\r\nHost: x\r\nRange: bytes={start}-{end - 1}\r\n\r\n"
            connection.sendall(request.encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(1)
            connection.setblocking(False)
            connection.settimeout(30)
            begun = start
            while start < end:
                count = pipe.fill(connection, end - start)
                if not count:
                    raise SystemExit("the connection broke, or this kernel has no splice")
                pipe.empty(file, start, count)
                start += count
                if start - begun >= 8 * BLOCK:
                    begin_writing(file, begun, start - begun)
                    begun = start

    started = time.perf_counter()
    with target.open("w+b", buffering=0) as file:
        allocate(file.fileno(), size)
        step = -(-size // connections)
        edges = [(start, min(start + step, size)) for start in range(0, size, step)]
        threads = [threading.Thread(target=fetch, args=(file.fileno(), *edge)) for edge in edges]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os.fsync(file.fileno())
    return time.perf_counter() - started


# --- Measuring ----------------------------------------------------------------------------------------------------

Run = Callable[[Server, Path], float]
Speeds = dict[str, list[float]]


def interleaved(server: Server, runs: int, size: int, folder: Path, contestants: dict[str, Run]) -> Speeds:
    """Speeds of each in bytes per second. The order rotates from run to run."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    with_socket(server, Path(os.devnull))  # the file that is served was written just now: read it once
    for number in range(runs):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                os.sync()
                seconds[name].append(contestants[name](server, Path(place)))
    for name, values in seconds.items():
        print(f"  {name:28} {' '.join(f'{size / value / 1e6:7.0f}' for value in values)}  MB/s")
    return {name: [size / value for value in values] for name, values in seconds.items()}


def compare(speeds: Speeds, one: str, other: str, wanted: float | None = None) -> None:
    """Print how fast ``one`` is for each unit of ``other``."""
    median = statistics.median(speeds[one]) / statistics.median(speeds[other])
    best = max(speeds[one]) / max(speeds[other])
    goal = f" (wanted: at least {wanted})" if wanted else ""
    print(f"  {one} / {other} = {median:.3f} of medians, {best:.3f} of bests{goal}")


def against_aria2(source: Path, limit: float, runs: int, folder: Path) -> None:
    """Compare with aria2 when every connection brings at most ``limit`` bytes per second."""
    size = source.stat().st_size
    print(f"{limit / 1e6:.0f} MB/s a connection, {size >> 20} MiB, {runs} runs:")
    server = Server(source, limit)
    try:
        speeds = interleaved(server, runs, size, folder, {"sdcolab": with_sdcolab, "aria2c": with_aria2})
    finally:
        server.close()
    compare(speeds, "sdcolab", "aria2c", 0.95)


def make_file(folder: Path, mebibytes: int) -> Path:
    """A safetensors file of one VAE-like tensor with noise inside."""
    path = folder / f"origen-{mebibytes}.safetensors"
    block = os.urandom(BLOCK)
    tensor = {"dtype": "U8", "shape": [mebibytes * BLOCK], "data_offsets": [0, mebibytes * BLOCK]}
    header = json.dumps({"decoder.conv_in.weight": tensor}).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for number in range(mebibytes):
            file.write(number.to_bytes(8, "little") + block[8:])
    return path


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", type=Path, default=None, help="where files go (default: a temporary folder)")
    options.add_argument("--mebibytes", type=int, default=512)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument(
        "--limits", type=float, nargs="*", default=[10e6, 100e6], help="bytes per second of a connection, against aria2"
    )
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as place:
        folder = Path(place)
        source = make_file(folder, chosen.mebibytes)
        size = source.stat().st_size
        if shutil.which("aria2c"):
            for limit in chosen.limits:
                against_aria2(source, limit, chosen.runs, folder)
        free = Server(source, 0)
        try:
            print(f"no limit, {chosen.mebibytes} MiB, {chosen.runs} runs, {os.cpu_count()} cores:")
            contestants: dict[str, Run] = {
                "sdcolab": with_sdcolab,
                "socket to a file": lambda server, place: with_socket(server, place / NAME),
                "socket, thrown away": lambda server, _place: with_socket(server, Path(os.devnull)),
                "least work": lambda server, place: least_work(server, size, place / NAME),
            }
            speeds = interleaved(free, chosen.runs, size, folder, contestants)
            for other in ("socket to a file", "socket, thrown away"):
                compare(speeds, "sdcolab", other, 0.9)
            compare(speeds, "least work", "socket, thrown away")
            compare(speeds, "sdcolab", "least work")
        finally:
            free.close()
        print("peak memory of the downloading process:")
        for mebibytes in (64, 512, 2048):
            source = make_file(folder, mebibytes)
            server = Server(source, 0)
            try:
                command = [sys.executable, __file__, "--client", server.url, str(folder / f"memoria-{mebibytes}")]
                told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            finally:
                server.close()
            grown = (told["peak"] - told["before"]) / BLOCK
            print(f"  {mebibytes:5} MiB file: {told['peak'] / BLOCK:.0f} MiB, {grown:.0f} of them for the download")
            source.unlink()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]), float(sys.argv[3]))
    elif sys.argv[1:2] == ["--client"]:
        client(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
