"""What a fresh page shows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from web_fakes import make_bench

from sdcolab.core.detect import ModelKind
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.request import AUTOMATIC, GenerationRequest, Hires, Refiner
from sdcolab.core.settings import Settings
from sdcolab.studio.form import Reader
from sdcolab.studio.generating import GenerationDesk
from sdcolab.studio.layout import LAYOUT
from sdcolab.studio.studio import Studio
from sdcolab.web.uploads import chosen_picture


def desk(studio: Studio) -> GenerationDesk:
    return GenerationDesk(studio, LAYOUT, Reader(studio.lists, chosen_picture))


def test_the_model_it_was_opened_with_comes_first(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folder = folders.models(ModelKind.CHECKPOINT)
    folder.mkdir(parents=True)
    for name in ("aaa.safetensors", "saved.safetensors", "zzz.safetensors"):
        (folder / name).write_bytes(b"")
    saved = GenerationRequest(checkpoint="saved.safetensors")
    first = ModelFile(ModelKind.CHECKPOINT, "zzz.safetensors", folder / "zzz.safetensors")
    studio = dataclasses.replace(_studio(), library=Library(folders, first=(first,)))
    assert desk(studio).chosen_checkpoint(saved) == "zzz.safetensors"
    studio = dataclasses.replace(_studio(), library=Library(folders))
    assert desk(studio).chosen_checkpoint(saved) == "saved.safetensors"
    assert desk(studio).chosen_checkpoint(GenerationRequest()) == "aaa.safetensors"


def test_the_vae_it_was_opened_with_is_chosen(tmp_path: Path) -> None:
    file = tmp_path / "anything.vae.pt"
    file.write_bytes(b"")
    first = ModelFile(ModelKind.VAE, file.name, file)
    studio = make_bench(tmp_path).studio
    assert desk(studio).opening(Settings())[0]["vae"] == AUTOMATIC
    studio = dataclasses.replace(studio, library=Library(Folders(tmp_path), first=(first,)))
    assert desk(studio).opening(Settings())[0]["vae"] == "anything.vae.pt"
    studio.jobs.close()


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
    shown = desk(bench.studio).opening(Settings())[0]
    assert (shown["prompt"], shown["steps"], shown["sampler"]) == ("una isla", 31, GenerationRequest().sampler)
    assert (shown["checkpoint"], shown["vae"]) == ("demo-128.safetensors", AUTOMATIC)
    assert (shown["hires"], shown["hires.upscaler"], shown["hires.scale"]) == (True, Hires().upscaler, 1.5)
    assert (shown["refiner"], shown["refiner.checkpoint"], shown["refiner.switch_at"]) == (True, "", 0.6)
    vaes = bench.folders.models(ModelKind.VAE)
    vaes.mkdir(parents=True, exist_ok=True)
    (vaes / "allí.pt").write_bytes(b"")
    assert desk(bench.studio).opening(Settings())[0]["vae"] == "allí.pt"


def _studio() -> Studio:
    """A studio with nothing in it: only its library is looked at."""
    empty = {field.name: None for field in dataclasses.fields(Studio)}
    return Studio(**(empty | {"more_lists": {}}))  # type: ignore[arg-type]
