"""Pages of file hosts are turned into their direct addresses (hechos/lanzadores.md 4c)."""

from __future__ import annotations

import io
from typing import Any

import pytest
import requests
import urllib3
from support.downloads import HURRY

from sdcolab.core.errors import DriveRefused, PageNotFile, UnsupportedHost, WebPageInsteadOfFile
from sdcolab.core.events import CancelToken
from sdcolab.downloads.http import Answer, Hop, Web
from sdcolab.downloads.links import Link
from sdcolab.downloads.providers.direct import Direct


class Recorder(Web):
    """Answers every request with one byte of a file, or with a page."""

    def __init__(self, page: bool = False) -> None:
        super().__init__(requests.Session(), HURRY)
        self.asked: list[str] = []
        self._headers = {"Content-Type": "text/html" if page else "application/octet-stream"}

    def get(self, url: str, *_rest: Any, **_more: Any) -> Answer:
        self.asked.append(url)
        response = requests.Response()
        response.raw = urllib3.HTTPResponse(body=io.BytesIO(), preload_content=False)
        return Answer(response, (Hop(url, 200, {**self._headers, "Content-Length": "5"}),))


@pytest.mark.parametrize(
    ("pasted", "asked"),
    [
        (
            "https://drive.google.com/file/d/1AbC-d_9/view?usp=sharing",
            "https://drive.usercontent.google.com/download?id=1AbC-d_9&export=download&confirm=t",
        ),
        (
            "https://drive.google.com/file/u/0/d/1AbC/view?usp=drive_link&resourcekey=0-xYz",
            "https://drive.usercontent.google.com/download?id=1AbC&export=download&confirm=t&resourcekey=0-xYz",
        ),
        (
            "https://drive.google.com/open?id=1AbC",
            "https://drive.usercontent.google.com/download?id=1AbC&export=download&confirm=t",
        ),
        ("https://www.dropbox.com/s/x.pt?rlkey=abc&dl=0", "https://www.dropbox.com/s/x.pt?rlkey=abc&dl=1"),
        ("https://github.com/a/b/blob/main/x.pth", "https://github.com/a/b/raw/main/x.pth"),
        ("https://github.com/a/b/releases/download/v1/x.pth", "https://github.com/a/b/releases/download/v1/x.pth"),
        ("https://pixeldrain.com/u/AbC123", "https://pixeldrain.com/api/file/AbC123"),
        ("https://user:pw@a.example/x.pt#y", "https://a.example/x.pt"),
    ],
)
def test_pages_become_files(pasted: str, asked: str) -> None:
    web = Recorder()
    assert Direct().resolve(Link(pasted), web, CancelToken()).size == 5
    assert web.asked == [asked]


@pytest.mark.parametrize(
    ("pasted", "error"),
    [
        ("https://drive.google.com/file/d/1AbC/view", DriveRefused),
        ("https://drive.google.com/drive/folders/1AbC", PageNotFile),
        ("https://mega.nz/file/x", UnsupportedHost),
        ("https://a.example/x", WebPageInsteadOfFile),
    ],
)
def test_pages_that_stay_pages_say_why(pasted: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        Direct().resolve(Link(pasted), Recorder(page=True), CancelToken())
