"""Instala o actualiza sdcolab en un PC, o lo devuelve a como estaba. Lo llaman instalar.sh e instalar.ps1 con uv.

Everything lies in one folder: ``herramientas/uv``, ``python/``, one environment a version in ``versiones/``, the user's
models and settings in ``datos/`` (which no update touches), and the file that opens the version named in
``actual.txt``. A new version takes that name only when it has answered; the one before stays in ``anterior.txt``.
Only Python's own library: nothing else is there yet.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PYTHON = "3.12"
INDEX = "https://download.pytorch.org/whl/"
NOW, BEFORE = "actual.txt", "anterior.txt"
EXTRAS = ("controlnet", "galeria")

PASCAL_LAST = "<2.15"
"""CUDA 12.6's builds, the last ones for GTX 10 and older, end here."""

DRIVER_13 = 580
"""First driver that CUDA 13 works with; CUDA 12 asks for 525."""
DRIVER_12 = 525


class CannotInstall(Exception):
    """Why it cannot be installed, in Spanish."""


@dataclass(frozen=True, slots=True)
class Card:
    """An NVIDIA card: its name, compute capability (0 when unknown) and the driver's major version."""

    name: str
    capability: float
    driver: int


@dataclass(frozen=True, slots=True)
class Torch:
    """Which PyTorch: what pip is asked for, the index that has it ("" is PyPI), and a word for the user."""

    wanted: str
    index: str
    word: str


Run = Callable[[Sequence[str]], str]
"""Runs a command and gives its output. Raises ``CannotInstall``."""


def choose_torch(system: str, machine: str, cards: Sequence[Card]) -> Torch:
    """The PyTorch for this machine. ``system`` and ``machine`` as ``platform`` says them; ``cards`` are NVIDIA's.

    Raises ``CannotInstall`` where PyTorch is no longer made.
    """
    if system == "Darwin":
        if machine != "arm64":
            raise CannotInstall("PyTorch ya no se hace para los Mac con Intel. Usa el cuaderno de Colab.")
        return Torch("torch", "", "Mac con Apple Silicon: se usa su GPU.")
    if machine.lower() not in ("x86_64", "amd64", "aarch64"):
        raise CannotInstall(f"No hay PyTorch para este procesador ({machine}). Usa el cuaderno de Colab.")
    if not cards:
        word = "No se encontró una tarjeta NVIDIA: se usará el procesador, que tarda minutos por imagen."
        return Torch("torch", INDEX + "cpu", word)
    card = max(cards, key=lambda one: one.capability)
    if 0 < card.capability < 5:
        return Torch("torch", INDEX + "cpu", f"{card.name} es demasiado antigua para PyTorch: se usará el procesador.")
    if card.driver < DRIVER_12:
        raise CannotInstall(
            f"El controlador de tu {card.name} es el {card.driver}, demasiado antiguo. Actualízalo desde nvidia.com y "
            "vuelve a intentarlo."
        )
    if card.capability >= 10 and card.driver < DRIVER_13:
        raise CannotInstall(
            f"Tu {card.name} necesita el controlador {DRIVER_13} o más nuevo, y está el {card.driver}. Actualízalo "
            "desde nvidia.com y vuelve a intentarlo."
        )
    if card.capability < 7.5:
        return Torch(
            f"torch{PASCAL_LAST}", INDEX + "cu126", f"{card.name}: se instala el último PyTorch que la admite."
        )
    if card.driver < DRIVER_13:
        word = f"{card.name}: con el controlador {card.driver} se usa CUDA 12.6. Uno más nuevo permitirá CUDA 13."
        return Torch(f"torch{PASCAL_LAST}", INDEX + "cu126", word)
    return Torch("torch", INDEX + "cu130", f"{card.name}: se usa CUDA 13.")


OLD_NAMES = re.compile(r"\b(GTX (?:7|8|9|10)\d{2,}|GT 10\d\d|TITAN (?:X|Xp|V)|Quadro [KMP]\d+|Tesla [KMPV]\d+)\b", re.I)
NEW_NAMES = re.compile(r"\bRTX (?:50\d\d|PRO \d+ Blackwell)\b", re.I)


def read_cards(text: str) -> tuple[Card, ...]:
    """What ``nvidia-smi --query-gpu=name,compute_cap,driver_version --format=csv,noheader`` says. Old drivers do not
    know the capability: then it is told by the name."""
    found = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) != 3 or not parts[0]:
            continue
        name, capability, driver = parts
        number = re.fullmatch(r"\d+\.\d+", capability)
        guess = 6.1 if OLD_NAMES.search(name) else 12.0 if NEW_NAMES.search(name) else 7.5
        major = re.match(r"\d+", driver)
        found.append(Card(name, float(capability) if number else guess, int(major[0]) if major else 0))
    return tuple(found)


def cards_here() -> tuple[Card, ...]:
    """NVIDIA's cards of this machine."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    query = [tool, "--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader"]
    for names in (query, [query[0], "--query-gpu=name,name,driver_version", query[2]]):
        try:
            done = subprocess.run(names, capture_output=True, text=True, check=False, timeout=60)
        except (OSError, subprocess.TimeoutExpired):  # a driver that hangs is as good as none
            return ()
        if done.returncode == 0:
            return read_cards(done.stdout)
    return ()


def run(command: Sequence[str]) -> str:
    """See ``Run``; what the command says is shown as it comes."""
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace"
        )
    except FileNotFoundError:
        raise CannotInstall(f"Falta {command[0]}: ejecuta otra vez el instalador, que lo prepara.") from None
    said = []
    for line in process.stdout or ():
        print("  " + line, end="", flush=True)
        said.append(line)
    if process.wait():
        text = "".join(said)
        if "No space left" in text or "os error 112" in text:
            raise CannotInstall("No queda espacio en el disco: hacen falta unos 10 GB libres.")
        raise CannotInstall("No se pudo instalar. Comprueba la conexión y vuelve a intentarlo: sigue donde se quedó.")
    return "".join(said)


@dataclass(frozen=True, slots=True)
class Home:
    """The folder where everything lies. ``windows``: whether programs end in ``.exe``."""

    root: Path
    windows: bool = os.name == "nt"

    @property
    def uv(self) -> Path:
        """The tool that brings Python and packages."""
        return self.root / "herramientas" / ("uv.exe" if self.windows else "uv")

    def python(self, version: str) -> Path:
        """The Python of a version's environment."""
        place = Path("Scripts", "python.exe") if self.windows else Path("bin", "python")
        return self.root / "versiones" / version / place

    def named(self, which: str) -> str:
        """The version that a file names; "" when there is none."""
        file = self.root / which
        name = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
        return name if re.fullmatch(r"[\w.-]+", name) and self.python(name).exists() else ""

    def name(self, which: str, version: str) -> None:
        """Write it down, all at once."""
        half = self.root / f"{which}.parcial"
        half.write_text(version + "\n", encoding="utf-8")
        half.replace(self.root / which)


def install(home: Home, package: str, torch: Torch, execute: Run = run, stamp: str = "") -> str:
    """Install ``package`` beside what is there, try it, and make it the one that opens. Returns its name.

    Raises ``CannotInstall``; then everything is as it was.
    """
    version = stamp or time.strftime("%Y%m%d-%H%M%S")
    folder = home.root / "versiones" / version
    python = home.python(version)
    try:
        make_environment(home, folder, execute)
        install_in = [str(home.uv), "pip", "install", "--python", str(python)]
        address = os.environ.get("SDCOLAB_INDICE_TORCH", torch.index)  # a mirror, where the network asks for one
        index = ["--index-url", address] if address else []
        execute([*install_in, torch.wanted, "torchvision", *index])  # of one index: they must fit, for the upscalers
        execute([*install_in, package_with_extras(package)])
        execute([*install_in, "--no-deps", "spandrel", "einops"])
        execute([str(python), "-m", "sdcolab", "--version"])
    except (CannotInstall, KeyboardInterrupt):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    before = home.named(NOW)
    if before:
        home.name(BEFORE, before)
    home.name(NOW, version)
    tidy(home)
    write_openers(home)
    return version


def make_environment(home: Home, folder: Path, execute: Run) -> None:
    """An environment with a Python of our own: the system's may be gone after its next update. Where there is none to
    be had, the system's. Raises ``CannotInstall``."""
    wanted = os.environ.get("SDCOLAB_PYTHON", "")
    make = [str(home.uv), "venv", "--python", wanted or PYTHON]
    if not wanted:
        try:
            execute([*make, "--managed-python", str(folder)])
        except CannotInstall:
            print("No se pudo descargar Python: se usa el de este equipo, si sirve.")
        else:
            return
    execute([*make, str(folder)])


def package_with_extras(package: str) -> str:
    """A wheel or folder as pip takes it with our extras."""
    return f"sdcolab[{','.join(EXTRAS)}] @ {Path(package).absolute().as_uri()}"


def go_back(home: Home) -> str:
    """Open the version before again; the next time, the one that was left. Raises ``CannotInstall``."""
    before, now = home.named(BEFORE), home.named(NOW)
    if not before:
        raise CannotInstall("No hay ninguna versión anterior a la que volver.")
    home.name(NOW, before)
    home.name(BEFORE, now)
    write_openers(home)
    return before


def tidy(home: Home) -> None:
    """Throw away every version but the one that opens and the one before."""
    kept = {home.named(NOW), home.named(BEFORE)}
    for folder in (home.root / "versiones").iterdir():
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def write_openers(home: Home) -> None:
    """The file that opens the page, on Windows with a shortcut on the desktop."""
    if home.windows:
        lines = [
            "@echo off",
            "chcp 65001 >nul",
            f'set /p VERSION=<"%~dp0{NOW}"',
            '"%~dp0versiones\\%VERSION%\\Scripts\\python.exe" -m sdcolab --carpeta "%~dp0datos" %*',
            "if errorlevel 1 pause",
        ]
        (home.root / "sdcolab.bat").write_text("\r\n".join(lines) + "\r\n", encoding="utf-8", newline="")
        return
    opener = home.root / "sdcolab.sh"
    opener.write_text(
        "#!/bin/sh\n"
        'aqui="$(cd "$(dirname "$0")" && pwd)"\n'
        f'exec "$aqui/versiones/$(cat "$aqui/{NOW}")/bin/python" -m sdcolab --carpeta "$aqui/datos" "$@"\n',
        encoding="utf-8",
    )
    opener.chmod(0o755)


def shortcut(home: Home) -> None:
    """A shortcut that opens the launcher: on Windows' desktop, in Linux's menu. Raises ``OSError``."""
    opener = home.root / "sdcolab.bat"
    if home.windows:
        script = (
            "$s=(New-Object -ComObject WScript.Shell).CreateShortcut("
            "[Environment]::GetFolderPath('Desktop')+'\\sdcolab.lnk');"
            "$s.TargetPath=$env:SDCOLAB_ABRIR;$s.Arguments='lanzar';$s.WorkingDirectory=$env:SDCOLAB_CASA;$s.Save()"
        )
        environ = {**os.environ, "SDCOLAB_ABRIR": str(opener), "SDCOLAB_CASA": str(home.root)}
        subprocess.run(["powershell", "-NoProfile", "-Command", script], env=environ, check=False)
    elif sys.platform == "linux":
        applications = Path.home() / ".local" / "share" / "applications"
        applications.mkdir(parents=True, exist_ok=True)
        command = str(home.root / "sdcolab.sh").replace("\\", "\\\\").replace('"', '\\"')
        entry = (
            f'[Desktop Entry]\nType=Application\nName=sdcolab\nExec="{command}" lanzar\n'
            "Terminal=true\nCategories=Graphics;\n"
        )
        (applications / "sdcolab.desktop").write_text(entry, encoding="utf-8")


def open_launcher(home: Home, version: str) -> None:
    """The page where one chooses how to open the program, until it is closed."""
    command = [str(home.python(version)), "-m", "sdcolab", "--carpeta", str(home.root / "datos"), "lanzar"]
    with contextlib.suppress(KeyboardInterrupt):
        subprocess.run(command, check=False)


def package_beside(folder: Path) -> str:
    """The wheel beside this file, the newest; or the source that this file is part of. Raises ``CannotInstall``."""
    if named := os.environ.get("SDCOLAB_PAQUETE", "").strip():
        return named
    wheels = sorted(
        folder.glob("sdcolab-*-py3-none-any.whl"), key=lambda one: [int(n) for n in re.findall(r"\d+", one.name)]
    )
    if wheels:
        return str(wheels[-1])
    if (folder.parent / "pyproject.toml").is_file():
        return str(folder.parent)
    raise CannotInstall("Falta el archivo sdcolab-….whl: descomprime el zip entero y ejecuta el instalador desde ahí.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Install, update or go back."""
    parser = argparse.ArgumentParser(description="Instala o actualiza sdcolab en este equipo.")
    parser.add_argument("--carpeta", type=Path, required=True, help="dónde va todo")
    parser.add_argument("--volver", action="store_true", help="vuelve a la versión anterior")
    parser.add_argument("--solo-torch", action="store_true", help="solo dice qué PyTorch se instalaría")
    parser.add_argument("--sin-abrir", action="store_true", help="no abre el programa al terminar")
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a file that Windows writes in its own encoding has no ✅
    home = Home(options.carpeta.absolute())
    try:
        if options.volver:
            print(f"✅ Se abrirá la versión {go_back(home)}. Tus modelos y ajustes siguen igual.")
            return 0
        torch = choose_torch(platform.system(), platform.machine(), cards_here())
        print(torch.word)
        if options.solo_torch:
            print(f"{torch.wanted} {torch.index}".strip())
            return 0
        (home.root / "datos").mkdir(parents=True, exist_ok=True)
        version = install(home, package_beside(Path(__file__).resolve().parent), torch)
    except CannotInstall as error:
        print(f"😕 {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrumpido: todo queda como estaba.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"😕 No se puede escribir en «{options.carpeta}»: {error}. Elige otra carpeta.", file=sys.stderr)
        return 1
    with contextlib.suppress(OSError):  # it opens without
        shortcut(home)
    opener = home.root / ("sdcolab.bat" if home.windows else "sdcolab.sh")
    print(f"✅ Listo. Ábrelo con {opener}. Tus modelos y ajustes están en {home.root / 'datos'}.")
    if sys.stdin.isatty() and not options.sin_abrir:
        open_launcher(home, version)
    return 0


if __name__ == "__main__":
    sys.exit(main())
