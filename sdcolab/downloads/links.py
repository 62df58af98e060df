"""What users paste into ``enlaces_adicionales``, turned into links (hechos/lanzadores.md 0 and 4a).

Items are separated by commas, semicolons, spaces or new lines; ``#`` at the start of a line or after a separator
begins a comment, and words beside a link are a note. Two links glued together (``...safetensorshttps://...``) come
apart; the same link twice is one link. ``tipo:`` before a link says what it is, and alone on a line what those below it
are; ``link > name``, ``link|name`` or ``link[name]`` what to call it. A path of this computer or of the user's Drive
stands for the files there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import LocalFileMissing, NotALink, UnknownPrefix
from sdcolab.downloads.pasted import plain_text, whole_name

SHOWN_QUERY_KEYS = frozenset(
    {"modelVersionId", "type", "format", "size", "fp", "quantType", "fileId", "download", "id"}
)
"""The only query values that are ever shown: every other one could be a key or a signature."""

SECRET_QUERY_KEYS = frozenset({"token", "api_key", "apikey", "key", "access_token"})
"""Query keys under which users paste their personal key."""

KIND_PREFIXES = {
    "modelo": ModelKind.CHECKPOINT,
    "modelos": ModelKind.CHECKPOINT,
    "model": ModelKind.CHECKPOINT,
    "models": ModelKind.CHECKPOINT,
    "checkpoint": ModelKind.CHECKPOINT,
    "checkpoints": ModelKind.CHECKPOINT,
    "ckpt": ModelKind.CHECKPOINT,
    "lora": ModelKind.LORA,
    "loras": ModelKind.LORA,
    "locon": ModelKind.LORA,
    "lycoris": ModelKind.LORA,
    "vae": ModelKind.VAE,
    "vaes": ModelKind.VAE,
    "embedding": ModelKind.EMBEDDING,
    "embeddings": ModelKind.EMBEDDING,
    "embed": ModelKind.EMBEDDING,
    "emb": ModelKind.EMBEDDING,
    "controlnet": ModelKind.CONTROLNET,
    "control": ModelKind.CONTROLNET,
    "cnet": ModelKind.CONTROLNET,
    "upscaler": ModelKind.UPSCALER,
    "upscalers": ModelKind.UPSCALER,
    "esrgan": ModelKind.UPSCALER,
    "ups": ModelKind.UPSCALER,
    "hypernetwork": ModelKind.HYPERNETWORK,
    "hypernet": ModelKind.HYPERNETWORK,
    "preprocessor": ModelKind.ANNOTATOR,
    "preprocesador": ModelKind.ANNOTATOR,
    "annotator": ModelKind.ANNOTATOR,
    "clip_vision": ModelKind.CLIP_VISION,
    "detector": ModelKind.DETECTOR,
    "adetailer": ModelKind.DETECTOR,
    "gfpgan": ModelKind.FACES,
}
"""Words before ``:`` that say what a link is, as other launchers spell them (hechos/lanzadores.md 0 and 1a)."""

MAX_SHOWN = 120
"""Characters of an address or item that are shown."""

MAX_URL = 8000
"""Longest address that is tried, in characters."""

MAX_PATH = 1000
"""Longest path that is looked for, in characters."""

_NEXT = r"[^\s,;|>]{0,20}https?://|urn:air:"
_COMMENT = re.compile(r"(?:^|(?<=[\s,;]))#.*$", re.MULTILINE)
_LINES = re.compile(r"[\n\r]+")
_CHUNKS = re.compile(r"[,;]+")
_SEPARATORS = re.compile(r"[\s,;]+|(?<=[^\s>|])[>|]++(?=\S{0,20}(?:https?://|urn:air:))")
_BETWEEN = re.compile(rf"(?<=[^\s>|])[ \t]*+[>|]++[ \t]*+(?={_NEXT})", re.IGNORECASE)
"""What stands between two links, so that the second one begins afresh."""
_GLUE = re.compile(r"(?<=[^/=&?:%])(?=https?://)", re.IGNORECASE)
_WRAPPERS = "<>\"'`()[]{}«»“”‘’|"
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_SITE = re.compile(r"(?:[a-z0-9-]+\.)+(?:com|org|net|co|red|green|nz|ai|io|dev|moe|gg|cn)/", re.IGNORECASE)
"""The beginning of an address whose ``https://`` got lost: a site under an ending that sites with models use."""
_AIR = re.compile(r"urn:air:[\w.-]+:[\w.-]+:civitai:(\d+)(?:@(\d+))?(?:[:.][\w.-]+)?", re.IGNORECASE)
_PREFIX = re.compile(r"\$?([a-z][a-z0-9_]*):(?=https?://|urn:air:)", re.IGNORECASE)
_SPACED_PREFIX = re.compile(
    rf"\b({'|'.join(KIND_PREFIXES)})[ \t]{{0,9}}[:=][ \t]{{0,9}}\[?(?=https?://|urn:air:)", re.IGNORECASE
)
_MARK = "\x00"
_NAME = r"[^,;\n<>|\[\]\x00]{0,200}?[^,;\s<>|\[\]\x00]"
_NAMED = re.compile(
    r"(?P<item>(?:^|(?<=[\s,;\]]))(?=[^\s,;<>|\[\]\x00]*[/:])[^\s,;<>|\[\]\x00]++)(?:"
    rf"(?<!//)\[(?P<bracketed>{_NAME})\]"
    rf"|[ \t]*+[>|][ \t]*+(?!{_NEXT})(?P<pointed>{_NAME})(?=[ \t]*+(?:[,;\n]|$|{_NEXT})))",
    re.IGNORECASE | re.MULTILINE,
)
"""An item with a name for its file. A name ends where the next link begins."""
_HEADING = re.compile(rf"\W*({'|'.join(KIND_PREFIXES)})\W*", re.IGNORECASE)
"""A line that says what the links below it are."""

_PATH_PREFIX = re.compile(rf"\$?({'|'.join(KIND_PREFIXES)}):\s*(?!//)", re.IGNORECASE)
_LOOKS_LIKE_PATH = re.compile(r"(?![a-z][\w+.-]+:)(?:\S*[/\\]\S*|\S+\.(?:safetensors|ckpt|pth?))", re.IGNORECASE)
_ADDRESS_SIGNS = re.compile(r"[/\\@]|^(?:urn|magnet|javascript|data|blob):", re.IGNORECASE)
"""What no word has."""
_LIST_MARK = re.compile(r"\W+|\d{1,3}[.)]")
"""A dash, a bullet or a number before an item of a list."""
_BROKEN_SCHEME = re.compile(r"\A(?:https?:?/{1,2})*(https?)(?::/{0,2}|/{1,2})(?=[^/])", re.IGNORECASE)
"""``https://`` written twice, or with something missing."""
_VIEWED = re.compile(r"\A(?:view-source:)?(?://(?=[a-z0-9-]+\.))?", re.IGNORECASE)
"""What a browser puts before an address, and the two slashes of one without a scheme."""

_PASSING_ON = (
    ("google.com", "/url", "q"),
    ("google.com", "/url", "url"),
    ("l.facebook.com", "/l.php", "u"),
    ("l.instagram.com", "/", "u"),
    ("youtube.com", "/redirect", "q"),
    ("steamcommunity.com", "/linkfilter/", "u"),
    ("translate.google.com", "/translate", "u"),
    ("out.reddit.com", "/", "url"),
    ("vk.com", "/away.php", "to"),
)
"""Sites whose addresses lead elsewhere: host, beginning of the path, and the query's key that says where."""

_TRANSLATED = ".translate.goog"
_LONG_RUN = re.compile(r"[A-Za-z0-9_-]{20,}")


@dataclass(frozen=True, slots=True)
class Link:
    """An address to download from. ``url`` may hold a key and is never shown: show ``shown``."""

    url: str = field(repr=False)
    kind: ModelKind | None = None
    """What the user says it is (``lora:https://...``), whatever its contents say."""
    name: str = ""
    """What the user wants the file to be called, with or without its extension; "" for its own name."""
    words: tuple[str, ...] = ()
    """What stands alone between commas beside it, and may have been meant as models."""

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


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that is already on this computer or in the user's Drive."""

    path: Path
    kind: ModelKind | None = None
    name: str = ""
    """As ``Link.name``."""

    @property
    def shown(self) -> str:
        """The path, for people and logs."""
        return _shorten(_printable(str(self.path)))


Entry = Link | LocalFile | NotALink

Lookup = Callable[[str], tuple[Path, ...]]
"""The files that a path of the user's stands for; none when there is nothing there."""


def no_files(_path: str) -> tuple[Path, ...]:
    """A ``Lookup`` for where paths mean nothing."""
    return ()


def parse_links(text: str, lookup: Lookup = no_files) -> tuple[Entry, ...]:
    """The links in ``text`` in order, without repetitions; what is no link becomes a ``NotALink`` in its place.

    Words in a row are one mistake, a sentence. ``lookup`` finds the files of paths, which may contain blanks when
    nothing but commas and line ends is around them.
    """
    names: list[str] = []
    entries: list[Entry] = []
    heading: ModelKind | None = None
    for line in _LINES.split(_unwrapped(text, names)):
        if title := _HEADING.fullmatch(line):
            heading = KIND_PREFIXES[title[1].lower()]
            continue
        chunks = [_local_files(one, names, lookup) or _read_all(one, names, lookup) for one in _CHUNKS.split(line)]
        entries += _under(heading, _without_notes(chunks))
    found: dict[object, Entry] = {}
    for entry in _sentences(entries):
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


def _unwrapped(text: str, names: list[str]) -> str:
    """``text`` without comments and marks, with the names given to links put into ``names`` and marked by number."""

    def set_aside(match: re.Match[str]) -> str:
        names.append(whole_name(match["bracketed"] or match["pointed"]).strip(" \t\"'«»"))
        return f"{match['item']}{_MARK}{len(names) - 1}{_MARK} "

    bare = _COMMENT.sub(lambda found: found[0] if _HEADING.fullmatch(found[0]) else "", text.replace(_MARK, ""))
    plain = _BETWEEN.sub(" ", plain_text(bare))
    return _NAMED.sub(set_aside, _SPACED_PREFIX.sub(r"\1:", plain))


def _name_of(item: str, names: list[str]) -> tuple[str, str]:
    """``item`` without its mark, and the name that the mark stands for."""
    bare, _, number = item.rstrip(_MARK).partition(_MARK)
    return bare, names[int(number)] if number.isdigit() else ""


def _local_files(chunk: str, names: list[str], lookup: Lookup) -> list[Entry]:
    item, name = _name_of(chunk.strip(), names)
    item = item.strip().strip("\"'«»“”‘’`").strip()
    prefix = _PATH_PREFIX.match(item)
    if not item or len(item) > MAX_PATH or _SCHEME.search(item):
        return []
    paths = lookup(item[prefix.end() :] if prefix else item)
    kind = KIND_PREFIXES[prefix[1].lower()] if prefix else None
    return [LocalFile(path, kind, name if len(paths) == 1 else "") for path in paths]


def _read_all(chunk: str, names: list[str], lookup: Lookup) -> list[Entry]:
    pieces = [piece for item in _SEPARATORS.split(chunk) for piece in _GLUE.split(item)]
    entries: list[Entry] = []
    for piece in pieces:
        marked, name = _name_of(piece, names)
        item = _bare(_bare(marked).rstrip(".…!:"))
        if item and not _LIST_MARK.fullmatch(marked):
            entries += _local_files(piece, names, lookup) or [_read(item, name)]
    return entries


def _tidied(item: str) -> str:
    """``item`` without the arrows, emojis and closing signs of other scripts around it."""
    start, end = 0, len(item)
    while start < end and _is_sign(item[start]):
        start += 1
    while end > start and _is_sign(item[end - 1]):
        end -= 1
    return item[start:end]


def _is_sign(character: str) -> bool:
    return not character.isascii() and unicodedata.category(character)[0] in "SP"


def _bare(item: str) -> str:
    """``item`` without what is around it; a parenthesis that it opens itself stays closed."""
    bare = _tidied(item.strip(_WRAPPERS))
    opened = "//" in bare and bare.count("(") > bare.count(")")
    return f"{bare})" if opened and item[item.find(bare) + len(bare) :].startswith(")") else bare


def _read(item: str, name: str) -> Link | NotALink:
    prefix = _PREFIX.match(item)
    kind = KIND_PREFIXES.get(prefix[1].lower()) if prefix else None
    if prefix and kind is None:
        return UnknownPrefix(text=shown_text(item))
    entry = _read_address(item[prefix.end() :] if prefix else item, kind)
    return replace(entry, name=name) if isinstance(entry, Link) else entry


def _read_address(item: str, kind: ModelKind | None) -> Link | NotALink:
    air = _AIR.fullmatch(item)
    if air:
        version = f"?modelVersionId={air[2]}" if air[2] else ""
        return Link(f"https://civitai.com/models/{air[1]}{version}", kind)
    item = _BROKEN_SCHEME.sub(r"\1://", _VIEWED.sub("", item))
    if not _SCHEME.match(item) and _SITE.match(item):
        item = f"https://{item}"
    scheme = _SCHEME.match(item)
    if not scheme and _LOOKS_LIKE_PATH.fullmatch(item):
        return LocalFileMissing(text=shown_text(item))
    if not scheme or len(item) > MAX_URL:
        return NotALink(text=shown_text(item))
    url = _target(scheme[0].lower() + quote(item[scheme.end() :], safe="%/:=&?~#+!$,;'@()*[]-._"))
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    return Link(url, kind) if usable else NotALink(text=shown_text(item))


def _target(url: str) -> str:
    """Where the address of a site that only passes people on leads; ``url`` itself for every other one."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query)
    except ValueError:
        return url
    host = (parts.hostname or "").removeprefix("www.")
    key = next((key for site, path, key in _PASSING_ON if host == site and parts.path.startswith(path)), "")
    target = dict(pairs).get(key, "")
    if _SCHEME.match(target):
        return target
    if host.endswith(_TRANSLATED):  # civitai-com.translate.goog: "-" for ".", and "--" for "-"
        own = host.removesuffix(_TRANSLATED).replace("--", "\0").replace("-", ".").replace("\0", "-")
        kept = [(name, value) for name, value in pairs if not name.startswith("_x_tr_")]
        return urlunsplit(("https", own, parts.path, urlencode(kept), parts.fragment))
    return url


def _under(heading: ModelKind | None, entries: Iterable[Entry]) -> Iterator[Entry]:
    """``entries`` with the kind of the ``heading`` above them, where they have none themselves."""
    for entry in entries:
        if isinstance(entry, NotALink) or entry.kind is not None:
            yield entry
        else:
            yield replace(entry, kind=heading)


def _without_notes(chunks: Iterable[list[Entry]]) -> list[Entry]:
    """The entries of a line, given as it is divided by commas, without the words beside its links, which are notes. The
    link before a word that has its place between commas for itself keeps it."""
    parts = list(chunks)
    every = [entry for part in parts for entry in part]
    if all(isinstance(entry, NotALink) for entry in every):
        return every
    kept: list[Entry] = []
    for part in parts:
        kept += [entry for entry in part if not _is_word(entry)]
        word = part[0] if len(part) == 1 and _is_word(part[0]) else None
        if isinstance(word, NotALink) and kept and isinstance(last := kept[-1], Link):
            kept[-1] = replace(last, words=(*last.words, word.text))
    return kept


def _sentences(entries: Iterable[Entry]) -> Iterator[Entry]:
    """``entries`` with words that follow each other in one."""
    for are_words, group in groupby(entries, _is_word):
        if are_words:
            yield NotALink(text=_shorten(" ".join(entry.text for entry in group if isinstance(entry, NotALink)), 60))
        else:
            yield from group


def _is_word(entry: Entry) -> bool:
    return type(entry) is NotALink and not _ADDRESS_SIGNS.search(entry.text)


def _sameness(entry: Entry) -> object:
    if isinstance(entry, NotALink):
        return entry.text
    if isinstance(entry, LocalFile):
        return entry.path
    parts = entry.parts
    return (parts.scheme, parts.netloc.lower(), parts.path, parts.query, parts.fragment)


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())


def _shorten(text: str, limit: int = MAX_SHOWN) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
