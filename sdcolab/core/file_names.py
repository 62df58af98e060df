"""File names that come from outside, made harmless."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import chain, count

MAX_NAME_BYTES = 180
"""Longest file name in UTF-8 bytes: leaves room for the ending of unfinished files below the usual limit of 255."""

EXTENSIONS = frozenset(
    (
        "safetensors", "sft", "ckpt", "pt", "pth", "bin", "gguf", "onnx", "pkl", "npz", "npy", "h5", "pb",
        "tflite", "msgpack", "engine", "model",
        "zip", "7z", "rar", "tar", "gz", "tgz", "xz", "bz2", "zst", "txt", "md", "json", "jsonl", "yaml",
        "yml", "toml", "ini", "csv", "log", "html", "htm", "xml", "php", "asp", "aspx", "cgi", "jsp",
        "png", "jpg", "jpeg", "webp", "gif", "avif", "bmp", "tif", "tiff", "heic", "svg", "mp4", "webm",
        "mkv", "mov", "mp3", "wav", "ogg", "flac", "pdf", "doc", "docx",
        "py", "ipynb", "sh", "bat", "exe", "msi", "dmg", "dll", "so", "torrent", "dat", "tmp", "part",
        "download", "crdownload", "partial", "bak", "old", "info", "preview",
    )
)  # fmt: skip
"""What a name's last part is an extension: in "Deliberate v1.5", "mezcla.fp16" or "modelo.pruned" it is none."""

FALLBACK_NAME = "archivo"

_FORBIDDEN = re.compile(r'[<>:"|?*]')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\.|$)", re.IGNORECASE)


def safe_name(raw: str, fallback: str = FALLBACK_NAME) -> str:
    """One file name made of ``raw``: no folders, control or invisible characters, leading dots, names that Windows
    reserves, or excess length (at most ``MAX_NAME_BYTES``). Letters of every alphabet stay. Never empty.
    """
    base = re.split(r"[/\\]", unicodedata.normalize("NFC", raw))[-1]
    visible = "".join(char for char in base if unicodedata.category(char)[0] != "C" and char not in "\u2028\u2029")
    name = " ".join(_FORBIDDEN.sub("_", visible).split()).lstrip(". ").rstrip(". ")
    if not name.strip("_"):
        name = fallback
    if _RESERVED.match(name):
        name = f"_{name}"
    return _limited(name, MAX_NAME_BYTES)


def with_suffix(name: str, suffix: str) -> str:
    """``name`` (already safe) with its extension replaced by ``suffix`` (with dot), or with it added if it had none."""
    stem, _ = split_suffix(name)
    return _limited(f"{stem}{suffix}", MAX_NAME_BYTES)


def numbered(name: str, number: int) -> str:
    """``name`` with `` (number)`` before its extension."""
    stem, suffix = split_suffix(name)
    ending = f" ({number}){suffix}"
    return cut(stem, MAX_NAME_BYTES - len(ending.encode())) + ending


def free_names(name: str) -> Iterator[str]:
    """``name``, and then ``name`` with numbers from 2 without an end."""
    return chain((name,), (numbered(name, number) for number in count(2)))


def split_suffix(name: str) -> tuple[str, str]:
    """Stem and extension: one of ``EXTENSIONS`` behind a dot, or ""."""
    stem, dot, ending = name.rpartition(".")
    if not dot or not stem or ending.lower() not in EXTENSIONS:
        return name, ""
    return stem, f".{ending}"


def _limited(name: str, limit: int) -> str:
    if len(name.encode("utf-8", "replace")) <= limit:
        return name
    stem, suffix = split_suffix(name)
    return cut(stem, limit - len(suffix.encode())) + suffix


def cut(text: str, limit: int) -> str:
    """``text`` cut to ``limit`` UTF-8 bytes on a character boundary, with no blank or dot left at its end."""
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore").rstrip(". ")
