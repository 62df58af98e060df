"""What users paste into ``enlaces_adicionales``, turned into links (hechos/lanzadores.md 0 and 4a).

Items are separated by commas, semicolons, spaces or new lines; ``#`` at the start of a line or after a separator
begins a comment. Two links glued together (``...safetensorshttps://...``) come apart; the same link twice is one link.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import NotALink

SHOWN_QUERY_KEYS = frozenset(
    {"modelVersionId", "type", "format", "size", "fp", "quantType", "fileId", "download", "id"}
)
"""The only query values that are ever shown: every other one could be a key or a signature."""

SECRET_QUERY_KEYS = frozenset({"token", "api_key", "apikey", "key", "access_token"})
"""Query keys under which users paste their personal key."""

KIND_PREFIXES = {
    "modelo": ModelKind.CHECKPOINT,
    "model": ModelKind.CHECKPOINT,
    "checkpoint": ModelKind.CHECKPOINT,
    "ckpt": ModelKind.CHECKPOINT,
    "lora": ModelKind.LORA,
    "locon": ModelKind.LORA,
    "lycoris": ModelKind.LORA,
    "vae": ModelKind.VAE,
    "embedding": ModelKind.EMBEDDING,
    "embeddings": ModelKind.EMBEDDING,
    "embed": ModelKind.EMBEDDING,
    "controlnet": ModelKind.CONTROLNET,
    "control": ModelKind.CONTROLNET,
    "upscaler": ModelKind.UPSCALER,
    "esrgan": ModelKind.UPSCALER,
    "hypernetwork": ModelKind.HYPERNETWORK,
    "hypernet": ModelKind.HYPERNETWORK,
}
"""Words before ``:`` that say what a link is, as other launchers spell them (hechos/lanzadores.md 0 and 1a)."""

MAX_SHOWN = 120
"""Characters of an address or item that are shown."""

MAX_URL = 8000
"""Longest address that is tried, in characters."""

_COMMENT = re.compile(r"(?:^|(?<=[\s,;]))#.*$", re.MULTILINE)
_SEPARATORS = re.compile(r"[\s,;\u200b\ufeff]+")
_GLUE = re.compile(r"(?<=[^/=&?:%])(?=https?://)", re.IGNORECASE)
_MARKDOWN = re.compile(r"\[[^\]\n]*\]\((https?://[^)\s]+)\)", re.IGNORECASE)
_WRAPPERS = "<>\"'`()[]{}«»“”‘’|"
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_KNOWN_SITE = re.compile(r"(?:www\.)?(?:civitai\.(?:com|red|green)|huggingface\.co|hf\.co|github\.com)/", re.IGNORECASE)
_AIR = re.compile(r"urn:air:[\w.-]+:[\w.-]+:civitai:(\d+)@(\d+)", re.IGNORECASE)
_PREFIX = re.compile(r"\$?([a-z]+):(?=https?://|urn:air:)", re.IGNORECASE)
_SPACED_PREFIX = re.compile(rf"\b({'|'.join(KIND_PREFIXES)}):[ \t]+(?=https?://|urn:air:)", re.IGNORECASE)
_LONG_RUN = re.compile(r"[A-Za-z0-9_-]{20,}")


@dataclass(frozen=True, slots=True)
class Link:
    """An address to download from. ``url`` may hold a key and is never shown: show ``shown``."""

    url: str = field(repr=False)
    kind: ModelKind | None = None
    """What the user says it is (``lora:https://...``), whatever its contents say."""

    @property
    def shown(self) -> str:
        """The address without anything secret, for people and logs."""
        return redacted(self.url)

    @property
    def parts(self) -> SplitResult:
        """The address taken apart."""
        return urlsplit(self.url)

    @property
    def host(self) -> str:
        """Host name in lower case, without port."""
        return self.parts.hostname or ""

    def __repr__(self) -> str:
        return f"Link({self.shown!r})"


def parse_links(text: str) -> tuple[Link | NotALink, ...]:
    """The links in ``text`` in order, without repetitions; what is no link becomes a ``NotALink`` in its place."""
    found: dict[object, Link | NotALink] = {}
    for item in _items(text):
        entry = _read(item)
        found.setdefault(_sameness(entry), entry)
    return tuple(found.values())


def redacted(url: str) -> str:
    """``url`` with no user name, no fragment and only harmless query values, shortened to ``MAX_SHOWN`` characters.

    >>> redacted("https://user:pw@civitai.com/api/download/models/5?type=Model&token=SECRET#x")
    'https://civitai.com/api/download/models/5?type=Model&…'
    """
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return shown_text(url)
    kept = [(key, value) for key, value in pairs if key in SHOWN_QUERY_KEYS and len(value) <= 40]
    query = urlencode(kept)
    if len(kept) < len(pairs):
        query = f"{query}&…" if query else "…"
    return _shorten(_printable(urlunsplit((parts.scheme, host, parts.path, query, ""))))


def shown_text(text: str) -> str:
    """Any pasted text, fit to be shown: shortened, without control characters, and with what could be a key cut off."""
    return _shorten(_LONG_RUN.sub(lambda match: f"{match[0][:4]}…", _printable(text)), 60)


def without_secrets(url: str) -> tuple[str, str | None]:
    """``url`` without user name, fragment and personal key, and that key if there was one in the query."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    keys = [value for name, value in pairs if name.lower() in SECRET_QUERY_KEYS and value]
    query = parts.query
    if keys:
        query = urlencode([(name, value) for name, value in pairs if name.lower() not in SECRET_QUERY_KEYS])
    clean = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))
    return clean, keys[0] if keys else None


def _items(text: str) -> list[str]:
    unwrapped = _SPACED_PREFIX.sub(r"\1:", _MARKDOWN.sub(r" \1 ", _COMMENT.sub("", text)))
    pieces = [piece for item in _SEPARATORS.split(unwrapped) for piece in _GLUE.split(item)]
    stripped = (piece.strip(_WRAPPERS).rstrip(".…!").strip(_WRAPPERS) for piece in pieces)
    return [piece for piece in stripped if piece]


def _read(item: str) -> Link | NotALink:
    prefix = _PREFIX.match(item)
    kind = KIND_PREFIXES.get(prefix[1].lower()) if prefix else None
    if prefix and kind is None:
        return NotALink(text=shown_text(item))
    return _read_address(item[prefix.end() :] if prefix else item, kind)


def _read_address(item: str, kind: ModelKind | None) -> Link | NotALink:
    air = _AIR.fullmatch(item)
    if air:
        return Link(f"https://civitai.com/models/{air[1]}?modelVersionId={air[2]}", kind)
    if not _SCHEME.match(item) and _KNOWN_SITE.match(item):
        item = f"https://{item}"
    scheme = _SCHEME.match(item)
    if not scheme or len(item) > MAX_URL:
        return NotALink(text=shown_text(item))
    url = scheme[0].lower() + quote(item[scheme.end() :], safe="%/:=&?~#+!$,;'@()*[]-._")
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    return Link(url, kind) if usable else NotALink(text=shown_text(item))


def _sameness(entry: Link | NotALink) -> object:
    if isinstance(entry, NotALink):
        return entry.text
    parts = entry.parts
    return (parts.scheme, parts.netloc.lower(), parts.path, parts.query, parts.fragment)


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())


def _shorten(text: str, limit: int = MAX_SHOWN) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
