"""Which checkpoint a fresh page shows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.request import GenerationRequest
from sdcolab.web.header import chosen_checkpoint
from sdcolab.web.studio import Studio


def test_the_model_it_was_opened_with_comes_first(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folder = folders.models(ModelKind.CHECKPOINT)
    folder.mkdir(parents=True)
    for name in ("aaa.safetensors", "saved.safetensors", "zzz.safetensors"):
        (folder / name).write_bytes(b"")
    saved = GenerationRequest(checkpoint="saved.safetensors")
    first = ModelFile(ModelKind.CHECKPOINT, "zzz.safetensors", folder / "zzz.safetensors")
    studio = dataclasses.replace(_studio(), library=Library(folders, first=(first,)))
    assert chosen_checkpoint(studio, saved) == "zzz.safetensors"
    studio = dataclasses.replace(_studio(), library=Library(folders))
    assert chosen_checkpoint(studio, saved) == "saved.safetensors"
    assert chosen_checkpoint(studio, GenerationRequest()) == "aaa.safetensors"


def _studio() -> Studio:
    """A studio with nothing in it: only its library is looked at."""
    return Studio(*(None for _ in dataclasses.fields(Studio)))  # type: ignore[arg-type]
