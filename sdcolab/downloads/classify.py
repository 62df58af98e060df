"""What a downloaded or still remote file is: by its safetensors header, or by the names in a pickle
(hechos/lanzadores.md 4d)."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdcolab.core.contents import SEEN_BYTES, strange_content
from sdcolab.core.detect import Detected, ModelFamily, ModelKind, detect
from sdcolab.core.errors import (
    ArchiveNotModel,
    CannotRead,
    DownloadDamaged,
    LfsPointer,
    ModelUnreadable,
    ModelUnsafe,
    NotAModelFile,
    PickleNotInspected,
    WebPageInsteadOfFile,
)
from sdcolab.core.events import CancelToken
from sdcolab.core.file_names import split_suffix
from sdcolab.core.files import system_reason
from sdcolab.core.library import MODEL_SUFFIXES
from sdcolab.core.machine import without_secrets
from sdcolab.core.pickles import WRAPPERS, no_weights
from sdcolab.core.tensors import (
    LENGTH_BYTES,
    HeaderError,
    TensorHeader,
    TensorInfo,
    header_length,
    parse_header,
    read_header,
)
from sdcolab.downloads.http import Answer, Web, retrying
from sdcolab.downloads.links import Link
from sdcolab.downloads.providers.base import RemoteFile

PICKLE_SUFFIXES = frozenset({".ckpt", ".pt", ".pth", ".bin"})
PICKLE_STARTS = (b"PK\x03\x04", b"\x80")
"""First bytes of what ``torch.save`` writes: a zip, or before torch 1.6 a bare pickle of protocol 2 or later."""

SAFETENSORS = ".safetensors"

FIRST_READ = 65_536
"""Bytes of a remote file that are read first; most headers of small files end within them."""

MAX_REMOTE_HEADER = 32 << 20
"""Longest header read before a download; a file with a longer one is looked at afterwards."""

PROBE_TIMEOUT = 600.0
"""Seconds a pickle may take to be read."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds. ``suffix`` is the extension it should have, "" when its own is as good as any."""

    detected: Detected
    suffix: str = ""


def look_ahead(web: Web, remote: RemoteFile, link: Link, cancel: CancelToken) -> Contents | None:
    """What ``remote`` is, from its first bytes, before it is downloaded; None when that cannot be told yet.

    Raises ``DownloadError`` for content that is not worth downloading: a web page, a false ``.safetensors``, a file
    that is shorter on the server than its own header says.
    """
    if not remote.ranges:
        return None
    start = retrying(web.patience, cancel, lambda: _range(web, remote, 0, FIRST_READ))
    if start is None:
        return None
    _refuse_strange(start, remote.name, link.shown)
    try:
        length = header_length(start)
        plausible = start[LENGTH_BYTES : LENGTH_BYTES + 1] == b"{"
    except HeaderError:
        plausible, length = False, 0
    if not plausible:
        _refuse_false_safetensors(remote.name, start)
        return None
    if length > MAX_REMOTE_HEADER:
        return None
    end = LENGTH_BYTES + length
    have = len(start)
    if have < end:
        rest = retrying(web.patience, cancel, lambda: _range(web, remote, have, end - have))
        if rest is None:
            return None
        start += rest
    if len(start) < end:
        raise DownloadDamaged(name=remote.name)
    try:
        header = parse_header(start[LENGTH_BYTES:end])
    except HeaderError as error:
        raise NotAModelFile(name=remote.name) from error
    if remote.size is not None and remote.size < header.size:
        raise DownloadDamaged(name=remote.name)
    return Contents(detect(header), SAFETENSORS)


def look_inside(path: Path, name: str, shown: str) -> Contents:
    """What the complete file at ``path``, to be called ``name``, is. ``shown`` is where it came from, fit to be shown.

    Raises ``DownloadError`` when it is not what it should be, ``ModelUnsafe`` or ``PickleNotInspected`` for a pickle
    that must be set aside.
    """
    try:
        with path.open("rb") as file:
            start = file.read(FIRST_READ)
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    _refuse_strange(start, name, shown)
    suffix = split_suffix(name)[1].lower()
    if len(start) > LENGTH_BYTES and start[LENGTH_BYTES : LENGTH_BYTES + 1] == b"{":
        try:
            return Contents(detect(read_header(path)), SAFETENSORS)
        except ModelUnreadable as error:
            if error.reason == "truncated":
                raise DownloadDamaged(name=name) from error
    _refuse_false_safetensors(name, start)
    is_pickle = start.startswith(PICKLE_STARTS)
    if suffix in PICKLE_SUFFIXES and not is_pickle:
        raise NotAModelFile(name=name)
    if is_pickle and (suffix in PICKLE_SUFFIXES or suffix in ("", SAFETENSORS)):
        found = detect(pickle_header(path, name))
        if suffix == SAFETENSORS and found.kind is ModelKind.OTHER:
            raise NotAModelFile(name=name)
        return Contents(found, "" if suffix in PICKLE_SUFFIXES else ".pt")
    return Contents(Detected(ModelKind.OTHER, ModelFamily.UNKNOWN, 0))


def pickle_header(path: Path, name: str) -> TensorHeader:
    """Names and shapes of the tensors in the pickle at ``path``: torch's weights-only loader reads it in a child.

    Raises ``ArchiveNotModel`` and ``NotAModelFile`` for other zips, ``ModelUnsafe`` when torch refuses it,
    ``DownloadDamaged`` when it is broken, ``PickleNotInspected`` when it could not be read in time or memory.
    """
    try:
        reason = no_weights(path)
    except OSError as error:
        raise CannotRead(path=path, reason=system_reason(error)) from error
    if reason is not None:
        raise ArchiveNotModel(name=name) if reason == "archive" else NotAModelFile(name=name, reason=reason)
    # -P: the probe's own folder must not shadow the standard library.
    command = [sys.executable, "-P", str(Path(__file__).with_name("pickle_probe.py")), str(path)]
    environment = without_secrets(os.environ) | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=PROBE_TIMEOUT, check=False, stdin=subprocess.DEVNULL
        )
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, OSError, ValueError) as error:
        _log.warning("pickle probe of %s failed: %s", name, type(error).__name__)
        raise PickleNotInspected(path=path) from error
    if "refused" in answer:
        _log.info("torch refused %s: %s", name, answer["refused"])
        raise ModelUnsafe(path=path)
    if "damaged" in answer:
        _log.info("%s is damaged: %s", name, answer["damaged"])
        raise DownloadDamaged(name=name)
    return header_of_names(answer["tensors"])


def header_of_names(tensors: Mapping[str, Any]) -> TensorHeader:
    """A header with the given names and shapes, wrappers such as ``state_dict.`` taken off, for ``detect``."""
    return TensorHeader({_bare(name): TensorInfo("F32", tuple(shape), 0, 0) for name, shape in tensors.items()})


def _bare(name: str) -> str:
    wrapper, _, rest = name.partition(".")
    return rest if wrapper in WRAPPERS and wrapper != "model" else name  # "model" is also a part of real names


def _refuse_strange(start: bytes, name: str, shown: str) -> None:
    """Raise what says why a file that begins with ``start`` is no model, if it is known."""
    match strange_content(start[:SEEN_BYTES]):
        case None:
            pass
        case "empty":
            raise NotAModelFile(name=name, reason="empty")
        case "web_page":
            raise WebPageInsteadOfFile(link=shown)
        case "lfs_pointer":
            raise LfsPointer(name=name)
        case "archive":
            raise ArchiveNotModel(name=name)
        case reason if split_suffix(name)[1].lower() in MODEL_SUFFIXES or reason in ("json", "gguf"):
            raise NotAModelFile(name=name, reason=reason)
        case _:
            pass


def _refuse_false_safetensors(name: str, start: bytes) -> None:
    """Raise for what is called a safetensors file and is neither one nor a pickle; torch's own pickles are zips too."""
    if name.lower().endswith(SAFETENSORS):
        if start.startswith(PICKLE_STARTS[0]) and b"data.pkl" not in start:
            raise ArchiveNotModel(name=name)
        if not start.startswith(PICKLE_STARTS):
            raise NotAModelFile(name=name)


def _range(web: Web, remote: RemoteFile, start: int, count: int) -> bytes | None:
    """``count`` bytes from ``start`` (fewer at the file's end), or None when the server does not give them."""
    with web.get(remote.url, {"Range": f"bytes={start}-{start + count - 1}"}, remote.key) as answer:
        return answer.read(count) if _serves(answer, start) else None


def _serves(answer: Answer, start: int) -> bool:
    return answer.status == 206 and answer.content_range[0] == start and not answer.is_web_page
