"""Which of the LoRA files of a name one training made: an earlier one of that name may have left its own. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcolab.core.errors import SdcolabError
from sdcolab.core.tensors import read_header
from sdcolab.training.metadata import SESSION_KEY, SUFFIX

_FINISHED = "ss_training_finished_at"


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """Files of one training in the order of its steps, the finished one last, and those of ``others``."""

    files: tuple[Path, ...]
    others: tuple[Path, ...]


def own_files(folder: Path, name: str) -> OwnFiles:
    """The files called ``name`` that the training made which wrote the latest of them. Those that do not say which one
    made them belong together."""
    ending = rf"(?:-(?P<epoch>\d{{6}})|-step(?P<step>\d{{8}}))?{re.escape(SUFFIX)}"
    pattern = re.compile(re.escape(name) + ending)
    named = {path: match for path in folder.glob("*" + SUFFIX) if (match := pattern.fullmatch(path.name))}
    told = {path: _metadata(path) for path in named}
    order = sorted(named, key=lambda path: (named[path].lastindex is None, path.name))
    if not order:
        return OwnFiles((), ())
    latest = max(order, key=lambda path: _finished(told[path]))
    by = told[latest].get(SESSION_KEY)
    own = tuple(path for path in order if told[path].get(SESSION_KEY) == by)
    return OwnFiles(own, tuple(path for path in order if path not in own))


def is_made_by(path: Path, session: int) -> bool:
    """Whether ``path`` is a file of the training that ``SESSION_KEY`` calls so."""
    return path.is_file() and _metadata(path).get(SESSION_KEY) == str(session)


def _metadata(path: Path) -> Mapping[str, str]:
    try:
        return read_header(path).metadata
    except SdcolabError:
        return {}


def _finished(metadata: Mapping[str, str]) -> float:
    try:
        return float(metadata.get(_FINISHED, 0))
    except ValueError:
        return 0.0
