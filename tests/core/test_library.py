from __future__ import annotations

from pathlib import Path

import pytest

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import NameNotChosen, NoModels, UnknownFile
from sdcolab.core.folders import MODEL_FOLDERS, Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.preprocessors import weights_in
from sdcolab.core.words import explain


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def put(folders: Folders, kind: ModelKind, name: str) -> Path:
    path = folders.models(kind) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_every_kind_has_a_folder() -> None:
    assert set(MODEL_FOLDERS) == set(ModelKind)
    assert len(set(MODEL_FOLDERS.values())) == len(MODEL_FOLDERS)


def test_files_are_sorted_recursive_and_only_models(folders: Folders) -> None:
    for name in ("b.safetensors", "A.ckpt", "anime/c.safetensors", "notas.txt", ".oculto.safetensors", "d.parcial"):
        put(folders, ModelKind.CHECKPOINT, name)
    names = [file.name for file in Library(folders).files(ModelKind.CHECKPOINT)]
    assert names == ["A.ckpt", "anime/c.safetensors", "b.safetensors"]


def test_names_that_are_not_text_are_left_out(folders: Folders) -> None:
    put(folders, ModelKind.CHECKPOINT, "mal\udce9.safetensors")
    assert Library(folders).files(ModelKind.CHECKPOINT) == ()


def test_links_are_followed_once(folders: Folders, tmp_path: Path) -> None:
    put(folders, ModelKind.LORA, "x.safetensors")
    (folders.models(ModelKind.LORA) / "vuelta").symlink_to(folders.models(ModelKind.LORA))
    assert [file.name for file in Library(folders).files(ModelKind.LORA)] == ["x.safetensors"]


@pytest.mark.parametrize(
    "name", ["anime/Deli.safetensors", "anime/deli", "anime_deli", "Deli", "anime/Deli.safetensors [abcdef1234]"]
)
def test_find_by_any_of_its_names(folders: Folders, name: str) -> None:
    put(folders, ModelKind.CHECKPOINT, "anime/Deli.safetensors")
    assert Library(folders).find(ModelKind.CHECKPOINT, name).stem == "anime_Deli"


def test_vaes_beside_checkpoints_are_no_checkpoints(folders: Folders) -> None:
    for kind in (ModelKind.CHECKPOINT, ModelKind.VAE):
        put(folders, kind, "anime.vae.pt")
    assert Library(folders).files(ModelKind.CHECKPOINT) == ()
    assert len(Library(folders).files(ModelKind.VAE)) == 1


def test_a_miss_suggests(folders: Folders) -> None:
    put(folders, ModelKind.CHECKPOINT, "deliberate_v2.safetensors")
    with pytest.raises(UnknownFile) as caught:
        Library(folders).find(ModelKind.CHECKPOINT, "deliberate_v3.safetensors")
    assert caught.value.suggestions == ("deliberate_v2.safetensors",)


def test_default_prefers_the_users_own_model(folders: Folders, tmp_path: Path) -> None:
    demo = ModelFile(ModelKind.CHECKPOINT, "demo", tmp_path / "demo")
    assert Library(folders, bundled=(demo,)).default_checkpoint() is demo
    put(folders, ModelKind.CHECKPOINT, "z.safetensors")
    assert Library(folders, bundled=(demo,)).default_checkpoint().name == "z.safetensors"


def test_a_chosen_file_comes_first_and_once(folders: Folders, tmp_path: Path) -> None:
    put(folders, ModelKind.CHECKPOINT, "a.safetensors")
    path = put(folders, ModelKind.CHECKPOINT, "sub/b.safetensors")
    chosen = ModelFile(ModelKind.CHECKPOINT, "b.safetensors", path)
    assert [file.name for file in Library(folders, first=(chosen,)).files(ModelKind.CHECKPOINT)] == [
        "b.safetensors",
        "a.safetensors",
    ]


def test_a_bundled_file_that_was_chosen_is_listed_once(folders: Folders, tmp_path: Path) -> None:
    demo = ModelFile(ModelKind.CHECKPOINT, "demo", tmp_path / "demo")
    assert Library(folders, first=(demo,), bundled=(demo,)).files(ModelKind.CHECKPOINT) == (demo,)


def test_no_models_at_all(folders: Folders) -> None:
    with pytest.raises(NoModels):
        Library(folders).default_checkpoint()


def test_control_models_are_found_in_the_extension_s_folder_too(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    extension = tmp_path / "extensions" / "sd-webui-controlnet"
    for path in (
        folders.models(ModelKind.CONTROLNET) / "canny.safetensors",
        extension / "models" / "canny.safetensors",
        extension / "models" / "depth.pth",
        extension / "annotator" / "downloads" / "hed" / "ControlNetHED.pth",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    found = {file.name: file.path for file in Library(folders).files(ModelKind.CONTROLNET)}
    assert found == {
        "canny.safetensors": folders.models(ModelKind.CONTROLNET) / "canny.safetensors",
        "depth.pth": extension / "models" / "depth.pth",
    }
    assert weights_in(folders, "hed") == extension / "annotator" / "downloads" / "hed" / "ControlNetHED.pth"


def test_no_name_is_told_as_nothing_chosen(tmp_path: Path) -> None:
    with pytest.raises(NameNotChosen) as nothing:
        Library(Folders(tmp_path)).find(ModelKind.CHECKPOINT, " ")
    assert str(explain(nothing.value)) == "Falta elegir el modelo. Está en su lista."
