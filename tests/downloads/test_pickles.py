"""Pickles are opened by torch's weights-only loader in a child process, and by nothing else."""

from __future__ import annotations

import os
import pickle
import sys
import types
import zipfile
from argparse import Namespace
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from support.evil_pickles import raw_pickles, zips
from support.servers import FileServer

from sdcolab.core.detect import ModelFamily, ModelKind, detect
from sdcolab.core.errors import DownloadDamaged, ModelUnsafe, NotAModelFile, PickleNotInspected
from sdcolab.core.folders import Folders
from sdcolab.downloads import classify, pickle_probe
from sdcolab.downloads.classify import header_of_names, look_inside
from sdcolab.downloads.queue import DownloadQueue, LinkStatus, report_line

torch = pytest.importorskip("torch")
Serve = Callable[..., FileServer]


def zeros(names: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    return {name: torch.zeros(shape) for name, shape in names.items()}


GOOD = {
    "sd.ckpt": (
        {
            "state_dict": zeros(
                {
                    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (32, 768),
                    "first_stage_model.decoder.conv_in.weight": (8, 4, 3, 3),
                    "cond_stage_model.transformer.text_model.embeddings.position_ids": (1, 77),
                }
            ),
            "global_step": 5,
        },
        ModelKind.CHECKPOINT,
    ),
    "orangemix.vae.pt": (
        {"state_dict": zeros({"encoder.conv_in.weight": (8, 3, 3, 3), "decoder.conv_in.weight": (8, 4, 3, 3)})},
        ModelKind.VAE,
    ),
    "estilo.pt": ({"string_to_token": {"*": 265}, "string_to_param": {"*": torch.zeros(4, 768)}}, ModelKind.EMBEDDING),
    "concepto.bin": ({"<gato>": torch.zeros(768)}, ModelKind.EMBEDDING),
    "RealESRGAN.pth": ({"params_ema": zeros({"conv_first.weight": (64, 3, 3, 3)})}, ModelKind.UPSCALER),
    "Remacri.pth": (zeros({"model.0.weight": (64, 3, 3, 3)}), ModelKind.UPSCALER),
    "personaje.pt": (
        zeros({"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 768)}),
        ModelKind.LORA,
    ),
    "control.pth": (zeros({"control_model.input_hint_block.0.weight": (16, 3, 3, 3)}), ModelKind.CONTROLNET),
    "hyper.pt": (
        {768: [zeros({"linear.0.weight": (1536, 768)}), zeros({"linear.0.weight": (1536, 768)})], "step": 3},
        ModelKind.HYPERNETWORK,
    ),
}


def test_what_training_programs_leave_beside_the_tensors_is_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments, paths, dates and settings, in classes of the programs' own."""
    module = types.ModuleType("pytorch_lightning.utilities.parsing")
    settings = type("AttributeDict", (dict,), {"__module__": module.__name__})
    module.AttributeDict = settings  # type: ignore[attr-defined]
    for name in ("pytorch_lightning", "pytorch_lightning.utilities", module.__name__):
        monkeypatch.setitem(sys.modules, name, module)
    content = {
        "params": OrderedDict(zeros({"conv_first.weight": (64, 3, 3, 3)})),
        "args": Namespace(lr=1e-4, out=PurePosixPath("a/b"), at=datetime(2023, 1, 2, tzinfo=UTC)),
        "counts": defaultdict(list, {"a": [1]}),
        "scaler": torch.amp.GradScaler("cuda", enabled=False),
        "hyper_parameters": settings(a=1),
    }
    for zipped in (True, False):
        path = tmp_path / f"{zipped}.pth"
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        assert look_inside(path, path.name, path.name).detected.kind is ModelKind.UPSCALER


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("zipped", [True, False])
def test_kinds_of_pickles(tmp_path: Path, name: str, zipped: bool) -> None:
    content, kind = GOOD[name]
    torch.save(content, tmp_path / name, _use_new_zipfile_serialization=zipped)
    assert detect(header_of_names(pickle_probe.main(tmp_path / name)["tensors"])).kind is kind


def test_pickles_land_in_their_folders(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve, tmp_path: Path
) -> None:
    torch.save(GOOD["sd.ckpt"][0], tmp_path / "x")
    data = (tmp_path / "x").read_bytes()
    server = serve({"/sd.ckpt": data, "/5": data, "/falso.safetensors": data})
    named, nameless, misnamed = direct_queue.run(f"{server.url}/sd.ckpt {server.url}/5 {server.url}/falso.safetensors")
    assert misnamed.path == folders.models(ModelKind.CHECKPOINT) / "falso.pt"
    assert (named.error, nameless.error) == (None, None)
    assert named.path == folders.models(ModelKind.CHECKPOINT) / "sd.ckpt"
    assert nameless.path == folders.models(ModelKind.CHECKPOINT) / "5.pt"
    assert named.family is ModelFamily.SD1


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/sdcolab-evil-was-here",)


def evil_zip(path: Path) -> None:
    torch.save({"state_dict": torch.zeros(3), "x": Evil()}, path)


def evil_legacy(path: Path) -> None:
    path.write_bytes(pickle.dumps({"state_dict": Evil()}))


@pytest.mark.parametrize("make", [evil_zip, evil_legacy])
def test_unsafe_pickles_are_set_aside_and_not_run(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "malo.ckpt")
    server = serve({"/malo.ckpt": (tmp_path / "malo.ckpt").read_bytes()})
    for _ in range(2):
        (report,) = direct_queue.run(f"{server.url}/malo.ckpt")
        assert report.status is LinkStatus.SET_ASIDE
        assert report.path == folders.set_aside / "malo.ckpt"
        assert isinstance(report.error, ModelUnsafe)
        assert "apartados" in report_line(report)
        assert "no es seguro" in report_line(report)
    assert len(list(folders.set_aside.iterdir())) == 1
    assert not Path("/tmp/sdcolab-evil-was-here").exists()
    assert list(folders.models(ModelKind.OTHER).iterdir()) == []


DATA_ONLY = {"after the end", "laughs", "deep", "huge memo", "future protocol"}
"""Those of the corpus that only try to eat memory, or hide what nobody reads: the loader may get through them."""


def test_no_pickle_of_the_corpus_gets_to_do_anything(tmp_path: Path) -> None:
    """The weights-only loader reads each of them in this process: none may run, and only data may come out."""
    marker = tmp_path / "hecho"
    corpus = raw_pickles(marker) | zips(marker)
    assert len(corpus) > 100
    answers: dict[str, set[str]] = {}
    for name, data in corpus.items():
        (tmp_path / "x.ckpt").write_bytes(data)
        answers[name] = set(pickle_probe.main(tmp_path / "x.ckpt"))
        assert not marker.exists(), name
    harmless = {name.removeprefix("zip: ") for name, answer in answers.items() if answer == {"tensors"}}
    assert harmless <= DATA_ONLY


@pytest.mark.lento
@pytest.mark.parametrize("names", [("eval", "deep", "zip: stack_global"), ("huge string", "huge number", "zip in zip")])
def test_the_corpus_as_downloads(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve, tmp_path: Path, names: tuple[str, ...]
) -> None:
    """A few of them, as a process of its own takes long to start."""
    marker = tmp_path / "hecho"
    corpus = raw_pickles(marker) | zips(marker)
    server = serve({f"/{number}.ckpt": corpus[name] for number, name in enumerate(names)})
    reports = direct_queue.run(" ".join(f"{server.url}/{number}.ckpt" for number in range(len(names))))
    for report in reports:
        assert isinstance(report.error, ModelUnsafe | DownloadDamaged | PickleNotInspected)
    assert not marker.exists()
    assert {path.parent for path in folders.root.rglob("*.ckpt")} <= {folders.set_aside}


def test_zip_bomb_is_not_opened(direct_queue: DownloadQueue, folders: Folders, serve: Serve, tmp_path: Path) -> None:
    bomb = tmp_path / "bomba.ckpt"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomba/data.pkl", bytes(200_000_000))
    assert pickle_probe.main(bomb) == {"damaged": "compressed entries"}
    server = serve({"/bomba.ckpt": bomb.read_bytes()})
    (report,) = direct_queue.run(f"{server.url}/bomba.ckpt")
    assert isinstance(report.error, DownloadDamaged)
    assert [*folders.root.rglob("bomba*")] == []


@pytest.mark.parametrize("data", [b"cbuiltins\neval\n(S'print(1)'\ntR.", b"texto" * 100, bytes(100)])
def test_what_is_no_torch_file_is_not_opened(
    direct_queue: DownloadQueue, folders: Folders, serve: Serve, data: bytes
) -> None:
    server = serve({"/x.ckpt": data})
    (report,) = direct_queue.run(f"{server.url}/x.ckpt")
    assert isinstance(report.error, NotAModelFile)
    assert not folders.set_aside.exists()


def test_names_are_unwrapped() -> None:
    header = header_of_names({"state_dict.encoder.x": [1, 2], "params_ema.conv_first.weight": [3]})
    assert header.shape("encoder.x") == (1, 2)
    assert header.shape("conv_first.weight") == (3,)


def test_a_zip_whose_sums_are_wrong_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "rota.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"0123456789")
    path.write_bytes(path.read_bytes().replace(b"0123456789", b"0123456780"))
    assert pickle_probe.main(path) == {"damaged": "wrong checksum of a/data.pkl"}


def test_the_probe_is_told_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, str] = {}

    def started(_command: object, *, env: dict[str, str], **_options: object) -> None:
        told.update(env)
        raise OSError

    for name in ("SDCOLAB_USUARIO", "CIVITAI_TOKEN", "MI_API_KEY"):
        monkeypatch.setenv(name, "secreto")
    monkeypatch.setattr(classify.subprocess, "run", started)
    path = tmp_path / "x.ckpt"
    torch.save({"state_dict": zeros({"a": (2,)})}, path)
    with pytest.raises(PickleNotInspected):
        classify.pickle_header(path, path.name)
    assert "HOME" in told
    assert "secreto" not in told.values()
