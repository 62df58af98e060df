"""The page about this machine, and the report without secrets."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sdcolab.colab.diagnosis import Finding, examine, page
from sdcolab.colab.host import ColabHost, LocalHost
from sdcolab.colab.report import known_secrets, without_secrets, write_report
from sdcolab.colab.session import session_access
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import NoCuda
from sdcolab.core.folders import Folders
from sdcolab.core.memory_plan import memory_bytes
from sdcolab.core.words import explain

SECRETS = {
    "CIVITAI_TOKEN": "0123456789abcdef0123456789abcdef",
    "HF_TOKEN": "hf_AbCdEfGhIjKlMnOpQrStUvWxYz",
    "NGROK_TOKEN": "2ABCdef_GhIjKlMnOpQrStUvWxYz",
}


class Machine(LocalHost):
    def __init__(self, card: str | None) -> None:
        super().__init__()
        self.card = card

    def gpu(self) -> str | None:
        return self.card


def of(findings: tuple[Finding, ...], title: str) -> Finding:
    (found,) = [finding for finding in findings if finding.title == title]
    return found


def test_what_is_wrong_is_said_with_advice(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "sdcolab")
    broken = folders.models(ModelKind.CHECKPOINT) / "roto.safetensors"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"<html>")
    versions = {"torch": "2.6.0", "gradio": "6.19"}
    findings = examine(Machine(None), folders, SECRETS, ask=lambda url: "civitai" not in url, installed=versions.get)
    text = page(findings)
    assert str(explain(NoCuda())) in text
    assert "roto.safetensors" in text
    assert "⚠️ civitai: no responde" in text
    assert "✅ Hugging Face: responde" in text
    assert "torch 2.6.0" in text
    assert "gradio 6.19 es anterior a la 6.27" in text
    assert "ipywidgets no instalado" in text
    assert "CIVITAI_TOKEN puesta" in text
    assert "que mirar (⚠️)" in text
    for secret in SECRETS.values():
        assert secret not in text
    assert not any(folders.root.glob("tmp*"))


def test_all_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdcolab.colab.diagnosis.LOW_MEMORY", 0)
    monkeypatch.setattr("sdcolab.colab.diagnosis.LOW_DISK", 0)
    findings = examine(Machine("Tesla T4, 15360 MiB"), Folders(tmp_path), {}, ask=lambda url: True)
    assert "Todo está bien." in page(findings)


@pytest.mark.parametrize("demo", [True, False])
def test_a_copy_without_the_demo_does_not_promise_it(
    demo: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdcolab.colab.diagnosis.has_demo", lambda: demo)
    finding = of(examine(Machine(None), Folders(tmp_path), {}, network=False), "Archivos de modelos")
    assert ("el de demostración" in finding.text, finding.problem is None) == (demo, demo)


def test_drive_and_memory(tmp_path: Path) -> None:
    host = ColabHost(tmp_path)
    assert "no conectado" in of(examine(host, Folders(tmp_path), {}, network=False), "Google Drive").text
    (tmp_path / "drive" / "MyDrive").mkdir(parents=True)
    drive = of(examine(host, Folders(tmp_path), {}, network=False), "Google Drive")
    assert str(tmp_path / "drive" / "MyDrive" / "sdcolab") in drive.text
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       100 kB\nMemFree: 1 kB\nMemAvailable:    40 kB\n")
    assert memory_bytes(meminfo) == (102400, 40960)
    assert memory_bytes(tmp_path / "no") is None


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    finding = of(examine(Machine(None), Folders(tmp_path), {}, network=False), "Carpeta del programa")
    assert finding.problem
    assert finding.problem.code == "storage.cannot_write"


def test_the_report_holds_no_secret(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "sdcolab")
    password = session_access(folders.root / ".sesion" / "acceso.json").password
    hf_home = tmp_path / "hf"
    hf_home.mkdir()
    (hf_home / "token").write_text("hf_guardadoEnDisco12345\n")
    folders.logs.mkdir(parents=True)
    every = [*SECRETS.values(), password, "hf_guardadoEnDisco12345", "otroSecreto42"]
    (folders.logs / "interfaz.log").write_text(
        "empieza\n"
        + "\n".join(f"algo {secret} algo" for secret in every[:-1])
        + "\nGET https://x/y?token=otroSecreto42&a=1\nAuthorization: Bearer otroSecreto42\nhttp://ana:otroSecreto42@x/\n"
        + "https://s3/z?X-Amz-Signature=otroSecreto42&b=2\nfinal\n"
    )
    secrets = known_secrets(folders, {**SECRETS, "HF_HOME": str(hf_home)})
    path = write_report(folders, f"página {password}", secrets)
    with zipfile.ZipFile(path) as report:
        assert set(report.namelist()) == {"diagnostico.txt", "interfaz.log"}
        content = b"\n".join(report.read(name) for name in report.namelist()).decode()
    for secret in every:
        assert secret not in content
    assert "empieza" in content
    assert "final" in content
    assert "&a=1" in content


def test_what_looks_like_a_secret_is_hidden_without_knowing_it() -> None:
    assert without_secrets("hf_" + "a" * 34, ()) == "[oculto]"
    assert without_secrets("un gato", ("gato",)) == "un gato"  # too short to be a secret


def test_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sdcolab", "diagnostico", "--sin-red", "--informe", "--carpeta", str(tmp_path / "s")],
        capture_output=True,
        text=True,
        env={**os.environ, **SECRETS, "HOME": str(tmp_path)},
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    assert "🩺 Diagnóstico de sdcolab" in done.stdout
    assert "informe-sdcolab.zip" in done.stdout
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS.values())
