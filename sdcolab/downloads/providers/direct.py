"""Any other https address that answers with a file, and sites whose page links are easy to rewrite
(hechos/lanzadores.md 4c)."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlencode, urlunsplit

from sdcolab.core.errors import DriveRefused, PageNotFile, UnsupportedHost, WebPageInsteadOfFile
from sdcolab.core.events import CancelToken
from sdcolab.downloads.http import Web, error_for_status, retrying
from sdcolab.downloads.links import Link, redacted
from sdcolab.downloads.providers.base import REFUSE_PARTS, RemoteFile, described, first_answer

UNSUPPORTED = ("mega.nz", "mega.co.nz", "mediafire.com", "tensor.art", "seaart.ai")
"""Sites that need their own program or a browser."""

DRIVE_HOSTS = ("drive.google.com", "docs.google.com", "drive.usercontent.google.com")

_DRIVE_FILE = re.compile(r"/file/(?:u/\d{1,3}/)?d/([\w-]+)")


class Direct:
    """Takes every address; must be the last provider asked."""

    name = "directo"
    aliases = ()

    def accepts(self, link: Link) -> bool:  # noqa: ARG002 - part of the Provider protocol
        """Every link."""
        return True

    def resolve(self, link: Link, web: Web, cancel: CancelToken) -> RemoteFile:
        """Find the file behind an address that is neither civitai's nor huggingface's."""
        url = _rewritten(link)

        def ask() -> RemoteFile:
            with first_answer(web, url, refusals=REFUSE_PARTS | {403}) as answer:
                error = error_for_status(answer, link.shown)
                if error:
                    raise error
                if answer.is_web_page and _is_at(link.host, DRIVE_HOSTS):
                    raise DriveRefused(link=link.shown)
                if answer.is_web_page:
                    raise WebPageInsteadOfFile(link=link.shown)
                return described(answer, f"direct:{url}")

        return retrying(web.patience, cancel, ask)


def _rewritten(link: Link) -> str:
    parts = link.parts
    if _is_at(link.host, UNSUPPORTED):
        raise UnsupportedHost(host=link.host)
    parts = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")
    for hosts, rewrite in _REWRITES:
        if _is_at(link.host, hosts):
            return rewrite(parts)
    return urlunsplit(parts)


def _is_at(host: str, sites: tuple[str, ...]) -> bool:
    return any(host == site or host.endswith(f".{site}") for site in sites)


def _google_drive(parts: SplitResult) -> str:
    found = _DRIVE_FILE.search(parts.path)
    file_id = found[1] if found else parse_qs(parts.query).get("id", [""])[0]
    if not file_id or "/folders/" in parts.path:
        raise PageNotFile(link=redacted(urlunsplit(parts)))
    asked = {"id": file_id, "export": "download", "confirm": "t"}
    if resource := parse_qs(parts.query).get("resourcekey"):  # of files shared before 2021
        asked["resourcekey"] = resource[0]
    return f"https://drive.usercontent.google.com/download?{urlencode(asked)}"


def _dropbox(parts: SplitResult) -> str:
    query = dict(parse_qsl(parts.query)) | {"dl": "1"}
    return urlunsplit(parts._replace(query=urlencode(query)))


def _github(parts: SplitResult) -> str:
    return urlunsplit(parts._replace(path=re.sub(r"^(/[^/]+/[^/]+)/blob/", r"\1/raw/", parts.path)))


def _pixeldrain(parts: SplitResult) -> str:
    return urlunsplit(parts._replace(path=re.sub(r"^/u/", "/api/file/", parts.path)))


_REWRITES: tuple[tuple[tuple[str, ...], Callable[[SplitResult], str]], ...] = (
    (DRIVE_HOSTS, _google_drive),
    (("dropbox.com",), _dropbox),
    (("github.com",), _github),
    (("pixeldrain.com",), _pixeldrain),
)
