"""The installer for PCs: which PyTorch, what it does, and what it leaves when something fails."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "instalador"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("instalador", FOLDER / "instalador.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["instalador"] = module
    spec.loader.exec_module(module)
    return module


pc = load()


@pytest.mark.parametrize(
    ("system", "machine", "smi", "wanted", "index"),
    [
        ("Windows", "AMD64", "NVIDIA GeForce GTX 1060 6GB, 6.1, 572.16", "torch<2.15", "cu126"),
        ("Windows", "AMD64", "NVIDIA GeForce GTX 1060, [N/A], 531.18", "torch<2.15", "cu126"),
        ("Linux", "x86_64", "Tesla V100-SXM2, 7.0, 580.10", "torch<2.15", "cu126"),
        ("Windows", "AMD64", "NVIDIA GeForce RTX 2060, 7.5, 591.44", "torch", "cu130"),
        ("Windows", "AMD64", "NVIDIA GeForce RTX 3060, 8.6, 551.86", "torch<2.15", "cu126"),
        ("Windows", "AMD64", "NVIDIA GeForce RTX 5080, 12.0, 581.57", "torch", "cu130"),
        (
            "Linux",
            "x86_64",
            "NVIDIA GeForce GTX 970, 5.2, 535.1\nNVIDIA GeForce RTX 4090, 8.9, 580.1",
            "torch",
            "cu130",
        ),
        ("Windows", "AMD64", "NVIDIA GeForce GT 710, 3.5, 551.1", "torch", "cpu"),
        ("Windows", "AMD64", "", "torch", "cpu"),
        ("Linux", "aarch64", "", "torch", "cpu"),
        ("Darwin", "arm64", "", "torch", ""),
    ],
)
def test_the_pytorch_of_each_card(system: str, machine: str, smi: str, wanted: str, index: str) -> None:
    chosen = pc.choose_torch(system, machine, pc.read_cards(smi))
    assert chosen.wanted == wanted
    assert chosen.index == (pc.INDEX + index if index else "")
    assert chosen.word


@pytest.mark.parametrize(
    ("system", "machine", "smi", "says"),
    [
        ("Darwin", "x86_64", "", "Mac con Intel"),
        ("Linux", "armv7l", "", "armv7l"),
        ("Windows", "AMD64", "NVIDIA GeForce RTX 3060, 8.6, 471.11", "Actualízalo"),
        ("Windows", "AMD64", "NVIDIA GeForce RTX 5070, 12.0, 572.16", "580"),
        ("Windows", "AMD64", "NVIDIA GeForce RTX 5090, [N/A], 566.36", "580"),
    ],
)
def test_machines_that_must_do_something_first(system: str, machine: str, smi: str, says: str) -> None:
    with pytest.raises(pc.CannotInstall, match=says):
        pc.choose_torch(system, machine, pc.read_cards(smi))


@pytest.mark.parametrize(
    "text", ["", "\n\n", "error: no devices", "a,b", ",,,", "NVIDIA-SMI has failed, because, x, y"]
)
def test_what_nvidia_smi_says_when_it_fails(text: str) -> None:
    assert pc.read_cards(text) == ()


class Executed:
    """Stands in for uv: makes the environment's Python, and fails at a command that has ``fails`` in it."""

    def __init__(self, home: Path, fails: str = "") -> None:
        self._home = home
        self._fails = fails
        self.commands: list[list[str]] = []

    def __call__(self, command: Sequence[str]) -> str:
        self.commands.append(list(command))
        if command[1] == "venv":
            python = Path(command[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True, exist_ok=True)
            python.write_text('#!/bin/sh\necho "$0 $@"\n')
            python.chmod(0o755)
        if self._fails and self._fails in command:
            raise pc.CannotInstall("no hay conexión")
        return ""


TORCH = pc.Torch("torch", pc.INDEX + "cpu", "")


def test_install_update_and_back(tmp_path: Path) -> None:
    home = pc.Home(tmp_path, windows=False)
    model = tmp_path / "datos" / "models" / "mio.safetensors"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"modelo")
    executed = Executed(tmp_path)
    for stamp in ("uno", "dos", "tres"):
        pc.install(home, "sdcolab-1.whl", TORCH, executed, stamp)
    assert (home.named(pc.NOW), home.named(pc.BEFORE)) == ("tres", "dos")
    assert sorted(path.name for path in (tmp_path / "versiones").iterdir()) == ["dos", "tres"]
    assert pc.go_back(home) == "dos"
    opened = subprocess.run([tmp_path / "sdcolab.sh", "--medvram"], capture_output=True, text=True, check=True).stdout
    assert opened.split() == [
        str(tmp_path / "versiones/dos/bin/python"), "-m", "sdcolab", "--carpeta", str(tmp_path / "datos"), "--medvram",
    ]  # fmt: skip
    assert pc.go_back(home) == "tres"
    assert model.read_bytes() == b"modelo"
    torch = next(command for command in executed.commands if "torch" in command)
    assert torch[-4:] == ["torch", "torchvision", "--index-url", pc.INDEX + "cpu"]  # upscalers need one that fits


def test_the_system_s_python_is_only_used_where_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SDCOLAB_PYTHON", raising=False)
    for fails, tries in (("", [True]), ("--managed-python", [True, False])):
        executed = Executed(tmp_path, fails)
        pc.make_environment(pc.Home(tmp_path, windows=False), tmp_path / f"v{fails}", executed)
        assert ["--managed-python" in command for command in executed.commands] == tries


@pytest.mark.parametrize("fails", ["torch", "--version"])
def test_an_update_that_fails_changes_nothing(fails: str, tmp_path: Path) -> None:
    home = pc.Home(tmp_path, windows=False)
    pc.install(home, "sdcolab-1.whl", TORCH, Executed(tmp_path), "uno")
    with pytest.raises(pc.CannotInstall):
        pc.install(home, "sdcolab-2.whl", TORCH, Executed(tmp_path, fails), "dos")
    assert home.named(pc.NOW) == "uno"
    assert [path.name for path in (tmp_path / "versiones").iterdir()] == ["uno"]
    with pytest.raises(pc.CannotInstall, match="ninguna versión anterior"):
        pc.go_back(home)


def test_what_stands_in_the_files_is_not_trusted(tmp_path: Path) -> None:
    home = pc.Home(tmp_path, windows=False)
    (tmp_path / pc.NOW).write_text("../../otro\n")
    assert home.named(pc.NOW) == ""


def test_what_is_stopped_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    def stop(command: Sequence[str]) -> str:
        Path(command[-1]).mkdir(parents=True)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pc.install(pc.Home(tmp_path, windows=False), "sdcolab-1.whl", TORCH, stop, "uno")
    assert list((tmp_path / "versiones").iterdir()) == []


def test_a_driver_that_hangs_or_cannot_be_run_is_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidia-smi").write_text("no es un programa")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pc.cards_here() == ()


def test_all_the_way_but_the_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A menu that cannot be written, no card, and uv that is gone."""
    monkeypatch.setattr(pc.install, "__defaults__", (Executed(tmp_path), ""))
    monkeypatch.setenv("SDCOLAB_PAQUETE", "sdcolab-1.whl")
    monkeypatch.setenv("PATH", "")
    (tmp_path / "casa").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "casa"))
    assert pc.main(["--carpeta", str(tmp_path)]) == 0
    assert "Listo" in capsys.readouterr().out
    monkeypatch.setattr(pc.install, "__defaults__", (pc.run, ""))
    assert pc.main(["--carpeta", str(tmp_path)]) == 1
    assert "ejecuta otra vez el instalador" in capsys.readouterr().err


def test_windows_opens_from_its_own_folder(tmp_path: Path) -> None:
    home = pc.Home(tmp_path, windows=True)
    pc.write_openers(home)
    text = (tmp_path / "sdcolab.bat").read_bytes().decode()
    assert '"%~dp0versiones\\%VERSION%\\Scripts\\python.exe" -m sdcolab --carpeta "%~dp0datos" %*\r\n' in text
    assert text.count("\n") == text.count("\r\n")


def test_the_package_is_the_newest_wheel_beside_or_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SDCOLAB_PAQUETE", raising=False)
    folder = tmp_path / "instalador"
    folder.mkdir()
    with pytest.raises(pc.CannotInstall, match="zip entero"):
        pc.package_beside(folder)
    (tmp_path / "pyproject.toml").touch()
    assert pc.package_beside(folder) == str(tmp_path)
    for version in ("0.9.0", "0.10.0"):
        (folder / f"sdcolab-{version}-py3-none-any.whl").touch()
    assert pc.package_beside(folder).endswith("sdcolab-0.10.0-py3-none-any.whl")
    assert pc.package_with_extras("/a b/x.whl").endswith("@ file:///a%20b/x.whl")


def test_the_scripts_can_be_read() -> None:
    assert subprocess.run(["bash", "-n", FOLDER / "instalar.sh"], check=False).returncode == 0
    assert os.access(FOLDER / "instalar.sh", os.X_OK)
    powershell = (FOLDER / "instalar.ps1").read_text(encoding="utf-8")
    assert all(powershell.count(opening) == powershell.count(closing) for opening, closing in ("()", "{}", "[]"))
    assert powershell.isascii()  # Windows PowerShell reads files without a mark as its own code page
    batch = (FOLDER / "Instalar.bat").read_bytes()
    assert batch.isascii() and batch.count(b"\n") == batch.count(b"\r\n")  # cmd.exe loses its way with others


def test_instalar_sh_hands_over_to_python(tmp_path: Path) -> None:
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text('#!/bin/sh\nprintf "%s\\n" "$@" "$UV_CACHE_DIR"\n')
    uv.chmod(0o755)
    target = tmp_path / "mi carpeta"
    environ = {"PATH": f"{uv.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        [FOLDER / "instalar.sh", target, "--volver"], capture_output=True, text=True, check=True, env=environ
    )
    assert done.stdout.splitlines() == [
        *(
            "run",
            "--no-project",
            "--python",
            "3.12",
            str(FOLDER / "instalador.py"),
            "--carpeta",
            str(target),
            "--volver",
        ),
        str(target / "cache"),
    ]
    assert shutil.which(str(target / "herramientas" / "uv"))


@pytest.mark.parametrize(
    ("written", "folder", "options"),
    [
        (["--volver", "a b"], "a b", ["--volver"]),
        (["--carpeta", "c"], "c", []),
        (["d", "--sin-abrir", "--volver"], "d", ["--sin-abrir", "--volver"]),
    ],
)
def test_options_in_any_order(written: list[str], folder: str, options: list[str], tmp_path: Path) -> None:
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    uv.chmod(0o755)
    environ = {"PATH": f"{uv.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    run = [FOLDER / "instalar.sh", *written]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=environ, cwd=tmp_path)
    assert done.stdout.splitlines()[5:] == ["--carpeta", str(tmp_path / folder), *options]
    wrong = subprocess.run([FOLDER / "instalar.sh", "--quitar"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2 and "No existe la opción «--quitar»" in wrong.stderr


def test_a_uv_that_only_works_elsewhere_is_not_kept(tmp_path: Path) -> None:
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text('#!/bin/sh\nexec "$(dirname "$0")/uv-de-verdad" "$@"\n')
    uv.chmod(0o755)
    (uv.parent / "curl").write_text("#!/bin/sh\nexit 6\n")
    (uv.parent / "curl").chmod(0o755)
    environ = {"PATH": f"{uv.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    run = [FOLDER / "instalar.sh", tmp_path / "casa"]
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 1 and "conexión a internet" in done.stderr
    assert not (tmp_path / "casa" / "herramientas" / "uv").exists()


def test_without_internet_it_says_so(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "env", "mkdir", "dirname", "uname", "mktemp", "rm", "cat"):
        (tools / name).symlink_to(str(shutil.which(name)))
    curl = tools / "curl"
    curl.write_text("#!/bin/sh\nexit 6\n")
    curl.chmod(0o755)
    environ = {"PATH": str(tools), "HOME": str(tmp_path)}
    done = subprocess.run(
        [FOLDER / "instalar.sh", tmp_path / "aquí"], capture_output=True, text=True, check=False, env=environ
    )
    assert done.returncode == 1
    assert "No se pudo descargar uv" in done.stderr and "conexión a internet" in done.stderr
