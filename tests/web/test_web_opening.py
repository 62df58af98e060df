"""What a fresh page shows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from web_fakes import make_bench

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.request import AUTOMATIC, GenerationRequest, Hires, Refiner
from sdcolab.studio.studio import Studio
from sdcolab.web.actions import PanelActions
from sdcolab.web.header import chosen_checkpoint


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


def test_a_form_from_another_machine_names_nothing_that_is_not_here(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    elsewhere = GenerationRequest(
        prompt="una isla",
        steps=31,
        checkpoint="allí.safetensors",
        vae="allí.pt",
        sampler="Un sampler de otra versión",
        hires=Hires(upscaler="4x_allí", scale=1.5),
        refiner=Refiner("allí-refiner.safetensors", switch_at=0.6),
    )
    bench.studio.last_form.save(elsewhere)
    shown = PanelActions(bench.studio).drawn_values()
    assert (shown["prompt"], shown["steps"], shown["sampler"]) == ("una isla", 31, GenerationRequest().sampler)
    assert (shown["checkpoint"], shown["vae"]) == ("demo-128.safetensors", AUTOMATIC)
    assert (shown["hires"], shown["hires.upscaler"], shown["hires.scale"]) == (True, Hires().upscaler, 1.5)
    assert (shown["refiner"], shown["refiner.checkpoint"], shown["refiner.switch_at"]) == (True, None, 0.6)
    vaes = bench.folders.models(ModelKind.VAE)
    vaes.mkdir(parents=True, exist_ok=True)
    (vaes / "allí.pt").write_bytes(b"")
    assert PanelActions(bench.studio).drawn_values()["vae"] == "allí.pt"


def _studio() -> Studio:
    """A studio with nothing in it: only its library is looked at."""
    return Studio(*(None for _ in dataclasses.fields(Studio)))  # type: ignore[arg-type]
