"""Links of civitai against a server that behaves like it (hechos/lanzadores.md 4a)."""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from support.downloads import HURRY
from support.servers import (
    CHECKPOINT_SHAPES,
    LORA_SHAPES,
    CivitaiFile,
    CivitaiServer,
    Fault,
    safetensors_bytes,
)

from sdcolab.core.detect import ModelFamily, ModelKind
from sdcolab.core.errors import (
    AccessDenied,
    DownloadsDisabled,
    EarlyAccess,
    KindDisputed,
    LinkGone,
    LinkNotFound,
    LinkTokenRejected,
    ModelFamilyUnsupported,
    PageNotFile,
    RegionBlocked,
    SdcolabError,
    ServerFailed,
    TokenNeeded,
    TokenRejected,
    TooManyRequests,
)
from sdcolab.core.events import Event, Warned
from sdcolab.core.folders import Folders
from sdcolab.core.words import explain
from sdcolab.downloads.http import Tokens
from sdcolab.downloads.providers.civitai import smaller_file
from sdcolab.downloads.queue import DownloadQueue, LinkReport, LinkStatus, report_data, report_line

CHECKPOINT = safetensors_bytes(CHECKPOINT_SHAPES)
OLD = safetensors_bytes(CHECKPOINT_SHAPES, seed=1)
LORA = safetensors_bytes(LORA_SHAPES)
WRONG_KEY = "0" * 32


@pytest.fixture
def civitai() -> Iterator[CivitaiServer]:
    files = {
        20: CivitaiFile("nuevo.safetensors", CHECKPOINT, model_id=1, version_name="v2"),
        10: CivitaiFile("viejo.safetensors", OLD, model_id=1, version_name="AOM3"),
        30: CivitaiFile("privado.safetensors", LORA, model_id=3, needs_token=True),
    }
    with CivitaiServer(files) as server:
        yield server


def download(folders: Folders, server: CivitaiServer, link: str, key: str | None = None) -> LinkReport:
    queue = DownloadQueue(folders, civitai_url=server.url, tokens=Tokens(civitai=key), patience=HURRY)
    (report,) = queue.run(link)
    return report


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("https://civitai.com/api/download/models/10", "viejo.safetensors"),
        ("https://civitai.red/api/download/models/10?type=Model&format=SafeTensor", "viejo.safetensors"),
        ("https://civitai.green/models/1/un-nombre?modelVersionId=10", "viejo.safetensors"),
        ("https://www.civitai.com/models/1?modelVersionId=10", "viejo.safetensors"),
        ("https://civitai.com/model-versions/10", "viejo.safetensors"),
        ("https://civitai.com/models/1", "nuevo.safetensors"),
        ("https://civitai.com/models/1/un-nombre/", "nuevo.safetensors"),
        ("https://civitai.com/models/1/un-nombre#aom3", "viejo.safetensors"),
        ("https://civitai.com/models/1/un-nombre#otra", "nuevo.safetensors"),
        ("urn:air:sd1:lora:civitai:1@10", "viejo.safetensors"),
    ],
)
def test_forms_of_links(folders: Folders, civitai: CivitaiServer, link: str, name: str) -> None:
    report = download(folders, civitai, link)
    assert (report.status, report.error) == (LinkStatus.DOWNLOADED, None)
    assert report.path == folders.models(ModelKind.CHECKPOINT) / name
    assert report.path.read_bytes() == (CHECKPOINT if name == "nuevo.safetensors" else OLD)
    assert (report.kind, report.family) == (ModelKind.CHECKPOINT, ModelFamily.SD1)


def test_links_of_the_given_base_work_too(folders: Folders, civitai: CivitaiServer) -> None:
    assert download(folders, civitai, f"{civitai.url}/api/download/models/10").ok


def test_only_ranged_gets_with_our_own_name(folders: Folders, civitai: CivitaiServer) -> None:
    download(folders, civitai, "https://civitai.com/api/download/models/10")
    assert {seen.method for seen in civitai.seen + civitai.storage.seen} == {"GET"}
    assert all(seen.headers["User-Agent"].startswith("sdcolab/") for seen in civitai.seen + civitai.storage.seen)


def test_filters_that_match_nothing_are_dropped(folders: Folders, civitai: CivitaiServer) -> None:
    assert download(folders, civitai, "https://civitai.com/api/download/models/10?type=VAE&fp=fp32").ok


def test_without_the_api_the_download_goes_on(folders: Folders, civitai: CivitaiServer) -> None:
    civitai.without_api = True
    assert download(folders, civitai, "https://civitai.com/api/download/models/10").ok


def test_key_goes_to_civitai_and_nowhere_else(
    folders: Folders, civitai: CivitaiServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    report = download(folders, civitai, "https://civitai.com/api/download/models/30", civitai.token)
    assert report.ok
    assert civitai.token in civitai.seen_headers()
    assert civitai.token not in civitai.storage.seen_headers()
    assert "Authorization" not in civitai.storage.seen_headers()
    shown = repr(report) + report_line(report) + json.dumps(report_data(report)) + caplog.text
    assert civitai.token not in shown
    assert "firma" not in report_line(report)


def test_a_key_pasted_in_the_link_works_and_is_not_shown(
    folders: Folders, civitai: CivitaiServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    report = download(folders, civitai, f"https://civitai.com/api/download/models/30?token={civitai.token}")
    assert report.ok
    assert civitai.token not in civitai.storage.seen_headers()
    assert not any("token=" in seen.path for seen in civitai.seen)
    assert civitai.token not in repr(report) + report_line(report) + caplog.text


def test_the_key_is_not_sent_to_other_sites(folders: Folders, civitai: CivitaiServer) -> None:
    with CivitaiServer({}) as other:
        queue = DownloadQueue(
            folders, civitai_url=civitai.url, tokens=Tokens(civitai=civitai.token, huggingface="hf_x"), patience=HURRY
        )
        queue.run(f"{other.url}/api/download/models/5 {other.url}/x.safetensors")
        assert other.seen
        assert "Authorization" not in other.seen_headers()


@pytest.mark.parametrize("key", ["", "con espacio", "línea\nnueva", None])
def test_unusable_keys_are_not_sent(folders: Folders, civitai: CivitaiServer, key: str | None) -> None:
    report = download(folders, civitai, "https://civitai.com/api/download/models/30", key)
    assert isinstance(report.error, TokenNeeded)


def test_needs_key_and_wrong_key_are_told_apart(folders: Folders, civitai: CivitaiServer) -> None:
    link = "https://civitai.com/api/download/models/30"
    assert isinstance(download(folders, civitai, link).error, TokenNeeded)
    rejected = download(folders, civitai, link, WRONG_KEY)
    assert isinstance(rejected.error, TokenRejected)
    assert WRONG_KEY not in repr(rejected) + str(rejected.error) + report_line(rejected)


def test_a_refused_key_is_named_by_where_it_was_written(folders: Folders, civitai: CivitaiServer) -> None:
    link = f"https://civitai.com/api/download/models/30?token={WRONG_KEY}"
    pasted = download(folders, civitai, link)
    assert isinstance(pasted.error, LinkTokenRejected)
    assert "dentro del enlace" in report_line(pasted)
    assert WRONG_KEY not in repr(pasted) + report_line(pasted)
    assert isinstance(download(folders, civitai, link, "1" * 32).error, TokenRejected)
    assert download(folders, civitai, link, civitai.token).ok


def test_a_file_served_without_redirect_gets_the_key_too(folders: Folders, civitai: CivitaiServer) -> None:
    civitai.direct = True
    assert download(folders, civitai, "https://civitai.com/api/download/models/30", civitai.token).ok


def test_login_page_means_a_key_is_needed(folders: Folders, civitai: CivitaiServer) -> None:
    civitai.refuse_next = [(307, {"Location": "/login?returnUrl=x"})]
    report = download(folders, civitai, "https://civitai.com/api/download/models/10")
    assert isinstance(report.error, TokenNeeded)
    assert not folders.root.exists()


DEADLINE = "2026-12-24T10:00:00.000Z"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"error": "Unauthorized", "message": "Ana has disabled downloads on this file"}, DownloadsDisabled),
        (403, {"error": "Early Access", "deadline": DEADLINE, "message": "You can use Buzz"}, EarlyAccess),
        (403, {"error": "Forbidden", "message": "You do not have access to download this file"}, AccessDenied),
        (404, {"error": "File not found"}, LinkNotFound),
        (410, {"error": "Model archived, not available for download"}, LinkGone),
        (451, {"error": "REGION_BLOCKED"}, RegionBlocked),
        (400, {"error": "bad id"}, LinkNotFound),
        (500, {}, ServerFailed),
    ],
)
def test_refusals_each_have_their_error(
    folders: Folders, civitai: CivitaiServer, status: int, body: dict[str, Any], error: type[Exception]
) -> None:
    civitai.files[40] = CivitaiFile("x.safetensors", LORA, refusal=(status, body))
    report = download(folders, civitai, "https://civitai.com/api/download/models/40")
    assert type(report.error) is error
    assert report.status is LinkStatus.FAILED
    assert "civitai.com" in report_line(report)


def test_early_access_tells_its_date(folders: Folders, civitai: CivitaiServer) -> None:
    refusal = (403, {"error": "Early Access", "deadline": DEADLINE})
    civitai.files[40] = CivitaiFile("x.safetensors", LORA, refusal=refusal)
    report = download(folders, civitai, "https://civitai.com/api/download/models/40")
    assert isinstance(report.error, EarlyAccess)
    assert report.error.until == datetime.datetime(2026, 12, 24, 10, tzinfo=datetime.UTC)
    assert "24/12/2026" in report_line(report)


def test_generation_only_models_say_so(folders: Folders, civitai: CivitaiServer) -> None:
    civitai.files[40] = CivitaiFile("x.safetensors", LORA, refusal=(401, {}), usage_control="Generation")
    report = download(folders, civitai, "https://civitai.com/api/download/models/40", civitai.token)
    assert isinstance(report.error, DownloadsDisabled)


def test_passing_failures_are_retried(folders: Folders, civitai: CivitaiServer) -> None:
    civitai.refuse_next = [(502, {}), (429, {"Retry-After": "0"}), (404, {})]
    assert download(folders, civitai, "https://civitai.com/api/download/models/10").ok


def test_a_long_pause_is_reported_and_not_waited(folders: Folders, civitai: CivitaiServer) -> None:
    civitai.refuse_next = [(429, {"Retry-After": "3600"})]
    report = download(folders, civitai, "https://civitai.com/api/download/models/10")
    assert isinstance(report.error, TooManyRequests)
    assert report.error.seconds == 3600
    assert "1 h" in report_line(report)


@pytest.mark.parametrize("page", ["", "/", "/user/ana", "/models", "/images/5", "/api/download/models/x"])
def test_other_pages_are_no_files(folders: Folders, civitai: CivitaiServer, page: str) -> None:
    assert isinstance(download(folders, civitai, f"https://civitai.com{page}").error, PageNotFile)


def test_missing_model_page(folders: Folders, civitai: CivitaiServer) -> None:
    assert isinstance(download(folders, civitai, "https://civitai.com/models/999").error, LinkNotFound)


def test_stated_hash_is_checked(folders: Folders, civitai: CivitaiServer) -> None:
    civitai.files[10].sha256 = "f" * 64
    report = download(folders, civitai, "https://civitai.com/api/download/models/10")
    assert report.error is not None
    assert report.error.code == "download.hash_mismatch"
    assert [path for path in folders.root.rglob("*") if path.is_file()] == []


def test_expired_signature_is_renewed_and_the_part_kept(folders: Folders, civitai: CivitaiServer) -> None:
    storage = civitai.storage
    storage.faults = [None, None, Fault(cut_after=100_000)]
    next_fault = storage.next_fault

    def expiring() -> Fault:
        fault = next_fault()
        if fault.cut_after:
            storage.expire_all()
        return fault

    storage.next_fault = expiring  # type: ignore[method-assign]
    report = download(folders, civitai, "https://civitai.com/models/1?modelVersionId=20")
    assert report.path is not None
    assert report.path.read_bytes() == CHECKPOINT
    refused, last = civitai.storage.seen[-3], civitai.storage.seen[-1]
    assert refused.headers["Range"] == last.headers["Range"] != "bytes=0-"
    assert refused.path != last.path


def test_storage_that_refuses_at_first_is_asked_again(folders: Folders, civitai: CivitaiServer) -> None:
    civitai.storage.faults = [Fault(status=403), Fault(status=500)]
    assert download(folders, civitai, "https://civitai.com/api/download/models/10").ok


@pytest.mark.parametrize(
    ("prefix", "model_type", "file_type", "kind", "disputed"),
    [
        ("", "LORA", "Model", ModelKind.LORA, False),
        ("", "DoRA", "Pruned Model", ModelKind.LORA, False),
        ("", "Checkpoint", "VAE", ModelKind.VAE, True),
        ("", "Checkpoint", "Model", ModelKind.CHECKPOINT, True),
        ("lora:", "Checkpoint", "Model", ModelKind.LORA, False),
        ("", "Checkpoint", "Text Encoder", ModelKind.LORA, False),
        ("", "Workflows", "Model", ModelKind.LORA, False),
        ("", "TextualInversion", "Negative", ModelKind.EMBEDDING, True),
    ],
)
def test_the_kind_is_the_users_then_civitais_then_the_contents(
    folders: Folders,
    civitai: CivitaiServer,
    prefix: str,
    model_type: str,
    file_type: str,
    kind: ModelKind,
    disputed: bool,
) -> None:
    civitai.files[40] = CivitaiFile("x.safetensors", LORA, model_type=model_type, file_type=file_type)
    for _ in ("downloaded", "already here"):
        report = download(folders, civitai, f"{prefix}https://civitai.com/api/download/models/40")
        assert report.path == folders.models(kind) / "x.safetensors"
        assert [type(warning) for warning in report.warnings] == [KindDisputed] * disputed


def test_two_links_to_the_same_version_make_one_file(folders: Folders, civitai: CivitaiServer) -> None:
    queue = DownloadQueue(folders, civitai_url=civitai.url, patience=HURRY)
    reports = queue.run("https://civitai.com/api/download/models/20 https://civitai.com/models/1")
    assert sorted(report.status for report in reports) == [LinkStatus.ALREADY_HERE, LinkStatus.DOWNLOADED]
    assert {report.path for report in reports} == {folders.models(ModelKind.CHECKPOINT) / "nuevo.safetensors"}


def test_a_clearly_smaller_file_of_the_same_page_is_offered() -> None:
    def one(number: int, name: str, kilobytes: float, kind: str = "Model") -> dict[str, object]:
        return {"id": number, "name": name, "sizeKB": kilobytes, "type": kind}

    whole = one(1, "grande.safetensors", 4_000_000)
    others = [one(2, "chico.ckpt", 1_000_000), one(3, "vae.safetensors", 300_000, "VAE")]
    pruned = one(4, "chico.safetensors", 2_000_000, "Pruned Model")
    found = smaller_file([whole, *others, pruned], whole, "77")
    assert found is not None
    assert (found.name, found.size) == ("chico.safetensors", 2_048_000_000)
    assert found.link == "https://civitai.com/api/download/models/77?fileId=4"
    assert "2,0 GB" in str(explain(found))
    assert smaller_file([whole, *others], whole, "77") is None
    assert smaller_file([whole, pruned], pruned, "77") is None
    assert smaller_file([whole, pruned], {}, "77") is None


def test_an_old_file_of_another_architecture_is_told_by_the_site_s_word_before_it_comes(folders: Folders) -> None:
    """What is in a pickle is not to be seen before it is here."""
    heard: list[tuple[SdcolabError, int]] = []
    file = CivitaiFile("viejo.ckpt", b"\x80\x02" + bytes(5000), model_type="Checkpoint", base_model="Pony V7")
    with CivitaiServer({7: file}) as server:

        def listen(event: Event) -> None:
            if isinstance(event, Warned):
                heard.append((event.warning, server.storage.sent))

        queue = DownloadQueue(folders, civitai_url=server.url, patience=HURRY)
        queue.run("https://civitai.com/api/download/models/7", listen)
        sent = server.storage.sent
    ((warning, before),) = heard
    assert isinstance(warning, ModelFamilyUnsupported)
    assert warning.family == ModelFamily.AURAFLOW.value
    assert before < sent
