from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import sdcolab.core.file_facts
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import ForeignFile, ModelUnreadable, NameNotChosen, NoModels, UnknownFile
from sdcolab.core.folders import MODEL_FOLDERS, Folders
from sdcolab.core.library import Library, ModelFile
from sdcolab.core.preprocessors import weights_in
from sdcolab.core.words import explain
from sdcolab.studio.strangers import strangers


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
    put(folders, ModelKind.CHECKPOINT, "z.ckpt").write_bytes(PICKLE)
    assert Library(folders, bundled=(demo,)).default_checkpoint().name == "z.ckpt"


PICKLE = b"\x80\x02}q\x00."
"""What may be a model, as far as its beginning tells."""

_PONY_V7 = {"model.double_layers.0.attn.w1q.weight": (8, 8)}
_SD1 = {
    "model.diffusion_model.input_blocks.0.0.weight": (8, 4, 3, 3),
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (8, 768),
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (10, 768),
}


def put_tensors(folders: Folders, name: str, shapes: dict[str, tuple[int, ...]]) -> Path:
    path = put(folders, ModelKind.CHECKPOINT, name)
    save_file({tensor: np.zeros(shape, np.float16) for tensor, shape in shapes.items()}, path)
    return path


def test_the_default_is_the_first_that_can_run(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    other = put_tensors(folders, "a pony v7.safetensors", _PONY_V7)
    put(folders, ModelKind.CHECKPOINT, "b vacío.safetensors")
    put(folders, ModelKind.CHECKPOINT, "c gguf.safetensors").write_bytes(b"GGUF\x03\0\0\0" * 9)
    put_tensors(folders, "d suelta.safetensors", {"input_blocks.0.0.weight": (8, 4, 3, 3)})
    demo = ModelFile(ModelKind.CHECKPOINT, "demo", put(folders, ModelKind.OTHER, "demo.ckpt"))
    demo.path.write_bytes(PICKLE)
    library = Library(folders, bundled=(demo,))
    assert library.default_checkpoint() == demo
    assert library.files(ModelKind.CHECKPOINT)[0].path == other  # and stays in the list
    put_tensors(folders, "e.safetensors", _SD1)
    put(folders, ModelKind.CHECKPOINT, "f.ckpt").write_bytes(PICKLE)
    assert library.default_checkpoint().name == "e.safetensors"
    read = []
    monkeypatch.setattr(sdcolab.core.file_facts, "read_header", read.append)
    assert library.now().default_checkpoint().name == "e.safetensors"
    assert read == []  # each header once, until its file changes


def test_the_default_is_what_was_asked_for_even_if_it_cannot_run(folders: Folders) -> None:
    chosen = ModelFile(ModelKind.CHECKPOINT, "x", put_tensors(folders, "x.safetensors", _PONY_V7))
    put_tensors(folders, "e.safetensors", _SD1)
    assert Library(folders, first=(chosen,)).default_checkpoint() == chosen


def test_the_default_is_the_first_when_none_can_run(folders: Folders) -> None:
    for name in ("z.safetensors", "y.safetensors"):
        put_tensors(folders, name, _PONY_V7)
    assert Library(folders).default_checkpoint().name == "y.safetensors"


@pytest.mark.parametrize(
    ("file", "name", "start", "reason"),
    [
        ("modelo.gguf", "modelo.gguf", b"GGUF\x03\0\0\0", "formato GGUF"),
        ("sub/modelo.gguf", "Modelo", b"", "está vacío"),
        ("modelo.GGUF", "modelo", b"\x01\x02\x03\x04" * 9, "formato GGUF"),
        ("modelo.zip", "modelo.zip", b"PK\x03\x04" + b"\x01" * 40, "comprimido"),
        ("modelo.rar", "modelo", b"Rar!\x1a\x07", "comprimido"),
        ("modelo.safetensors.crdownload", "modelo.safetensors", b"GGUF", "sin terminar"),
        ("modelo.onnx", "modelo", b"\x08\x07\x12\x07pytorch", "en un formato que aquí no se usa"),
        ("ae.sft", "ae.sft", b"\x08\0\0\0\0\0\0\0{}", "termina en .sft"),
        ("entero/model_index.json", "entero", b"{}", "es una carpeta de diffusers"),
    ],
)
def test_what_lies_there_and_is_no_model_is_told(
    folders: Folders, file: str, name: str, start: bytes, reason: str
) -> None:
    put(folders, ModelKind.CHECKPOINT, file).write_bytes(start)
    for library in (Library(folders), Library(folders).now()):
        assert library.files(ModelKind.CHECKPOINT) == ()
        with pytest.raises(ForeignFile) as told:
            library.find(ModelKind.CHECKPOINT, name)
        assert reason in explain(told.value).text


def test_what_lies_beside_a_model_does_not_answer_to_its_name(folders: Folders) -> None:
    for name in ("modelo.preview.png", "modelo.json", "modelo.civitai.info", "modelo.txt", "model_index.json"):
        put(folders, ModelKind.CHECKPOINT, name)
    with pytest.raises(UnknownFile) as told:
        Library(folders).find(ModelKind.CHECKPOINT, "modelo")
    assert not isinstance(told.value, ForeignFile)


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


def test_both_faces_tell_what_lies_among_the_models_and_is_none(folders: Folders) -> None:
    put(folders, ModelKind.CHECKPOINT, "flux-Q4.gguf").write_bytes(b"GGUF\x03\x00\x00\x00")
    put(folders, ModelKind.LORA, "estilo.zip").write_bytes(b"PK\x03\x04" + bytes(30))
    put(folders, ModelKind.VAE, "vae.safetensors")
    put(folders, ModelKind.OTHER, "apartado.zip")
    told = [str(explain(one)) for one in strangers(Library(folders))]
    assert [("flux-Q4.gguf" in one, "GGUF" in one) for one in told] == [(True, True), (False, False)]
    assert "«estilo.zip»" in told[1]
    for number in range(5):
        put(folders, ModelKind.EMBEDDING, f"{number}.part")
    *_, last = strangers(Library(folders))
    assert last.facts() == {"count": 3}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.ckpt", b"<!DOCTYPE html><html>Sign in</html>", "web_page"),
        ("a.ckpt", b"", "empty"),
        ("a.pt", b'{"error": "login"}', "json"),
        ("a.ckpt", b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n", "lfs_pointer"),
    ],
)
def test_what_is_no_model_is_never_opened_with(folders: Folders, name: str, content: bytes, reason: str) -> None:
    path = put(folders, ModelKind.CHECKPOINT, name)
    path.write_bytes(content)
    good = put(folders, ModelKind.CHECKPOINT, "b.ckpt")
    good.write_bytes(PICKLE)
    library = Library(folders)
    assert library.default_checkpoint().path == good
    trouble = library.facts.trouble(path)
    assert isinstance(trouble, ModelUnreadable) and trouble.reason == reason


def test_a_zip_that_torch_did_not_write_is_told(folders: Folders) -> None:
    path = put(folders, ModelKind.CHECKPOINT, "a.ckpt")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("modelo.safetensors", b"x")
    trouble = Library(folders).facts.trouble(path)
    assert isinstance(trouble, ModelUnreadable) and trouble.reason == "archive"
