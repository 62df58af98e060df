"""Files that lie among the models and are none: why, and which names such files have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdcolab.core.contents import SEEN_BYTES, strange_content
from sdcolab.core.errors import ForeignFile, ForeignLeftOut, SdcolabError, UnknownName

IN_FOLDERS = "model_index.json"
"""What diffusers writes at the top of a model that is a folder of many files."""

_BY_SUFFIX: Mapping[str, str] = {
    ".gguf": "gguf",
    **dict.fromkeys((".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".zst"), "archive"),
    **dict.fromkeys((".part", ".crdownload", ".download", ".partial", ".parcial", ".aria2"), "unfinished"),
    **dict.fromkeys((".onnx", ".h5", ".msgpack", ".engine", ".tflite", ".pb", ".mlmodel"), "other_format"),
    ".sft": "ending_sft",
    ".torrent": "torrent",
}
FOREIGN = frozenset(_BY_SUFFIX)
"""Extensions of what people put among their models and no model here has."""


def why_foreign(path: Path) -> str:
    """The reason (``core.words.UNREADABLE_REASONS``) why what lies at ``path`` is no model that is used here: by its
    first bytes, and where they say nothing by its name."""
    if path.is_dir():
        return "folder"
    try:
        with path.open("rb") as file:
            strange = strange_content(file.read(SEEN_BYTES))
    except OSError:
        strange = None
    told = _BY_SUFFIX.get(path.suffix.lower(), "not_a_model")
    return told if told == "unfinished" else strange or told


def left_out(tag: str, error: UnknownName, missing: SdcolabError) -> SdcolabError:
    """What to say of a prompt's ``tag`` whose name was looked for in vain: ``missing``, unless a file that is no model
    has it."""
    return ForeignLeftOut(tag, error.path, error.reason) if isinstance(error, ForeignFile) else missing
