"""huggingface.co: files of models, datasets and spaces (hechos/lanzadores.md 4b)."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from sdcolab.core.errors import (
    AccessDenied,
    DownloadError,
    FolderNotFile,
    GatedRepository,
    LinkNotFound,
    MissingOrPrivate,
    PageNotFile,
    WebPageInsteadOfFile,
)
from sdcolab.core.events import CancelToken
from sdcolab.core.file_names import split_suffix
from sdcolab.core.library import MODEL_SUFFIXES
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
_FOLDER = re.compile(
    r"/(?P<repo>(?:datasets/|spaces/)?[\w.-]{1,96}/[\w.-]{1,96})"
    r"(?:/tree/(?P<rev>refs/(?:pr|convert|heads)/[^/]+|[^/]+)(?:/(?P<path>.+))?)?"
)
_NO_OWNERS = frozenset(
    {"api", "blog", "collections", "datasets", "docs", "learn", "models", "papers", "posts", "spaces"}
)
"""What stands in the place of an owner in addresses that are no repositories."""

MAX_NAMES = 8
"""Files of a folder that are told by name."""

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
        """Find the file. ``blob`` pages and ``?download=true`` mean the file itself; a folder, or a whole repository,
        its model if it has one."""
        clean, pasted = without_secrets(link.url)
        path = Link(clean).parts.path.rstrip("/")
        key = own_or_pasted(self._token, pasted, self._root)
        file = _FILE.fullmatch(path)
        if file:
            repo, revision, name = file["repo"], file["rev"].replace("/", "%2F"), file["path"]
        else:
            repo, revision, name = retrying(web.patience, cancel, lambda: self._only_model(path, link, web, key))
        url = f"{self._root}/{repo}/resolve/{revision}/{name}"

        def ask() -> RemoteFile:
            with first_answer(web, url, key) as answer:
                error = self._error(answer, link, repo, key)
                if error:
                    raise error
                return self._describe(answer, url, repo, name, key)

        return retrying(web.patience, cancel, ask)

    def _only_model(self, path: str, link: Link, web: Web, key: Bearer | None) -> tuple[str, str, str]:
        """Repository, revision and name of the model in the folder at ``path``. Raises ``FolderNotFile`` for several,
        ``PageNotFile`` for none."""
        folder = _FOLDER.fullmatch(path)
        kind, _, owned = folder["repo"].rpartition("/")[0].rpartition("/") if folder else ("", "", "")
        if folder is None or owned in _NO_OWNERS:
            raise PageNotFile(link=link.shown)
        repo, revision = folder["repo"], (folder["rev"] or "main").replace("/", "%2F")
        api = f"{self._root}/api/{'' if kind else 'models/'}{repo}/tree/{revision}"
        with web.get(f"{api}/{folder['path']}" if folder["path"] else api, key=key) as answer:
            error = self._error(answer, link, repo, key)
            if error and not isinstance(error, LinkNotFound):
                raise error
            listed = None if error else answer.json()
        names = _models_in(listed)
        if len(names) == 1:
            return repo, revision, quote(names[0])
        if not names:
            raise PageNotFile(link=link.shown)
        example = f"{OFFICIAL}/{repo}/resolve/{revision}/{quote(names[0])}"
        shown = [name.rpartition("/")[2] for name in names[:MAX_NAMES]]
        raise FolderNotFile(link=link.shown, count=len(names), names=tuple(shown), example=example)

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


def _models_in(listed: object) -> list[str]:
    """The models among the files that huggingface lists, each once: a ``.safetensors`` stands for its older forms."""
    files = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    paths = [entry["path"] for entry in files if entry.get("type") == "file" and isinstance(entry.get("path"), str)]
    models = [path for path in paths if split_suffix(path)[1].lower() in MODEL_SUFFIXES]
    safe = {split_suffix(path)[0] for path in models if path.endswith(".safetensors")}
    return [path for path in models if path.endswith(".safetensors") or split_suffix(path)[0] not in safe]


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


def saved_login() -> str | None:
    """The token that ``hf auth login`` left on this computer; None without one."""
    from huggingface_hub import constants

    try:
        return Path(constants.HF_TOKEN_PATH).read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
