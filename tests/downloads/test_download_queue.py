"""Lists of links: one report each, in order, whatever the others do."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
import torch
from support.downloads import HURRY, LOOPBACK
from support.servers import (
    CHECKPOINT_SHAPES,
    CONTROLNET_SHAPES,
    EMBEDDING_SHAPES,
    LORA_SHAPES,
    SDXL_LORA_SHAPES,
    UPSCALER_SHAPES,
    VAE_SHAPES,
    Fault,
    FileServer,
    safetensors_bytes,
)

from sdcolab.core.detect import ModelFamily, ModelKind
from sdcolab.core.errors import (
    ArchiveNotModel,
    Cancelled,
    DownloadDamaged,
    KindUnknown,
    ModelFamilyUnsupported,
    NotALink,
    NotAModelFile,
    SavedUnderOtherName,
    UnsupportedHost,
)
from sdcolab.core.events import CancelToken, Ended, Event, Warned
from sdcolab.core.folders import MODEL_FOLDERS, Folders
from sdcolab.core.words import DOWNLOAD_RESULTS
from sdcolab.downloads.queue import DownloadQueue, LinkReport, LinkStatus, report_data, report_line

Serve = Callable[..., FileServer]

SHAPES = {
    ModelKind.CHECKPOINT: CHECKPOINT_SHAPES,
    ModelKind.LORA: LORA_SHAPES,
    ModelKind.VAE: VAE_SHAPES,
    ModelKind.EMBEDDING: EMBEDDING_SHAPES,
    ModelKind.CONTROLNET: CONTROLNET_SHAPES,
    ModelKind.UPSCALER: UPSCALER_SHAPES,
}


@pytest.mark.parametrize("ranges", [True, False])
def test_every_kind_lands_in_its_folder(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve, ranges: bool
) -> None:
    files = {f"/{kind}.safetensors": safetensors_bytes(shapes) for kind, shapes in SHAPES.items()}
    server = serve(files, [Fault(ignore_range=not ranges)] * 40)
    reports = direct_queue.run(", ".join(server.url + path for path in files))
    for kind, report in zip(SHAPES, reports, strict=True):
        assert report.error is None
        assert report.kind is kind
        assert report.path == folders.root / MODEL_FOLDERS[kind] / f"{kind}.safetensors"
        assert report.size == len(files[f"/{kind}.safetensors"]) == report.path.stat().st_size
        line = report_line(report)
        assert "\n" not in line
        assert f"{kind}.safetensors" in line
        assert MODEL_FOLDERS[kind] in line


def test_weights_of_preprocessors_are_known_by_their_names(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve
) -> None:
    weights = io.BytesIO()
    torch.save({"module.classifier.bias": torch.zeros(1)}, weights)
    server = serve({"/table5_pidinet.pth": weights.getvalue(), "/yolox_l.onnx": b"\x08\x08\x12\x07pytorch" * 200})
    reports = direct_queue.run(f"{server.url}/table5_pidinet.pth {server.url}/yolox_l.onnx")
    for report in reports:
        assert report.error is None
        assert report.path is not None
        assert report.path.parent == folders.preprocessors


def test_one_bad_link_never_stops_the_rest(direct_queue: DownloadQueue, serve: Serve) -> None:
    good, other = safetensors_bytes(LORA_SHAPES), safetensors_bytes(VAE_SHAPES)
    url = serve({"/a.safetensors": good, "/b.safetensors": b"<html>", "/c.safetensors": other}).url
    text = f"hola\n{url}/a.safetensors {url}/b.safetensors {url}/no https://mega.nz/file/x {url}/c.safetensors"
    seen: list[LinkReport] = []
    reports = direct_queue.run(text, on_report=seen.append)
    assert [report.ok for report in reports] == [False, True, False, False, False, True]
    assert isinstance(reports[0].error, NotALink)
    assert isinstance(reports[4].error, UnsupportedHost)
    assert sorted(map(repr, seen)) == sorted(map(repr, reports))
    for report in reports:
        line = report_line(report)
        assert line.count(report.link) == 1 or report.name
        assert not line.startswith("http")  # what happened comes before the address
        json.dumps(report_data(report))


def test_empty_list(direct_queue: DownloadQueue, events: list[Event]) -> None:
    assert direct_queue.run("  # nada", events.append) == ()
    assert events == [Ended(None)]


def test_good_file_is_not_downloaded_again(direct_queue: DownloadQueue, folders: Folders, serve: Serve) -> None:
    server = serve({"/a.safetensors": safetensors_bytes(LORA_SHAPES)})
    (first,) = direct_queue.run(f"{server.url}/a.safetensors")
    server.seen.clear()
    (again,) = direct_queue.run(f"{server.url}/a.safetensors")
    assert (first.status, again.status) == (LinkStatus.DOWNLOADED, LinkStatus.ALREADY_HERE)
    assert again.path == first.path
    assert all("Range" in seen.headers for seen in server.seen)


def test_good_file_is_recognised_after_a_download_without_ranges(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve
) -> None:
    server = serve({"/a.safetensors": safetensors_bytes(LORA_SHAPES)}, [Fault(ignore_range=True)] * 9)
    for status in (LinkStatus.DOWNLOADED, LinkStatus.ALREADY_HERE):
        (report,) = direct_queue.run(f"{server.url}/a.safetensors")
        assert report.status is status
    assert len(list(folders.models(ModelKind.LORA).iterdir())) == 1


def test_another_file_of_the_same_name_is_kept(direct_queue: DownloadQueue, folders: Folders, serve: Serve) -> None:
    small = safetensors_bytes(LORA_SHAPES)
    large = safetensors_bytes({**LORA_SHAPES, "lora_unet_x.lora_down.weight": (4, 4)})
    server = serve({"/1/a.safetensors": small, "/2/a.safetensors": large})
    (first,) = direct_queue.run(f"{server.url}/1/a.safetensors")
    (second,) = direct_queue.run(f"{server.url}/2/a.safetensors")
    assert first.path is not None
    assert first.path.read_bytes() == small
    assert second.path == folders.models(ModelKind.LORA) / "a (2).safetensors"
    assert second.path.read_bytes() == large
    assert isinstance(second.warnings[0], SavedUnderOtherName)
    assert "a (2).safetensors" in report_line(second)
    assert [report.status for report in direct_queue.run(f"{server.url}/2/a.safetensors")] == [LinkStatus.ALREADY_HERE]


def test_two_files_of_one_name_at_the_same_time(direct_queue: DownloadQueue, folders: Folders, serve: Serve) -> None:
    files = {f"/{n}/a.safetensors": safetensors_bytes({**LORA_SHAPES, "x.lora_up.weight": (n, 4)}) for n in range(1, 7)}
    server = serve(files)
    reports = direct_queue.run(" ".join(server.url + path for path in files))
    assert all(report.status is LinkStatus.DOWNLOADED for report in reports)
    assert sorted(path.read_bytes() for path in folders.models(ModelKind.LORA).iterdir()) == sorted(files.values())


@pytest.mark.parametrize(
    ("path", "disposition", "name"),
    [
        ("/../../../etc/cron.d/x.safetensors", None, "x.safetensors"),
        ("/%2e%2e%2f%2e%2e%2fx.safetensors", None, "x.safetensors"),
        ("/5", 'attachment; filename="../../../../tmp/x.safetensors"', "x.safetensors"),
        ("/5", "attachment; filename*=UTF-8''..%2F..%2Fx.safetensors", "x.safetensors"),
        ("/5", 'attachment; filename="C:\\\\Windows\\\\x.safetensors"', "x.safetensors"),
        ("/5", 'attachment; filename="/etc/passwd"', "passwd.safetensors"),
        ("/5", 'attachment; filename=".."', "archivo.safetensors"),
        ("/5", None, "5.safetensors"),
        ("/5", f'attachment; filename="{"n" * 10_000}.safetensors"', "n" * 168 + ".safetensors"),
    ],
)
def test_names_from_outside_cannot_leave_the_folder(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve, path: str, disposition: str | None, name: str
) -> None:
    headers = {"Content-Disposition": disposition} if disposition else {}
    server = serve({}, headers=headers)
    server.files = _Everything(safetensors_bytes(LORA_SHAPES))
    (report,) = direct_queue.run(server.url + path)
    assert report.path == folders.models(ModelKind.LORA) / name
    assert [file.name for file in folders.models(ModelKind.LORA).iterdir()] == [name]


class _Everything(dict[str, bytes]):
    """The same file at every path."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data

    def __contains__(self, _path: object) -> bool:
        return True

    def __getitem__(self, _path: str) -> bytes:
        return self._data


def test_safetensors_under_another_extension_get_their_own(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve
) -> None:
    server = serve({"/a.ckpt": safetensors_bytes(CHECKPOINT_SHAPES)})
    (report,) = direct_queue.run(f"{server.url}/a.ckpt")
    assert report.path == folders.models(ModelKind.CHECKPOINT) / "a.safetensors"


@pytest.mark.parametrize("data", [b"not a model" * 100, b"\x80\x02}q\x00.", b"PK\x03\x04" + b"x" * 99, bytes(99), b"x"])
@pytest.mark.parametrize("ranges", [True, False])
def test_false_safetensors_are_refused(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve, data: bytes, ranges: bool
) -> None:
    server = serve({"/a.safetensors": data}, [Fault(ignore_range=not ranges)] * 9)
    (report,) = direct_queue.run(f"{server.url}/a.safetensors")
    assert isinstance(report.error, NotAModelFile | ArchiveNotModel | DownloadDamaged)
    assert [*folders.root.rglob("a*")] == []


def test_unknown_kinds_go_to_the_other_files_and_say_so(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve, events: list[Event]
) -> None:
    server = serve({"/notas.yaml": b"a: 1", "/x.safetensors": safetensors_bytes({"y": (2, 3)})})
    reports = direct_queue.run(f"{server.url}/notas.yaml {server.url}/x.safetensors", events.append)
    for report in reports:
        assert report.ok
        assert report.path is not None
        assert report.path.parent == folders.models(ModelKind.OTHER)
        assert isinstance(report.warnings[0], KindUnknown)
        assert Warned(report.warnings[0]) in events


def test_the_user_has_the_last_word_on_the_kind(direct_queue: DownloadQueue, folders: Folders, serve: Serve) -> None:
    server = serve({"/x.safetensors": safetensors_bytes({"y": (2, 3)})})
    for status in (LinkStatus.DOWNLOADED, LinkStatus.ALREADY_HERE):
        (report,) = direct_queue.run(f"upscaler:{server.url}/x.safetensors")
        assert report.path == folders.models(ModelKind.UPSCALER) / "x.safetensors"
        assert (report.status, report.warnings) == (status, ())


def test_the_user_s_word_on_the_kind_is_doubted_aloud(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve
) -> None:
    server = serve({"/x.safetensors": safetensors_bytes(SHAPES["lora"])})
    (report,) = direct_queue.run(f"vae: {server.url}/x.safetensors")
    assert report.path == folders.models(ModelKind.VAE) / "x.safetensors"
    assert "como un VAE, pero por dentro parece un LoRA" in report_line(report)


def test_a_lone_word_beside_a_link_is_told_with_it(direct_queue: DownloadQueue, serve: Serve) -> None:
    server = serve({"/x.safetensors": safetensors_bytes({"y": (2, 3)})})
    for _ in range(2):  # downloaded, and already here
        (report,) = direct_queue.run(f"upscaler:{server.url}/x.safetensors, dreamshaper")
        assert report.ok
        assert "«dreamshaper» se tomó como una nota" in report_line(report)
    (failed,) = direct_queue.run(f"{server.url}/no.safetensors, dreamshaper")
    assert "«dreamshaper» se tomó como una nota" in report_line(failed)


def test_families_that_do_not_run_yet_are_warned_about(direct_queue: DownloadQueue, serve: Serve) -> None:
    flux = {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (4, 8)}
    server = serve({"/a.safetensors": safetensors_bytes(SDXL_LORA_SHAPES), "/b.safetensors": safetensors_bytes(flux)})
    known, unknown = direct_queue.run(f"{server.url}/a.safetensors, {server.url}/b.safetensors")
    assert (known.family, known.warnings) == (ModelFamily.SDXL, ())
    assert unknown.ok
    assert unknown.family is ModelFamily.FLUX
    assert isinstance(unknown.warnings[0], ModelFamilyUnsupported)
    assert "Flux" in report_line(unknown)


def test_files_at_once_are_limited(folders: Folders, serve: Serve) -> None:
    files = {f"/{n}.safetensors": safetensors_bytes({**LORA_SHAPES, "x": (n,)}) for n in range(1, 7)}
    server = serve(files)
    working, most, lock = 0, 0, threading.Lock()
    answer = server.answer

    def counted(request: object) -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        answer(request)  # type: ignore[arg-type]
        with lock:
            working -= 1

    server.answer = counted  # type: ignore[method-assign]
    queue = DownloadQueue(folders, allow_private_hosts=LOOPBACK, patience=HURRY, files_at_once=2)
    reports = queue.run(" ".join(server.url + path for path in files))
    assert all(report.ok for report in reports)
    assert most <= 2


def test_cancelled_before_it_starts(direct_queue: DownloadQueue, serve: Serve, events: list[Event]) -> None:
    server = serve({"/a.safetensors": b""})
    cancel = CancelToken()
    cancel.cancel()
    reports = direct_queue.run(f"{server.url}/a.safetensors {server.url}/b", events.append, cancel)
    assert [report.status for report in reports] == [LinkStatus.CANCELLED] * 2
    assert isinstance(events[-1], Ended)
    assert isinstance(events[-1].error, Cancelled)
    assert server.seen == []
    assert "Interrumpido" in report_line(reports[0])


def test_every_status_has_its_words() -> None:
    assert set(DOWNLOAD_RESULTS) == set(LinkStatus)


def test_import_is_light() -> None:
    code = (
        "import sys, sdcolab.downloads.queue, sdcolab.downloads.catalog;"
        "sys.exit(bool({'torch', 'numpy', 'gradio', 'huggingface_hub'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
