"""civitai: download addresses and model pages (hechos/lanzadores.md 4a, read from civitai's own source)."""

from __future__ import annotations

import datetime
import functools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from sdcolab.core.architectures import ModelFamily, declared_family
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    AccessDenied,
    DownloadError,
    DownloadsDisabled,
    EarlyAccess,
    LinkNotFound,
    PageNotFile,
    ServerFailed,
    SmallerFile,
    TokenNeeded,
)
from sdcolab.core.events import CancelToken
from sdcolab.downloads.http import Answer, Bearer, Web, error_for_status, origin, own_or_pasted, rejected, retrying
from sdcolab.downloads.links import Link, without_secrets
from sdcolab.downloads.providers.base import RemoteFile, described, first_answer

HOSTS = tuple(f"{prefix}civitai.{ending}" for ending in ("com", "red", "green") for prefix in ("", "www."))
TOKEN_NAME = "CIVITAI_TOKEN"
FILTERS = ("type", "format", "size", "fp", "quantType", "fileId")
"""Query keys that choose one of a version's files. One that does not match exactly gives 404, except ``fileId``."""

_DOWNLOAD = re.compile(r"/api/download/models/(\d{1,12})")
_VERSION = re.compile(r"(?:/api/v1)?/model-versions/(\d{1,12})(?:/.*)?")
_MODEL = re.compile(r"(?:/[a-z]{2})?(?:/api/v1)?/models/(\d{1,12})(?:/.*)?")

KINDS = {
    "checkpoint": ModelKind.CHECKPOINT,
    "lora": ModelKind.LORA,
    "locon": ModelKind.LORA,
    "dora": ModelKind.LORA,
    "vae": ModelKind.VAE,
    "textualinversion": ModelKind.EMBEDDING,
    "controlnet": ModelKind.CONTROLNET,
    "upscaler": ModelKind.UPSCALER,
    "motionmodule": ModelKind.MOTION,
    "hypernetwork": ModelKind.HYPERNETWORK,
    "negative": ModelKind.EMBEDDING,
    "enhancement lora": ModelKind.LORA,
}
"""Civitai's model and file types, in lower case."""

CLEARLY_SMALLER = 0.8
"""Times the size of the file that a page gives, for a smaller one to be worth a word."""

OWN_FILE_TYPES = ("", "model", "pruned model")
"""Types of files that are what their model is. Any other (a text encoder, a configuration, training data) is of a kind
of its own."""

NO_FAMILIES = frozenset({"", "other", "upscaler"})
"""What civitai's ``baseModel`` says, in lower case, when it says nothing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A version's file to download. ``info`` is the API's version object, or empty when it was not to be had."""

    version_id: str
    filters: tuple[tuple[str, str], ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    model_type: str = ""


class Civitai:
    """Files on civitai's sites. ``base`` replaces their address (tests); ``token`` is the user's CIVITAI_TOKEN."""

    name = "civitai"
    aliases = ()

    def __init__(self, base: str | None = None, token: str | None = None) -> None:
        self._base = base.rstrip("/") if base else None
        self._own = (self._base,) if self._base else tuple(f"https://{host}" for host in HOSTS)
        self._token = token

    def __repr__(self) -> str:
        return f"Civitai({self._base!r})"

    def accepts(self, link: Link) -> bool:
        """Every address on civitai's domains or on the given base."""
        return link.host in HOSTS or (self._base is not None and origin(link.url) == origin(self._base))

    def resolve(self, link: Link, web: Web, cancel: CancelToken) -> RemoteFile:
        """Find the file. A bare model page means the version that the page shows first."""
        clean, pasted = without_secrets(link.url)
        root = self._base or f"https://{link.host}"
        key = own_or_pasted(self._token, pasted, *self._own)
        wanted = self._wanted(Link(clean), urlsplit(link.url).fragment, root, web, key, cancel, link)
        attempts = [wanted.filters]
        if any(name != "fileId" for name, _ in wanted.filters):
            attempts.append(tuple(pair for pair in wanted.filters if pair[0] == "fileId"))
        if wanted.info:
            attempts.append(attempts[-1])  # the API knows this version, so a 404 may be a passing storage failure
        missing: DownloadError = LinkNotFound(link=link.shown)
        for filters in attempts:
            url = f"{root}/api/download/models/{wanted.version_id}"
            url += f"?{urlencode(filters)}" if filters else ""
            try:
                return retrying(web.patience, cancel, functools.partial(self._ask, url, link, web, key, wanted))
            except LinkNotFound as error:
                missing = error
                cancel.wait(web.patience.first_pause)
        raise missing

    def _wanted(
        self,
        clean: Link,
        version_name: str,
        root: str,
        web: Web,
        key: Bearer | None,
        cancel: CancelToken,
        link: Link,
    ) -> Wanted:
        path, query = clean.parts.path.rstrip("/"), clean.parts.query
        download, version, model = _DOWNLOAD.fullmatch(path), _VERSION.fullmatch(path), _MODEL.fullmatch(path)
        chosen = parse_qs(query).get("modelVersionId", [""])[0]
        if download:
            filters = tuple(pair for pair in parse_qsl(query) if pair[0] in FILTERS)
            return self._version(download[1], filters, root, web, key)
        if version:
            return self._version(version[1], (), root, web, key)
        if model and chosen.isdigit() and len(chosen) <= 12:
            return self._version(chosen, (), root, web, key)
        if not model:
            raise PageNotFile(link=link.shown)
        page = retrying(
            web.patience, cancel, lambda: self._model_page(f"{root}/api/v1/models/{model[1]}", web, key, link)
        )
        return _shown_version(page, version_name, link)

    def _version(
        self, version_id: str, filters: tuple[tuple[str, str], ...], root: str, web: Web, key: Bearer | None
    ) -> Wanted:
        """The version with what the API says about it. The API is advice here: without it the download goes on."""
        try:
            with web.get(f"{root}/api/v1/model-versions/{version_id}", key=key) as answer:
                info = _object(answer.json()) if answer.status == 200 else {}
        except DownloadError:
            info = {}
        return Wanted(version_id, filters, info, str(_object(info.get("model")).get("type", "")))

    def _model_page(self, url: str, web: Web, key: Bearer | None, link: Link) -> Mapping[str, Any]:
        with web.get(url, key=key) as answer:
            error = self._error(answer, link, key, {})
            if error:
                raise error
            return _object(answer.json())

    def _ask(self, url: str, link: Link, web: Web, key: Bearer | None, wanted: Wanted) -> RemoteFile:
        with first_answer(web, url, key) as answer:
            error = self._error(answer, link, key, wanted.info)
            if error:
                raise error
            return _describe(answer, urlsplit(url).path + "?" + urlsplit(url).query, wanted, key)

    def _error(self, answer: Answer, link: Link, key: Bearer | None, info: Mapping[str, Any]) -> DownloadError | None:
        host = (link.host if link.host in HOSTS else "civitai.com").removeprefix("www.")
        no_entry = rejected(key, host, TOKEN_NAME) if key else TokenNeeded(host=host, token=TOKEN_NAME)
        own_origins = {origin(url) for url in self._own}
        own = origin(answer.url) in own_origins
        if any(urlsplit(hop.url).path.startswith("/login") and origin(hop.url) in own_origins for hop in answer.hops):
            return no_entry
        if not own and answer.status >= 400:
            # The signed storage refuses: a passing failure, a new signature may do.
            return ServerFailed(host=host, status=answer.status)
        if answer.status in (200, 206):
            return no_entry if answer.is_web_page else None
        disabled = str(info.get("usageControl") or "Download") != "Download"
        if answer.status in (401, 403):
            body = _object(answer.json())
            text = f"{body.get('error', '')} {body.get('message', '')}".lower()
            if "early access" in text:
                return EarlyAccess(link=link.shown, until=_date(body.get("deadline")) or _paid_until(info))
            if "disabled downloads" in text or disabled:
                return DownloadsDisabled(link=link.shown)
            return no_entry if answer.status == 401 else AccessDenied(link=link.shown)
        if answer.status == 404 and disabled:
            return DownloadsDisabled(link=link.shown)
        return error_for_status(answer, link.shown)


def _shown_version(page: Mapping[str, Any], name: str, link: Link) -> Wanted:
    """The version a model's page shows first, or the one called ``name`` (a fragment in our catalogue's links).

    The API lists versions as the page does, newest first unless the author arranged them; dates would prefer
    later side versions (inpainting, LCM) over the main one.
    """
    versions = [_object(version) for version in _list(page.get("modelVersions"))]
    usable = [version for version in versions if str(version.get("id", "")).isdigit() and _list(version.get("files"))]
    published = [version for version in usable if version.get("status", "Published") == "Published"] or usable
    named = [version for version in published if name and str(version.get("name", "")).casefold() == name.casefold()]
    free = [version for version in published if str(version.get("usageControl") or "Download") == "Download"]
    choice = next(iter([*named, *free, *published]), None)
    if choice is None:
        raise LinkNotFound(link=link.shown)
    model = {"name": page.get("name"), "type": page.get("type")}
    info = {**choice, "modelId": page.get("id"), "model": model}
    return Wanted(str(choice["id"]), (), info, str(page.get("type", "")))


def _describe(answer: Answer, address: str, wanted: Wanted, key: Bearer | None) -> RemoteFile:
    remote = described(answer, f"civitai:{address}")
    files = [_object(file) for file in _list(wanted.info.get("files"))]
    wanted_id = dict(wanted.filters).get("fileId")
    same = [file for file in files if str(file.get("id")) == wanted_id] if wanted_id else []
    same = same or [file for file in files if remote.size and _bytes(file) == remote.size]
    file = same[0] if len(same) == 1 else {}
    sha256 = str(_object(file.get("hashes")).get("SHA256", "")).lower()
    file_type = str(file.get("type") or "").lower()
    kind = KINDS.get(wanted.model_type.lower() if file_type in OWN_FILE_TYPES else file_type)
    base_model = str(wanted.info.get("baseModel", ""))
    family = declared_family(base_model)
    said = base_model if family is ModelFamily.UNKNOWN and base_model.casefold() not in NO_FAMILIES else ""
    found = described(
        answer,
        remote.identity,
        sha256=sha256 if re.fullmatch(r"[0-9a-f]{64}", sha256) else None,
        kind=kind,
        family=None if family is ModelFamily.UNKNOWN else family,
        key=key,
    )
    smaller = None if wanted.filters else smaller_file(files, file, wanted.version_id)
    offers = (smaller,) if smaller else ()
    return replace(found, site_family=said, about=wanted.info, preview=_preview(wanted.info), offers=offers)


def smaller_file(files: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any], version_id: str) -> SmallerFile | None:
    """Of a version's ``files`` (API objects), the smallest safetensors that is the same model as ``chosen`` and
    clearly smaller: a pruned or fp16 one."""
    size = _bytes(chosen)
    own = [
        file
        for file in files
        if str(file.get("type") or "").lower() in OWN_FILE_TYPES
        and str(file.get("name", "")).endswith(".safetensors")
        and str(file.get("id", "")).isdigit()
    ]
    smallest = min(own, key=lambda file: _bytes(file) or math.inf, default=None)
    found = _bytes(smallest) if smallest else None
    if not size or not found or not smallest or found > size * CLEARLY_SMALLER:
        return None
    link = f"https://civitai.com/api/download/models/{version_id}?fileId={smallest['id']}"
    return SmallerFile(name=str(smallest["name"]), size=found, link=link)


def _preview(info: Mapping[str, Any]) -> str | None:
    """Address of the version's first picture that is no video; the mildest of them."""
    images = [_object(image) for image in _list(info.get("images"))]
    pictures = [
        image for image in images if image.get("type", "image") == "image" and isinstance(image.get("url"), str)
    ]
    return str(min(pictures, key=_boldness)["url"]) if pictures else None


def _boldness(image: Mapping[str, Any]) -> int:
    level = image.get("nsfwLevel")
    return level if isinstance(level, int) else 0


def _bytes(file: Mapping[str, Any]) -> int | None:
    """Size of an API file object: ``sizeKB`` is its bytes divided by 1024."""
    kilobytes = file.get("sizeKB")
    return round(kilobytes * 1024) if isinstance(kilobytes, int | float) and 0 < kilobytes < 1e12 else None


def _paid_until(info: Mapping[str, Any]) -> datetime.datetime | None:
    return _date(_object(info.get("paidAccess")).get("endsAt")) or _date(info.get("earlyAccessEndsAt"))


def _date(value: object) -> datetime.datetime | None:
    """An ISO 8601 date of the API, or None."""
    if not isinstance(value, str):
        return None
    try:
        return datetime.datetime.fromisoformat(value)
    except ValueError:
        return None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
