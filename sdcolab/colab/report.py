"""The report to send to whoever helps: the diagnosis and the logs in one file, with every secret taken out."""

from __future__ import annotations

import base64
import contextlib
import html
import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from sdcolab.core.files import atomic_write
from sdcolab.core.folders import Folders
from sdcolab.core.machine import USER_VARIABLE, MachineFile
from sdcolab.core.words import notebook as words
from sdcolab.process.environment import PRIVATE_NAMES

REPORT_NAME = "informe-sdcolab.zip"
MAX_LINK_BYTES = 8_000_000
"""Bigger reports do not travel inside the notebook."""

TAIL_BYTES = 1_000_000
"""Of each log: its end tells why something failed."""

_SHORTEST_SECRET = 6
"""Shorter texts would be replaced all over the logs."""

_PATTERNS = (
    re.compile(r"(?i)\b(hf_|ngrok_|cr_)[A-Za-z0-9_]{12,}"),
    re.compile(r"(?i)(?<=bearer )[^\s\"',;]+"),
    re.compile(r"(?i)(?<=authorization: )[^\n\"']+"),
    re.compile(r"(?i)(?<=token=)[^\s&\"']+"),
    re.compile(r"(?i)(?<=signature=)[^\s&\"']+"),
    re.compile(r"(?i)(?<=contraseña: )\S+"),
    re.compile(r"(?i)(?<=password=)[^\s&\"']+"),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
    re.compile(r"\b[0-9a-f]{32}\b"),
    re.compile(r"\b[12][A-Za-z0-9]{26}_[A-Za-z0-9]{15,30}\b"),
)
"""What secrets look like; the last are civitai's keys (and harmless hashes) and ngrok's."""


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """``text`` with the known ``secrets`` and everything that looks like one hidden."""
    for secret in sorted({secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True):
        text = text.replace(secret, words.HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(words.HIDDEN, text)
    return text


def known_secrets(folders: Folders, environ: Mapping[str, str], tokens: Iterable[str] = ()) -> tuple[str, ...]:
    """Every secret that this machine has: tokens, the public link's password, huggingface's saved token."""
    found = [*tokens, *(environ.get(name, "").strip() for name in PRIVATE_NAMES)]
    found.append(environ.get(USER_VARIABLE, "").partition(":")[2])
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        found.append(
            str(json.loads((folders.root / ".sesion" / "acceso.json").read_text(encoding="utf-8"))["password"])
        )
    found.append(MachineFile(folders.root).peek().password)
    home = Path(environ.get("HF_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache" / "huggingface")
    with contextlib.suppress(OSError, ValueError):
        found.append((home / "token").read_text(encoding="utf-8").strip())
    return tuple(secret for secret in found if secret)


def write_report(folders: Folders, page: str, secrets: Iterable[str]) -> Path:
    """Write the report into the program's folder. Raises ``DiskFull`` or ``CannotWrite``."""
    known = tuple(secrets)
    target = folders.root / REPORT_NAME
    with atomic_write(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as report:
        report.writestr("diagnostico.txt", without_secrets(page, known))
        for log in sorted(folders.logs.glob("*.log*")):
            with contextlib.suppress(OSError), log.open("rb") as reading:
                reading.seek(max(0, log.stat().st_size - TAIL_BYTES))
                text = reading.read().decode("utf-8", errors="replace")
                report.writestr(log.name, without_secrets(text, known))
    return target


def report_line(path: Path) -> str:
    """Where the report is, for people."""
    return words.REPORT_SAVED.format(path=path)


def download_link(path: Path) -> str:
    """HTML that downloads the report from the cell itself, where it is not too big for that."""
    data = path.read_bytes()
    if len(data) > MAX_LINK_BYTES:
        return ""
    address = f"data:application/zip;base64,{base64.b64encode(data).decode('ascii')}"
    return f'<a download="{path.name}" href="{address}">{words.DOWNLOAD_REPORT.format(name=path.name)}</a>'


def report_html(path: Path) -> str:
    """``report_line`` and ``download_link`` together."""
    return f"{html.escape(report_line(path))} {download_link(path)}"
