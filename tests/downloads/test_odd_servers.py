"""Servers that answer in their own way, and still give the right file."""

from __future__ import annotations

import email.utils
import gzip
import time
from collections.abc import Callable

import pytest
from support.downloads import HURRY, LOOPBACK
from support.servers import LORA_SHAPES, Handler, LoopbackServer, safetensors_bytes

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import TooManyRequests, WebPageInsteadOfFile
from sdcolab.core.folders import Folders
from sdcolab.downloads.http import GuardedSession, Web
from sdcolab.downloads.queue import DownloadQueue, LinkReport

LORA = safetensors_bytes(LORA_SHAPES)


class OddServer(LoopbackServer):
    """Answers as ``odd`` does."""

    def __init__(self, odd: Callable[[Handler], None]) -> None:
        super().__init__()
        self._odd = odd

    def answer(self, request: Handler) -> None:
        self._odd(request)


def refuses_parts(status: int) -> Callable[[Handler], None]:
    def answer(request: Handler) -> None:
        request.reply(status, b"no") if "Range" in request.headers else request.reply(200, LORA)

    return answer


def packs_everything(request: Handler) -> None:
    request.reply(200, gzip.compress(LORA), {"Content-Encoding": "gzip", "ETag": '"x"'})


def calls_it_a_page(request: Handler) -> None:
    request.reply(200, LORA, {"Content-Type": "text/html; charset=UTF-8"})


def download(server: LoopbackServer, folders: Folders) -> LinkReport:
    queue = DownloadQueue(folders, allow_private_hosts=LOOPBACK, patience=HURRY)
    (report,) = queue.run(f"{server.url}/un-lora.safetensors")
    return report


@pytest.mark.parametrize(
    "odd",
    [*map(refuses_parts, (400, 403, 405, 406, 412, 416, 501)), packs_everything, calls_it_a_page],
    ids=lambda odd: odd.__qualname__.split(".")[0],
)
def test_the_file_arrives_whole(odd: Callable[[Handler], None], folders: Folders) -> None:
    with OddServer(odd) as server:
        report = download(server, folders)
    assert report.error is None
    assert report.path == folders.models(ModelKind.LORA) / "un-lora.safetensors"
    assert report.path.read_bytes() == LORA


def test_a_real_page_is_still_refused(folders: Folders) -> None:
    with OddServer(
        lambda request: request.reply(200, b"  <!DOCTYPE html><p>", {"Content-Type": "text/html"})
    ) as server:
        assert isinstance(download(server, folders).error, WebPageInsteadOfFile)


@pytest.mark.parametrize(("ahead", "least", "most"), [(3600, 3590, 3601), (-3600, 0, 0)])
def test_a_date_says_when_to_come_back(ahead: int, least: int, most: int) -> None:
    date = email.utils.formatdate(time.time() + ahead, usegmt=True)
    with OddServer(lambda request: request.reply(429, b"", {"Retry-After": date})) as server:
        answer = Web(GuardedSession(LOOPBACK), HURRY, LOOPBACK).get(server.url)
        with answer:
            assert least <= (answer.retry_after or 0) <= most


def test_who_is_told_to_wait_an_hour_hears_it(folders: Folders) -> None:
    date = email.utils.formatdate(time.time() + 3600, usegmt=True)
    with OddServer(lambda request: request.reply(429, b"", {"Retry-After": date})) as server:
        error = download(server, folders).error
    assert isinstance(error, TooManyRequests)
    assert error.seconds is not None and error.seconds > 3500
