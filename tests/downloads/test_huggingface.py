"""Links of huggingface against a server that behaves like it (hechos/lanzadores.md 4b)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.downloads import HURRY
from support.servers import (
    CHECKPOINT_SHAPES,
    EMBEDDING_SHAPES,
    VAE_SHAPES,
    HubFile,
    HuggingFaceServer,
    safetensors_bytes,
)

from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import (
    FolderNotFile,
    GatedRepository,
    HashMismatch,
    LinkNotFound,
    LinkTokenRejected,
    MissingOrPrivate,
    PageNotFile,
    TokenRejected,
)
from sdcolab.core.folders import Folders
from sdcolab.downloads.http import Tokens
from sdcolab.downloads.queue import DownloadQueue, LinkReport, report_line

VAE = safetensors_bytes(VAE_SHAPES)
HUB = "https://huggingface.co"


@pytest.fixture
def hub() -> Iterator[HuggingFaceServer]:
    files = {
        "ana/vaes/main/mi vae.safetensors": HubFile(VAE),
        "ana/vaes/main/vae/diffusion_pytorch_model.fp16.safetensors": HubFile(VAE),
        "ana/vaes/refs/pr/7/sub/propuesto.safetensors": HubFile(VAE),
        "datasets/gsdf/EasyNegative/main/EasyNegative.safetensors": HubFile(
            safetensors_bytes(EMBEDDING_SHAPES), lfs=False
        ),
        "ana/cerrado/main/x.safetensors": HubFile(safetensors_bytes(CHECKPOINT_SHAPES), gated=True),
        "ana/privado/main/x.safetensors": HubFile(VAE, private=True),
        "ana/malo/main/x.safetensors": HubFile(VAE, sha256="0" * 64),
    }
    with HuggingFaceServer(files) as server:
        yield server


def download(folders: Folders, server: HuggingFaceServer, link: str, key: str | None = None) -> LinkReport:
    queue = DownloadQueue(folders, huggingface_url=server.url, tokens=Tokens(huggingface=key), patience=HURRY)
    (report,) = queue.run(link)
    return report


@pytest.mark.parametrize(
    "link",
    [
        f"{HUB}/ana/vaes/resolve/main/mi%20vae.safetensors",
        f"{HUB}/ana/vaes/blob/main/mi%20vae.safetensors",
        f"{HUB}/ana/vaes/resolve/main/mi%20vae.safetensors?download=true",
        "https://hf.co/ana/vaes/blob/main/mi%20vae.safetensors",
        "huggingface.co/ana/vaes/raw/main/mi%20vae.safetensors",
    ],
)
def test_forms_of_links(folders: Folders, hub: HuggingFaceServer, link: str) -> None:
    report = download(folders, hub, link)
    assert report.path == folders.models(ModelKind.VAE) / "mi vae.safetensors"
    assert report.path.read_bytes() == VAE


@pytest.mark.parametrize("revision", ["refs/pr/7", "refs%2Fpr%2F7", "refs%2fpr%2f7"])
@pytest.mark.parametrize("way", ["resolve", "blob"])
def test_a_file_of_a_pull_request(folders: Folders, hub: HuggingFaceServer, way: str, revision: str) -> None:
    report = download(folders, hub, f"{HUB}/ana/vaes/{way}/{revision}/sub/propuesto.safetensors")
    assert report.path == folders.models(ModelKind.VAE) / "propuesto.safetensors"


def test_dataset_file_without_redirect(folders: Folders, hub: HuggingFaceServer) -> None:
    report = download(folders, hub, f"{HUB}/datasets/gsdf/EasyNegative/resolve/main/EasyNegative.safetensors")
    assert report.path == folders.models(ModelKind.EMBEDDING) / "EasyNegative.safetensors"


def test_generic_names_become_telling_ones(folders: Folders, hub: HuggingFaceServer) -> None:
    report = download(folders, hub, f"{HUB}/ana/vaes/resolve/main/vae/diffusion_pytorch_model.fp16.safetensors")
    assert report.name == "vaes-vae-fp16.safetensors"


def test_gated_repository(folders: Folders, hub: HuggingFaceServer) -> None:
    link = f"{HUB}/ana/cerrado/resolve/main/x.safetensors"
    report = download(folders, hub, link)
    assert isinstance(report.error, GatedRepository)
    assert f"{HUB}/ana/cerrado" in report_line(report)
    assert "HF_TOKEN" in report_line(report)
    assert download(folders, hub, link, hub.token).ok


def test_key_goes_to_the_hub_only(folders: Folders, hub: HuggingFaceServer) -> None:
    report = download(folders, hub, f"{HUB}/ana/privado/resolve/main/x.safetensors", hub.token)
    assert report.ok
    assert hub.token in hub.seen_headers()
    assert "Authorization" not in hub.storage.seen_headers()
    assert hub.token not in repr(report) + report_line(report)


def test_private_and_missing_look_the_same_without_key(folders: Folders, hub: HuggingFaceServer) -> None:
    for repository in ("privado", "no-existe"):
        report = download(folders, hub, f"{HUB}/ana/{repository}/resolve/main/x.safetensors")
        assert isinstance(report.error, MissingOrPrivate)


def test_missing_file(folders: Folders, hub: HuggingFaceServer) -> None:
    assert isinstance(download(folders, hub, f"{HUB}/ana/vaes/resolve/main/otro.pt").error, LinkNotFound)


def test_pages_are_no_files(folders: Folders, hub: HuggingFaceServer) -> None:
    for page in ("", "/ana", "/docs/diffusers", "/ana/vaes/discussions/3", "/ana/vaes/tree/main/nada"):
        assert isinstance(download(folders, hub, f"{HUB}{page}").error, PageNotFile)
    assert isinstance(download(folders, hub, f"{HUB}/ana/no-existe").error, MissingOrPrivate)


@pytest.mark.parametrize("folder", ["/ana/vaes", "/ana/vaes/tree/main", "/ana/vaes/tree/main/"])
def test_a_folder_with_one_model_is_that_model(folders: Folders, hub: HuggingFaceServer, folder: str) -> None:
    hub.files["ana/vaes/main/README.md"] = HubFile(b"# hola")
    hub.files["ana/vaes/main/mi vae.ckpt"] = HubFile(b"older form of the same")
    report = download(folders, hub, f"{HUB}{folder}")
    assert report.path == folders.models(ModelKind.VAE) / "mi vae.safetensors"


def test_a_folder_of_a_dataset_and_one_inside(folders: Folders, hub: HuggingFaceServer) -> None:
    assert download(folders, hub, f"{HUB}/datasets/gsdf/EasyNegative/tree/main").name == "EasyNegative.safetensors"
    assert download(folders, hub, f"{HUB}/ana/vaes/tree/main/vae").name == "vaes-vae-fp16.safetensors"


def test_a_folder_with_several_models_tells_them(folders: Folders, hub: HuggingFaceServer) -> None:
    hub.files["ana/vaes/main/otro.pt"] = HubFile(VAE)
    error = download(folders, hub, f"{HUB}/ana/vaes").error
    assert isinstance(error, FolderNotFile)
    assert (error.count, error.names) == (2, ("mi vae.safetensors", "otro.pt"))
    assert download(folders, hub, error.example).ok


def test_rejected_key(folders: Folders, hub: HuggingFaceServer) -> None:
    hub.files["ana/roto/main/x.safetensors"] = HubFile(VAE)
    hub.answer = lambda request: request.reply(401, b"", {})  # type: ignore[method-assign]
    report = download(folders, hub, f"{HUB}/ana/roto/resolve/main/x.safetensors", "hf_mala")
    assert isinstance(report.error, TokenRejected)
    assert "hf_mala" not in report_line(report)
    pasted = download(folders, hub, f"{HUB}/ana/roto/resolve/main/x.safetensors?token=hf_mala")
    assert isinstance(pasted.error, LinkTokenRejected)
    assert "hf_mala" not in report_line(pasted)


def test_linked_etag_is_checked(folders: Folders, hub: HuggingFaceServer) -> None:
    report = download(folders, hub, f"{HUB}/ana/malo/resolve/main/x.safetensors")
    assert isinstance(report.error, HashMismatch)
    assert not (folders.models(ModelKind.VAE) / "x.safetensors").exists()
