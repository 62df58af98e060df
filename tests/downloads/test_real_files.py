"""Small files with the tensor names of real ones: each is told for what it is, before and after it arrives."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from support.downloads import HURRY, LOOPBACK
from support.servers import FileServer

from sdcolab.core.detect import ModelFamily, ModelKind, detect
from sdcolab.core.errors import ArchiveNotModel, DownloadError, LfsPointer, ModelFamilyUnsupported, NotAModelFile
from sdcolab.core.events import Event, Warned
from sdcolab.core.folders import Folders
from sdcolab.core.tensors import TensorHeader, TensorInfo
from sdcolab.core.words import explain
from sdcolab.downloads.classify import look_inside
from sdcolab.downloads.queue import DownloadQueue

FILES = Path(__file__).parents[1] / "data" / "casos" / "archivos"
KIND, FAMILY = ModelKind, ModelFamily


@pytest.mark.parametrize(
    ("name", "kind", "family"),
    [
        ("anima.safetensors", KIND.CHECKPOINT, FAMILY.ANIMA),
        ("anima_lora.safetensors", KIND.LORA, FAMILY.ANIMA),
        ("ltxv_lora.safetensors", KIND.LORA, FAMILY.LTX),
        ("auraflow_pony7.safetensors", KIND.CHECKPOINT, FAMILY.AURAFLOW),
        ("zimage_aio.safetensors", KIND.CHECKPOINT, FAMILY.Z_IMAGE),
        ("playground25.safetensors", KIND.CHECKPOINT, FAMILY.PLAYGROUND),
        ("ae_flux.safetensors", KIND.VAE, FAMILY.FLUX),
        ("t5_full.safetensors", KIND.TEXT_ENCODER, FAMILY.UNKNOWN),
        ("metanull.safetensors", KIND.EMBEDDING, FAMILY.SD1),
        ("trailing.safetensors", KIND.EMBEDDING, FAMILY.SD1),
        ("emb_two_tokens.safetensors", KIND.EMBEDDING, FAMILY.SD1),
        ("peft_default.safetensors", KIND.LORA, FAMILY.SD1),
        ("te1_sd1_diffusers.safetensors", KIND.LORA, FAMILY.SD1),
        ("lightning.ckpt", KIND.CHECKPOINT, FAMILY.SD1),
        ("stp_module.pt", KIND.EMBEDDING, FAMILY.SD1),
        ("span.pth", KIND.UPSCALER, FAMILY.UNKNOWN),
        ("params-ema.pth", KIND.UPSCALER, FAMILY.UNKNOWN),
    ],
)
def test_what_a_file_is(name: str, kind: ModelKind, family: ModelFamily) -> None:
    detected = look_inside(FILES / name, name, name).detected
    assert (detected.kind, detected.family) == (kind, family)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("lfs.safetensors", LfsPointer, "git-lfs"),
        ("json", NotAModelFile, "mensaje de error"),
        ("torchscript.pt", NotAModelFile, "TorchScript"),
    ],
)
def test_what_is_no_model_says_what_it_is(name: str, error: type[DownloadError], words: str) -> None:
    with pytest.raises(error) as raised:
        look_inside(FILES / name, name, name)
    assert words in str(explain(raised.value))


def test_a_zip_is_told_as_one_under_every_name(tmp_path: Path) -> None:
    for name in ("x.ckpt", "x.pt", "x.safetensors"):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("modelo.safetensors", b"x" * 99)
        with pytest.raises(ArchiveNotModel):
            look_inside(path, name, name)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04" + bytes(40), "archivo comprimido"),
        (b"\xfd7zXZ\x00" + bytes(40), "archivo comprimido"),
        (b"\x28\xb5\x2f\xfd" + bytes(40), "archivo comprimido"),
        (bytes(257) + b"ustar\x0000" + bytes(300), "archivo comprimido"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(20), "un video"),
        (b"MZ\x90" + bytes(100), "un programa"),
        (b"d8:announce35:udp://tracker" + bytes(20), "torrent"),
        (bytes(4096), "solo tiene ceros"),
        (b"Access to this model is restricted. You must be authenticated.", "un texto"),
        ("Tu sesión caducó: inicia sesión".encode(), "un texto"),
        (b"\xef\xbb\xbf" + b'{"error": "Unauthorized"}', "mensaje de error"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "página web"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "una imagen"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(20), "una imagen"),
        (b"RIFF\x00\x00\x00\x00WEBP" + bytes(20), "una imagen"),
        (b"RIFF\x00\x00\x00\x00WAVE" + bytes(20), "sonido"),
        (b"ID3\x03" + bytes(40), "sonido"),
        (b"Not Found", "un texto"),
        (b"Entry not found", "un texto"),
        (b"", "está vacío"),
    ],
)
def test_what_another_kind_of_file_is_under_the_name_of_a_model(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(DownloadError) as raised:
        look_inside(path, path.name, path.name)
    assert words in str(explain(raised.value))


def test_a_small_text_encoder_is_no_embedding() -> None:
    names = ("text_model.encoder.layers.0.self_attn.q_proj.weight", "text_model.embeddings.token_embedding.weight")
    header = TensorHeader({name: TensorInfo("F16", (768, 768), 0, 0) for name in names})
    assert detect(header).kind is ModelKind.TEXT_ENCODER


@pytest.mark.parametrize("name", ["anima_lora.safetensors", "ltxv_lora.safetensors", "zimage_aio.safetensors"])
def test_another_architecture_is_told_before_it_is_transferred(name: str, folders: Folders) -> None:
    heard: list[tuple[str, int]] = []
    with FileServer({f"/{name}": (FILES / name).read_bytes()}) as server:

        def hear(event: Event) -> None:
            if isinstance(event, Warned):
                heard.append((event.warning.code, len(server.seen)))

        queue = DownloadQueue(folders, allow_private_hosts=LOOPBACK, patience=HURRY)
        (report,) = queue.run(f"{server.url}/{name}", hear)
        assert [code for code, _ in heard] == [ModelFamilyUnsupported.code]
        assert heard[0][1] < len(server.seen)
    assert report.ok
    assert "SDXL" not in str(report.family)
