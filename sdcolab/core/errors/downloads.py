"""Links and downloads."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sdcolab.core.errors.base import SdcolabError


class DownloadError(SdcolabError):
    """A link did not become a file. Addresses in facts never carry secrets (see ``downloads.links.redacted``)."""


@dataclass(eq=False)
class NotALink(DownloadError):
    """An item of the list of links is no address. ``text`` is shortened and carries no key."""

    code: ClassVar[str] = "download.not_a_link"
    text: str


@dataclass(eq=False)
class LoneWord(DownloadError):
    """A word that stands alone between commas beside a link: a note of it, or a model by its name. Told as a warning
    of the link."""

    code: ClassVar[str] = "download.lone_word"
    text: str


@dataclass(eq=False)
class LocalFileMissing(NotALink):
    """An item of the list of links looks like a path, but there is no model file there."""

    code: ClassVar[str] = "download.local_missing"


@dataclass(eq=False)
class UnknownPrefix(NotALink):
    """The word before a link, which should say what it is, is none of those that are known."""

    code: ClassVar[str] = "download.unknown_prefix"


@dataclass(eq=False)
class SmallerFile(DownloadError):
    """The page offers the same model in a smaller file (pruned, fp16): its ``size`` in bytes and ``link``."""

    code: ClassVar[str] = "download.smaller_file"
    name: str
    size: int
    link: str


@dataclass(eq=False)
class DriveRefused(DownloadError):
    """Google Drive shows a page instead of the file: it is not shared, or too many people have downloaded it."""

    code: ClassVar[str] = "download.drive_refused"
    link: str


@dataclass(eq=False)
class PageNotFile(DownloadError):
    """The address is a page of a site, not one of its files."""

    code: ClassVar[str] = "download.page_not_file"
    link: str


@dataclass(eq=False)
class FolderNotFile(DownloadError):
    """The address is a folder with ``count`` models. ``names`` are some of them, ``example`` the address of the
    first."""

    code: ClassVar[str] = "download.folder_not_file"
    link: str
    count: int
    names: tuple[str, ...]
    example: str


@dataclass(eq=False)
class UnsupportedHost(DownloadError):
    """A site whose files cannot be had with a plain request."""

    code: ClassVar[str] = "download.unsupported_host"
    host: str


@dataclass(eq=False)
class InsecureLink(DownloadError):
    """Plain ``http``: what arrives could have been changed on the way."""

    code: ClassVar[str] = "download.insecure"
    link: str


@dataclass(eq=False)
class PrivateAddress(DownloadError):
    """The link, or a redirect of it, leads to this computer or its own network."""

    code: ClassVar[str] = "download.private_address"
    host: str


@dataclass(eq=False)
class TooManyRedirects(DownloadError):
    """The server sends the program round in circles."""

    code: ClassVar[str] = "download.redirects"
    host: str


@dataclass(eq=False)
class HostUnreachable(DownloadError):
    """No connection, also after retries. ``reason`` is one of the keys of ``UNREACHABLE_REASONS``."""

    code: ClassVar[str] = "download.unreachable"
    host: str
    reason: str


@dataclass(eq=False)
class ServerFailed(DownloadError):
    """The server answered with an HTTP status that means it cannot serve anybody now."""

    code: ClassVar[str] = "download.server_failed"
    host: str
    status: int


@dataclass(eq=False)
class TooManyRequests(DownloadError):
    """The server asks to wait ``seconds`` (None: it did not say how long)."""

    code: ClassVar[str] = "download.too_many_requests"
    host: str
    seconds: float | None = None


@dataclass(eq=False)
class LinkNotFound(DownloadError):
    """There is nothing at the address (any more)."""

    code: ClassVar[str] = "download.not_found"
    link: str


@dataclass(eq=False)
class MissingOrPrivate(DownloadError):
    """The site does not tell a missing file from a private one. ``token`` is the name of the secret to set."""

    code: ClassVar[str] = "download.missing_or_private"
    link: str
    token: str


@dataclass(eq=False)
class LinkGone(DownloadError):
    """The file was archived by its site and will not come back."""

    code: ClassVar[str] = "download.gone"
    link: str


@dataclass(eq=False)
class AccessDenied(DownloadError):
    """The server refuses this file to us."""

    code: ClassVar[str] = "download.access_denied"
    link: str


@dataclass(eq=False)
class RegionBlocked(DownloadError):
    """The site does not serve the country where this computer is."""

    code: ClassVar[str] = "download.region_blocked"
    host: str


@dataclass(eq=False)
class TokenNeeded(DownloadError):
    """The site gives this file only to registered users. ``token`` is the name of the secret to set."""

    code: ClassVar[str] = "download.token_needed"
    host: str
    token: str


@dataclass(eq=False)
class TokenRejected(DownloadError):
    """The site did not accept the key in the secret ``token``."""

    code: ClassVar[str] = "download.token_rejected"
    host: str
    token: str


@dataclass(eq=False)
class LinkTokenRejected(DownloadError):
    """The site did not accept the key that is written inside the link; the secret ``token`` could replace it."""

    code: ClassVar[str] = "download.link_token_rejected"
    host: str
    token: str


@dataclass(eq=False)
class DownloadsDisabled(DownloadError):
    """The author switched off downloads of this file."""

    code: ClassVar[str] = "download.disabled_by_author"
    link: str


@dataclass(eq=False)
class EarlyAccess(DownloadError):
    """Only those who paid can download it until the date ``until`` (None: not said)."""

    code: ClassVar[str] = "download.early_access"
    link: str
    until: datetime.datetime | None = None


@dataclass(eq=False)
class GatedRepository(DownloadError):
    """The author wants conditions accepted on ``page`` first. ``token`` is the name of the secret to set."""

    code: ClassVar[str] = "download.gated"
    page: str
    token: str


@dataclass(eq=False)
class WebPageInsteadOfFile(DownloadError):
    """The server sent a web page where a file was expected."""

    code: ClassVar[str] = "download.web_page"
    link: str


@dataclass(eq=False)
class NotAModelFile(DownloadError):
    """The content is not what the extension of ``name`` promises; ``reason`` as ``ModelUnreadable``'s."""

    code: ClassVar[str] = "download.not_a_model"
    name: str
    reason: str = "not_a_model"


@dataclass(eq=False)
class LfsPointer(DownloadError):
    """Instead of the file the server keeps a note that says where git-lfs put it."""

    code: ClassVar[str] = "download.lfs_pointer"
    name: str


@dataclass(eq=False)
class ArchiveNotModel(DownloadError):
    """The file is an archive; the model may be inside."""

    code: ClassVar[str] = "download.archive"
    name: str


@dataclass(eq=False)
class DownloadDamaged(DownloadError):
    """The file on the server is itself cut short or broken."""

    code: ClassVar[str] = "download.damaged"
    name: str


@dataclass(eq=False)
class DownloadInterrupted(DownloadError):
    """The connection kept failing; ``received`` of ``total`` bytes are kept for the next try."""

    code: ClassVar[str] = "download.interrupted"
    name: str
    received: int
    total: int | None = None


@dataclass(eq=False)
class HashMismatch(DownloadError):
    """What arrived, twice, does not have the SHA-256 that the site states."""

    code: ClassVar[str] = "download.hash_mismatch"
    name: str


@dataclass(eq=False)
class AlreadyDownloading(DownloadError):
    """Another window or process is downloading the same file now."""

    code: ClassVar[str] = "download.already_downloading"
    name: str


@dataclass(eq=False)
class PickleNotInspected(DownloadError):
    """A pickle could not be checked in time or memory, so it was set aside at ``path``."""

    code: ClassVar[str] = "download.not_inspected"
    path: Path


@dataclass(eq=False)
class KindUnknown(DownloadError):
    """(Warning) Nobody could tell what the file is for; it was left in the folder of other files."""

    code: ClassVar[str] = "download.kind_unknown"
    path: Path


@dataclass(eq=False)
class KindDisputed(DownloadError):
    """(Warning) The site says that the file is of the kind ``expected`` and its contents look like ``found``."""

    code: ClassVar[str] = "download.kind_disputed"
    path: Path
    expected: str
    found: str


@dataclass(eq=False)
class KindNotAsSaid(DownloadError):
    """(Warning) The user says that the file is of the kind ``expected`` and its contents look like ``found``."""

    code: ClassVar[str] = "download.kind_not_as_said"
    path: Path
    expected: str
    found: str


@dataclass(eq=False)
class SavedUnderOtherName(DownloadError):
    """(Warning) A different file called ``name`` was there already; the new one is ``path``."""

    code: ClassVar[str] = "download.other_name"
    name: str
    path: Path
