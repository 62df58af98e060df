"""How long the notebook takes to start, in a real Jupyter kernel, against pip's own time.

    python tools/bench/arranque.py            # all of it, three times each
    python tools/bench/arranque.py --veces 1

In a virtual environment that has everything this one has except sdcolab, with the wheel in the content folder as a user
would leave it: from play to the panel the first time (which installs) and again; from play to the page that answers in
link mode; and what pip alone takes with the same wheel. The page does not wait for torch: what importing torch and
diffusers takes is told beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.kernel import Kernel  # noqa: E402 - the source is where this file is
from tools import publicar  # noqa: E402

PANEL_READY = "✅ El panel está abierto"
PAGE_READY = "✅ En este equipo:"


class Machine:
    """A folder with an environment that lacks sdcolab."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.content = folder / "content"
        self.content.mkdir()
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        self.python = folder / "venv" / "bin" / "python"
        mirror = folder / "preinstalado"
        mirror.mkdir()
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if not entry.name.lower().startswith(("sdcolab", "__editable__", "pip")) and entry.suffix != ".pth":
                (mirror / entry.name).symlink_to(entry)
        where = [self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        site = subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip()
        Path(site, "preinstalado.pth").write_text(f"{mirror}\n", encoding="utf-8")
        self.wheel = publicar.build(self.content, "wheel")

    def pip(self, *arguments: str | Path) -> float:
        """Seconds that pip takes."""
        command = [self.python, "-m", "pip", *arguments, "-q", "--disable-pip-version-check"]
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - started

    def uninstall(self) -> None:
        """As before the first play."""
        self.pip("uninstall", "-y", "sdcolab")

    def kernel(self) -> Kernel:
        """A kernel that runs the notebook here."""
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environ |= {"SDCOLAB_CONTENIDO": str(self.content), "SDCOLAB_CARPETA": str(self.content / "sdcolab")}
        return Kernel(self.python, environ | {"HOME": str(self.folder)}, self.content)

    def importing(self) -> float:
        """Seconds to import torch and diffusers."""
        started = time.perf_counter()
        subprocess.run([self.python, "-c", "import torch, diffusers, transformers"], check=True, capture_output=True)
        return time.perf_counter() - started


def cell(mode: str) -> str:
    """The notebook's first cell with ``mode`` chosen, without the files of the guide."""
    notebook = json.loads((ROOT / "notebooks" / "stable_diffusion.ipynb").read_text(encoding="utf-8"))
    (source,) = ["".join(one["source"]) for one in notebook["cells"] if one.get("id") == "empezar"]
    source = source.replace("recursos_de_la_guia = True", "recursos_de_la_guia = False")
    return source.replace('modo = "Panel en el cuaderno"', f"modo = {mode!r}", 1)


def seconds_until(kernel: Kernel, source: str, words: str) -> float:
    """Seconds from running a cell to ``words``."""
    started = time.perf_counter()
    kernel.run(source)
    kernel.until(words)
    return time.perf_counter() - started


def seconds_of(kernel: Kernel, source: str) -> float:
    """Seconds that the cell of the panel takes: it ends when its buttons work."""
    started = time.perf_counter()
    kernel.run(source)
    assert PANEL_READY in kernel.finish(), kernel.text
    return time.perf_counter() - started


def panel(machine: Machine) -> tuple[float, float]:
    """From play to the panel: the first time in this machine, and again in the same kernel."""
    machine.uninstall()
    kernel = machine.kernel()
    try:
        return seconds_of(kernel, cell("Panel en el cuaderno")), seconds_of(kernel, cell("Panel en el cuaderno"))
    finally:
        kernel.run("import sdcolab; sdcolab.cerrar()")
        kernel.finish()
        kernel.close()


def page(machine: Machine) -> float:
    """From play to a page that answers, with sdcolab installed."""
    kernel = machine.kernel()
    try:
        return seconds_until(kernel, cell("Enlace público"), PAGE_READY)
    finally:
        kernel.manager.interrupt_kernel()
        kernel.finish()
        kernel.close()


def told(name: str, seconds: list[float]) -> None:
    """One line of the table."""
    print(
        f"{name:<48} {statistics.median(seconds):6.1f} s   ({', '.join(f'{one:.1f}' for one in seconds)})", flush=True
    )


def repeated(times: int, measure: Callable[[], float]) -> list[float]:
    """``measure`` so many times."""
    return [measure() for _ in range(times)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--veces", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sdcolab-arranque-"))
    try:
        machine = Machine(folder)
        install = ("install", "--no-deps", "--no-index", "--force-reinstall", machine.wheel)
        told("pip solo, con la misma rueda", repeated(options.veces, lambda: machine.pip(*install)))
        runs = [panel(machine) for _ in range(options.veces)]
        told("▶️ → panel, la primera vez (instala)", [first for first, _ in runs])
        told("▶️ → panel, otra vez", [again for _, again in runs])
        told("▶️ con enlace → página que responde", repeated(options.veces, lambda: page(machine)))
        told("importar torch, diffusers y transformers", repeated(options.veces, machine.importing))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
