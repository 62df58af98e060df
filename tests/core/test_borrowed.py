"""The folders of other programs, used where they lie."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from sdcolab.cli import main
from sdcolab.core.borrowed import borrow, borrowed, found_in, give_back, program_in, settings_of
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import FolderNotKnown, FolderOurs
from sdcolab.core.faces import RESTORER
from sdcolab.core.folders import Folders
from sdcolab.core.library import Library
from sdcolab.core.preprocessors import weights_in
from sdcolab.core.prompt import Style
from sdcolab.core.request import NoiseOrigin
from sdcolab.core.settings import Settings, SettingsFile


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


@pytest.fixture
def webui(tmp_path: Path) -> Path:
    return put(
        tmp_path / "stable-diffusion-webui",
        "models/Stable-diffusion/anime/a.safetensors",
        "models/Lora/l.safetensors",
        "models/LyCORIS/y.safetensors",
        "models/VAE/v.safetensors",
        "embeddings/e.pt",
        "extensions/sd-webui-controlnet/models/canny.safetensors",
        "models/ESRGAN/4x.pth",
    )


@pytest.fixture
def comfy(tmp_path: Path) -> Path:
    return put(tmp_path / "ComfyUI", "models/checkpoints/c.safetensors", "models/loras/m.safetensors",
               "models/upscale_models/u.pth", "models/diffusion_models/d.safetensors")  # fmt: skip


@pytest.mark.parametrize("inside", ["", "models"])
def test_what_each_program_keeps_where(webui: Path, comfy: Path, inside: str) -> None:
    kinds = sorted(kind.value for kind, _folder in found_in(webui / inside))
    assert kinds == sorted(
        kind.value
        for kind in (ModelKind.CHECKPOINT, ModelKind.LORA, ModelKind.LORA, ModelKind.VAE, ModelKind.EMBEDDING,
                     ModelKind.CONTROLNET, ModelKind.UPSCALER)
    )  # fmt: skip
    found = {kind for kind, _folder in found_in(comfy / inside)}
    assert found == {ModelKind.CHECKPOINT, ModelKind.LORA, ModelKind.UPSCALER, ModelKind.UNET}


def test_their_models_are_in_the_library_and_nothing_is_copied(webui: Path, comfy: Path, tmp_path: Path) -> None:
    folders = Folders(put(tmp_path / "sdcolab", "models/Stable-diffusion/mio.safetensors"))
    borrow(webui, folders)
    borrow(comfy, folders, "comfy")
    names = [file.name for file in Library(folders).files(ModelKind.CHECKPOINT)]
    assert names == [
        "comfy/c.safetensors", "mio.safetensors", "stable-diffusion-webui/anime/a.safetensors",
    ]  # fmt: skip
    loras = [file.name for file in Library(folders).files(ModelKind.LORA)]
    assert loras == [
        "comfy/m.safetensors", "stable-diffusion-webui-2/y.safetensors", "stable-diffusion-webui/l.safetensors",
    ]  # fmt: skip
    again = list(borrowed(folders))
    borrow(webui, folders)
    assert list(borrowed(folders)) == again


def test_what_is_looked_for_by_its_own_name_is_found_in_their_folders(tmp_path: Path) -> None:
    names = (
        "models/GFPGAN/GFPGANv1.4.pth",
        "models/adetailer/face_detect_v1.4_s.onnx",
        "models/VAE-taesd/taesd_decoder.pth",
        "extensions/sd-webui-controlnet/annotator/downloads/midas/dpt_hybrid-midas-501f0c75.pt",
    )
    theirs = put(tmp_path / "webui", "models/Stable-diffusion/a.safetensors", *names)
    folders = Folders(tmp_path / "sdcolab")
    assert RESTORER.found_in(folders) is None
    borrow(theirs, folders)
    borrow(put(tmp_path / "ComfyUI", "models/clip_vision/h.safetensors", "models/facerestore_models/x.pth"), folders)
    assert RESTORER.found_in(folders) == folders.models(ModelKind.FACES) / "webui" / "GFPGANv1.4.pth"
    assert [file.name for file in Library(folders).files(ModelKind.DETECTOR)] == ["webui/face_detect_v1.4_s.onnx"]
    assert weights_in(folders, "midas") is not None
    assert folders.models(ModelKind.TINY_VAE) / "webui" in folders.roots(ModelKind.TINY_VAE)
    (clip,) = (root / "h.safetensors" for root in folders.roots(ModelKind.CLIP_VISION) if root.name == "ComfyUI")
    assert clip.is_file()


def test_giving_back_touches_no_model(webui: Path, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "sdcolab")
    borrow(webui, folders)
    assert give_back("stable-diffusion-webui", folders) == 7  # "-2" too, the other folder of a kind
    assert give_back("stable-diffusion-webui-2", folders) == 0
    assert give_back("otra", folders) == 0
    assert list(borrowed(folders)) == []
    assert (webui / "models/Lora/l.safetensors").is_file()


def test_comfyui_s_list_of_folders_elsewhere_is_read(comfy: Path, tmp_path: Path) -> None:
    put(tmp_path / "disco", "ckpts/a.safetensors", "l1/a.safetensors", "l2/b.safetensors")
    (comfy / "extra_model_paths.yaml").write_text(
        "#c:\na111:\n  base_path: ../disco\n  is_default: true\n  checkpoints: ckpts\n"
        "  loras: |\n    l1\n    l2\n    no\n  custom_nodes: l1\notro: 5\nvacio:\n  vae:\n"
    )
    elsewhere = {(kind, folder.name) for kind, folder in found_in(comfy) if "disco" in folder.parts}
    assert elsewhere == {(ModelKind.CHECKPOINT, "ckpts"), (ModelKind.LORA, "l1"), (ModelKind.LORA, "l2")}


@pytest.mark.parametrize("text", ["", "[1]", "a: [", "a: {b: *c}", "a: {base_path: 3, loras: [x]}", "[" * 100_000])
def test_a_list_of_folders_that_is_none_changes_nothing(text: str, comfy: Path) -> None:
    before = found_in(comfy)
    (comfy / "extra_model_paths.yaml").write_text(text)
    assert found_in(comfy) == before


def test_the_program_is_found_one_folder_down(webui: Path, comfy: Path, tmp_path: Path) -> None:
    packed = tmp_path / "webui_forge_cu121"
    packed.mkdir()
    inside = webui.rename(packed / "webui")
    assert program_in(packed) == inside
    assert program_in(inside) == inside
    comfy.rename(packed / "ComfyUI")
    assert program_in(packed) == packed, "which of both is not known"


def test_neither_a_file_nor_a_folder_beside_the_models_is_a_program(webui: Path) -> None:
    put(webui, "styles.csv", "outputs/a.png")
    assert found_in(webui / "styles.csv") == ()
    assert found_in(webui / "outputs") == ()


def test_a_folder_that_is_away_is_told_and_can_be_given_back(
    comfy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = Folders(tmp_path / "sdcolab")
    count = len(borrow(comfy, folders))
    (folders.models(ModelKind.LORA) / "suelto.safetensors").symlink_to(tmp_path / "no.safetensors")
    comfy.rename(tmp_path / "disco desconectado")
    assert main(["carpetas", "--carpeta", str(folders.root)]) == 0
    assert capsys.readouterr().out.count("ahora no está") == count
    assert give_back("suelto.safetensors", folders) == 0
    assert give_back("ComfyUI", folders) == count


def test_a_folder_of_our_own_is_never_taken_for_a_link(tmp_path: Path) -> None:
    folders = Folders(put(tmp_path, "models/Lora/carpeta/l.safetensors"))
    assert give_back("carpeta", folders) == 0
    assert (tmp_path / "models/Lora/carpeta/l.safetensors").is_file()


def test_folders_that_make_no_sense(webui: Path, tmp_path: Path) -> None:
    with pytest.raises(FolderNotKnown):
        borrow(tmp_path / "nada", Folders(tmp_path / "sdcolab"))
    with pytest.raises(FolderOurs):
        borrow(webui, Folders(webui))
    with pytest.raises(FolderOurs):
        borrow(webui, Folders(webui / "models" / "Lora" / "sdcolab"))


def test_their_settings_become_ours_as_far_as_they_are_understood(webui: Path) -> None:
    (webui / "styles.csv").write_bytes(b"\xef\xbb\xbfname,prompt,negative_prompt\nmio,otro,\nnuevo,gato,perro\n")
    config = {"CLIP_stop_at_last_layers": 2, "randn_source": "CPU", "sd_vae": 5, "nada": [1], "tiling": "sí"}
    (webui / "config.json").write_text(json.dumps(config))
    ui = {"txt2img/Sampling steps/value": 28.0, "txt2img/Width/value": 513, "txt2img/CFG Scale/value": 6}
    (webui / "ui-config.json").write_text(json.dumps(ui))
    ours = Settings(styles=(Style("mio", "mío", ""),))
    settings, styles, changed = settings_of(webui / "models", ours)
    assert [style.name for style in settings.styles] == ["mio", "nuevo"]
    assert settings.styles[0].prompt == "mío"
    assert (styles, changed) == (1, 4)
    defaults = settings.defaults
    assert (defaults.clip_skip, defaults.noise_origin, defaults.steps) == (2, NoiseOrigin.CPU, 28)
    assert (defaults.cfg_scale, defaults.width) == (6.0, None)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff" * 10, b"[" * 100_000, b'{"CLIP_stop_at_last_layers": 99}'])
def test_settings_that_are_none_change_nothing(text: bytes, webui: Path) -> None:
    for name in ("config.json", "ui-config.json", "styles.csv"):
        (webui / name).write_bytes(text)
    assert settings_of(webui, Settings()) == (Settings(), 0, 0)


def test_the_settings_of_the_guide_s_notebooks_are_found_without_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drive = put(tmp_path, "WebUI/configs/styles.csv")
    (drive / "WebUI/configs/styles.csv").write_bytes("\ufeffname,prompt,negative_prompt\nmío,gato,\n".encode())
    ours = tmp_path / "sdcolab"
    assert main(["carpetas", str(drive / "WebUI"), "--carpeta", str(ours)]) == 0
    assert "se tomó 1 estilo." in capsys.readouterr().out
    assert SettingsFile(Folders(ours).config).load().styles == (Style("mío", "gato", ""),)


def test_the_command(webui: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (webui / "config.json").write_text('{"CLIP_stop_at_last_layers": 2}')
    ours = ["--carpeta", str(tmp_path / "sdcolab")]
    assert main(["carpetas", *ours]) == 0
    assert "No usas carpetas" in capsys.readouterr().out
    assert main(["carpetas", str(webui), "--nombre", "../../fuera", *ours]) == 0
    said = capsys.readouterr().out
    assert f"«fuera» usa {webui / 'models' / 'Lora'}" in said
    assert "se tomó 1 valor por defecto." in said
    assert SettingsFile(Folders(tmp_path / "sdcolab").config).load().defaults.clip_skip == 2
    assert main(["carpetas", *ours]) == 0
    assert "fuera · VAE" in capsys.readouterr().out
    assert main(["carpetas", "--quitar", "fuera", *ours]) == 0
    assert not (tmp_path / "sdcolab" / "models").exists()  # nor empty folders
    assert (webui / "models" / "Lora").is_dir()
    assert main(["carpetas", "--quitar", "fuera", *ours]) == 1
    assert main(["carpetas", str(tmp_path / "no"), *ours]) == 1
    assert "«models»" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="junctions there")
def test_links_are_links(webui: Path, tmp_path: Path) -> None:
    (one, *_rest) = borrow(webui, Folders(tmp_path / "sdcolab"))
    assert os.readlink(one.link) == str(one.target)  # noqa: PTH115
