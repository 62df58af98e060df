"""What servers and connections do wrong, and that no wrong file ever gets its final name."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.downloads import HURRY, LOOPBACK
from support.servers import LORA_SHAPES, Fault, FileServer, Handler, LoopbackServer, safetensors_bytes

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    AlreadyDownloading,
    DiskFull,
    DownloadDamaged,
    DownloadInterrupted,
    HostUnreachable,
    InsecureLink,
    LinkNotFound,
    NotALink,
    PrivateAddress,
    ServerFailed,
    TooManyRedirects,
    TooManyRequests,
    WebPageInsteadOfFile,
)
from sdcolab.core.events import BytesReceived, CancelToken, Ended, Event
from sdcolab.core.folders import Folders
from sdcolab.downloads.http import GuardedSession, Patience, Web, is_private
from sdcolab.downloads.parts import exclusive
from sdcolab.downloads.queue import DownloadQueue, LinkReport, LinkStatus

LORA = safetensors_bytes({**LORA_SHAPES, "lora_unet_relleno.lora_down.weight": (64, 4096)})
NAME = "/un%20lora.safetensors"
Serve = Callable[..., FileServer]
PROBE, HEADER = None, None
"""The two good answers before the transfer: the first byte and the header."""


def run(queue: DownloadQueue, server: FileServer, path: str = NAME) -> LinkReport:
    (report,) = queue.run(server.url + path)
    return report


def leftovers(folders: Folders) -> list[str]:
    return sorted(path.name for path in folders.root.rglob("*") if path.is_file())


def assert_good(report: LinkReport, folders: Folders) -> None:
    assert report.error is None
    assert report.path == folders.models(ModelKind.LORA) / "un lora.safetensors"
    assert report.path.read_bytes() == LORA
    assert leftovers(folders) == ["un lora.safetensors"]


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [Fault(cut_after=1000)],
        [Fault(cut_after=0), Fault(cut_after=100_000), Fault(cut_after=50_000)],
        [Fault(stall_after=10_000)],
        [Fault(short=5_000)],
        [Fault(cut_after=9_000), Fault(ignore_range=True)],
        [Fault(cut_after=9_000), Fault(wrong_total=7)],
        [Fault(cut_after=9_000), Fault(status=416)],
        [Fault(status=503), Fault(status=500), Fault(status=429, headers={"Retry-After": "0"})],
        [Fault(cut_after=9_000), Fault(status=403)],
        [Fault(cut_after=9_000), Fault(page=True)],
    ],
    ids=lambda faults: "+".join(str(fault)[5:40] for fault in faults) or "none",
)
def test_faults_that_are_survived(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve, faults: list[Fault]
) -> None:
    server = serve({"/un lora.safetensors": LORA}, [PROBE, HEADER, *faults])
    assert_good(run(direct_queue, server), folders)


def test_resumes_where_it_stopped(direct_queue: DownloadQueue, folders: Folders, serve: Serve) -> None:
    server = serve({"/un lora.safetensors": LORA}, [PROBE, HEADER, Fault(cut_after=200_000)])
    assert_good(run(direct_queue, server), folders)
    last = server.seen[-1].headers
    start = int(last["Range"].removeprefix("bytes=").rstrip("-"))
    assert 0 < start <= 200_000
    assert last["If-Range"].startswith('"')


def test_resumes_in_another_process(folders: Folders, serve: Serve) -> None:
    def queue() -> DownloadQueue:
        return DownloadQueue(folders, allow_private_hosts=LOOPBACK, patience=Patience(attempts=1, read_timeout=1))

    server = serve({"/un lora.safetensors": LORA}, [PROBE, HEADER, Fault(cut_after=200_000)])
    first = run(queue(), server)
    assert isinstance(first.error, DownloadInterrupted)
    assert [name.endswith(".parcial") for name in leftovers(folders)] == [True, False]
    assert_good(run(queue(), server), folders)
    assert "Range" in server.seen[-1].headers


def test_a_changed_file_is_not_mixed_with_the_old_part(folders: Folders, serve: Serve) -> None:
    one_try = DownloadQueue(folders, allow_private_hosts=LOOPBACK, patience=Patience(attempts=1, read_timeout=1))
    old = bytes(byte ^ 1 if index > 100_000 else byte for index, byte in enumerate(LORA))
    server = serve({"/un lora.safetensors": old}, [PROBE, HEADER, Fault(cut_after=200_000)])
    run(one_try, server)
    server.files["/un lora.safetensors"] = LORA
    assert_good(run(one_try, server), folders)


def test_a_file_that_changes_on_the_way_is_fetched_again(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve
) -> None:
    faults = [PROBE, HEADER, Fault(cut_after=200_000), Fault(etag='"otra"')]
    assert_good(run(direct_queue, serve({"/un lora.safetensors": LORA}, faults)), folders)


def test_without_etag_nothing_is_resumed_blindly(direct_queue: DownloadQueue, folders: Folders, serve: Serve) -> None:
    server = serve({"/un lora.safetensors": LORA}, [PROBE, HEADER, Fault(cut_after=200_000)], etags=False)
    assert_good(run(direct_queue, server), folders)
    assert "Range" not in server.seen[-1].headers


def test_server_without_ranges(direct_queue: DownloadQueue, folders: Folders, serve: Serve) -> None:
    server = serve({"/un lora.safetensors": LORA}, [Fault(ignore_range=True)] * 3)
    assert_good(run(direct_queue, server), folders)


def test_dripping_server_is_given_up(folders: Folders, serve: Serve) -> None:
    patience = Patience(attempts=2, first_pause=0.01, read_timeout=2, slow_window=0.3, slow_rate=1000)
    queue = DownloadQueue(folders, allow_private_hosts=LOOPBACK, patience=patience)
    server = serve({"/un lora.safetensors": LORA}, [PROBE, HEADER, Fault(drip=0.02), Fault(drip=0.02)])
    started = time.monotonic()
    assert isinstance(run(queue, server).error, DownloadInterrupted)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        ([Fault(page=True)] * 20, WebPageInsteadOfFile),
        ([PROBE, HEADER] + [Fault(page=True)] * 20, WebPageInsteadOfFile),
        ([Fault(status=404)] * 20, LinkNotFound),
        ([PROBE, HEADER] + [Fault(status=503)] * 20, ServerFailed),
        ([PROBE, HEADER] + [Fault(cut_after=0)] * 20, HostUnreachable),
        ([Fault(stall_after=0, stall=1)] * 20, HostUnreachable),
    ],
)
def test_faults_that_stop_a_link_leave_no_file(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve, faults: list[Fault], error: type[Exception]
) -> None:
    report = run(direct_queue, serve({"/un lora.safetensors": LORA}, faults))
    assert type(report.error) is error
    assert report.status is LinkStatus.FAILED
    assert not (folders.models(ModelKind.LORA) / "un lora.safetensors").exists()


def test_a_file_cut_short_on_the_server_is_refused_before_it_is_downloaded(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve
) -> None:
    server = serve({"/un lora.safetensors": LORA[:-1]})
    assert isinstance(run(direct_queue, server).error, DownloadDamaged)
    assert leftovers(folders) == []
    assert all("Range" in seen.headers for seen in server.seen)


def test_a_file_cut_short_on_a_server_without_ranges_is_refused(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve
) -> None:
    server = serve({"/un lora.safetensors": LORA[:-1]}, [Fault(ignore_range=True)] * 3)
    assert isinstance(run(direct_queue, server).error, DownloadDamaged)
    assert leftovers(folders) == []


def test_old_file_stays_when_the_new_one_fails(direct_queue: DownloadQueue, folders: Folders, serve: Serve) -> None:
    old = folders.models(ModelKind.LORA) / "un lora.safetensors"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"antiguo")
    run(direct_queue, serve({"/un lora.safetensors": LORA}, [PROBE, HEADER] + [Fault(cut_after=0)] * 20))
    assert old.read_bytes() == b"antiguo"


def test_full_disk_is_noticed_first(folders: Folders, serve: Serve) -> None:
    queue = DownloadQueue(folders, allow_private_hosts=LOOPBACK, patience=HURRY, free_space=lambda _: 1_000_000)
    server = serve({"/un lora.safetensors": LORA})
    report = run(queue, server)
    assert isinstance(report.error, DiskFull)
    assert report.error.needed == len(LORA)
    assert all("Range" in seen.headers for seen in server.seen)


def test_cancel_leaves_a_part_that_the_next_run_resumes(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve, events: list[Event]
) -> None:
    server = serve({"/un lora.safetensors": LORA}, [PROBE, HEADER, Fault(stall_after=300_000, stall=0.3)])
    cancel = CancelToken()

    def listen(event: Event) -> None:
        events.append(event)
        if isinstance(event, BytesReceived) and event.received:
            cancel.cancel()

    (report,) = direct_queue.run(server.url + NAME, listen, cancel)
    assert report.status is LinkStatus.CANCELLED
    assert isinstance(events[-1], Ended)
    assert events[-1].error is not None
    assert len(leftovers(folders)) == 2
    assert_good(run(direct_queue, server), folders)
    assert "Range" in server.seen[-1].headers


def test_cancel_does_not_wait_for_a_silent_server(folders: Folders, serve: Serve) -> None:
    queue = DownloadQueue(folders, allow_private_hosts=LOOPBACK, patience=Patience(read_timeout=60))
    server = serve({"/un lora.safetensors": LORA}, [PROBE, HEADER, Fault(stall_after=300_000, stall=30)])
    cancel = CancelToken()
    threading.Timer(0.5, cancel.cancel).start()
    started = time.monotonic()
    (report,) = queue.run(server.url + NAME, cancel=cancel)
    assert report.status is LinkStatus.CANCELLED
    assert time.monotonic() - started < 5


def test_progress_events_are_in_order(direct_queue: DownloadQueue, serve: Serve, events: list[Event]) -> None:
    server = serve({"/un lora.safetensors": LORA})
    direct_queue.run(server.url + NAME, events.append)
    *moves, end = events
    received = [event.received for event in moves if isinstance(event, BytesReceived)]
    assert received == sorted(received)
    assert received[-1] == len(LORA)
    assert isinstance(end, Ended)


def test_another_process_has_the_file(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve, tmp_path: Path
) -> None:
    lock = tmp_path / "x.lock"
    failed: list[BaseException] = []

    def second() -> None:
        try:
            with exclusive(lock, "x"):
                pass
        except Exception as error:  # noqa: BLE001 - handed to the test
            failed.append(error)

    with exclusive(lock, "x"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert [getattr(error, "code", "") for error in failed] == ["download.already_downloading"]
    with exclusive(lock, "x"):
        pass
    assert not lock.exists()


def test_one_at_a_time_has_the_lock_although_it_is_deleted(tmp_path: Path) -> None:
    lock, inside, most, guard = tmp_path / "x.lock", 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            with contextlib.suppress(AlreadyDownloading), exclusive(lock, "x"):
                with guard:
                    inside += 1
                    most = max(most, inside)
                with guard:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert [*tmp_path.iterdir()] == []


# --- Addresses that are not visited -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "error"),
    [
        ("http://modelos.example/x.safetensors", InsecureLink),
        ("https://127.0.0.1/x.safetensors", PrivateAddress),
        ("https://[::1]:8080/x.safetensors", PrivateAddress),
        ("https://localhost/x.safetensors", PrivateAddress),
        ("https://169.254.169.254/latest/meta-data", PrivateAddress),
        ("https://10.1.2.3/x", PrivateAddress),
        ("https://metadata.google.internal/x", PrivateAddress),
    ],
)
def test_private_and_insecure_addresses_are_refused(folders: Folders, link: str, error: type[Exception]) -> None:
    (report,) = DownloadQueue(folders, patience=HURRY).run(link)
    assert type(report.error) is error


def test_redirects_to_private_addresses_are_refused(direct_queue: DownloadQueue, serve: Serve) -> None:
    server = serve(
        {}, redirects={"/x": "https://192.168.1.1/secreto", "/y": "http://otro.example/", "/z": "file:///etc/passwd"}
    )
    assert isinstance(run(direct_queue, server, "/x").error, PrivateAddress)
    assert isinstance(run(direct_queue, server, "/y").error, InsecureLink)
    assert isinstance(run(direct_queue, server, "/z").error, NotALink)


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[fd00::1]",
        "169.254.169.254",
        "0.0.0.0",
        "localhost",
        "LOCALHOST.",
        "algo.localhost",
        "metadata.google.internal",
        "impresora.local",
    ],
)
def test_redirects_into_this_network_are_refused(direct_queue: DownloadQueue, serve: Serve, host: str) -> None:
    server = serve({}, redirects={"/x": f"https://{host}/x.safetensors"})
    assert isinstance(run(direct_queue, server, "/x").error, PrivateAddress)


class Ear:
    """A listening port that keeps what it is told."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.heard: list[bytes] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.heard.append(connection.recv(1000))

    def close(self) -> None:
        self._listener.close()


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001"])
def test_nothing_is_said_to_a_private_address_in_disguise(direct_queue: DownloadQueue, serve: Serve, host: str) -> None:
    """Such names become addresses only when they are looked up, and TLS begins to talk as soon as it is connected."""
    ear = Ear()
    server = serve({}, redirects={"/x": f"https://{host}:{ear.port}/x"})
    assert isinstance(run(direct_queue, server, "/x").error, PrivateAddress)
    ear.close()
    assert set(ear.heard) <= {b""}


def test_redirect_loop(direct_queue: DownloadQueue, serve: Serve) -> None:
    server = serve({}, redirects={"/a": "/b", "/b": "/a"})
    assert isinstance(run(direct_queue, server, "/a").error, TooManyRedirects)
    assert len(server.seen) < 15


@pytest.mark.parametrize(
    "url",
    [
        "https://malo.example\\@civitai.com/x",
        "https://civitai.com\\.malo.example/x",
        "https:\\\\civitai.com/x",
        "https://civitai.com/a\\b",
        "https://civitai.com\t.malo.example/x",
        "https://civi\ntai.com/",
        "https://[::1/",
        "https://civitai.com:99999/",
        "https:///x",
    ],
)
def test_addresses_that_libraries_read_each_in_its_own_way_are_refused(url: str) -> None:
    with pytest.raises(NotALink):
        Web(GuardedSession(), HURRY).check(url)


def test_a_name_that_turns_out_to_be_private_is_hung_up_on(serve: Serve) -> None:
    """The check is made on the connected socket: here the name is trusted by ``Web`` but not by the session."""
    server = serve({"/x": b"secreto"})
    web = Web(GuardedSession(), HURRY, LOOPBACK)
    with pytest.raises(PrivateAddress):
        web.get(f"{server.url}/x")
    assert server.seen == []


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("64:ff9b::7f00:1", True),
        ("2002:7f00:1::", True),
        ("fe80::1%eth0", True),
        ("100.64.0.1", True),
        ("0.0.0.0", True),
        ("224.0.0.1", True),
        ("192.0.0.192", True),
        ("192.88.99.1", True),
        ("::127.0.0.1", True),
        ("::ffff:0:127.0.0.1", True),
        ("::ffff:8.8.8.8", False),
        ("64:ff9b::8.8.8.8", False),
        ("64:ff9b:1::1", True),
        ("fec0::1", True),
        ("3fff::1", True),
        ("5f00::1", True),
        ("civitai.com", False),
    ],
)
def test_is_private(address: str, private: bool) -> None:
    assert is_private(address) is private


def test_nobody_there(direct_queue: DownloadQueue) -> None:
    (report,) = direct_queue.run("http://127.0.0.1:9/x.safetensors")
    assert isinstance(report.error, HostUnreachable)


class HeaderBomb(LoopbackServer):
    def answer(self, request: Handler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\n")


class LongHeader(LoopbackServer):
    def answer(self, request: Handler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n")


class LongLocation(LoopbackServer):
    def answer(self, request: Handler) -> None:
        request.reply(302, b"", {"Location": "/" + "a" * 60_000})


class EndlessHeaders(LoopbackServer):
    def answer(self, request: Handler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.closing.is_set():
            request.wfile.write(b"X-Y: z\r\n" * 1000)


class HugeClaims(LoopbackServer):
    """Says that the file has all the bytes in the world."""

    def answer(self, request: Handler) -> None:
        request.reply(206, b"\x80", {"Content-Range": f"bytes 0-0/{10**17}", "Content-Length": "1"})


class StrangeNumbers(LoopbackServer):
    def answer(self, request: Handler) -> None:
        request.reply(429, b"", {"Retry-After": "9" * 5000, "RateLimit": ";;t=;=,t=-5"})


class Garbage(LoopbackServer):
    def answer(self, request: Handler) -> None:
        request.wfile.write(b"\x00\xff no es HTTP\r\n\r\n")
        request.close_connection = True


class Gzipped(LoopbackServer):
    def answer(self, request: Handler) -> None:
        request.reply(200, b"x" * 100, {"Content-Encoding": "gzip"})


@pytest.mark.parametrize(
    ("server", "error"),
    [
        (HeaderBomb, HostUnreachable),
        (LongHeader, HostUnreachable),
        (LongLocation, TooManyRedirects),
        (EndlessHeaders, HostUnreachable),
        (HugeClaims, DiskFull),
        (StrangeNumbers, TooManyRequests),
        (Garbage, HostUnreachable),
        (Gzipped, ServerFailed),
    ],
)
def test_servers_that_break_the_rules(
    direct_queue: DownloadQueue, folders: Folders, server: type[LoopbackServer], error: type[Exception]
) -> None:
    with server() as bad:
        (report,) = direct_queue.run(f"{bad.url}/x.bin")
    assert type(report.error) is error
    assert leftovers(folders) == []
