"""What every provider does: turn a link into a file on a server, ready to be transferred."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sdcolab.core.detect import ModelFamily, ModelKind
from sdcolab.core.errors import SdcolabError
from sdcolab.core.events import CancelToken
from sdcolab.core.file_names import safe_name
from sdcolab.downloads.http import Answer, Bearer, Web
from sdcolab.downloads.links import Link
from sdcolab.downloads.names import offered_name

FIRST_BYTE = {"Range": "bytes=0-0"}
"""Asks for one byte: tells size, name and whether ranges work. HEAD is not answered correctly by civitai."""

REFUSE_PARTS = frozenset({400, 405, 406, 412, 416, 501})
"""How servers answer that dislike the question for a part; some of them would send the whole file."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on a server. ``url`` may be signed and expire; ``identity`` does not change."""

    identity: str = field(repr=False)
    url: str = field(repr=False)
    name: str
    """Already safe as a file name."""
    key: Bearer | None = None
    size: int | None = None
    """Bytes, or None when the server does not say."""
    validator: str | None = None
    """Strong ETag or Last-Modified date, for If-Range; None when there is neither."""
    sha256: str | None = None
    """In lower case, where the provider states it."""
    ranges: bool = False
    """Whether the server sends parts of the file."""
    kind: ModelKind | None = None
    """What the provider says it is; it counts for more than the file's own header."""
    family: ModelFamily | None = None
    site_family: str = ""
    """The provider's own word for a family that is not known here."""
    about: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the provider tells about the file, to be kept beside it."""
    preview: str | None = field(default=None, repr=False)
    """Address of a picture made with it."""
    offers: tuple[SdcolabError, ...] = ()
    """Of other files of the same thing, worth telling the user."""


class Provider(Protocol):
    """A site, or a kind of address. Stateless: the same instance serves several threads."""

    @property
    def name(self) -> str: ...

    @property
    def aliases(self) -> tuple[str, ...]: ...

    def accepts(self, link: Link) -> bool:
        """Whether this provider knows what to do with ``link``."""
        ...

    def resolve(self, link: Link, web: Web, cancel: CancelToken) -> RemoteFile:
        """Find the file behind ``link``. Called again when the address it gave has expired.

        Raises ``DownloadError`` that says why not, or ``Cancelled``.
        """
        ...


def first_answer(web: Web, url: str, key: Bearer | None = None, refusals: frozenset[int] = REFUSE_PARTS) -> Answer:
    """The answer to ``FIRST_BYTE``, or to a question for the whole file from a server that refuses to send a part.

    Raises ``DownloadError`` when there is no HTTP answer.
    """
    answer = web.get(url, FIRST_BYTE, key)
    if answer.status in refusals and answer.content_range[1] != 0:
        answer.close()
        return web.get(url, None, key)
    return answer


def described(
    answer: Answer,
    identity: str,
    *,
    name: str = "",
    sha256: str | None = None,
    size: int | None = None,
    kind: ModelKind | None = None,
    family: ModelFamily | None = None,
    key: Bearer | None = None,
) -> RemoteFile:
    """The ``RemoteFile`` that a successful answer to ``FIRST_BYTE`` describes; given values win over the headers'."""
    partial = answer.status == 206 and not answer.packed
    declared = answer.content_range[1] if partial else answer.length
    return RemoteFile(
        identity=identity,
        url=answer.url,
        name=safe_name(name or offered_name(answer.headers.get("Content-Disposition"), answer.url)),
        key=key,
        size=declared if declared is not None else size,
        validator=validator(answer.headers),
        sha256=sha256,
        ranges=partial,
        kind=kind,
        family=family,
    )


def validator(headers: Mapping[str, str]) -> str | None:
    """What tells one version of a file from the next: its strong ETag, else its date of change, else None."""
    tag = headers.get("ETag", "").strip()
    if tag.startswith('"') and len(tag) > 2:
        return tag
    return headers.get("Last-Modified", "").strip() or None
