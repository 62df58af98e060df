"""Install and try sdcolab with the lowest and the newest versions that ``pyproject.toml`` allows, and with Colab's.

    python tools/compatibilidad.py              # every environment, one after another (20 minutes, 3 GB at a time)
    python tools/compatibilidad.py minimos      # some of them
    python tools/compatibilidad.py --lista      # what each one holds
    python tools/compatibilidad.py 2026.08 --torch 2.11.0  # with that image's own torch, a CUDA build (7 GB)

For each: a fresh virtual environment with those versions; the notebook's own cells in a kernel of it
(``compatibilidad_cuaderno.py``), which install the wheel and must leave every other package as it was, but for those
that were too old and the user asked to renew; and ``compatibilidad_humo.py``, run by that Python. What an image that
is no longer to be had held is what was published by then.
Environments live in the system's temporary folder (``TMPDIR``) and are deleted. torch is the tested one
(``requirements.lock``) or the one asked for; environments without it test all that does not need it, and say so. A
Python that is not on this machine is skipped and told. Exit code 1 when something failed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SMOKE = Path(__file__).with_name("compatibilidad_humo.py")
CELLS = Path(__file__).with_name("compatibilidad_cuaderno.py")
NOTEBOOK = ROOT / "notebooks" / "stable_diffusion.ipynb"
LEFT_OUT = ("torch", "spandrel")
"""Requirements not to be chosen here: torch is the tested one, and spandrel asks for torchvision, which must fit it."""

KERNEL = "ipykernel"
"""What the panel is tried in. Jupyter and Colab bring it, ipywidgets 8 no longer asks for it."""

SHOWN = ("torch", "diffusers", "transformers", "huggingface_hub", "gradio", "numpy", "pillow")

COLAB_2026_08 = {
    "diffusers": "0.39.0",
    "transformers": "5.15.0",
    "tokenizers": "0.22.2",
    "safetensors": "0.8.0",
    "huggingface_hub": "1.27.0",
    "gradio": "6.24.0",
    "requests": "2.32.4",
    "pillow": "11.3.0",
    "numpy": "2.1.3",
    "scipy": "1.16.3",
    "ipython": "7.34.0",
    "ipykernel": "6.17.1",
    "ipywidgets": "7.7.1",
}
"""Colab's image of August 2026 (hechos/lanzadores.md 6)."""

COLAB_BESIDES = {"accelerate": "1.14.0", "peft": "0.20.0", "torchao": "0.10.0"}
"""What its image holds that diffusers and transformers would use, and that wants torch."""

COLAB_2026_07 = {
    **COLAB_2026_08,
    "transformers": "5.13.1",
    "gradio": "6.20.0",
    "numpy": "2.0.2",
    "huggingface_hub": "1.20.0",
}
"""Of July 2026: the facts name Python, torch, numpy, diffusers, transformers and gradio."""

COLAB_2026_04: Mapping[str, str] = {
    **COLAB_2026_07,
    "diffusers": "0.37.0",
    "transformers": "5.0.0",
    "tokenizers": "0.22.2",
    "safetensors": "0.7.0",
    "huggingface_hub": "1.8.0",
    "gradio": "5.50.0",
}
"""Of April 2026: the facts name torch 2.10 and gradio 5.50; the others are what there was by then."""

COLAB_2026_01: Mapping[str, str] = {
    **COLAB_2026_04,
    "diffusers": "0.36.0",
    "transformers": "4.57.3",
    "huggingface_hub": "0.36.0",
}
"""Of January 2026: the facts name torch 2.9 and gradio 5.50; the others are what there was by then."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What to install. ``pins`` are exact versions; every other requirement gets its newest allowed one. ``old``: some
    of it is older than what we ask for, and the notebook must say so and renew it."""

    name: str
    what: str
    python: str
    pins: Mapping[str, str]
    limits: tuple[str, ...] = ()
    torch: bool = True
    old: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one environment ended. ``problem`` is empty when all went well."""

    name: str
    versions: str
    seconds: float
    problem: str = ""
    skipped: bool = False


def environments() -> tuple[Environment, ...]:
    """All of them, in the order in which they are worth trying."""
    lowest = {name: version for name, version in bounds().items() if name not in LEFT_OUT}
    return (
        Environment("minimos", "la versión más baja de cada requisito", "3.11", lowest),
        Environment("nuevas", "la versión más nueva de cada requisito", "3.11", {}),
        Environment("2026.01", "las de la imagen de Colab de enero de 2026", "3.11", COLAB_2026_01, old=True),
        Environment("2026.04", "las de la imagen de Colab de abril de 2026", "3.11", COLAB_2026_04, old=True),
        Environment("2026.07", "las de la imagen de Colab de julio de 2026", "3.11", COLAB_2026_07 | COLAB_BESIDES),
        Environment("2026.08", "las de la imagen de Colab de agosto de 2026", "3.11", COLAB_2026_08 | COLAB_BESIDES),
        Environment("hub1", "lo más nuevo con huggingface_hub 1.x", "3.11", {}, ("huggingface_hub<2",)),
        Environment(
            "cruzado",
            "diffusers y gradio mínimos con lo demás nuevo",
            "3.11",
            {name: lowest[name] for name in ("diffusers", "gradio")},
        ),
        Environment("py312", "lo más nuevo en Python 3.12, sin torch", "3.12", {}, torch=False),
        Environment("py313", "lo más nuevo en Python 3.13, sin torch", "3.13", {}, torch=False),
        Environment("py313colab", "las de Colab en Python 3.13, sin torch", "3.13", COLAB_2026_08, torch=False),
    )


def bounds() -> dict[str, str]:
    """Lowest version of each run-time requirement, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["colab"]]
    return {name.strip(): version for name, _, version in (one.partition(">=") for one in requirements)}


def tested_torch() -> str:
    """The torch that the tests run with."""
    found = re.search(r"^torch==(\S+)$", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.M)
    assert found, "requirements.lock no nombra torch"
    return found[1]


def wanted(environment: Environment, torch: str) -> list[str]:
    """Arguments for pip: the requirements as ``pyproject.toml`` writes them, then narrowed; of torch, that version."""
    lines = [f"{name}>={version}" for name, version in bounds().items() if name not in (*LEFT_OUT, *environment.pins)]
    lines += [f"{name}=={version}" for name, version in environment.pins.items()]
    return [*lines, KERNEL, *environment.limits, *([f"torch=={torch}"] if environment.torch else [])]


def find_python(version: str) -> str | None:
    """A Python of this version that can run."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        return sys.executable
    candidate = shutil.which(f"python{version}")
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for program in (*([candidate] if candidate else []), *map(str, pyenv)):
        if subprocess.run([program, "-c", "import venv, ssl"], capture_output=True, check=False).returncode == 0:
            return program
    return None


def run(command: Sequence[str | Path], log: Path, what: str) -> str:
    """Run ``command``, adding what it prints to ``log``. Returns its output; raises ``SystemExit`` with ``what``."""
    with log.open("ab") as file:
        file.write(f"\n$ {' '.join(map(str, command))}\n".encode())
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # the wheel's code only
        done = subprocess.run(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ, check=False
        )
        file.write(done.stdout)
    if done.returncode:
        lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
        tail = "\n".join([line for line in lines if not line.startswith("WARNING")][-12:])
        raise SystemExit(f"{what}:\n{tail}")
    return done.stdout.decode("utf-8", "replace")


def packages(python: Path, log: Path) -> set[str]:
    """``name==version`` of all that is installed."""
    command = [python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"]
    return set(run(command, log, "no se ha podido listar lo instalado").split())


def try_out(environment: Environment, torch: str, wheel: Path, folder: Path) -> Outcome:
    """Build the environment below ``folder``, try it and delete it."""
    started, log = time.monotonic(), folder / f"{environment.name}.log"
    program = find_python(environment.python)
    if program is None:
        return Outcome(environment.name, f"Python {environment.python}", 0, "no está en este equipo", skipped=True)
    home = folder / environment.name
    python, versions = home / "venv" / "bin" / "python", f"Python {environment.python}"
    try:
        run([program, "-m", "venv", home / "venv"], log, "no se ha podido crear el entorno")
        install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        run([*install, "--upgrade", "pip"], log, "no se ha podido actualizar pip")  # old ones need minutes to choose
        run([*install, *wanted(environment, torch)], log, "esas versiones no se pueden instalar juntas")
        before = packages(python, log)
        versions += " " + ", ".join(sorted(one for one in before if re.split("==", one.lower())[0] in SHOWN))
        without = () if environment.torch else ("--sin-torch",)
        (home / "cuaderno" / "content").mkdir(parents=True)
        shutil.copy(wheel, home / "cuaderno" / "content")
        cells = run([python, "-P", CELLS, *without, NOTEBOOK, home / "cuaderno"], log, "el cuaderno no funciona")
        put = cells.partition("PAQUETES ")[2].strip().split(", ")
        renewed = {re.split(r"[=<>!~ ]", one)[0].replace("_", "-").lower() for one in put if one}
        if bool(renewed) != environment.old:
            raise SystemExit(f"el cuaderno ha renovado {sorted(renewed)}")
        if renewed:
            versions += f"; renovados: {', '.join(sorted(renewed))}"
        changed = {one.partition("==")[0].replace("_", "-").lower() for one in packages(python, log) ^ before}
        if others := changed - renewed - {"sdcolab"}:
            raise SystemExit(f"instalar sdcolab ha cambiado otros paquetes: {', '.join(sorted(others))}")
        run([python, "-P", SMOKE, *without, home / "prueba"], log, "no funciona")
    except SystemExit as error:
        return Outcome(environment.name, versions, time.monotonic() - started, str(error))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return Outcome(environment.name, versions, time.monotonic() - started)


def build_wheel(folder: Path) -> Path:
    """The wheel of this source."""
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    run(command, folder / "rueda.log", "no se ha podido hacer la rueda")
    (wheel,) = folder.glob("sdcolab-*.whl")
    return wheel


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what was asked for and print a table."""
    known = environments()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("entornos", nargs="*", metavar="ENTORNO")
    parser.add_argument("--lista", action="store_true", help="muestra los entornos y sus versiones")
    parser.add_argument("--torch", metavar="VERSIÓN", default=tested_torch(), help="otro que el de las pruebas")
    options = parser.parse_args(arguments)
    chosen = [one for one in known if not options.entornos or one.name in options.entornos]
    if options.lista:
        for one in chosen:
            print(f"{one.name}: {one.what}\n   {' '.join(wanted(one, options.torch))}")
        return 0
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="sdcolab-compatibilidad-") as name:
        wheel = build_wheel(Path(name))
        for one in chosen:
            print(f"⏳ {one.name}: {one.what}…", flush=True)
            outcome = try_out(one, options.torch, wheel, Path(name))
            mark = "➖" if outcome.skipped else "❌" if outcome.problem else "✅"
            print(f"{mark} {outcome.name} ({outcome.seconds:.0f} s): {outcome.versions} {outcome.problem}", flush=True)
            outcomes.append(outcome)
    failed = sum(bool(one.problem) and not one.skipped for one in outcomes)
    skipped = sum(one.skipped for one in outcomes)
    print(f"{len(outcomes) - failed - skipped} bien, {failed} mal, {skipped} sin probar")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
