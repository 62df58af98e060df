"""huggingface.co: files of models, datasets and spaces (hechos/lanzadores.md 4b)."""

from __future__ import annotations

import re

from sdcolab.core.errors import (
    AccessDenied,
    DownloadError,
    GatedRepository,
    LinkNotFound,
    MissingOrPrivate,
    PageNotFile,
    WebPageInsteadOfFile,
)
from sdcolab.core.events import CancelToken
from sdcolab.core.file_names import split_suffix
from sdcolab.downloads.http import (
    Answer,
    Bearer,
    Web,
    as_size,
    error_for_status,
    origin,
    own_or_pasted,
    rejected,
    retrying,
)
from sdcolab.downloads.links import Link, without_secrets
from sdcolab.downloads.providers.base import RemoteFile, described, first_answer

OFFICIAL = "https://huggingface.co"
HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
TOKEN_NAME = "HF_TOKEN"

_FILE = re.compile(
    r"/(?P<repo>(?:datasets/|spaces/)?[^/]+(?:/[^/]+)?)/(?:resolve|blob|raw)/(?P<rev>refs/(?:pr|convert|heads)/[^/]+|[^/]+)/(?P<path>.+)"
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
GENERIC_STEMS = frozenset(
    {"diffusion_pytorch_model", "pytorch_model", "pytorch_lora_weights", "model", "adapter_model", "learned_embeds"}
)
"""Names that half of the repositories use: files get their repository's name instead."""


class HuggingFace:
    """Files on huggingface.co. ``base`` replaces its address (tests, mirrors); ``token`` is the user's HF_TOKEN."""

    name = "huggingface"
    aliases = ("hf",)

    def __init__(self, base: str | None = None, token: str | None = None) -> None:
        self._root = (base or OFFICIAL).rstrip("/")
        self._token = token

    def __repr__(self) -> str:
        return f"HuggingFace({self._root!r})"

    def accepts(self, link: Link) -> bool:
        """Every address on huggingface.co or on the given base."""
        return link.host in HOSTS or origin(link.url) == origin(self._root)

    def resolve(self, link: Link, web: Web, cancel: CancelToken) -> RemoteFile:
        """Find the file. ``blob`` pages and ``?download=true`` mean the file itself."""
        clean, pasted = without_secrets(link.url)
        parts = Link(clean).parts
        found = _FILE.fullmatch(parts.path.rstrip("/"))
        if not found:
            raise PageNotFile(link=link.shown)
        key = own_or_pasted(self._token, pasted, self._root)
        revision = found["rev"].replace("/", "%2F")
        url = f"{self._root}/{found['repo']}/resolve/{revision}/{found['path']}"

        def ask() -> RemoteFile:
            with first_answer(web, url, key) as answer:
                error = self._error(answer, link, found["repo"], key)
                if error:
                    raise error
                return self._describe(answer, url, found["repo"], found["path"], key)

        return retrying(web.patience, cancel, ask)

    def _describe(self, answer: Answer, url: str, repo: str, path: str, key: Bearer | None) -> RemoteFile:
        own = [hop.headers for hop in answer.hops if origin(hop.url) == origin(self._root)]
        tags = (headers.get("X-Linked-Etag", "").removeprefix("W/").strip('"').lower() for headers in own)
        sizes = (as_size(headers.get("X-Linked-Size")) for headers in own)
        return described(
            answer,
            f"huggingface:{url.removeprefix(self._root)}",
            name=_telling_name(repo, path),
            sha256=next((tag for tag in tags if _SHA256.fullmatch(tag)), None),
            size=next((size for size in sizes if size is not None), None),
            key=key,
        )

    def _error(self, answer: Answer, link: Link, repo: str, key: Bearer | None) -> DownloadError | None:
        code = next((hop.headers["X-Error-Code"] for hop in answer.hops if "X-Error-Code" in hop.headers), "")
        if code == "GatedRepo":
            return GatedRepository(page=f"{OFFICIAL}/{repo}", token=TOKEN_NAME)
        if code in ("EntryNotFound", "RevisionNotFound"):
            return LinkNotFound(link=link.shown)
        if answer.status == 401 and key and code != "RepoNotFound":
            return rejected(key, "huggingface.co", TOKEN_NAME)
        if answer.status == 401 or code == "RepoNotFound":
            return MissingOrPrivate(link=link.shown, token=TOKEN_NAME)
        if answer.status == 403:
            return AccessDenied(link=link.shown)
        error = error_for_status(answer, link.shown)
        return error or (WebPageInsteadOfFile(link=link.shown) if answer.is_web_page else None)


def _telling_name(repo: str, path: str) -> str:
    """A better name for files called like everybody else's, or "" to keep the server's: the repository's name plus the
    file's folder (``owner/canny`` + ``unet/model.safetensors`` -> ``canny-unet.safetensors``).
    """
    *folders, base = path.split("/")
    stem, suffix = split_suffix(base)
    pieces = stem.split(".")
    if pieces[0] not in GENERIC_STEMS:
        return ""
    return "-".join([repo.rsplit("/", 1)[-1], *folders, *pieces[1:]]) + suffix
